/* SPDX-License-Identifier: Apache-2.0 */
#include "view/tally_impl.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <math.h>
#include <string.h>

#define MAX_SECONDS 1e12
#define MAX_COUNT   (INT64_C(1) << 62)

static const char *const phase_names[] = {
    [TALLY_STARTING] = "starting",
    [TALLY_TRAINING] = "training",
    [TALLY_ENDING] = "ending",
    [TALLY_OVER] = "over",
};
static const char *const part_names[] = {
    [TALLY_COMPUTE] = "compute", [TALLY_DATA] = "data", [TALLY_PUSH] = "push",
    [TALLY_WAIT] = "wait",       [TALLY_PULL] = "pull",
};

const char *
tally_phase_name(enum tally_phase p)
{
    return phase_names[p];
}

const char *
tally_part_name(enum tally_part p)
{
    return part_names[p];
}

void
tally_init(struct tally *t)
{
    *t = (struct tally){.n = 0};
    tally_clear(t);
}

void
tally_release(struct tally *t)
{
    mem_free(t->worker);
    *t = (struct tally){.n = 0};
}

/* ---- values of an event -------------------------------------------------- */

/* A count that may be absent: 0 then. */
int
tally_get_count(const struct jcur *e, const char *key, uint64_t *to,
                struct err *err)
{
    int64_t v = 0;

    if (jcur_int_or(e, key, 0, MAX_COUNT, &v, err) != 0)
        return -1;
    *to = (uint64_t)v;
    return 0;
}

int
tally_get_seconds(const struct jcur *e, const char *key, double *to,
                  struct err *err)
{
    *to = 0;
    return jcur_num_or(e, key, 0, MAX_SECONDS, to, err);
}

/* null is what is not finite. */
int
tally_get_number(const struct jcur *e, const char *key, double *to,
                 struct err *err)
{
    struct jcur at = jcur_key(e, key);

    *to = NAN;
    if (!at.v || json_is_null(at.v))
        return 0;
    return jcur_num(e, key, -INFINITY, INFINITY, to, err);
}

/* Too long a text is cut between two characters; JSON is valid UTF-8. */
int
tally_get_text(const struct jcur *e, const char *key, char *to, size_t cap,
               struct err *err)
{
    const char *s = "";
    size_t n;

    if (jcur_str_or(e, key, &s, err) != 0)
        return -1;
    n = strlen(s);
    if (n >= cap)
        for (n = cap - 1; n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80; n--)
            ;
    memcpy(to, s, n);
    to[n] = '\0';
    return 0;
}

/* ---- events -------------------------------------------------------------- */

int
tally_feed(struct tally *t, const char *event, const struct jcur *root,
           struct err *err)
{
    tally_worker_fn *of_worker = tally_find_worker(event);
    tally_run_fn *of_run = of_worker ? NULL : tally_find_run(event);
    struct tally_worker *w;

    if (tally_get_seconds(root, "t", &t->t, err) != 0)
        return -1;
    if (of_run)
        return of_run(t, root, err);
    if (!of_worker)
        return 0;
    w = tally_get_worker(t, root, err);
    return w ? of_worker(t, w, root, err) : -1;
}

/* ---- what follows from the sums ------------------------------------------ */

double
tally_loss(const struct tally *t)
{
    return t->loss_one > 0 ? t->loss_sum / t->loss_one : NAN;
}

double
tally_epoch(const struct tally *t)
{
    if (t->total == 0)
        return NAN;
    return (double)t->samples * (double)t->epochs / (double)t->total;
}

uint32_t
tally_present(const struct tally *t)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < t->n; i++)
        n += t->worker[i].state >= TALLY_HELD;
    return n;
}

double
tally_part(const struct tally_worker *w, enum tally_part p, double now)
{
    double open =
        p == TALLY_WAIT && w->state == TALLY_HELD ? now - w->since : 0;

    return w->part[p] + (open > 0 ? open : 0);
}
