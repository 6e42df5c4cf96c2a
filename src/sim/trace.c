/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/trace.h"

#include "base/err.h"
#include "base/mem.h"
#include "job/events_read.h"
#include "wire/msg.h"

#include <string.h>

#define MAX_RANKS 1000000

struct times {
    int64_t *ns;
    size_t n, cap;
    int64_t steps; /* of its order */
};

static int
add_time(struct times *t, double seconds, struct err *err)
{
    if (t->n == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 256;
        int64_t *more = mem_resize(t->ns, t->cap, cap, sizeof *more);

        if (!more)
            return err_nomem(err);
        t->ns = more;
        t->cap = cap;
    }
    t->ns[t->n++] = (int64_t)(seconds * 1e9);
    return 0;
}

/* The times of a rank, which may be a new one. */
static struct times *
get_times(struct times **ranks, size_t *n_ranks, size_t rank, struct err *err)
{
    struct times *more;

    if (rank >= *n_ranks) {
        more = mem_resize(*ranks, *n_ranks, rank + 1, sizeof *more);
        if (!more) {
            err_nomem(err);
            return NULL;
        }
        *ranks = more;
        *n_ranks = rank + 1;
    }
    return &(*ranks)[rank];
}

/* A push of several steps tells the time of all of them. */
static int
take_push(struct times *t, const struct jcur *e, struct err *err)
{
    double data = 0, compute = 0;
    int64_t steps = t->steps > 1 ? t->steps : 1;

    if (jcur_num(e, "data", 0, 1e9, &data, err) != 0 ||
        jcur_num(e, "compute", 0, 1e9, &compute, err) != 0)
        return -1;
    for (int64_t i = 0; i < steps; i++)
        if (add_time(t, (data + compute) / (double)steps, err) != 0)
            return -1;
    return 0;
}

static int
read_times(const char *path, struct times **ranks, size_t *n_ranks,
           struct err *err)
{
    struct events_reader t;
    const char *event;
    struct jcur root;
    int r;

    if (events_reader_open(&t, path, err) != 0)
        return -1;
    while ((r = events_reader_next(&t, &event, &root, err)) == 1) {
        bool is_push = !strcmp(event, "push");
        int64_t rank = 0;
        struct times *of;

        if (!is_push && strcmp(event, "release") != 0)
            continue;
        r = jcur_int(&root, "rank", 0, MAX_RANKS, &rank, err);
        of = r == 0 ? get_times(ranks, n_ranks, (size_t)rank, err) : NULL;
        if (!of) {
            r = -1;
            break;
        }
        r = is_push
                ? take_push(of, &root, err)
                : jcur_int(&root, "steps", 1, WIRE_MAX_STEPS, &of->steps, err);
        if (r != 0)
            break;
    }
    events_reader_close(&t);
    return r == 0 ? 0 : -1;
}

/* One block for all ranks, and workers that point into it. */
static int
place(struct speeds *s, uint32_t n, const struct times *ranks, size_t n_ranks,
      struct err *err)
{
    size_t total = 0, at = 0;

    for (size_t i = 0; i < n_ranks; i++)
        total += ranks[i].n;
    s->n = n;
    s->worker = mem_alloc(n, sizeof *s->worker);
    s->step = mem_alloc(total, sizeof *s->step);
    if (!s->worker || !s->step)
        return err_nomem(err);
    for (size_t i = 0; i < n_ranks; i++) {
        if (ranks[i].n == 0)
            return err_set(err, ERR_CONFIG, "no push of rank %zu in the trace",
                           i);
        for (size_t k = 0; k < ranks[i].n; k++) /* in milliseconds */
            s->step[at + k] = (double)ranks[i].ns[k] / 1e6;
        for (size_t w = i; w < n; w += n_ranks) {
            s->worker[w].kind = SPEED_STEPS;
            s->worker[w].step = s->step + at;
            s->worker[w].n_steps = ranks[i].n;
        }
        at += ranks[i].n;
    }
    return 0;
}

int
speeds_load_trace(struct speeds *s, uint32_t n, const char *path,
                  struct err *err)
{
    struct times *ranks = NULL;
    size_t n_ranks = 0;
    int r;

    memset(s, 0, sizeof *s);
    r = read_times(path, &ranks, &n_ranks, err);
    if (r == 0 && n_ranks == 0)
        r = err_set(err, ERR_CONFIG, "%s: no push in this event stream", path);
    if (r == 0 && place(s, n, ranks, n_ranks, err) != 0)
        r = err_wrap(err, "%s", path);
    for (size_t i = 0; i < n_ranks; i++)
        mem_free(ranks[i].ns);
    mem_free(ranks);
    if (r != 0)
        speeds_release(s);
    return r;
}
