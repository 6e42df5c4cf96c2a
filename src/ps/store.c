/* SPDX-License-Identifier: Apache-2.0 */
#include "ps/store.h"

#include "base/crew.h"
#include "base/err.h"
#include "base/mem.h"
#include "ps/store_impl.h"
#include "wire/frame.h"
#include "wire/pieces.h"

#include <assert.h>
#include <unistd.h>

#define MIN_THREADED ((size_t)1 << 18) /* floats */
#define MAX_THREADS  4                 /* more do not add memory bandwidth */

unsigned
store_choose_threads(size_t n_floats)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    if (n_floats < MIN_THREADED || cpus < 2)
        return 1;
    return cpus < MAX_THREADS ? (unsigned)cpus : MAX_THREADS;
}

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
    s->is_hollow = options->is_hollow;
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

uint64_t
store_get_sum(struct params *p, const struct piece *x)
{
    size_t k = x->first / PIECE_MAX;

    if (k == p->n_sums)
        p->sum[p->n_sums++] =
            wire_hash(p->v + x->first, x->count * sizeof *p->v);
    return p->sum[k];
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

struct params *
store_get_writable(struct store *s)
{
    struct params *p = s->now;

    if (p->refs == 1)
        return p;
    p = take_spare(s);
    return p ? p : params_new(s);
}

void
store_publish(struct store *s, struct params *p)
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

/* ---- adding up ----------------------------------------------------------- */

int
store_let_go(struct store *s, const float *push, struct err *err)
{
    for (size_t i = 0; i < s->n_added && !s->is_hollow; i++)
        if (s->added[i].push == push)
            return store_settle(s, err);
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

/* ---- without the numbers ------------------------------------------------- */

bool
store_is_hollow(const struct store *s)
{
    return s->is_hollow;
}

struct params *
store_blank(struct store *s)
{
    struct params *p = take_spare(s);

    if (!p && !(p = params_new(s)))
        return NULL;
    p->refs = 1;
    p->next = NULL;
    p->version = s->now->version;
    p->n_sums = 0;
    return p;
}

void
store_fill(struct store *s)
{
    if (s->is_hollow)
        store_discard(s);
    s->is_hollow = false;
}
