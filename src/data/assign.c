/* SPDX-License-Identifier: Apache-2.0 */
#include "data/assign.h"

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "data/assign_impl.h"

#include <assert.h>
#include <inttypes.h>

int
assign_config_parse(struct assign_config *c, const struct jcur *assignment,
                    struct err *err)
{
    static const char *const known[] = {"type", "alpha", NULL};
    static const char *const kinds[] = {"dynamic", "iid", "dirichlet", NULL};
    int kind = ASSIGN_DYNAMIC;

    *c = (struct assign_config){.kind = ASSIGN_DYNAMIC, .alpha = 0.5};
    if (!assignment->v)
        return 0;
    if (jcur_object(assignment, known, err) != 0 ||
        jcur_enum_or(assignment, "type", kinds, &kind, err) != 0 ||
        jcur_num_or(assignment, "alpha", 1e-3, 1e6, &c->alpha, err) != 0)
        return -1;
    c->kind = (enum assign_kind)kind;
    if (c->kind != ASSIGN_DIRICHLET && jcur_has(assignment, "alpha")) {
        struct jcur at = jcur_key(assignment, "alpha");

        return jcur_fail(&at, err, "only \"dirichlet\" has an alpha");
    }
    return 0;
}

/* ---- what is done ---- */

static const struct data_cursor *
lowest(const struct cursors *s, uint32_t shard)
{
    const struct data_cursor *c = cursors_from(s, shard, 0, 0);

    return c && c->shard == shard ? c : NULL;
}

/* The first epoch of which the shard has something left to do. */
static uint32_t
open_epoch(const struct assign *a, uint32_t shard)
{
    const struct data_cursor *taken = lowest(&a->taken, shard);
    const struct data_cursor *back = lowest(&a->back, shard);
    uint32_t epoch = a->lane[shard].epoch;

    if (taken && taken->epoch < epoch)
        epoch = taken->epoch;
    if (back && back->epoch < epoch)
        epoch = back->epoch;
    return epoch;
}

void
assign_count_epochs(struct assign *a)
{
    a->epochs_done = a->epochs;
    a->n_behind = 0;
    for (uint32_t i = 0; i < a->n_lanes; i++) {
        uint32_t epoch = open_epoch(a, i);

        if (epoch < a->epochs_done) {
            a->epochs_done = epoch;
            a->n_behind = 0;
        }
        a->n_behind += epoch == a->epochs_done;
    }
}

/* ---- public ---- */

struct assign *
assign_new(const struct shards *s, uint32_t batch, uint32_t epochs,
           struct err *err)
{
    struct assign *a;

    if (s->n == 0 || batch == 0) {
        err_set(err, ERR_BUG, "assignment without shards or batch size");
        return NULL;
    }
    a = mem_alloc(1, sizeof *a);
    if (!a || !(a->lane = mem_alloc(s->n, sizeof *a->lane))) {
        err_nomem(err);
        assign_free(a);
        return NULL;
    }
    a->n_lanes = s->n;
    a->batch = batch;
    a->epochs = epochs;
    for (uint32_t i = 0; i < s->n; i++) {
        a->lane[i].size = s->start[i + 1] - s->start[i];
        a->lane[i].epoch = a->lane[i].size ? 0 : epochs;
        a->per_epoch += a->lane[i].size;
    }
    assign_count_epochs(a);
    return a;
}

void
assign_free(struct assign *a)
{
    if (!a)
        return;
    cursors_release(&a->taken);
    cursors_release(&a->back);
    mem_free(a->lane);
    mem_free(a);
}

/* Takes the first samples of a cursor that was given back; the rest stays. */
static void
take_back(struct assign *a, const struct data_cursor *from, uint32_t batch,
          struct data_cursor *c)
{
    struct data_cursor rest;

    *c = *from;
    cursors_remove(&a->back, c);
    if (c->count <= batch)
        return;
    rest = *c;
    rest.first += batch;
    rest.count -= batch;
    c->count = batch;
    cursors_add(&a->back, &rest); /* fits: one was removed just now */
}

static void
take_new(const struct assign *a, struct lane *l, uint32_t shard, uint32_t batch,
         struct data_cursor *c)
{
    uint32_t left = l->size - l->first;

    *c = (struct data_cursor){
        .epoch = l->epoch,
        .shard = shard,
        .first = l->first,
        .count = batch < left ? batch : left,
    };
    l->first += c->count;
    if (l->first == l->size) {
        l->first = 0;
        l->epoch++;
    }
    assert(l->epoch <= a->epochs);
}

bool
assign_take(struct assign *a, uint32_t worker, uint32_t batch,
            struct data_cursor *c)
{
    uint32_t shard = worker % a->n_lanes;
    const struct data_cursor *back = lowest(&a->back, shard);
    struct lane *l = &a->lane[shard];

    if (batch == 0)
        batch = a->batch;
    if ((!back && l->epoch == a->epochs) || !cursors_reserve(&a->taken))
        return false;
    if (back)
        take_back(a, back, batch, c);
    else
        take_new(a, l, shard, batch, c);
    cursors_add(&a->taken, c);
    return true;
}

bool
assign_has(const struct assign *a, uint32_t worker)
{
    uint32_t shard = worker % a->n_lanes;

    return lowest(&a->back, shard) || a->lane[shard].epoch < a->epochs;
}

/* Is it one that was handed out, as it was handed out? */
static bool
is_taken(const struct assign *a, const struct data_cursor *c)
{
    const struct data_cursor *t =
        cursors_from(&a->taken, c->shard, c->epoch, c->first);

    return t && t->shard == c->shard && t->epoch == c->epoch &&
           t->first == c->first && t->count == c->count;
}

void
assign_done(struct assign *a, const struct data_cursor *c)
{
    bool was_behind, known = is_taken(a, c);

    assert(known);
    if (!known)
        return;
    was_behind = open_epoch(a, c->shard) == a->epochs_done;
    cursors_remove(&a->taken, c);
    a->n_done += c->count;
    if (was_behind && open_epoch(a, c->shard) > a->epochs_done &&
        --a->n_behind == 0)
        assign_count_epochs(a);
}

int
assign_give_back(struct assign *a, const struct data_cursor *c, struct err *err)
{
    if (!is_taken(a, c))
        return err_set(err, ERR_BUG,
                       "mini-batch given back that is not out: epoch %" PRIu32
                       ", shard %" PRIu32 ", first %" PRIu64 ", count %" PRIu32,
                       c->epoch, c->shard, c->first, c->count);
    if (!cursors_add(&a->back, c))
        return err_nomem(err);
    cursors_remove(&a->taken, c);
    return 0;
}

uint64_t
assign_get_done(const struct assign *a)
{
    return a->n_done;
}

uint64_t
assign_get_total(const struct assign *a)
{
    return a->per_epoch * a->epochs;
}

uint32_t
assign_get_epochs_done(const struct assign *a)
{
    return a->epochs_done;
}
