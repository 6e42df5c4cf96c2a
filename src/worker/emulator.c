/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/emulator.h"

#include "base/err.h"

#define NS_PER_MS 1e6

void
emulator_init(struct emulator *e, uint32_t rank, uint64_t seed, int64_t zero_ns)
{
    *e = (struct emulator){.rank = rank, .seed = seed, .zero_ns = zero_ns};
}

int
emulator_set(struct emulator *e, const char *slow, double pace_ms,
             struct err *err)
{
    struct speeds s = {0};

    if (slow && speeds_parse_one(&s, e->rank, slow, e->seed, err) != 0)
        return -1;
    speeds_release(&e->slow);
    e->slow = s;
    e->is_slow = slow;
    e->pace_ms = pace_ms;
    return 0;
}

void
emulator_release(struct emulator *e)
{
    speeds_release(&e->slow);
}

/* Time of all steps when each takes unit_ns. */
static double
stretch(const struct emulator *e, const struct emulator_order *o,
        double unit_ns)
{
    int64_t begin = o->start_ns > e->zero_ns ? o->start_ns - e->zero_ns : 0;
    double total = 0;

    if (!e->is_slow || !(unit_ns > 0))
        return unit_ns * o->n_steps;
    for (uint32_t i = 0; i < o->n_steps; i++)
        total += (double)speed_time(
            e->slow.worker, (o->iteration - 1) * o->n_steps + i,
            speed_clamp((double)begin + total), unit_ns);
    return total;
}

/* The pace is a lower bound: who computes for longer is slowed down from
 * there. */
int64_t
emulator_get_end(const struct emulator *e, const struct emulator_order *o,
                 double *factor)
{
    double own = (double)o->compute_ns, n = o->n_steps;
    double pace = e->pace_ms * NS_PER_MS * n;
    double slow = stretch(e, o, own / n);
    int64_t end = o->computed_ns, paced_end;

    *factor = own > 0 ? slow / own : 1;
    if (slow > own)
        end += speed_clamp(slow - own);
    if (!(pace > 0))
        return end;
    slow = stretch(e, o, pace / n);
    paced_end = o->start_ns + speed_clamp(slow);
    if (paced_end < end)
        return end;
    *factor = slow / pace;
    return paced_end;
}

uint32_t
emulator_round(double factor)
{
    double v = factor * 1000 + 0.5;

    if (v >= 1000 && v < 1001)
        return 0;
    return v < 1 ? 1 : v < UINT32_MAX ? (uint32_t)v : UINT32_MAX;
}
