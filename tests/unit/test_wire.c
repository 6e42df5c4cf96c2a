/* SPDX-License-Identifier: Apache-2.0 */
/* Frames and messages: layout, round trips, hostile bytes. */
#include "tap.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "wire/msg.h"

#include <math.h>
#include <stdbool.h>

#define TEXT(x)  #x
#define VALUE(x) TEXT(x)
#define THIS     VALUE(WIRE_VERSION)

/* ---- frames -------------------------------------------------------------- */

static const char body[] = "a body of 21 bytes...";
static const float bulk[] = {1, 2, 3, 4, 5};

static int
decode(const uint8_t head[FRAME_HEAD_BYTES], struct frame_head *h,
       struct err *e)
{
    err_clear(e);
    return frame_decode(h, head, 100, 1000, e);
}

static void
test_frame_layout(void)
{
    uint8_t head[FRAME_HEAD_BYTES], same[FRAME_HEAD_BYTES];
    const uint8_t expect[32 - 8] = {
        'E', 'B', 'S', 'P', WIRE_VERSION, 0, 6, 0, 22, 0, 0, 0,
        0,   0,   0,   0,   20,           0, 0, 0, 0,  0, 0, 0};
    struct frame_head h;
    struct err e = ERR_INIT;
    struct wire_sum *sum = wire_sum_new();

    frame_encode(head, MSG_PUSH, body, sizeof body, bulk, sizeof bulk);
    ok(memcmp(head, expect, sizeof expect) == 0,
       "magic, version, type and lengths are where they belong");
    is_int(decode(head, &h, &e), 0, "a frame is decoded");
    is_int(h.type, MSG_PUSH, "type");
    is_int(h.version, WIRE_VERSION, "version");
    is_int(h.body_len, sizeof body, "body length");
    is_int(h.bulk_len, sizeof bulk, "bulk length");
    ok(h.bulk_sum == wire_hash(bulk, sizeof bulk), "sum of the bulk");
    is_int(frame_check_body(&h, head, body, &e), 0, "header and body fit");
    frame_encode_summed(same, MSG_PUSH, body, sizeof body, sizeof bulk,
                        wire_hash(bulk, sizeof bulk));
    ok(memcmp(head, same, sizeof head) == 0, "a sum can be given");
    /* XXH3_64bits of nothing, from its specification. */
    ok(wire_hash("", 0) == UINT64_C(0x2d06800538d394c2), "the hash is XXH3-64");

    for (size_t i = 0; i < sizeof bulk; i++)
        wire_sum_add(sum, (const char *)bulk + i, 1);
    is_int(frame_check_bulk(&h, wire_sum_get(sum), &e), 0,
           "a bulk that came in pieces fits");
    wire_sum_clear(sum);
    is_int(frame_check_bulk(&h, wire_sum_get(sum), &e), -1,
           "a bulk that did not come does not");
    is_str(e.text, "frame: checksum of the bulk is wrong", "which is said");
    wire_sum_free(sum);
}

/* Overwrites n bytes at `at` of a good header, then decodes it. */
static const char *
refuse(size_t at, uint64_t v, int n)
{
    static struct err e;
    uint8_t head[FRAME_HEAD_BYTES];
    struct frame_head h;

    frame_encode(head, MSG_PUSH, body, sizeof body, bulk, sizeof bulk);
    for (int i = 0; i < n; i++)
        head[at + (size_t)i] = (uint8_t)(v >> (8 * i));
    if (decode(head, &h, &e) == 0)
        return "accepted";
    return e.code == ERR_PROTO ? e.text : "wrong code";
}

static void
test_frame_limits(void)
{
    is_str(refuse(0, 0x20544547, 4), "peer does not speak ebsp's protocol",
           "another protocol");
    is_str(refuse(4, 99, 2), "peer speaks protocol 99, this is " THIS,
           "another version");
    is_str(refuse(8, 101, 4), "frame: body of 101 bytes, expected at most 100",
           "body over the limit");
    is_str(refuse(8, 100, 4), "accepted", "body at the limit");
    is_str(refuse(12, 1, 4), "frame: reserved field is not zero",
           "reserved field");
    is_str(refuse(16, 1004, 8),
           "frame: bulk of 1004 bytes, expected at most 1000",
           "bulk over the limit");
    is_str(refuse(16, UINT64_MAX, 8),
           "frame: bulk of 18446744073709551615 bytes, expected at most 1000",
           "greatest bulk");
    is_str(refuse(16, 1000, 8), "accepted", "bulk at the limit");
    is_str(refuse(16, 18, 8),
           "frame: bulk of 18 bytes, expected a multiple of 4", "odd bulk");
}

/* Every bit of the header and of the body is protected. */
static void
test_frame_flips(void)
{
    uint8_t head[FRAME_HEAD_BYTES];
    char copy[sizeof body];
    float numbers[ARRAY_LEN(bulk)];
    struct frame_head h;
    struct err e = ERR_INIT;
    int missed = 0;

    for (size_t bit = 0; bit < 8 * FRAME_HEAD_BYTES; bit++) {
        frame_encode(head, MSG_PUSH, body, sizeof body, bulk, sizeof bulk);
        head[bit / 8] ^= (uint8_t)(1u << bit % 8);
        /* A length that shrank is checked with what is there. */
        if (decode(head, &h, &e) == 0 && h.body_len <= sizeof body &&
            frame_check_body(&h, head, body, &e) == 0)
            missed++;
    }
    is_int(missed, 0, "each flipped bit of the header is detected");
    frame_encode(head, MSG_PUSH, body, sizeof body, bulk, sizeof bulk);
    decode(head, &h, &e);
    for (size_t bit = 0; bit < 8 * sizeof body; bit++) {
        memcpy(copy, body, sizeof body);
        copy[bit / 8] = (char)(copy[bit / 8] ^ 1 << bit % 8);
        missed += frame_check_body(&h, head, copy, &e) == 0;
    }
    is_int(missed, 0, "each flipped bit of the body is detected");
    for (size_t bit = 0; bit < 8 * sizeof bulk; bit++) {
        memcpy(numbers, bulk, sizeof bulk);
        ((uint8_t *)numbers)[bit / 8] ^= (uint8_t)(1u << bit % 8);
        missed +=
            frame_check_bulk(&h, wire_hash(numbers, sizeof bulk), &e) == 0;
    }
    is_int(missed, 0, "each flipped bit of the bulk is detected");
}

/* ---- messages ------------------------------------------------------------ */

/* One message of each type as bytes, and decoders that encode again what they
 * have read, so that all can be treated alike. */
static struct msg_cursor steps[] = {{1, 2, UINT64_C(1) << 40, 128},
                                    {3, 4, 5, 6}};
static const struct msg_order an_order = {7,    9,   MSG_ORDER_PARAMS, 1,    0,
                                          0.05, 123, ARRAY_LEN(steps), steps};
static const struct msg_push a_push = {7,  9,  256, 200, 2,  0,  1.5, 0.25,
                                       10, 20, 30,  40,  50, 60, 70,  1500};
static const struct msg_ready a_ready = {1, 1000, 3, 4};
static const struct msg_bye a_bye = {12, 100, 10, 20, 30, 25, 15, 18, 14};
static const struct msg_hello a_hello = {.rank = 5,
                                         .life = 2,
                                         .nonce = {1, 2},
                                         .proof = {3, 4},
                                         .host = "node-c",
                                         .pid = 77};
static const struct msg_fetch a_fetch = {.data_hash = 7, .offset = 4096};
static const struct msg_data some_data = {.offset = 4096, .total = 8192};
static const struct msg_piece a_piece = {7, 4096, 65536};
static const struct msg_emulate an_emulation = {40, "uniform(1,2)", "none", 12,
                                                4};
static const struct msg_error an_error = {ERR_CONFIG, "layer 7 \"conv3\": no"};

static void
put(uint16_t type, struct buf *b)
{
    const struct msg_challenge challenge = {{8, 9}};
    const struct msg_welcome welcome = {{10, 11}};

    switch (type) {
    case MSG_CHALLENGE:
        msg_put_challenge(b, &challenge);
        break;
    case MSG_HELLO:
        msg_put_hello(b, &a_hello);
        break;
    case MSG_WELCOME:
        msg_put_welcome(b, &welcome);
        break;
    case MSG_READY:
        msg_put_ready(b, &a_ready);
        break;
    case MSG_ORDER:
        msg_put_order(b, &an_order);
        break;
    case MSG_PUSH:
        msg_put_push(b, &a_push);
        break;
    case MSG_BYE:
        msg_put_bye(b, &a_bye);
        break;
    case MSG_FETCH:
        msg_put_fetch(b, &a_fetch);
        break;
    case MSG_DATA:
        msg_put_data(b, &some_data);
        break;
    case MSG_PIECE:
        msg_put_piece(b, &a_piece);
        break;
    case MSG_EMULATE:
        msg_put_emulate(b, &an_emulation);
        break;
    default:
        msg_put_error(b, &an_error);
        break;
    }
}

static int
get(uint16_t type, const void *p, size_t n, struct buf *again, struct err *e)
{
    union {
        struct msg_challenge challenge;
        struct msg_hello hello;
        struct msg_welcome welcome;
        struct msg_ready ready;
        struct msg_order order;
        struct msg_push push;
        struct msg_bye bye;
        struct msg_error error;
        struct msg_fetch fetch;
        struct msg_data data;
        struct msg_piece piece;
        struct msg_emulate emulate;
    } m;
    int rc;

    err_clear(e);
    switch (type) {
    case MSG_CHALLENGE:
        rc = msg_get_challenge(&m.challenge, p, n, e);
        if (rc == 0)
            msg_put_challenge(again, &m.challenge);
        break;
    case MSG_HELLO:
        rc = msg_get_hello(&m.hello, p, n, e);
        if (rc == 0)
            msg_put_hello(again, &m.hello);
        break;
    case MSG_WELCOME:
        rc = msg_get_welcome(&m.welcome, p, n, e);
        if (rc == 0)
            msg_put_welcome(again, &m.welcome);
        break;
    case MSG_READY:
        rc = msg_get_ready(&m.ready, p, n, e);
        if (rc == 0)
            msg_put_ready(again, &m.ready);
        break;
    case MSG_ORDER:
        rc = msg_get_order(&m.order, p, n, e);
        if (rc == 0)
            msg_put_order(again, &m.order);
        msg_order_release(&m.order);
        break;
    case MSG_PUSH:
        rc = msg_get_push(&m.push, p, n, e);
        if (rc == 0)
            msg_put_push(again, &m.push);
        break;
    case MSG_BYE:
        rc = msg_get_bye(&m.bye, p, n, e);
        if (rc == 0)
            msg_put_bye(again, &m.bye);
        break;
    case MSG_FETCH:
        rc = msg_get_fetch(&m.fetch, p, n, e);
        if (rc == 0)
            msg_put_fetch(again, &m.fetch);
        break;
    case MSG_DATA:
        rc = msg_get_data(&m.data, p, n, e);
        if (rc == 0)
            msg_put_data(again, &m.data);
        break;
    case MSG_PIECE:
        rc = msg_get_piece(&m.piece, p, n, e);
        if (rc == 0)
            msg_put_piece(again, &m.piece);
        break;
    case MSG_EMULATE:
        rc = msg_get_emulate(&m.emulate, p, n, e);
        if (rc == 0)
            msg_put_emulate(again, &m.emulate);
        break;
    default:
        rc = msg_get_error(&m.error, p, n, e);
        if (rc == 0)
            msg_put_error(again, &m.error);
        break;
    }
    return rc;
}

static const uint16_t types[] = {
    MSG_CHALLENGE, MSG_HELLO, MSG_WELCOME, MSG_READY, MSG_ORDER, MSG_PUSH,
    MSG_BYE,       MSG_ERROR, MSG_FETCH,   MSG_DATA,  MSG_PIECE, MSG_EMULATE};

/* In a block of its own, so that a sanitizer sees each byte read beyond it. */
static int
get_exact(uint16_t type, const char *p, size_t n, struct buf *again,
          struct err *e)
{
    char *copy = malloc(n ? n : 1);
    int rc;

    if (n)
        memcpy(copy, p, n);
    buf_clear(again);
    rc = get(type, copy, n, again, e);
    free(copy);
    return rc;
}

static void
test_round_trips(void)
{
    struct buf b = BUF_INIT(FRAME_MAX_BODY), again = BUF_INIT(FRAME_MAX_BODY);
    struct err e = ERR_INIT;

    for (size_t t = 0; t < ARRAY_LEN(types); t++) {
        const char *name = msg_name(types[t]);
        size_t accepted = 0;
        char expect[64];

        buf_clear(&b);
        put(types[t], &b);
        ok(get_exact(types[t], b.data, b.len, &again, &e) == 0 &&
               again.len == b.len && memcmp(again.data, b.data, b.len) == 0,
           "%s: what is decoded is what was encoded", name);
        for (size_t n = 0; n < b.len; n++)
            accepted += get_exact(types[t], b.data, n, &again, &e) == 0;
        is_int(accepted, 0, "no shorter body is accepted");
        ok(strncmp(e.text, name, strlen(name)) == 0 && e.code == ERR_PROTO,
           "%s is named: %s", name, e.text);
        buf_u8(&b, 0);
        ok(get_exact(types[t], b.data, b.len, &again, &e) < 0,
           "%s: one byte more is refused", name);
        snprintf(expect, sizeof expect,
                 types[t] == MSG_ORDER
                     ? "%s: n_steps is 2, but 41 bytes of steps follow"
                     : "%s: body is too long",
                 name);
        is_str(e.text, expect, "which is said");
    }
    buf_release(&b);
    buf_release(&again);
}

/* A coordinator and a worker of different builds must agree on these. */
static void
test_hello_layout(void)
{
    struct buf b = BUF_INIT(WIRE_MAX_HELLO);

    msg_put_hello(&b, &a_hello);
    is_int(b.len, 8 + 32 + 32 + 4 + 6 + 8, "HELLO: length");
    ok(b.data[0] == 5 && b.data[4] == 2 && b.data[8] == 1 && b.data[40] == 3 &&
           b.data[72] == 6 && !memcmp(b.data + 76, "node-c", 6) &&
           b.data[82] == 77,
       "HELLO: rank, life, nonce, proof, host, pid");
    ok(b.len - 6 + WIRE_HOST_CAP - 1 <= WIRE_MAX_HELLO,
       "the longest HELLO fits into its limit");
    buf_release(&b);
}

/* Bytes that are random, or good with some random edits: whatever is accepted
 * has exactly one encoding (the sign of a NaN and all). */
static void
test_hostile(void)
{
    struct buf b = BUF_INIT(FRAME_MAX_BODY), again = BUF_INIT(FRAME_MAX_BODY);
    unsigned long long seed = tap_seed(1);
    struct err e = ERR_INIT;
    long accepted = 0, differ = 0, unnamed = 0;

    for (uint64_t i = 0; i < 40000; i++) {
        uint16_t type = types[i % ARRAY_LEN(types)];
        struct rng r;
        size_t n;

        rng_init_key(&r, seed, RNG_TEST, i, 0);
        buf_clear(&b);
        put(type, &b);
        for (uint64_t k = 1 + rng_below(&r, 3); k; k--)
            b.data[rng_below(&r, b.len)] = (char)rng_u64(&r);
        n = rng_below(&r, 4) ? b.len : rng_below(&r, b.len + 1);
        if (get_exact(type, b.data, n, &again, &e) == 0) {
            accepted++;
            differ += again.len != n || memcmp(again.data, b.data, n) != 0;
        } else {
            unnamed += e.code != ERR_PROTO ||
                       strncmp(e.text, msg_name(type), strlen(msg_name(type)));
        }
    }
    ok(accepted > 1000, "%ld of 40000 edited bodies are still messages",
       accepted);
    is_int(differ, 0, "each is encoded as it came");
    is_int(unnamed, 0, "each other is refused by the name of its message");
    buf_release(&b);
    buf_release(&again);
}

/* What msg_get_* says about a struct with one wrong field. */
#define WHY(kind, change, ...)                                                 \
    do {                                                                       \
        struct msg_##kind m = __VA_ARGS__, out;                                \
        struct buf b_ = BUF_INIT(FRAME_MAX_BODY);                              \
        struct err e_ = ERR_INIT;                                              \
                                                                               \
        m.change;                                                              \
        msg_put_##kind(&b_, &m);                                               \
        if (msg_get_##kind(&out, b_.data, b_.len, &e_) == 0)                   \
            snprintf(why, sizeof why, "accepted");                             \
        else                                                                   \
            snprintf(why, sizeof why, "%.500s", e_.text);                      \
        buf_release(&b_);                                                      \
    } while (0)

static char why[512];

static void
test_order_ranges(void)
{
    struct msg_cursor bad[] = {{0, 0, 0, 0}};

    WHY(order, iteration = 0, an_order);
    is_str(why, "ORDER: iteration is 0, expected 1 to 18446744073709551615",
           "orders are counted from 1");
    WHY(order, flags = 16, an_order);
    is_str(why, "ORDER: unknown bits in flags 0x10", "unknown flag");
    WHY(order, contribution = 3, an_order);
    is_str(why, "ORDER: contribution is 3, expected 0 to 2",
           "unknown contribution");
    WHY(order, lr = -1, an_order);
    is_str(why, "ORDER: lr is -1, expected at least 0", "negative rate");
    WHY(order, lr = (double)NAN, an_order);
    ok(strstr(why, "lr is"), "%s", why);
    WHY(order, lr = (double)INFINITY, an_order);
    ok(strstr(why, "lr is inf"), "%s", why);
    WHY(order, held_ns = -5, an_order);
    is_str(why, "ORDER: held_ns is -5, expected a time", "negative time");
    WHY(order, n_steps = 0, an_order);
    is_str(why, "ORDER: n_steps is 0, expected 1 to 4096", "no steps");
    bad[0] = (struct msg_cursor){1, 0, 0, 0};
    WHY(order, step = bad, {1, 0, 0, 0, 0, 0, 0, 1, NULL});
    is_str(why, "ORDER: count of a step is 0, expected 1 to 4294967295",
           "empty mini-batch");
    bad[0] = (struct msg_cursor){1, 0, UINT64_MAX, 1};
    WHY(order, step = bad, {1, 0, 0, 0, 0, 0, 0, 1, NULL});
    ok(strstr(why, "first sample of a step"), "%s", why);
}

static void
test_order_sizes(void)
{
    struct buf b = BUF_INIT(FRAME_MAX_BODY);
    struct msg_order m;
    struct err e = ERR_INIT;
    struct msg_cursor *many = mem_alloc(WIRE_MAX_STEPS + 1, sizeof *many);

    for (size_t i = 0; i <= WIRE_MAX_STEPS; i++)
        many[i].count = 1;
    m = (struct msg_order){1, 0, 0, 0, 0, 0, 0, WIRE_MAX_STEPS, many};
    msg_put_order(&b, &m);
    is_int(msg_get_order(&m, b.data, b.len, &e), 0, "4096 steps are accepted");
    msg_order_release(&m);
    m = (struct msg_order){1, 0, 0, 0, 0, 0, 0, WIRE_MAX_STEPS + 1, many};
    buf_clear(&b);
    msg_put_order(&b, &m);
    is_int(msg_get_order(&m, b.data, b.len, &e), -1, "4097 are not");
    is_str(e.text, "ORDER: n_steps is 4097, expected 1 to 4096", "why");

    buf_clear(&b);
    msg_put_order(&b, &an_order);
    b.data[44] = 99; /* n_steps, without the steps */
    err_clear(&e);
    mem_fail_after(0); /* nothing may be allocated for them */
    is_int(msg_get_order(&m, b.data, b.len, &e), -1, "steps that are missing");
    is_str(e.text, "ORDER: n_steps is 99, but 40 bytes of steps follow", "why");
    ok(!m.step, "nothing is left to be freed");
    b.data[44] = 2;
    err_clear(&e);
    is_int(msg_get_order(&m, b.data, b.len, &e), -1, "out of memory");
    is_int(e.code, ERR_NOMEM, "is told as such");
    mem_fail_after(-1);
    mem_free(many);
    buf_release(&b);
}

static void
test_push_ranges(void)
{
    WHY(push, loss = (double)NAN, a_push);
    is_str(why, "accepted", "a loss that is not a number is the worker's news");
    WHY(push, norm = (double)NAN, a_push);
    is_str(why, "accepted", "and so is a norm");
    WHY(push, norm = -1, a_push);
    is_str(why, "PUSH: norm is -1, expected at least 0", "negative norm");
    WHY(push, iteration = 0, a_push);
    ok(strstr(why, "PUSH: iteration is 0"), "%s", why);
    WHY(push, samples = 0, a_push);
    ok(strstr(why, "PUSH: samples is 0"), "%s", why);
    WHY(push, correct = 257, a_push);
    is_str(why, "PUSH: correct is 257, expected 0 to 256",
           "more correct than samples");
    WHY(push, n_steps = 0, a_push);
    ok(strstr(why, "PUSH: n_steps is 0"), "%s", why);
    WHY(push, n_steps = WIRE_MAX_STEPS + 1, a_push);
    ok(strstr(why, "PUSH: n_steps is 4097"), "%s", why);
    WHY(push, data_ns = -1, a_push);
    ok(strstr(why, "PUSH: data_ns is -1"), "%s", why);
    WHY(push, compute_ns = -1, a_push);
    ok(strstr(why, "PUSH: compute_ns is -1"), "%s", why);
    WHY(push, push_ns = -1, a_push);
    ok(strstr(why, "PUSH: push_ns is -1"), "%s", why);
    WHY(push, wait_ns = -1, a_push);
    ok(strstr(why, "PUSH: wait_ns is -1"), "%s", why);
    WHY(push, pull_ns = -1, a_push);
    ok(strstr(why, "PUSH: pull_ns is -1"), "%s", why);
    WHY(push, push_hidden_ns = -1, a_push);
    ok(strstr(why, "PUSH: push_hidden_ns is -1"), "%s", why);
    WHY(push, pull_hidden_ns = -1, a_push);
    ok(strstr(why, "PUSH: pull_hidden_ns is -1"), "%s", why);
}

static void
test_push_flags(void)
{
    struct buf b = BUF_INIT(FRAME_MAX_BODY);
    struct msg_push m = a_push;
    struct err e = ERR_INIT;

    m.flags = MSG_PUSH_SHARED;
    msg_put_push(&b, &m);
    is_int(msg_get_push(&m, b.data, b.len, &e), 0, "in shared memory");
    is_int(m.flags, MSG_PUSH_SHARED, "is told");
    b.data[36] = 2;
    is_int(msg_get_push(&m, b.data, b.len, &e), 0, "in pieces");
    b.data[36] = MSG_PUSH_SERVED;
    is_int(msg_get_push(&m, b.data, b.len, &e), 0, "with servers");
    b.data[36] = 4;
    is_int(msg_get_push(&m, b.data, b.len, &e), -1, "unknown flags");
    is_str(e.text, "PUSH: flags is 4, expected 0 to 3", "why");
    buf_release(&b);
}

static void
test_other_ranges(void)
{
    WHY(ready, n_floats = 0, a_ready);
    ok(strstr(why, "READY: n_floats is 0"), "%s", why);
    WHY(ready, n_floats = FRAME_MAX_BULK / 4 + 1, a_ready);
    ok(strstr(why, "READY: n_floats is"), "%s", why);
    WHY(ready, setup_ns = -1, a_ready);
    ok(strstr(why, "READY: setup_ns is -1"), "%s", why);
    WHY(bye, wall_ns = -1, a_bye);
    ok(strstr(why, "BYE: wall_ns is -1"), "%s", why);
    WHY(bye, pull_ns = INT64_MIN, a_bye);
    ok(strstr(why, "BYE: pull_ns is -9223372036854775808"), "%s", why);
    WHY(piece, iteration = 0, a_piece);
    ok(strstr(why, "PIECE: iteration is 0"), "%s", why);
    WHY(piece, count = 0, a_piece);
    ok(strstr(why, "PIECE: count is 0"), "%s", why);
    WHY(piece, first = UINT64_MAX, a_piece);
    ok(strstr(why, "PIECE: first is 18446744073709551615"), "%s", why);
    WHY(error, code = ERR_OK, an_error);
    is_str(why, "ERROR: code 0 is unknown", "no error is no error");
    WHY(error, code = 11, an_error);
    is_str(why, "ERROR: code 11 is unknown", "unknown code");
    WHY(error, code = ERR_BUG, an_error);
    is_str(why, "accepted", "a bug of the peer is an error");
}

static void
test_text(void)
{
    struct buf b = BUF_INIT(FRAME_MAX_BODY);
    struct msg_error m = {ERR_FAIL, "caf\xc3\xa9\x1b[31m \\ \"ok\"\n"}, out;
    struct msg_hello hello = a_hello;
    struct err e = ERR_INIT;

    msg_put_error(&b, &m);
    is_int(msg_get_error(&out, b.data, b.len, &e), 0, "any text can be sent");
    is_str(out.text, "caf???[31m \\ \"ok\"?", "as printable ASCII");
    b.data[9] = '\x1b';
    is_int(msg_get_error(&out, b.data, b.len, &e), -1,
           "escape sequences of a peer are refused");
    is_str(e.text, "ERROR: text is not printable ASCII", "why");
    b.data[9] = 0;
    err_clear(&e);
    is_int(msg_get_error(&out, b.data, b.len, &e), -1, "a zero within is, too");

    memset(m.text, 'x', sizeof m.text); /* no final zero */
    buf_clear(&b);
    msg_put_error(&b, &m);
    err_clear(&e);
    is_int(msg_get_error(&out, b.data, b.len, &e), 0, "the longest text");
    is_int(strlen(out.text), WIRE_TEXT_CAP - 1, "is cut to what fits");

    memcpy(hello.host, "a\nb", 4);
    buf_clear(&b);
    msg_put_hello(&b, &hello);
    b.data[77] = '\n';
    is_int(msg_get_hello(&hello, b.data, b.len, &e), -1, "a host's name, too");
    is_str(e.text, "HELLO: host is not printable ASCII", "why");
    buf_release(&b);
}

int
main(void)
{
    is_str(msg_name(MSG_CHALLENGE), "CHALLENGE", "first name");
    is_str(msg_name(MSG_LAST), "OPEN", "last name");
    is_str(msg_name(0), "?", "no message");
    is_str(msg_name(MSG_LAST + 1), "?", "unknown message");
    is_str(msg_name(65535), "?", "greatest type");
    test_frame_layout();
    test_frame_limits();
    test_frame_flips();
    test_round_trips();
    test_hello_layout();
    test_order_ranges();
    test_order_sizes();
    test_push_ranges();
    test_push_flags();
    test_other_ranges();
    test_text();
    test_hostile();
    return done();
}
