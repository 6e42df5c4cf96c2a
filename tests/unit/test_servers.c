/* SPDX-License-Identifier: Apache-2.0 */
/* Parameter servers: how the vector is cut, that their stores do together what
 * one does, and their messages. */
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "nn/range.h"
#include "ps/store.h"
#include "tap.h"
#include "wire/msg_servers.h"

#include <ebsp/policy.h>

#include <math.h>

#define MAX_SEGMENTS 12
#define MAX_RANGES   5
#define N_PUSHES     3

/* ---- cutting ------------------------------------------------------------- */

/* Segments of any size, most of them small, with gaps as alignment leaves
 * them. */
static void
make_table(struct segtab *t, struct segment seg[MAX_SEGMENTS], struct rng *r)
{
    size_t at = 0;

    memset(seg, 0, MAX_SEGMENTS * sizeof *seg);
    *t = (struct segtab){.seg = seg, .n = 1 + rng_below(r, MAX_SEGMENTS)};
    for (size_t i = 0; i < t->n; i++) {
        seg[i].kind = (enum segment_kind)rng_below(r, 3);
        seg[i].momentum = 0.25;
        seg[i].offset = at;
        seg[i].count = 1 + rng_below(r, rng_below(r, 4) ? 40 : 6000);
        at +=
            (seg[i].count + SEGMENT_ALIGN - 1) / SEGMENT_ALIGN * SEGMENT_ALIGN;
    }
    t->n_floats = at;
}

/* Each number of a segment is in one range, as that segment's. */
static bool
is_cut_well(const struct segtab *t, uint32_t n)
{
    size_t at = 0, counted = 0, all = 0, least = SIZE_MAX, most = 0;

    for (uint32_t k = 0; k < n; k++) {
        struct range x = range_get(t->n_floats, k, n);
        struct segtab part;
        size_t i = 0;

        if (x.first != at || x.count == 0 || x.first % SEGMENT_ALIGN ||
            range_cut(t, &x, &part, NULL) != 0 || part.n_floats != x.count)
            return false;
        at += x.count;
        least = x.count < least ? x.count : least;
        most = x.count > most ? x.count : most;
        for (size_t j = 0; j < part.n; j++) {
            const struct segment *s = &part.seg[j];
            size_t first = x.first + s->offset;

            while (first >= t->seg[i].offset + t->seg[i].count)
                i++;
            if (first < t->seg[i].offset || s->kind != t->seg[i].kind ||
                first + s->count > t->seg[i].offset + t->seg[i].count)
                return false;
            counted += s->count;
        }
        range_release(&part);
    }
    for (size_t i = 0; i < t->n; i++)
        all += t->seg[i].count;
    return at == t->n_floats && counted == all && most - least <= SEGMENT_ALIGN;
}

static void
ranges_are_even(struct rng *r)
{
    struct segment seg[MAX_SEGMENTS];
    struct segtab t;
    int wrong = 0;

    for (int i = 0; i < 300; i++) {
        uint32_t n;

        make_table(&t, seg, r);
        n = 1 + (uint32_t)rng_below(r, range_most(t.n_floats) < WIRE_MAX_SERVERS
                                           ? range_most(t.n_floats)
                                           : WIRE_MAX_SERVERS);
        wrong += !is_cut_well(&t, n);
    }
    is_int(wrong, 0,
           "ranges adjoin, are even, and cut segments where they end");
    is_int(range_most(40 * SEGMENT_ALIGN), 40, "no range is empty");
}

/* ---- stores -------------------------------------------------------------- */

struct whole {
    struct segtab t;
    struct segment seg[MAX_SEGMENTS];
    float *push[N_PUSHES];
    struct optim_config optim;
};

static float *
random_vector(size_t n, struct rng *r)
{
    float *v = mem_alloc(n, sizeof *v);

    for (size_t i = 0; i < n; i++)
        v[i] = (float)((double)rng_below(r, 20001) / 1e4 - 1);
    return v;
}

/* The same commands for a store of everything, or of a range. */
static struct store *
train(const struct whole *w, const struct segtab *t, size_t first,
      const float *start)
{
    struct store_options o = {.threads = 1};
    struct store *s = store_new(t, &w->optim, &o, NULL);

    memcpy(store_edit(s), start + first, t->n_floats * sizeof *start);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < N_PUSHES; i++)
            store_add(s, w->push[i] + first, EBSP_PUSH_GRADIENT,
                      1.0 / (i + round + 1), NULL);
        if (round == 1) /* one of them is wanted for something else */
            store_let_go(s, w->push[1] + first, NULL);
        store_commit(s, 0.7, 0.05 * (round + 1), NULL);
    }
    return s;
}

/* Does the store of a range have the bits of the whole one? */
static bool
is_same(struct store *part, struct store *all, size_t first, size_t n)
{
    struct optim *a = store_get_optim(part), *b = store_get_optim(all);
    bool same = memcmp(store_peek(part), store_peek(all) + first,
                       n * sizeof(float)) == 0;

    for (int i = 0; i < optim_planes(a); i++)
        same &= memcmp(optim_plane(a, i), optim_plane(b, i) + first,
                       n * sizeof(float)) == 0;
    return same && store_get_version(part) == store_get_version(all) &&
           optim_get_count(a) == optim_get_count(b);
}

static void
stores_of_ranges_are_one_store(struct rng *r)
{
    static const struct optim_config configs[] = {
        {.kind = OPTIM_SGD, .lr = 0.1, .momentum = 0.9, .weight_decay = 1e-3},
        {.kind = OPTIM_ADAM,
         .lr = 0.1,
         .beta1 = 0.9,
         .beta2 = 0.99,
         .epsilon = 1e-8,
         .clip_value = 0.5},
    };
    int wrong = 0;

    for (int round = 0; round < 20; round++) {
        struct whole w = {.optim = configs[round % 2]};
        struct store *all;
        float *start;
        uint32_t n;

        make_table(&w.t, w.seg, r);
        for (int i = 0; i < N_PUSHES; i++)
            w.push[i] = random_vector(w.t.n_floats, r);
        start = random_vector(w.t.n_floats, r);
        all = train(&w, &w.t, 0, start);
        n = 1 + (uint32_t)rng_below(r, MAX_RANGES);
        if (n > range_most(w.t.n_floats))
            n = 1;
        for (uint32_t k = 0; k < n; k++) {
            struct range x = range_get(w.t.n_floats, k, n);
            struct segtab part;
            struct store *s;

            range_cut(&w.t, &x, &part, NULL);
            s = train(&w, &part, x.first, start);
            wrong += !is_same(s, all, x.first, x.count);
            store_free(s);
            range_release(&part);
        }
        store_free(all);
        for (int i = 0; i < N_PUSHES; i++)
            mem_free(w.push[i]);
        mem_free(start);
    }
    is_int(wrong, 0, "ranges have the bits that one store has");
}

static void
a_hollow_store_counts(void)
{
    static const struct optim_config sgd = {.kind = OPTIM_SGD, .lr = 0.1};
    struct segment seg = {.kind = SEGMENT_WEIGHT, .count = 16};
    struct segtab t = {.seg = &seg, .n = 1, .n_floats = 16};
    struct store_options o = {.is_hollow = true};
    struct store *s = store_new(&t, &sgd, &o, NULL);
    struct params *p;

    store_edit(s)[0] = 3;
    ok(store_commit(s, 1, 1, NULL) == -1, "nothing to commit there, either");
    store_add(s, NULL, EBSP_PUSH_GRADIENT, 2, NULL);
    store_add(s, NULL, EBSP_PUSH_GRADIENT, 1, NULL);
    ok(store_get_weight(s) == 3, "weights are added up");
    ok(store_add(s, NULL, EBSP_PUSH_MODEL, 1, NULL) == -1, "kinds do not mix");
    is_int(store_commit(s, 1, 1, NULL), 0, "an update ...");
    is_int(store_get_version(s), 1, "... is counted");
    is_int(optim_get_count(store_get_optim(s)), 1, "by the optimizer, too");
    ok(store_peek(s)[0] == 3, "the numbers stay");
    p = store_blank(s);
    ok(p && p->version == 1 && p->v != store_peek(s),
       "a vector for what somebody else has");
    store_unref(p);
    store_fill(s);
    ok(!store_is_hollow(s), "and when it is back it is a store again");
    store_free(s);
}

/* ---- messages ------------------------------------------------------------ */

static const struct msg_serve a_serve = {"10.0.0.2", true, 32, 64, 7, 8};
static const struct msg_serving a_serving = {4711};
static const struct msg_command a_command = {
    SERVER_ADD, 3, 1, 17, false, EBSP_PUSH_DELTA, 0, 0.25, 0};
static const struct msg_have a_have = {3, 1, 17, 1000, 2000};
static const struct msg_open an_open = {17, true};

static const struct msg_servers *
some_servers(void)
{
    static struct msg_servers m = {.tls = true, .n = 2};

    m.server[0] = (struct msg_server){"10.0.0.2", 4711, 0, 48};
    m.server[1] = (struct msg_server){"::1", 4712, 48, 16};
    return &m;
}

static void
put(uint16_t type, struct buf *b)
{
    switch (type) {
    case MSG_SERVE:
        msg_put_serve(b, &a_serve);
        break;
    case MSG_SERVING:
        msg_put_serving(b, &a_serving);
        break;
    case MSG_SERVERS:
        msg_put_servers(b, some_servers());
        break;
    case MSG_COMMAND:
        msg_put_command(b, &a_command);
        break;
    case MSG_HAVE:
        msg_put_have(b, &a_have);
        break;
    default:
        msg_put_open(b, &an_open);
        break;
    }
}

/* Decodes, and encodes again what was accepted. */
#define AGAIN(kind)                                                            \
    do {                                                                       \
        struct msg_##kind m;                                                   \
                                                                               \
        rc = msg_get_##kind(&m, p, n, e);                                      \
        if (rc == 0)                                                           \
            msg_put_##kind(again, &m);                                         \
    } while (0)

static int
get(uint16_t type, const void *p, size_t n, struct buf *again, struct err *e)
{
    int rc;

    err_clear(e);
    buf_clear(again);
    switch (type) {
    case MSG_SERVE:
        AGAIN(serve);
        break;
    case MSG_SERVING:
        AGAIN(serving);
        break;
    case MSG_SERVERS:
        AGAIN(servers);
        break;
    case MSG_COMMAND:
        AGAIN(command);
        break;
    case MSG_HAVE:
        AGAIN(have);
        break;
    default:
        AGAIN(open);
        break;
    }
    return rc;
}

/* What is accepted comes out as it went in, whatever is done to its bytes. */
static void
messages_survive(struct rng *r)
{
    struct buf b = BUF_INIT(FRAME_MAX_BODY), again = BUF_INIT(FRAME_MAX_BODY);
    struct err e = ERR_INIT;

    for (uint16_t type = MSG_SERVE; type <= MSG_OPEN; type++) {
        int shorter = 0, odd = 0;
        size_t n;
        char *copy;

        buf_clear(&b);
        put(type, &b);
        ok(get(type, b.data, b.len, &again, &e) == 0 && again.len == b.len &&
               memcmp(again.data, b.data, b.len) == 0,
           "%s: there and back", msg_name(type));
        n = b.len;
        for (size_t i = 0; i < n; i++) {
            copy = malloc(i ? i : 1); /* a sanitizer sees what is beyond */
            if (i)
                memcpy(copy, b.data, i);
            shorter += get(type, copy, i, &again, &e) == 0;
            free(copy);
        }
        ok(shorter == 0, "%s: nothing shorter", msg_name(type));
        for (int i = 0; i < 2000; i++) {
            copy = malloc(n);
            memcpy(copy, b.data, n);
            for (size_t k = 1 + rng_below(r, 3); k > 0; k--)
                copy[rng_below(r, n)] = (char)rng_below(r, 256);
            if (get(type, copy, n, &again, &e) == 0)
                odd += again.len != n || memcmp(again.data, copy, n) != 0;
            else
                odd += e.code != ERR_PROTO;
            free(copy);
        }
        ok(odd == 0, "%s: any bytes", msg_name(type));
        buf_add(&b, "", 1);
        ok(get(type, b.data, b.len, &again, &e) == -1, "%s: nothing longer",
           msg_name(type));
    }
    buf_release(&b);
    buf_release(&again);
}

/* Encoded as it is, and refused for this. */
static bool
refuses(uint16_t type, struct buf *b, const char *field)
{
    struct buf again = BUF_INIT(FRAME_MAX_BODY);
    struct err e = ERR_INIT;
    bool told =
        get(type, b->data, b->len, &again, &e) == -1 && strstr(e.text, field);

    buf_release(&again);
    buf_clear(b);
    return told;
}

static void
nonsense_is_refused(void)
{
    struct msg_servers servers = *some_servers();
    struct msg_command command = a_command;
    struct msg_serve serve = a_serve;
    struct buf b = BUF_INIT(FRAME_MAX_BODY);

    servers.server[1].first = 64;
    msg_put_servers(&b, &servers);
    ok(refuses(MSG_SERVERS, &b, "first"), "ranges that do not adjoin");
    servers = *some_servers();
    servers.n = 0;
    msg_put_servers(&b, &servers);
    ok(refuses(MSG_SERVERS, &b, "n is"), "no servers");
    command.weight = NAN;
    msg_put_command(&b, &command);
    ok(refuses(MSG_COMMAND, &b, "weight"), "a weight that is no number");
    command = a_command;
    command.command = SERVER_LAST + 1;
    msg_put_command(&b, &command);
    ok(refuses(MSG_COMMAND, &b, "command"), "an unknown command");
    serve.count = 0;
    msg_put_serve(&b, &serve);
    ok(refuses(MSG_SERVE, &b, "count"), "an empty range");
    serve = a_serve;
    serve.host[3] = '\n';
    msg_put_serve(&b, &serve);
    ok(refuses(MSG_SERVE, &b, "host"), "an address with a newline");
    buf_release(&b);
}

int
main(void)
{
    struct rng r;

    rng_init(&r, tap_seed(20261121));
    ranges_are_even(&r);
    stores_of_ranges_are_one_store(&r);
    a_hollow_store_counts();
    messages_survive(&r);
    nonsense_is_refused();
    return done();
}
