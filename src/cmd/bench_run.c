/* SPDX-License-Identifier: Apache-2.0 */
/* Works the matrix off, tells how far it is, and writes down what comes out. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "cmd/bench.h"
#include "study/pool.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct teller {
    bool quiet, live; /* live: one line that is drawn again and again */
    size_t n_missing; /* at the start */
    size_t n_done;    /* of them */
    int64_t begin_ns;
};

static void
teller_init(struct teller *t, const struct bench *b)
{
    const char *term = getenv("TERM");

    *t =
        (struct teller){.quiet = b->options->quiet, .begin_ns = clock_now_ns()};
    t->live = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
    for (size_t i = 0; i < b->study.n_cells; i++)
        t->n_missing += !b->study.cell[i].result;
}

static void
describe(const struct study *s, const struct cell *c, char *to, size_t cap)
{
    bool many = s->n_conventions > 1;

    snprintf(to, cap, "%s%s%s %s seed %" PRIu64, s->scenario[c->scenario].name,
             many ? " " : "",
             many ? convention_names[s->convention[c->convention]] : "",
             s->policy[c->policy].spec, c->seed);
}

/* Cells cost about the same: what is left takes as long each as those so far.
 */
static void
tell_begin(const struct teller *t, const struct bench *b, const struct cell *c)
{
    double spent = (double)(clock_now_ns() - t->begin_ns) / 1e9;
    char what[300], left[48] = "", eta[32];

    if (t->quiet || !t->live)
        return;
    describe(&b->study, c, what, sizeof what);
    if (t->n_done > 0)
        snprintf(left, sizeof left, ", ETA %s",
                 str_duration(eta, spent / (double)t->n_done *
                                       (double)(t->n_missing - t->n_done)));
    fprintf(stderr, "\r\033[K%zu/%zu%s: %.60s ", t->n_done, t->n_missing, left,
            what);
    fflush(stderr);
}

static void
tell_end(const struct teller *t, const struct bench *b, const struct cell *c)
{
    int64_t now = clock_now_ns();
    double took = (double)(now - c->begin_ns) / 1e9;
    double spent = (double)(now - t->begin_ns) / 1e9;
    double accuracy = result_get(c->result, "final_accuracy");
    const char *status =
        json_string_value(json_object_get(c->result, "status"));
    const char *why = json_string_value(json_object_get(c->result, "failure"));
    char what[300], seconds[32], eta[32];

    if (t->quiet)
        return;
    describe(&b->study, c, what, sizeof what);
    if (t->live)
        fputs("\r\033[K", stderr);
    fprintf(stderr, "%zu/%zu %s: ", t->n_done, t->n_missing, what);
    if (why)
        fprintf(stderr, "%s: %s", status, why);
    else
        fprintf(stderr, "accuracy %.2f%%", 100 * accuracy);
    fprintf(stderr, ", took %s", str_duration(seconds, took));
    if (t->n_done < t->n_missing)
        fprintf(stderr, ", ETA %s",
                str_duration(eta, spent / (double)t->n_done *
                                      (double)(t->n_missing - t->n_done)));
    fputc('\n', stderr);
}

static void
tell_start(const struct teller *t, const struct bench *b)
{
    size_t n = b->study.n_cells;

    if (b->folder.n_damaged > 0)
        fprintf(stderr,
                "ebsp: warning: %zu cell%s cannot be read and will be made "
                "again: %s\n",
                b->folder.n_damaged, b->folder.n_damaged == 1 ? "" : "s",
                b->folder.damaged.text);
    if (t->quiet)
        return;
    fprintf(stderr, "%s: %zu cell%s", b->folder.path, n, n == 1 ? "" : "s");
    if (t->n_missing < n)
        fprintf(stderr, ", %zu of them are there", n - t->n_missing);
    fputs(t->n_missing ? "; after an interruption the same command goes on\n"
                       : "\n",
          stderr);
}

static int
publish(const struct bench *b, json_t **bench, struct err *err)
{
    json_decref(*bench);
    *bench = study_tabulate(&b->study, err);
    return *bench ? folder_publish(&b->folder, *bench, err) : -1;
}

/* What went wrong is told with the cell that it concerns. */
static int
blame(const struct bench *b, const struct cell *c, const struct err *why,
      struct err *err)
{
    char what[300];

    describe(&b->study, c, what, sizeof what);
    return err_set(err, why->code, "%s: %s", what, why->text);
}

static void
begin_cell(struct teller *t, const struct bench *b, struct cell *c)
{
    c->begin_ns = clock_now_ns();
    tell_begin(t, b, c);
}

static int
end_cell(struct teller *t, const struct bench *b, const struct cell *c,
         json_t **bench, struct err *err)
{
    t->n_done++;
    tell_end(t, b, c);
    return folder_keep(&b->folder, c, err) == 0 ? publish(b, bench, err) : -1;
}

static int
run_live(struct bench *b, struct teller *t, json_t **bench, struct err *err)
{
    struct study *s = &b->study;
    int r = 0;

    for (size_t i = 0; r == 0 && i < s->n_cells && !b->stopped; i++) {
        struct cell *c = &s->cell[i];
        struct err why = ERR_INIT;

        if (c->result)
            continue;
        begin_cell(t, b, c);
        if (bench_live(b, c, &c->result, &why) != 0)
            return blame(b, c, &why, err);
        if (!c->result) /* interrupted */
            break;
        r = end_cell(t, b, c, bench, err);
    }
    return r;
}

/* The other cells may well be possible, so it is no more than its result. */
static bool
fail(struct cell *c, const struct err *why)
{
    if (why->code != ERR_NOMEM && why->code != ERR_SYS)
        c->result = result_failed(why, NULL);
    return c->result;
}

static int
run_virtual(struct bench *b, struct teller *t, json_t **bench, struct err *err)
{
    struct study *s = &b->study;
    struct pool *pool = pool_new(s, (unsigned)b->options->jobs, err);
    size_t next = 0;
    int r = pool ? 0 : -1;

    if (r == 0 && t->n_missing > 0)
        r = pool_prepare(pool, err);
    while (r == 0) {
        struct err why = ERR_INIT;
        struct cell *c;

        if (next < s->n_cells && s->cell[next].result) {
            next++;
        } else if (next < s->n_cells && pool_has_room(pool)) {
            begin_cell(t, b, &s->cell[next]);
            r = pool_start(pool, &s->cell[next++], err);
        } else if (pool_is_idle(pool)) {
            break;
        } else if (pool_wait(pool, &c, &why) == 0 || (c && fail(c, &why))) {
            r = end_cell(t, b, c, bench, err);
        } else {
            r = c ? blame(b, c, &why, err)
                  : err_set(err, why.code, "%s", why.text);
        }
    }
    pool_free(pool);
    return r;
}

static int
print(const struct bench *b, const json_t *bench, struct err *err)
{
    struct buf text = BUF_INIT((size_t)256 << 20);
    int r = 0;

    if (b->options->json) {
        r = json_dump(bench, 2, &text, err);
        if (r == 0)
            printf("%s\n", text.data);
        buf_release(&text);
    } else {
        bench_print(stdout, bench);
    }
    return r;
}

static int
count_failures(const struct study *s, struct err *err)
{
    const struct cell *first = NULL;
    size_t n = 0;
    char what[300];

    for (size_t i = 0; i < s->n_cells; i++)
        if (s->cell[i].result && result_is(s->cell[i].result, "failed")) {
            first = first ? first : &s->cell[i];
            n++;
        }
    if (n == 0)
        return 0;
    describe(s, first, what, sizeof what);
    return err_set(
        err, ERR_FAIL,
        "%zu of %zu cells failed, the first one is %s: %s; the same command "
        "tries again",
        n, s->n_cells, what,
        json_string_value(json_object_get(first->result, "failure")));
}

int
bench_run(struct bench *b, struct err *err)
{
    struct study *s = &b->study;
    struct teller t;
    json_t *bench = NULL;
    int r;

    teller_init(&t, b);
    tell_start(&t, b);
    r = s->is_virtual ? run_virtual(b, &t, &bench, err)
                      : run_live(b, &t, &bench, err);
    if (t.live && !t.quiet)
        fputs("\r\033[K", stderr);
    if (r == 0 && !b->stopped) {
        r = publish(b, &bench, err); /* of another target, perhaps */
        if (r == 0)
            r = print(b, bench, err);
        if (r == 0)
            r = count_failures(s, err);
    }
    json_decref(bench);
    return r;
}
