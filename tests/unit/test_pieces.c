/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors in pieces: how they are cut, put together, and watched while they
 * become final. */
#include "base/err.h"
#include "base/rng.h"
#include "tap.h"
#include "wire/pieces.h"
#include "worker/watermark.h"

/* Sends as much as can be sent when `ready` floats are there; each piece is
 * marked in `seen` and comes to the other side.  False: something is wrong. */
static bool
send_all(struct pieces *out, struct pieces *in, size_t ready, uint8_t *seen,
         size_t *n_pieces)
{
    struct err e = ERR_INIT;
    struct piece x;

    while (pieces_next(out, ready, &x)) {
        bool last = out->done + x.count == out->n;

        if (x.count > PIECE_MAX || (x.count < PIECE_MIN && !last) ||
            pieces_check(in, &x, &e) != 0)
            return false;
        for (size_t i = x.first; i < x.first + x.count; i++)
            seen[i]++;
        /* Nothing that was not ready. */
        if (out->from_end ? x.first < out->n - ready
                          : x.first + x.count > ready)
            return false;
        pieces_add(out, &x);
        pieces_add(in, &x);
        ++*n_pieces;
    }
    return ready - out->done < PIECE_MIN || ready == out->n;
}

/* Vectors of any length, made in steps of any length. */
static void
every_number_travels_once(struct rng *r)
{
    static uint8_t seen[6 * PIECE_MAX];
    int wrong = 0, many = 0;

    for (size_t i = 0; i < 100; i++) {
        size_t n = 1 + rng_below(r, sizeof seen), ready = 0, n_pieces = 0;
        struct pieces in, out;
        bool right = true;

        memset(seen, 0, n);
        pieces_begin(&out, n, i % 2);
        pieces_begin(&in, n, i % 2);
        while (ready < n && right) {
            ready += rng_below(r, (i % 10 + 1) * PIECE_MIN / 2);
            ready = ready < n ? ready : n;
            right = send_all(&out, &in, ready, seen, &n_pieces);
        }
        for (size_t k = 0; k < n; k++)
            right &= seen[k] == 1;
        wrong += !right || !pieces_is_whole(&in) || !pieces_is_whole(&out);
        many += n_pieces > n / PIECE_MIN + 1;
    }
    is_int(wrong, 0, "every number travels once, when it is ready");
    is_int(many, 0, "in pieces that are not too small");
}

static void
what_is_ready_at_once_is_cut_evenly(void)
{
    size_t n = 3 * PIECE_MAX + 32, k = 0;
    struct pieces p;
    struct piece x;
    bool even = true;

    pieces_begin(&p, n, false);
    for (; pieces_next(&p, n, &x); k++) {
        even &= x.first == k * PIECE_MAX;
        pieces_add(&p, &x);
    }
    ok(even && k == 4 && x.count == 32, "at multiples of PIECE_MAX");
}

static bool
refused(const struct pieces *p, size_t first, size_t count, const char *why)
{
    struct piece x = {first, count};
    struct err e = ERR_INIT;

    return pieces_check(p, &x, &e) == -1 && e.code == ERR_PROTO &&
           strstr(e.text, why);
}

static void
hostile_pieces(bool from_end)
{
    size_t n = 1000, mark = from_end ? n - 100 : 100; /* what is done: 100 */
    struct pieces p = {0};
    struct piece x = {from_end ? n - 100 : 0, 100};
    struct err e = ERR_INIT;

    ok(refused(&p, 0, 1, "expected none"), "none is on its way");
    pieces_begin(&p, n, from_end);
    ok(pieces_check(&p, &x, &e) == 0, "the first one");
    pieces_add(&p, &x);
    ok(refused(&p, x.first, 100, "a piece at"), "the same again");
    ok(refused(&p, mark - 10, 20, "a piece at"), "it overlaps");
    ok(refused(&p, from_end ? mark - 30 : mark + 10, 20, "a piece at"),
       "something is missing");
    ok(refused(&p, mark, 901, "numbers, expected 1 to 900"), "too long");
    ok(refused(&p, mark, 0, "of 0 numbers"), "empty");
    ok(refused(&p, SIZE_MAX - 10, 20, "a piece at"), "its end wraps around");
    ok(refused(&p, mark, SIZE_MAX, "numbers"), "so does its length");
    ok(!pieces_is_whole(&p), "not whole");
    x = (struct piece){from_end ? 0 : 100, 900};
    ok(pieces_check(&p, &x, &e) == 0, "the rest of it");
    pieces_add(&p, &x);
    ok(pieces_is_whole(&p) && refused(&p, 0, 1, "expected none"),
       "whole, and nothing more");
}

/* Segments that become final in any order: the mark is where a naive look at
 * all of them says. */
static void
watermark(struct rng *r)
{
    enum { N = 50 };
    struct segment seg[N] = {0};
    struct segtab t = {.seg = seg, .n = N};
    struct watermark m = {0};
    struct err e = ERR_INIT;
    size_t order[N];
    int wrong = watermark_init(&m, &t, &e);

    for (size_t i = 0; i < N; i++) {
        seg[i].offset = t.n_floats;
        seg[i].count = 1 + rng_below(r, 40);
        t.n_floats += (seg[i].count + 15) / 16 * 16;
        order[i] = N - 1 - i;
    }
    for (int round = 0; round < 20; round++) {
        bool final[N] = {false};

        watermark_clear(&m);
        for (size_t i = 0; i < N; i++) {
            size_t low = N, got;

            got = watermark_rise(&m, order[i]);
            final[order[i]] = true;
            while (low > 0 && final[low - 1])
                low--;
            wrong +=
                got != t.n_floats - (low < N ? seg[low].offset : t.n_floats);
        }
        /* First in the order of back-propagation, then more and more mixed. */
        for (int swaps = 0; swaps < round; swaps++) {
            size_t a = rng_below(r, N), b = rng_below(r, N), keep = order[a];

            order[a] = order[b];
            order[b] = keep;
        }
    }
    is_int(wrong, 0, "the watermark is the end of what is final");
    watermark_release(&m);
}

int
main(void)
{
    struct rng r;

    rng_init(&r, tap_seed(20261121));
    every_number_travels_once(&r);
    what_is_ready_at_once_is_cut_evenly();
    hostile_pieces(false);
    hostile_pieces(true);
    watermark(&r);
    return done();
}
