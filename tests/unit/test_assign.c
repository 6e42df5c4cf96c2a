/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "data/assign.h"
#include "tap.h"

#define SCHEDULES   4000
#define MAX_OUT     64
#define MAX_SAMPLES 200
#define MAX_EPOCHS  4

/* ---- a schedule against a naive model ---- */

enum state { NEW, OUT, BACK, DONE };

struct model {
    struct shards s;
    uint32_t n, batch, epochs;
    enum state state[MAX_EPOCHS][MAX_SAMPLES]; /* by place in s.member */
    struct data_cursor out[MAX_OUT];
    size_t n_out;
    struct assign *a;
    struct rng r;
};

static uint32_t
size_of(const struct model *m, uint32_t shard)
{
    return m->s.start[shard + 1] - m->s.start[shard];
}

static bool
in_range(const struct model *m, const struct data_cursor *c)
{
    return c->epoch < m->epochs && c->shard < m->s.n && c->count > 0 &&
           c->first + c->count <= size_of(m, c->shard);
}

/* Moves a cursor's samples from one state to another; false when one of them
 * was not in the first. */
static bool
move(struct model *m, const struct data_cursor *c, enum state from,
     enum state to)
{
    enum state *s = m->state[c->epoch] + m->s.start[c->shard] + c->first;

    for (uint32_t i = 0; i < c->count; i++) {
        if (s[i] != from)
            return false;
        s[i] = to;
    }
    return true;
}

/* The place of a shard that has to come next: given back ones first. */
static bool
is_next(const struct model *m, const struct data_cursor *c)
{
    static const enum state order[] = {BACK, NEW};

    for (int k = 0; k < 2; k++)
        for (uint32_t e = 0; e < m->epochs; e++)
            for (uint32_t i = 0; i < size_of(m, c->shard); i++)
                if (m->state[e][m->s.start[c->shard] + i] == order[k])
                    return c->epoch == e && c->first == i;
    return false;
}

static bool
take(struct model *m)
{
    uint32_t worker = (uint32_t)rng_below(&m->r, m->s.n * 2 + 1);
    uint32_t batch =
        rng_below(&m->r, 3) ? 0 : 1 + (uint32_t)rng_below(&m->r, 9);
    struct data_cursor c;

    if (m->n_out == MAX_OUT)
        return true;
    if (!assign_take(m->a, worker, batch, &c)) {
        c.shard = worker % m->s.n;
        for (uint32_t e = 0; e < m->epochs; e++) {
            const enum state *s = m->state[e] + m->s.start[c.shard];

            for (uint32_t i = 0; i < size_of(m, c.shard); i++)
                if (s[i] == NEW || s[i] == BACK)
                    return false; /* there was something */
        }
        return true;
    }
    if (!in_range(m, &c) || c.shard != worker % m->s.n || !is_next(m, &c) ||
        c.count > (batch          ? batch
                   : m->batch > 9 ? m->batch
                                  : 9))
        return false;
    m->out[m->n_out++] = c;
    return move(m, &c, m->state[c.epoch][m->s.start[c.shard] + c.first], OUT);
}

static bool
finish_one(struct model *m, bool give_back)
{
    size_t i = (size_t)rng_below(&m->r, m->n_out);
    struct data_cursor c = m->out[i];

    m->out[i] = m->out[--m->n_out];
    if (!give_back) {
        assign_done(m->a, &c);
        return move(m, &c, OUT, DONE);
    }
    return assign_give_back(m->a, &c, NULL) == 0 && move(m, &c, OUT, BACK);
}

/* The server stops and another one continues; what was out is lost. */
static bool
restart(struct model *m)
{
    struct assign *fresh = assign_new(&m->s, 1 + m->batch, m->epochs, NULL);
    struct buf b = BUF_INIT(1 << 20);
    struct json_doc doc;
    bool right = false;

    if (fresh && assign_save(m->a, &b, NULL) == 0 &&
        json_doc_parse(&doc, "state", b.data, b.len, NULL) == 0) {
        struct jcur root = jcur_root(&doc);

        right = assign_load(fresh, &root, NULL) == 0;
        json_doc_release(&doc);
    }
    assign_free(m->a);
    m->a = fresh;
    m->batch++;
    for (; m->n_out > 0; m->n_out--)
        right = right && move(m, &m->out[m->n_out - 1], OUT, BACK);
    buf_release(&b);
    return right;
}

/* Counted from the start, what the assignment counts as it goes. */
static bool
counts_agree(const struct model *m)
{
    uint64_t n_done = 0;
    uint32_t epochs_done = m->epochs;

    for (uint32_t e = m->epochs; e-- > 0;) {
        uint64_t in_epoch = 0;

        for (uint32_t i = 0; i < m->n; i++)
            in_epoch += m->state[e][i] == DONE;
        n_done += in_epoch;
        if (in_epoch < m->n)
            epochs_done = e;
    }
    return assign_get_done(m->a) == n_done &&
           assign_get_epochs_done(m->a) == epochs_done &&
           assign_get_total(m->a) == (uint64_t)m->n * m->epochs;
}

static bool
run_schedule(uint64_t seed, uint64_t number)
{
    struct assign_config c = {ASSIGN_DYNAMIC, 0.3};
    int32_t label[MAX_SAMPLES];
    struct model m = {.n_out = 0};
    bool right = false;
    uint32_t workers;

    rng_init_key(&m.r, seed, RNG_TEST, number, 0);
    m.n = 1 + (uint32_t)rng_below(&m.r, MAX_SAMPLES);
    m.batch = 1 + (uint32_t)rng_below(&m.r, 20);
    m.epochs = 1 + (uint32_t)rng_below(&m.r, MAX_EPOCHS);
    c.kind = (enum assign_kind)rng_below(&m.r, 3);
    workers = 1 + (uint32_t)rng_below(&m.r, m.n < 6 ? m.n : 6);
    for (uint32_t i = 0; i < m.n; i++)
        label[i] = (int32_t)rng_below(&m.r, 4);
    if (shards_init(&m.s, &c, workers, label, m.n, 4, seed, NULL) != 0)
        return false;
    m.a = assign_new(&m.s, m.batch, m.epochs, NULL);
    right = m.a != NULL;
    while (right && assign_get_done(m.a) < assign_get_total(m.a)) {
        uint64_t what = rng_below(&m.r, 100);

        if (what < 50 || m.n_out == 0)
            right = take(&m);
        else
            right = finish_one(&m, what > 85);
        if (right && what == 0)
            right = restart(&m);
        right = right && counts_agree(&m);
    }
    right = right && m.n_out == 0;
    for (uint32_t e = 0; right && e < m.epochs; e++)
        for (uint32_t i = 0; i < m.n; i++)
            right = right && m.state[e][i] == DONE;
    assign_free(m.a);
    shards_release(&m.s);
    return right;
}

static void
each_sample_is_used_exactly_once(uint64_t seed)
{
    uint64_t i = 0;

    while (i < SCHEDULES && run_schedule(seed, i))
        i++;
    if (!ok(i == SCHEDULES,
            "%d schedules: each sample once per epoch, given "
            "back ones first, counts right, over restarts",
            SCHEDULES))
        printf("# schedule %llu\n", (unsigned long long)i);
}

/* ---- order ---- */

static struct shards
one_shard(uint32_t n)
{
    struct assign_config c = {ASSIGN_DYNAMIC, 0};
    struct shards s;

    if (shards_init(&s, &c, 3, NULL, n, 0, 1, NULL) != 0)
        exit(1);
    return s;
}

static void
order_of_cursors(void)
{
    struct shards s = one_shard(100);
    struct assign *a = assign_new(&s, 30, 2, NULL);
    struct data_cursor c[8];
    struct err e = ERR_INIT;

    for (uint32_t i = 0; i < 6; i++)
        assign_take(a, i, 0, &c[i]);
    ok(c[0].first == 0 && c[1].first == 30 && c[3].first == 90 &&
           c[3].count == 10 && c[4].epoch == 1 && c[4].first == 0,
       "one global order, the last mini-batch of an epoch shorter");
    ok(assign_give_back(a, &c[4], &e) == 0 &&
           assign_give_back(a, &c[1], &e) == 0,
       "two are given back %s", e.text);
    assign_take(a, 5, 20, &c[6]);
    ok(c[6].epoch == 0 && c[6].first == 30 && c[6].count == 20,
       "the lowest first, as many as are wanted");
    assign_take(a, 5, 50, &c[7]);
    ok(c[7].epoch == 0 && c[7].first == 50 && c[7].count == 10,
       "then its rest");
    assign_take(a, 5, 0, &c[1]);
    ok(c[1].epoch == 1 && c[1].first == 0 && c[1].count == 30,
       "then the other");
    assign_take(a, 5, 0, &c[1]);
    ok(c[1].epoch == 1 && c[1].first == 60, "then new ones");
    c[7].count = 11;
    ok(assign_give_back(a, &c[7], &e) == -1 && e.code == ERR_BUG, "%s", e.text);
    err_clear(&e);
    c[7].count = 10;
    assign_done(a, &c[7]);
    ok(assign_give_back(a, &c[7], &e) == -1, "what is done is not given back");
    is_int(assign_get_done(a), 10, "samples done");
    assign_free(a);
    shards_release(&s);
}

static void
a_restart_changes_no_order(void)
{
    struct shards s = one_shard(1000);
    struct assign *a = assign_new(&s, 32, 5, NULL);
    struct assign *b = assign_new(&s, 32, 5, NULL);
    struct data_cursor x, y, lost[3];
    struct buf state = BUF_INIT(1 << 16);
    struct err e = ERR_INIT;
    struct json_doc doc;
    bool same = true;

    for (int i = 0; i < 40; i++) {
        assign_take(a, 0, 0, &x);
        assign_done(a, &x);
    }
    for (int i = 0; i < 3; i++)
        assign_take(a, 0, 0, &lost[i]);
    ok(assign_save(a, &state, &e) == 0, "saved %s", e.text);
    if (json_doc_parse(&doc, "state.json", state.data, state.len, &e) == 0) {
        struct jcur root = jcur_root(&doc);

        ok(assign_load(b, &root, &e) == 0, "loaded %s", e.text);
        json_doc_release(&doc);
    }
    ok(assign_get_done(b) == assign_get_done(a) &&
           assign_get_epochs_done(b) == 1,
       "as much is done");
    for (int i = 0; i < 3; i++) {
        assign_take(b, 0, 0, &y);
        same = same && !memcmp(&y, &lost[i], sizeof y);
    }
    ok(same, "what was out comes first");
    while (assign_take(a, 0, 0, &x))
        same = same && assign_take(b, 0, 0, &y) && !memcmp(&x, &y, sizeof x);
    ok(same && !assign_take(b, 0, 0, &y), "the rest as without a restart");
    buf_release(&state);
    assign_free(a);
    assign_free(b);
    shards_release(&s);
}

static void
bad_state(const char *json, const char *want)
{
    struct shards s = one_shard(100);
    struct assign *a = assign_new(&s, 32, 5, NULL);
    struct err e = ERR_INIT;
    struct json_doc doc;
    struct jcur root;

    if (json_doc_parse(&doc, "s", json, strlen(json), &e) == 0) {
        root = jcur_root(&doc);
        ok(assign_load(a, &root, &e) == -1 && e.code == ERR_CONFIG, "refused");
        json_doc_release(&doc);
    }
    is_str(e.text, want, "message");
    assign_free(a);
    shards_release(&s);
}

static void
bad_states_are_refused(void)
{
    bad_state("{}", "s:1:1: shards: expected an array, got nothing");
    bad_state("{\"shards\": [{\"size\": 99, \"epoch\": 0, \"first\": 0}],"
              " \"back\": []}",
              "s:1:22: shards[0].size: expected an integer from 100 to 100, "
              "got 99");
    bad_state("{\"shards\": [{\"size\": 100, \"epoch\": 5, \"first\": 1}],"
              " \"back\": []}",
              "s:1:48: shards[0].first: expected an integer from 0 to 0, got "
              "1");
    bad_state("{\"shards\": [{\"size\": 100, \"epoch\": 1, \"first\": 10}],"
              " \"back\": [{\"shard\": 0, \"epoch\": 1, \"first\": 9,"
              " \"count\": 2}]}",
              "s:1:63: back[0]: not handed out yet");
    bad_state("{\"shards\": [{\"size\": 100, \"epoch\": 1, \"first\": 10}],"
              " \"back\": [{\"shard\": 0, \"epoch\": 0, \"first\": 9,"
              " \"count\": 2}, {\"shard\": 0, \"epoch\": 0, \"first\": 8,"
              " \"count\": 2}]}",
              "s:1:62: back: overlap at shard 0, epoch 0, first 9");
    bad_state("{\"shards\": [{\"size\": 100, \"epoch\": 1, \"first\": 10}],"
              " \"back\": [{\"shard\": 0, \"epoch\": 0, \"first\": 9,"
              " \"count\": 2}, {\"shard\": 0, \"epoch\": 0, \"first\": 9,"
              " \"count\": 1}]}",
              "s:1:113: back[1]: comes twice");
    bad_state("{\"shards\": [], \"back\": []}",
              "s:1:12: shards: expected at least 1 element, got 0");
}

/* Quadratic time would not end here. */
static void
many_cursors(void)
{
    enum { N = 300000 };
    struct shards s = one_shard(N);
    struct assign *a = assign_new(&s, 1, 1, NULL);
    struct data_cursor *c = mem_alloc(N, sizeof *c);
    uint32_t *order = mem_alloc(N, sizeof *order), n = 0;
    struct rng r;
    bool sorted = true;

    rng_init(&r, 1);
    while (assign_take(a, n, 0, &c[n])) {
        order[n] = n;
        n++;
    }
    rng_shuffle(&r, order, N);
    for (uint32_t i = 0; i < N; i++)
        assign_give_back(a, &c[order[i]], NULL);
    for (uint32_t i = 0; i < N; i++) {
        sorted = sorted && assign_take(a, 0, 0, &c[i]) && c[i].first == i;
        assign_done(a, &c[i]);
    }
    ok(n == N && sorted && assign_get_epochs_done(a) == 1,
       "%d cursors given back in any order come in theirs", N);
    mem_free(order);
    mem_free(c);
    assign_free(a);
    shards_release(&s);
}

static void
no_memory(void)
{
    struct shards s = one_shard(10);
    struct assign *a = assign_new(&s, 5, 1, NULL);
    struct err e = ERR_INIT;
    struct data_cursor c;

    mem_fail_after(0);
    ok(!assign_take(a, 0, 0, &c), "nothing is taken without memory");
    mem_fail_after(-1);
    ok(assign_take(a, 0, 0, &c) && c.first == 0, "and nothing was lost");
    mem_fail_after(0);
    ok(assign_give_back(a, &c, &e) == -1 && e.code == ERR_NOMEM, "give back");
    mem_fail_after(-1);
    assign_done(a, &c);
    is_int(assign_get_done(a), 5, "it was still out");
    assign_free(a);
    shards_release(&s);
}

/* ---- shards ---- */

static bool
is_partition(const struct shards *s, uint32_t n)
{
    uint8_t *seen = mem_alloc(n, 1);
    bool right = s->start[0] == 0 && s->start[s->n] == n;

    for (uint32_t i = 0; right && i < s->n; i++)
        right = s->start[i] < s->start[i + 1];
    for (uint32_t i = 0; right && i < n; i++)
        right = s->member[i] < n && !seen[s->member[i]]++;
    mem_free(seen);
    return right;
}

/* Mean share of a shard's most frequent class. */
static double
skew(const struct shards *s, const int32_t *label)
{
    double sum = 0;

    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t count[10] = {0}, most = 0;

        for (uint32_t j = s->start[i]; j < s->start[i + 1]; j++)
            count[label[s->member[j]]]++;
        for (int k = 0; k < 10; k++)
            most = count[k] > most ? count[k] : most;
        sum += (double)most / (s->start[i + 1] - s->start[i]);
    }
    return sum / s->n;
}

static uint64_t
fold(const struct shards *s)
{
    uint64_t h = s->n;

    for (uint32_t i = 0; i < s->start[s->n]; i++)
        h = rng_hash(h, s->member[i], i);
    for (uint32_t i = 0; i <= s->n; i++)
        h = rng_hash(h, s->start[i], i);
    return h;
}

static void
shards(void)
{
    enum { N = 5000 };
    static int32_t label[N];
    struct assign_config c = {ASSIGN_IID, 0};
    struct err e = ERR_INIT;
    struct shards s;
    uint32_t small = N, large = 0;
    double last = 1;
    bool falls = true;

    for (int i = 0; i < N; i++)
        label[i] = (int32_t)(rng_hash((uint64_t)i, 0, 0) % 10);
    ok(shards_init(&s, &c, 7, label, N, 10, 1, &e) == 0 && is_partition(&s, N),
       "iid: each sample in one shard");
    for (uint32_t i = 0; i < 7; i++) {
        uint32_t n = s.start[i + 1] - s.start[i];

        small = n < small ? n : small;
        large = n > large ? n : large;
    }
    ok(large - small <= 1, "of equal size");
    ok(skew(&s, label) < 0.15, "and mixed");
    shards_release(&s);
    c.kind = ASSIGN_DIRICHLET;
    for (c.alpha = 0.001; c.alpha < 2e5; c.alpha *= 100) {
        ok(shards_init(&s, &c, 8, label, N, 10, 1, &e) == 0 &&
               is_partition(&s, N),
           "dirichlet(%g): each sample in one shard, none empty", c.alpha);
        falls = falls && skew(&s, label) < last;
        last = skew(&s, label);
        shards_release(&s);
    }
    ok(falls && last < 0.2, "a larger alpha mixes more, down to %.2f", last);
    c.alpha = 0.1;
    shards_init(&s, &c, 8, label, N, 10, 1, &e);
    ok(skew(&s, label) > 0.3, "dirichlet(0.1) is skewed: %.2f",
       skew(&s, label));
    /* Another machine that cuts other shards trains on samples twice. */
    ok(fold(&s) == UINT64_C(0x90e64a999c5458a), "the known shards: %llx",
       (unsigned long long)fold(&s));
    shards_release(&s);
    ok(shards_init(&s, &c, 10, label, 10, 10, 1, &e) == 0 &&
           is_partition(&s, 10),
       "as many workers as samples");
    shards_release(&s);
    ok(shards_init(&s, &c, 11, label, 10, 10, 1, &e) == -1 &&
           e.code == ERR_CONFIG,
       "%s", e.text);
    err_clear(&e);
    ok(shards_init(&s, &c, 2, NULL, 10, 0, 1, &e) == -1, "%s", e.text);
    for (long n = 0, r = -1; r != 0; n++) {
        err_clear(&e);
        mem_fail_after(n);
        r = shards_init(&s, &c, 4, label, N, 10, 1, &e);
        mem_fail_after(-1);
        if (r != 0 && e.code != ERR_NOMEM)
            ok(0, "out of memory is said");
    }
    shards_release(&s);
}

static void
config(const char *json, const char *want, enum assign_kind kind)
{
    struct assign_config c;
    struct err e = ERR_INIT;
    struct json_doc doc;
    struct jcur root, at;

    if (json_doc_parse(&doc, "j", json, strlen(json), &e) != 0)
        return;
    root = jcur_root(&doc);
    at = jcur_key(&root, "assignment");
    if (want) {
        ok(assign_config_parse(&c, &at, &e) == -1, "refused");
        is_str(e.text, want, "message");
    } else {
        ok(assign_config_parse(&c, &at, &e) == 0 && c.kind == kind, "%s", json);
    }
    json_doc_release(&doc);
}

int
main(void)
{
    uint64_t seed = tap_seed(1);

    each_sample_is_used_exactly_once(seed);
    order_of_cursors();
    a_restart_changes_no_order();
    bad_states_are_refused();
    many_cursors();
    no_memory();
    shards();
    config("{}", NULL, ASSIGN_DYNAMIC);
    config("{\"assignment\": {\"type\": \"iid\"}}", NULL, ASSIGN_IID);
    config("{\"assignment\": {\"type\": \"dirichlet\", \"alpha\": 0.1}}", NULL,
           ASSIGN_DIRICHLET);
    config("{\"assignment\": {\"type\": \"iid\", \"alpha\": 1}}",
           "j:1:41: assignment.alpha: only \"dirichlet\" has an alpha",
           ASSIGN_IID);
    config("{\"assignment\": {\"type\": \"dirichlet\", \"alpha\": 0}}",
           "j:1:47: assignment.alpha: expected a number from 0.001 to 1e+06, "
           "got 0",
           ASSIGN_DIRICHLET);
    return done();
}
