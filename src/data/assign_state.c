/* SPDX-License-Identifier: Apache-2.0 */
/* An assignment in a checkpoint: how far each shard was handed out, and what of
 * it is still to be done. */
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "data/assign_impl.h"

#include <inttypes.h>

/* One cursor per line, set by set.  "," goes in front of all but the first. */
static void
save_set(const struct cursors *s, const char **comma, struct buf *to)
{
    const struct data_cursor *c = cursors_from(s, 0, 0, 0);

    for (; c; c = cursors_from(s, c->shard, c->epoch, c->first + 1)) {
        buf_addf(to,
                 "%s\n  {\"shard\": %" PRIu32 ", \"epoch\": %" PRIu32
                 ", \"first\": %" PRIu64 ", \"count\": %" PRIu32 "}",
                 *comma, c->shard, c->epoch, c->first, c->count);
        *comma = ",";
    }
}

int
assign_save(const struct assign *a, struct buf *to, struct err *err)
{
    const char *comma = "";

    buf_adds(to, "{\"shards\": [");
    for (uint32_t i = 0; i < a->n_lanes; i++)
        buf_addf(to,
                 "%s\n  {\"size\": %" PRIu32 ", \"epoch\": %" PRIu32
                 ", \"first\": %" PRIu32 "}",
                 i ? "," : "", a->lane[i].size, a->lane[i].epoch,
                 a->lane[i].first);
    buf_adds(to, "],\n \"back\": [");
    save_set(&a->back, &comma, to);
    save_set(&a->taken, &comma, to);
    buf_adds(to, "]}");
    return buf_ok(to, err);
}

static int
load_lane(struct assign *a, uint32_t shard, const struct jcur *at,
          struct err *err)
{
    static const char *const known[] = {"size", "epoch", "first", NULL};
    struct lane *l = &a->lane[shard];
    int64_t size, epoch = 0, first = 0;

    if (jcur_object(at, known, err) != 0 ||
        jcur_int(at, "size", l->size, l->size, &size, err) != 0 ||
        jcur_int(at, "epoch", 0, a->epochs, &epoch, err) != 0)
        return -1;
    /* At the end, and in a shard without samples, there is no position. */
    if (jcur_int(at, "first", 0,
                 epoch == a->epochs || l->size == 0 ? 0 : l->size - 1, &first,
                 err) != 0)
        return -1;
    l->epoch = l->size ? (uint32_t)epoch : a->epochs;
    l->first = (uint32_t)first;
    return 0;
}

static int
load_back(struct assign *a, const struct jcur *at, struct err *err)
{
    static const char *const known[] = {"shard", "epoch", "first", "count",
                                        NULL};
    int64_t shard, epoch, first, count;
    const struct data_cursor *same;
    const struct lane *l;
    struct data_cursor c;

    if (jcur_object(at, known, err) != 0 ||
        jcur_int(at, "shard", 0, (int64_t)a->n_lanes - 1, &shard, err) != 0)
        return -1;
    l = &a->lane[shard];
    if (jcur_int(at, "epoch", 0, l->epoch, &epoch, err) != 0 ||
        jcur_int(at, "first", 0, UINT32_MAX, &first, err) != 0 ||
        jcur_int(at, "count", 1, UINT32_MAX, &count, err) != 0)
        return -1;
    if (first + count > (epoch < l->epoch ? l->size : l->first))
        return jcur_fail(at, err, "not handed out yet");
    c = (struct data_cursor){.epoch = (uint32_t)epoch,
                             .shard = (uint32_t)shard,
                             .first = (uint64_t)first,
                             .count = (uint32_t)count};
    same = cursors_from(&a->back, c.shard, c.epoch, c.first);
    if (same && same->shard == c.shard && same->epoch == c.epoch &&
        same->first == c.first)
        return jcur_fail(at, err, "comes twice");
    if (!cursors_add(&a->back, &c))
        return err_nomem(err);
    return 0;
}

/* The samples of `back`, which must not overlap. */
static int
count_back(const struct assign *a, const struct jcur *at, uint64_t *n_samples,
           struct err *err)
{
    const struct data_cursor *c = cursors_from(&a->back, 0, 0, 0), *next;

    for (*n_samples = 0; c; c = next) {
        next = cursors_from(&a->back, c->shard, c->epoch, c->first + 1);
        if (next && next->shard == c->shard && next->epoch == c->epoch &&
            next->first < c->first + c->count)
            return jcur_fail(at, err,
                             "overlap at shard %" PRIu32 ", epoch %" PRIu32
                             ", first %" PRIu64,
                             next->shard, next->epoch, next->first);
        *n_samples += c->count;
    }
    return 0;
}

int
assign_load(struct assign *a, const struct jcur *state, struct err *err)
{
    static const char *const known[] = {"shards", "back", NULL};
    struct jcur shards, back;
    size_t n_shards, n_back;
    uint64_t out = 0;

    if (jcur_object(state, known, err) != 0)
        return -1;
    shards = jcur_key(state, "shards");
    back = jcur_key(state, "back");
    if (jcur_array(&shards, 1, &n_shards, err) != 0 ||
        jcur_array(&back, 0, &n_back, err) != 0)
        return -1;
    if (n_shards != a->n_lanes)
        return jcur_fail(&shards, err, "expected %" PRIu32 " shards, got %zu",
                         a->n_lanes, n_shards);
    cursors_clear(&a->taken);
    cursors_clear(&a->back);
    a->n_done = 0;
    for (uint32_t i = 0; i < a->n_lanes; i++) {
        struct jcur at = jcur_at(&shards, i);

        if (load_lane(a, i, &at, err) != 0)
            return -1;
        a->n_done +=
            (uint64_t)a->lane[i].size * a->lane[i].epoch + a->lane[i].first;
    }
    for (size_t i = 0; i < n_back; i++) {
        struct jcur at = jcur_at(&back, i);

        if (load_back(a, &at, err) != 0)
            return -1;
    }
    if (count_back(a, &back, &out, err) != 0)
        return -1;
    a->n_done -= out;
    assign_count_epochs(a);
    return 0;
}
