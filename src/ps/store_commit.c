/* SPDX-License-Identifier: Apache-2.0 */
/* Adding up and updates: passes over memory. */
#include "base/crew.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/vec.h"
#include "ps/store_impl.h"

#include <ebsp/policy.h>

#include <string.h>

/* Elements at a time: what an update touches of them stays in the cache. */
#define BLOCK ((size_t)4096)
/* A part of an update that is worth another thread's while. */
#define PART ((size_t)1 << 16)

/* ---- one pass ------------------------------------------------------------ */

/* What an update does, cut into parts. */
struct pass {
    struct store *s;
    const float *from;      /* parameters before ... */
    float *to;              /* ... and after; may be the same */
    double weight;          /* of the sum */
    struct optim_step step; /* of gradients */
    size_t n_parts;
    /* For elements at .. at + n - 1 of a segment; sum may be written. */
    void (*block)(const struct pass *p, const struct segment *seg, size_t at,
                  size_t n, float *sum);
};

/* The accumulator, elements at .. at + n - 1, in `to`. */
static void
gather(const struct store *s, size_t at, size_t n, float *to)
{
    size_t i = 0;

    if (!s->is_summed)
        vec_set_scaled(to, s->added[i].weight, s->added[i].push + at, n);
    else if (to != s->sum + at)
        memcpy(to, s->sum + at, n * sizeof *to);
    for (i += !s->is_summed; i < s->n_added; i++)
        vec_axpy(to, s->added[i].weight, s->added[i].push + at, n);
}

/* The blocks of one segment that lie in begin .. end - 1 of the vector. */
static void
pass_segment(const struct pass *p, const struct segment *seg, size_t begin,
             size_t end)
{
    _Alignas(64) float sum[BLOCK];

    if (begin < seg->offset)
        begin = seg->offset;
    if (end > seg->offset + seg->count)
        end = seg->offset + seg->count;
    for (size_t at = begin, n; at < end; at += n) {
        n = end - at < BLOCK ? end - at : BLOCK;
        p->block(p, seg, at, n, sum);
    }
}

static void
pass_part(void *ctx, unsigned part)
{
    const struct pass *p = ctx;
    const struct segtab *t = p->s->t;
    size_t units = t->n_floats / SEGMENT_ALIGN;
    size_t begin = units * part / p->n_parts * SEGMENT_ALIGN;
    size_t end = units * (part + 1) / p->n_parts * SEGMENT_ALIGN;

    for (size_t i = 0; i < t->n && t->seg[i].offset < end; i++)
        if (t->seg[i].offset + t->seg[i].count > begin)
            pass_segment(p, &t->seg[i], begin, end);
}

static void
pass_run(struct pass *p)
{
    size_t most = p->s->t->n_floats / PART + 1;

    p->n_parts = 4 * (size_t)crew_get_size(p->s->crew);
    if (p->n_parts > most)
        p->n_parts = most;
    crew_run(p->s->crew, (unsigned)p->n_parts, pass_part, p);
}

/* ---- adding up ----------------------------------------------------------- */

static void
block_sum(const struct pass *p, const struct segment *seg, size_t at, size_t n,
          float *sum)
{
    (void)seg;
    (void)sum;
    gather(p->s, at, n, p->s->sum + at);
}

int
store_settle(struct store *s, struct err *err)
{
    struct pass p = {.s = s, .block = block_sum};

    if (!s->sum)
        s->sum = mem_alloc_aligned(s->t->n_floats * sizeof(float));
    if (!s->sum)
        return err_nomem(err);
    pass_run(&p);
    s->is_summed = true;
    s->n_added = 0;
    return 0;
}

/* ---- updates ------------------------------------------------------------- */

/* The sum of gradients wants the policy's weight, the statistics their mean:
 * they are levels, not steps. */
static void
scale(const struct pass *p, const struct segment *seg, float *sum, size_t n)
{
    double w = p->weight, total = p->s->weight_sum;

    if (seg->kind == SEGMENT_STAT)
        w = total != 0.0 ? 1.0 / total : 0.0;
    if (w != 1.0)
        vec_scale(sum, (float)w, n);
}

static void
block_scale(const struct pass *p, const struct segment *seg, size_t at,
            size_t n, float *sum)
{
    sum = p->s->sum + at;
    scale(p, seg, sum, n);
    optim_clip_value(p->s->optim, seg, sum, n);
}

static void
block_gradient(const struct pass *p, const struct segment *seg, size_t at,
               size_t n, float *sum)
{
    gather(p->s, at, n, sum);
    scale(p, seg, sum, n);
    if (p->from != p->to)
        memcpy(p->to + at, p->from + at, n * sizeof *sum);
    optim_move(p->s->optim, &p->step, seg, at - seg->offset, n, p->to + at,
               sum);
}

/* Scaled already, for a norm. */
static void
block_clipped(const struct pass *p, const struct segment *seg, size_t at,
              size_t n, float *sum)
{
    (void)sum;
    if (p->from != p->to)
        memcpy(p->to + at, p->from + at, n * sizeof *sum);
    optim_move(p->s->optim, &p->step, seg, at - seg->offset, n, p->to + at,
               p->s->sum + at);
}

static void
block_delta(const struct pass *p, const struct segment *seg, size_t at,
            size_t n, float *sum)
{
    (void)seg;
    gather(p->s, at, n, sum);
    if (p->from != p->to)
        memcpy(p->to + at, p->from + at, n * sizeof *sum);
    vec_axpy(p->to + at, (float)p->weight, sum, n);
}

static void
block_model(const struct pass *p, const struct segment *seg, size_t at,
            size_t n, float *sum)
{
    (void)seg;
    gather(p->s, at, n, sum);
    vec_set_scaled(p->to + at, (float)p->weight, sum, n);
}

/* The norm that clips is one of everything, so that comes first: settled. */
static void
update(struct store *s, struct pass *p, double lr)
{
    double factor = 1;

    p->block = block_gradient;
    if (optim_is_clipping_norm(s->optim)) {
        p->block = block_scale;
        pass_run(p);
        factor = optim_clip_factor(s->optim, optim_norm(s->t, s->sum));
        p->block = block_clipped;
    }
    optim_begin(s->optim, lr, factor, &p->step);
    pass_run(p);
}

/* What others have computed is counted. */
static void
commit_elsewhere(struct store *s)
{
    if (s->kind == EBSP_PUSH_GRADIENT)
        optim_set_count(s->optim, optim_get_count(s->optim) + 1);
    s->now->version++;
    store_discard(s);
}

int
store_commit(struct store *s, double weight, double lr, struct err *err)
{
    struct pass pass = {.s = s, .from = s->now->v, .weight = weight};
    struct params *p;

    if (s->n_added == 0 && !s->is_summed)
        return err_set(err, ERR_POLICY, "nothing to commit");
    if (s->is_hollow) {
        commit_elsewhere(s);
        return 0;
    }
    if (s->kind == EBSP_PUSH_GRADIENT && optim_is_clipping_norm(s->optim) &&
        store_settle(s, err) != 0)
        return -1;
    p = store_get_writable(s);
    if (!p)
        return err_nomem(err);
    pass.to = p->v;
    switch (s->kind) {
    case EBSP_PUSH_DELTA:
        pass.block = block_delta;
        pass_run(&pass);
        break;
    case EBSP_PUSH_MODEL:
        pass.block = block_model;
        pass_run(&pass);
        break;
    default:
        update(s, &pass, lr);
        break;
    }
    store_publish(s, p);
    store_discard(s);
    return 0;
}
