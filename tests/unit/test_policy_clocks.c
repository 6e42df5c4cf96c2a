/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks and timers against the obvious way to keep them. */
#include "base/rng.h"
#include "policy/clocks.h"
#include "policy/timers.h"
#include "tap.h"

#define N      13
#define ABSENT UINT64_MAX

static uint64_t
least_of(const uint64_t *clocks, uint64_t fallback)
{
    uint64_t least = ABSENT;

    for (int i = 0; i < N; i++)
        if (clocks[i] < least)
            least = clocks[i];
    return least == ABSENT ? fallback : least;
}

static int
clocks_agree(const struct clocks *c, const uint64_t *clocks)
{
    if (clocks_least(c, 77) != least_of(clocks, 77))
        return 0;
    for (uint32_t i = 0; i < N; i++)
        if (clocks_has(c, i) != (clocks[i] != ABSENT) ||
            (clocks[i] != ABSENT && clocks_get(c, i) != clocks[i]))
            return 0;
    return 1;
}

static void
clocks_as_by_hand(struct rng *r)
{
    uint64_t clocks[N];
    struct clocks c;
    long good = 0, rounds = 200000;

    clocks_init(&c, N);
    for (int i = 0; i < N; i++)
        clocks[i] = ABSENT;
    for (long k = 0; k < rounds; k++) {
        /* some workers are much faster than others */
        uint32_t w = (uint32_t)rng_below(r, 1 + rng_below(r, N));

        if (clocks[w] == ABSENT) {
            clocks[w] = least_of(clocks, 42);
            clocks_enter(&c, w, 42);
        } else if (rng_below(r, 30) == 0) {
            clocks[w] = ABSENT;
            clocks_leave(&c, w);
        } else if (clocks_tick(&c, w) != ++clocks[w]) {
            break;
        }
        good += clocks_agree(&c, clocks);
    }
    is_int(good, rounds, "clocks agree after each of many steps");
    clocks_release(&c);
}

static void
timers_as_by_hand(struct rng *r)
{
    struct timer all[64];
    struct timers t = {0};
    size_t n = 0;
    long good = 0, rounds = 100000;

    for (long k = 0; k < rounds; k++) {
        if (n < 64 && (n == 0 || rng_below(r, 2))) {
            all[n] = (struct timer){(int64_t)rng_below(r, 20), t.next_seq,
                                    rng_u64(r)};
            good += timers_add(&t, all[n].at_ns, all[n].cookie) == 0;
            n++;
        } else {
            struct timer got = timers_pop(&t);
            size_t best = 0;

            for (size_t i = 1; i < n; i++)
                if (all[i].at_ns < all[best].at_ns ||
                    (all[i].at_ns == all[best].at_ns &&
                     all[i].seq < all[best].seq))
                    best = i;
            good +=
                got.cookie == all[best].cookie && got.at_ns == all[best].at_ns;
            all[best] = all[--n];
        }
    }
    is_int(good, rounds, "timers come by time, then in the order asked");
    while (t.n > 0)
        timers_pop(&t);
    ok(timers_next_ns(&t) == INT64_MAX, "no timer left");
    timers_release(&t);
}

int
main(void)
{
    struct rng r;

    rng_init(&r, tap_seed(1));
    clocks_as_by_hand(&r);
    timers_as_by_hand(&r);
    return done();
}
