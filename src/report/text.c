/* SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"

#include "base/mem.h"
#include "base/str.h"

#include <math.h>
#include <string.h>

#define COLUMN 11

/* Columns of the overview. */
static const struct column {
    const char *name;
    size_t offset;
    double scale;
    const char *format;
} columns[] = {
    {"best acc.", offsetof(struct account_facts, best_accuracy), 100, "%.2f%%"},
    {"accuracy", offsetof(struct account_facts, accuracy), 100, "%.2f%%"},
    {"loss", offsetof(struct account_facts, test_loss), 1, "%.4f"},
    {"seconds", offsetof(struct account_facts, seconds), 1, "%.2f"},
    {"samples/s", offsetof(struct account_facts, rate), 1, "%.1f"},
    {"waiting", offsetof(struct account_facts, waiting_share), 100, "%.1f%%"},
    {"staleness", offsetof(struct account_facts, mean_staleness), 1, "%.2f"},
    {"max", offsetof(struct account_facts, max_staleness), 1, "%.0f"},
};

/* The format is one of the table above. */
static void
put(FILE *f, const struct column *c, const struct account *a)
{
    char text[64];
    double v;

    memcpy(&v, (const char *)&a->facts + c->offset, sizeof v);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    if (isfinite(v))
        snprintf(text, sizeof text, c->format, v * c->scale);
    else
        snprintf(text, sizeof text, "-");
#pragma GCC diagnostic pop
    fprintf(f, " %*s", COLUMN - 1, text);
}

static int
widest(const struct account *a, size_t n)
{
    size_t most = 8;

    for (size_t i = 0; i < n; i++)
        most = strlen(a[i].label) > most ? strlen(a[i].label) : most;
    return most < 40 ? (int)most : 40;
}

static void
overview(const struct account *a, size_t n, FILE *f)
{
    int width = widest(a, n);
    char label[160];

    fprintf(f, "%-*s %-10s", width, "run", "status");
    for (size_t k = 0; k < ARRAY_LEN(columns); k++)
        fprintf(f, " %*s", COLUMN - 1, columns[k].name);
    fputc('\n', f);
    for (size_t i = 0; i < n; i++) {
        str_escape(label, sizeof label, a[i].label, strlen(a[i].label));
        fprintf(f, "%-*.*s %-10.10s", width, width, label, a[i].facts.status);
        for (size_t k = 0; k < ARRAY_LEN(columns); k++)
            put(f, &columns[k], &a[i]);
        fputc('\n', f);
    }
    for (size_t i = 0; i < n; i++) {
        const char *why = a[i].facts.why;
        char text[512];

        if (!why)
            continue;
        str_escape(label, sizeof label, a[i].label, strlen(a[i].label));
        str_escape(text, sizeof text, why, strlen(why));
        fprintf(f, "%s: %s\n", label, text);
    }
}

static void
hidden(const struct account *a, FILE *f)
{
    double hidden_s, all_s = account_transfer(a, &hidden_s);

    if (hidden_s > 0)
        fprintf(f, "transfer hidden behind computing: %.3f s, %.1f %%\n",
                hidden_s, 100 * hidden_s / all_s);
}

static void
workers(const struct account *a, FILE *f)
{
    char label[160], host[64];

    str_escape(label, sizeof label, a->label, strlen(a->label));
    fprintf(f, "\n%s: seconds of the workers\n%-7s %-16s %10s", label, "worker",
            "host", "iterations");
    for (int k = 0; k < N_PARTS; k++)
        fprintf(f, " %*s", COLUMN - 1, part_names[k]);
    fputc('\n', f);
    for (size_t r = 0; r < a->n_workers; r++) {
        const struct account_worker *w = &a->worker[r];

        if (!w->is_used)
            continue;
        str_escape(host, sizeof host, w->host ? w->host : "",
                   w->host ? strlen(w->host) : 0);
        fprintf(f, "%-7zu %-16.16s %10llu", r, host,
                (unsigned long long)w->iterations);
        for (int k = 0; k < N_PARTS; k++)
            fprintf(f, " %*.3f", COLUMN - 1, w->part_s[k]);
        fputc('\n', f);
    }
    hidden(a, f);
    if (a->superstep.n) {
        double sum = 0, count = 0;

        for (size_t k = 0; k < a->superstep.n; k++) {
            sum += a->superstep.point[k].sum;
            count += (double)a->superstep.point[k].n;
        }
        fprintf(f, "%.0f supersteps of %.4g s on average\n", count,
                sum / count);
    }
}

void
report_write_text(const struct account *a, size_t n, FILE *f)
{
    overview(a, n, f);
    for (size_t i = 0; i < n; i++)
        workers(&a[i], f);
}
