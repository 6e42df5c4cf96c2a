/* SPDX-License-Identifier: Apache-2.0 */
#include "ps/store.h"

#include "base/crew.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/shm.h"
#include "base/vec.h"
#include "wire/pieces.h"

#include <ebsp/policy.h>

#include <assert.h>
#include <string.h>

/* Elements at a time: what an update touches of them stays in the cache. */
#define BLOCK ((size_t)4096)
/* A part of an update that is worth another thread's while. */
#define PART ((size_t)1 << 16)

struct added {
    const float *push; /* borrowed */
    float weight;
};

struct store {
    const struct segtab *t;
    struct optim *optim;
    struct crew *crew; /* NULL: no threads */
    struct shm shared; /* slots of published vectors */
    uint32_t n_slots, n_used;
    struct params *now;   /* the store holds one reference of it */
    struct params *spare; /* nobody refers to these */

    /* The accumulator: `sum`, once something had to be read early, and then
     * what was added since. */
    float *sum; /* NULL before it is first needed */
    bool is_summed;
    struct added *added;
    size_t n_added, cap_added;
    double weight_sum; /* of all */
    uint32_t kind;     /* EBSP_PUSH_* of all */
};

static size_t
stride(const struct store *s)
{
    return shm_stride(s->t->n_floats * sizeof(float));
}

int
store_get_fd(const struct store *s)
{
    return s->shared.fd;
}

static void
params_free(struct params *p)
{
    if (!p)
        return;
    if (p->slot == STORE_PRIVATE)
        mem_free(p->v);
    mem_free(p->sum);
    mem_free(p);
}

static struct params *
params_new(struct store *s)
{
    struct params *p = mem_alloc(1, sizeof *p);

    if (!p)
        return NULL;
    p->store = s;
    p->slot = STORE_PRIVATE;
    p->sum = mem_alloc(s->t->n_floats / PIECE_MAX + 1, sizeof *p->sum);
    if (s->n_used < s->n_slots) {
        p->slot = s->n_used++;
        p->v = (float *)(void *)(s->shared.base + p->slot * stride(s));
    } else {
        p->v = mem_alloc_aligned(s->t->n_floats * sizeof(float));
    }
    if (p->sum && p->v)
        return p;
    params_free(p);
    return NULL;
}

struct store *
store_new(const struct segtab *t, const struct optim_config *o,
          const struct store_options *options, struct err *err)
{
    struct store *s = mem_alloc(1, sizeof *s);

    if (!s) {
        err_nomem(err);
        return NULL;
    }
    s->t = t;
    s->shared = SHM_NONE;
    s->optim = optim_new(o, t, err);
    if (!s->optim)
        goto fail;
    if (options->threads > 1) {
        s->crew = crew_new(options->threads, err);
        if (!s->crew)
            goto fail;
    }
    if (options->n_slots > 0 &&
        shm_new(&s->shared, "ebsp-parameters", options->n_slots * stride(s),
                SHM_PEERS_READ, NULL) == 0)
        s->n_slots = options->n_slots;
    s->now = params_new(s);
    if (!s->now) {
        err_nomem(err);
        goto fail;
    }
    s->now->refs = 1;
    return s;
fail:
    store_free(s);
    return NULL;
}

/* References that others hold must be given back before. */
void
store_free(struct store *s)
{
    if (!s)
        return;
    params_free(s->now);
    while (s->spare) {
        struct params *p = s->spare;

        s->spare = p->next;
        params_free(p);
    }
    crew_free(s->crew);
    optim_free(s->optim);
    shm_release(&s->shared);
    mem_free(s->sum);
    mem_free(s->added);
    mem_free(s);
}

float *
store_edit(struct store *s)
{
    assert(s->now->refs == 1);
    return s->now->v;
}

struct optim *
store_get_optim(struct store *s)
{
    return s->optim;
}

void
store_set_version(struct store *s, uint64_t version)
{
    s->now->version = version;
}

uint64_t
store_get_version(const struct store *s)
{
    return s->now->version;
}

const float *
store_peek(const struct store *s)
{
    return s->now->v;
}

struct params *
store_ref(struct store *s)
{
    s->now->refs++;
    return s->now;
}

void
store_unref(struct params *p)
{
    struct store *s = p->store;

    assert(p->refs > 0);
    if (--p->refs > 0)
        return;
    assert(p != s->now);
    p->next = s->spare;
    s->spare = p;
}

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

/* What was added is read. */
static int
settle(struct store *s, struct err *err)
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

int
store_let_go(struct store *s, const float *push, struct err *err)
{
    for (size_t i = 0; i < s->n_added; i++)
        if (s->added[i].push == push)
            return settle(s, err);
    return 0;
}

int
store_add(struct store *s, const float *push, uint32_t kind, double weight,
          struct err *err)
{
    if ((s->n_added > 0 || s->is_summed) && s->kind != kind)
        return err_set(err, ERR_POLICY,
                       "a gradient, a delta and a model cannot be added up");
    if (store_let_go(s, push, err) != 0)
        return -1;
    if (s->n_added == s->cap_added) {
        size_t cap = s->cap_added ? 2 * s->cap_added : 8;
        struct added *more =
            mem_resize(s->added, s->cap_added, cap, sizeof *more);

        if (!more)
            return err_nomem(err);
        s->added = more;
        s->cap_added = cap;
    }
    s->added[s->n_added++] = (struct added){push, (float)weight};
    s->kind = kind;
    s->weight_sum += weight;
    return 0;
}

double
store_get_weight(const struct store *s)
{
    return s->weight_sum;
}

void
store_discard(struct store *s)
{
    s->n_added = 0;
    s->is_summed = false;
    s->weight_sum = 0.0;
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

/* One that others can read where it is, if there is any: there are private ones
 * when many vectors were in use at some time. */
static struct params *
take_spare(struct store *s)
{
    struct params **at = &s->spare, *p;

    for (struct params **i = at; *i; i = &(*i)->next)
        if ((*i)->slot != STORE_PRIVATE) {
            at = i;
            break;
        }
    p = *at;
    if (p)
        *at = p->next;
    return p;
}

/* A vector for the next version: the current one when only the store refers to
 * it, else a spare one. */
static struct params *
writable(struct store *s)
{
    struct params *p = s->now;

    if (p->refs == 1)
        return p;
    p = take_spare(s);
    return p ? p : params_new(s);
}

static void
publish(struct store *s, struct params *p)
{
    uint64_t version = s->now->version + 1;

    if (p != s->now) {
        s->now->refs--; /* somebody else still has it */
        p->refs = 1;
        p->next = NULL;
        s->now = p;
    }
    p->version = version;
    p->n_sums = 0;
}

int
store_commit(struct store *s, double weight, double lr, struct err *err)
{
    struct pass pass = {.s = s, .from = s->now->v, .weight = weight};
    struct params *p;

    if (s->n_added == 0 && !s->is_summed)
        return err_set(err, ERR_POLICY, "nothing to commit");
    if (s->kind == EBSP_PUSH_GRADIENT && optim_is_clipping_norm(s->optim) &&
        settle(s, err) != 0)
        return -1;
    p = writable(s);
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
    publish(s, p);
    store_discard(s);
    return 0;
}
