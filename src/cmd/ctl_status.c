/* SPDX-License-Identifier: Apache-2.0 */
/* The status of a run as tables for people. */
#include "base/mem.h"
#include "base/str.h"
#include "cmd/ctl.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define CELL 64

/* ---- values, also of an answer that lacks them --------------------------- */

static double
number(const json_t *v, const char *key)
{
    const json_t *x = json_object_get(v, key);

    return json_is_number(x) ? json_number_value(x) : NAN;
}

static unsigned long long
count(const json_t *v, const char *key)
{
    return (unsigned long long)json_integer_value(json_object_get(v, key));
}

/* Text that passed through a file or a host's name: safe for a terminal. */
static const char *
text(char to[CELL], const json_t *v, const char *key)
{
    const char *s = json_string_value(json_object_get(v, key));

    str_escape(to, CELL, s && *s ? s : "-", s && *s ? strlen(s) : 1);
    return to;
}

/* The whole of it, with what is before it; nothing when there is none. */
static void
print_text(FILE *to, const char *before, const json_t *v, const char *key)
{
    const char *s = json_string_value(json_object_get(v, key));
    char safe[1024];

    if (!s)
        return;
    str_escape(safe, sizeof safe, s, strlen(s));
    fprintf(to, "%s%s\n", before, safe);
}

/* "%.*f" of factor times the number, or "-" */
static const char *
decimal(char to[CELL], const json_t *v, const char *key, int digits,
        double factor, const char *unit)
{
    double x = number(v, key) * factor;

    if (isnan(x))
        (void)str_printf(to, CELL, "-");
    else
        (void)str_printf(to, CELL, "%.*f%s", digits, x, unit);
    return to;
}

static const char *
duration(char to[CELL], const json_t *v, const char *key)
{
    double x = number(v, key);

    if (isnan(x))
        return "-";
    return str_duration(to, x);
}

/* ---- the run ------------------------------------------------------------- */

static void
print_run(FILE *to, const json_t *v)
{
    char a[CELL], b[CELL], c[CELL], d[CELL];

    print_text(to, "run         ", v, "run");
    fprintf(to, "coordinator pid %llu, up %s\n", count(v, "pid"),
            duration(a, v, "uptime"));
    fprintf(to, "phase       %s, policy %s\n", text(a, v, "phase"),
            text(b, v, "policy"));
    print_text(to, "stopped     ", v, "stopped");
    print_text(to, "failure     ", v, "failure");
    fprintf(to,
            "progress    epoch %s of %llu, %llu of %llu samples, %s "
            "samples/s, version %llu\n",
            decimal(a, v, "epoch", 2, 1, ""), count(v, "epochs"),
            count(v, "samples"), count(v, "samples_total"),
            str_count(b, fmax(0, number(v, "samples_per_second"))),
            count(v, "version"));
    fprintf(to,
            "training    loss %s, waiting %s, staleness %llu at most, %s "
            "on average\n",
            decimal(a, v, "train_loss", 4, 1, ""),
            decimal(b, v, "waiting_share", 1, 100, "%"),
            count(v, "max_staleness"),
            decimal(c, v, "mean_staleness", 2, 1, ""));
    fprintf(to, "test        accuracy %s after epoch %s, best %s, loss %s\n",
            decimal(a, v, "test_accuracy", 2, 100, "%"),
            decimal(b, v, "test_epoch", 2, 1, ""),
            decimal(c, v, "best_accuracy", 2, 100, "%"),
            decimal(d, v, "test_loss", 4, 1, ""));
    print_text(to, "note        ", v, "note");
    print_text(to, "checkpoint  ", v, "checkpoint");
}

/* ---- its workers --------------------------------------------------------- */

/* "0.2 of 10.0 s": so long ago, and when it counts as lost. */
static const char *
pair(char to[CELL], const json_t *v, const char *now, const char *limit,
     int digits)
{
    char a[CELL], b[CELL];

    (void)str_printf(to, CELL, "%s/%s", decimal(a, v, now, digits, 1, ""),
                     decimal(b, v, limit, digits, 1, ""));
    return to;
}

static void
print_worker(FILE *to, const json_t *v, int host_width)
{
    char host[CELL], state[CELL], heard[CELL], iteration[CELL];

    fprintf(to,
            "%4llu  %-8s  %-*s %8llu %10llu %8llu  %-11s %-13s %8llu %5llu\n",
            count(v, "rank"), text(state, v, "state"), host_width,
            text(host, v, "host"), count(v, "pid"), count(v, "iterations"),
            count(v, "clock"), pair(heard, v, "last_heard", "silence_limit", 1),
            pair(iteration, v, "iteration_median", "iteration_limit", 2),
            count(v, "restarts"), count(v, "bad_pushes"));
}

void
ctl_print_status(FILE *to, const json_t *answer)
{
    const json_t *workers = json_object_get(answer, "workers");
    size_t n = json_array_size(workers);
    int width = 4;

    print_run(to, answer);
    for (size_t i = 0; i < n; i++) {
        char host[CELL];
        int w = (int)strlen(text(host, json_array_get(workers, i), "host"));

        width = w > width ? w : width;
    }
    fprintf(to, "\nrank  state     %-*s %8s %10s %8s  %-11s %-13s %8s %5s\n",
            width, "host", "pid", "iterations", "clock", "heard/limit",
            "iter/limit", "restarts", "bad");
    for (size_t i = 0; i < n; i++)
        print_worker(to, json_array_get(workers, i), width);
}
