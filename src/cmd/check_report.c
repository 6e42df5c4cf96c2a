/* SPDX-License-Identifier: Apache-2.0 */
/* The result for people: tables of 80 columns, then what is wrong. */
#include "base/str.h"
#include "cmd/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 80
#define NAME    17
#define INDENT  4
#define UNKNOWN "-"

/* ---- cells --------------------------------------------------------------- */

/* Names of hosts differ at the beginning or at the end: what is too much is
 * left out of the middle. */
static const char *
name_cell(char to[NAME + 1], const char *name)
{
    const int head = NAME / 2, tail = NAME - head - 2;
    size_t n = strlen(name);

    if (n <= NAME)
        snprintf(to, NAME + 1, "%s", name);
    else
        snprintf(to, NAME + 1, "%.*s..%s", head, name, name + n - (size_t)tail);
    return to;
}

static const char *
bytes_cell(char to[32], double v)
{
    return isnan(v) ? UNKNOWN : str_bytes(to, v);
}

static const char *
rate_cell(char to[40], double v)
{
    char bytes[32];

    if (isnan(v))
        return UNKNOWN;
    snprintf(to, 40, "%s/s", str_bytes(bytes, v));
    return to;
}

static const char *
number_cell(char to[32], const char *format, double v)
{
    if (isnan(v))
        return UNKNOWN;
    if (strcmp(format, "%.0f") == 0)
        snprintf(to, 32, "%.0f", v);
    else
        snprintf(to, 32, "%.1f", v);
    return to;
}

static const char *
clock_cell(char to[32], const struct check_node *n)
{
    double off = fabs(n->clock_s);

    if (isnan(off))
        return UNKNOWN;
    if (off <= n->clock_error_s) /* cannot be told from 0 */
        snprintf(to, 32, "0");
    else if (off < 1)
        snprintf(to, 32, "%+.1fms", n->clock_s * 1e3);
    else
        snprintf(to, 32, "%+.0fs", n->clock_s);
    return to;
}

static const char *
data_cell(const struct check *c, const struct check_node *n)
{
    char hash[17];

    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)c->data_hash);
    if (n->facts.data_cached == 0)
        return "to send";
    if (!*n->facts.data_hash)
        return UNKNOWN;
    return strcmp(n->facts.data_hash, hash) == 0 ? "same" : "other";
}

/* The widest vectors it has: what speed depends on most. */
static const char *
vectors_cell(const struct check_node *n)
{
    static const struct {
        const char *feature, *name;
    } known[] = {{"amx_tile", "amx"}, {"avx512f", "avx512"}, {"avx2", "avx2"},
                 {"avx", "avx"},      {"sse4_2", "sse4"},    {"sve", "sve"},
                 {"asimd", "neon"}};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strstr(n->facts.cpu_features, known[i].feature))
            return known[i].name;
    return UNKNOWN;
}

/* ---- tables -------------------------------------------------------------- */

static void
print_host(FILE *to, const struct check *c, const struct check_node *n)
{
    char name[NAME + 1], cpus[32], load[32], memory[32], clock[32], rate[32];

    fprintf(to, "%-*s %-8s %4s %-6s %5s %8s %8s %-7s %9s\n", NAME,
            name_cell(name, n->name),
            n->slots == 0 && check_worst(&n->findings) == CHECK_OK
                ? "(here)"
                : check_verdicts[check_worst(&n->findings)],
            number_cell(cpus, "%.0f", n->facts.cpus), vectors_cell(n),
            number_cell(load, "%.1f", n->facts.load),
            bytes_cell(memory, n->facts.memory_available), clock_cell(clock, n),
            data_cell(c, n),
            isnan(n->facts.step_s)
                ? UNKNOWN
                : str_count(rate, c->job.batch / n->facts.step_s));
}

static void
print_link(FILE *to, const struct check *c, const struct check_link *l)
{
    char from[NAME + 1], other[NAME + 1], up[40], down[40], ms[32];

    fprintf(to, "%-*s %-*s ", NAME, name_cell(from, c->node[l->from].name),
            NAME, name_cell(other, c->node[l->to].name));
    if (!l->measured) {
        fprintf(to, "%s\n", l->absent ? "not measured" : "no connection");
        return;
    }
    snprintf(ms, sizeof ms, "%.3g ms", l->rtt_s * 1e3);
    fprintf(to, "%9s %12s %12s%s\n", ms, rate_cell(up, l->up_bytes_per_s),
            rate_cell(down, l->down_bytes_per_s), l->encrypted ? " tls" : "");
}

/* ---- findings ------------------------------------------------------------ */

/* Breaks at blanks; the line has `at` characters already.  What ssh or a worker
 * has printed stands in lines of its own, as it is. */
static void
print_wrapped(FILE *to, const char *text, size_t at)
{
    const char *said = strchr(text, '\n');
    size_t left = said ? (size_t)(said - text) : strlen(text);

    while (left > 0) {
        size_t word = strcspn(text, " \n"), blanks;

        if (at + 1 + word > COLUMNS && at >= INDENT) {
            fprintf(to, "\n%*s", INDENT - 1, "");
            at = INDENT - 1;
        }
        fprintf(to, " %.*s", (int)word, text);
        at += 1 + word;
        blanks = strspn(text + word, " ");
        text += word + blanks;
        left -= word + blanks;
    }
    fprintf(to, "%s\n", said ? said : "");
}

static void
print_finding(FILE *to, const struct check_node *n,
              const struct check_finding *f)
{
    int at = fprintf(to, "%s: %s: %s:", check_verdicts[f->verdict], n->name,
                     f->subject);

    print_wrapped(to, f->text, at > 0 ? (size_t)at : 0);
    if (*f->advice) {
        fprintf(to, "%*s", INDENT - 1, "");
        print_wrapped(to, f->advice, INDENT - 1);
    }
}

static void
print_totals(FILE *to, const struct check *c)
{
    size_t n[3] = {0}, hosts = 0;

    for (size_t i = 0; i < c->n_nodes; i++) {
        if (c->node[i].slots == 0 &&
            check_worst(&c->node[i].findings) == CHECK_OK)
            continue;
        n[check_worst(&c->node[i].findings)]++;
        hosts++;
    }
    fprintf(to, "%zu host%s: %zu ok, %zu with warnings, %zu with errors\n",
            hosts, hosts == 1 ? "" : "s", n[CHECK_OK], n[CHECK_WARNING],
            n[CHECK_ERROR]);
}

void
check_print(FILE *to, const struct check *c)
{
    bool any = false;

    fprintf(to, "%-*s %-8s %4s %-6s %5s %8s %8s %-7s %9s\n", NAME, "host",
            "verdict", "cpus", "vector", "load", "memory", "clock", "data",
            "samples/s");
    for (size_t i = 0; i < c->n_nodes; i++)
        print_host(to, c, &c->node[i]);
    if (c->n_links > 0)
        fprintf(to, "\n%-*s %-*s %9s %12s %12s\n", NAME, "from", NAME, "to",
                "roundtrip", "there", "back");
    for (size_t i = 0; i < c->n_links; i++)
        print_link(to, c, &c->link[i]);
    fputc('\n', to);
    for (size_t i = 0; i < c->n_nodes; i++)
        for (size_t k = 0; k < c->node[i].findings.n; k++) {
            print_finding(to, &c->node[i], &c->node[i].findings.v[k]);
            any = true;
        }
    if (any)
        fputc('\n', to);
    print_totals(to, c);
}
