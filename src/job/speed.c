/* SPDX-License-Identifier: Apache-2.0 */
#include "job/speed.h"

#include "base/mem.h"
#include "base/rng.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define NS_PER_MS 1e6

/* Stream 0 of a worker is for what is drawn once, k + 1 for iteration k. */
static struct rng
get_stream(const struct speed *s, uint64_t stream)
{
    struct rng r;

    rng_init_key(&r, s->seed, RNG_SPEED, s->worker, stream);
    return r;
}

void
speeds_rewind(struct speeds *s, uint64_t seed)
{
    for (uint32_t i = 0; i < s->n; i++) {
        struct speed *w = &s->worker[i];

        w->seed = seed;
        w->at = 0;
        if (w->kind == SPEED_TWOCLASS) { /* drawn once, for good */
            struct rng r = get_stream(w, 0);

            w->arg[3] = rng_unit(&r) < w->arg[2] ? w->arg[1] : w->arg[0];
        }
    }
}

void
speeds_release(struct speeds *s)
{
    mem_free(s->worker);
    mem_free(s->step);
    memset(s, 0, sizeof *s);
}

int64_t
speed_clamp(double ns)
{
    if (!(ns < (double)SPEED_MAX_NS))
        return SPEED_MAX_NS;
    return ns > 0 ? (int64_t)ns : 0;
}

/* Time that `work` takes with a stop of LENGTH after every EVERY: stops begin
 * at EVERY, 2 * EVERY + LENGTH and so on, whether somebody works or waits. */
static double
with_pauses(const struct speed *s, int64_t now_ns, double work_ns)
{
    int64_t every = speed_clamp(s->arg[1] * NS_PER_MS);
    int64_t length = speed_clamp(s->arg[2] * NS_PER_MS);
    int64_t phase;
    double n = 0, rest = 0, ahead;

    assert(every > 0); /* at least a nanosecond, see forms[] */
    phase = now_ns % (every + length);
    if (phase >= every) { /* it is in one */
        rest = (double)(every + length - phase);
        ahead = (double)every;
    } else {
        ahead = (double)(every - phase);
    }
    if (work_ns > ahead)
        n = ceil((work_ns - ahead) / (double)every);
    return rest + work_ns + n * (double)length;
}

int64_t
speed_time(const struct speed *s, uint64_t k, int64_t now_ns, double unit_ns)
{
    const double *a = s->arg;
    double x = a[0];
    struct rng r;

    switch (s->kind) {
    case SPEED_CONSTANT:
    case SPEED_PAUSE:
        break;
    case SPEED_UNIFORM:
        r = get_stream(s, k + 1);
        x = a[0] + (a[1] - a[0]) * rng_unit(&r);
        break;
    case SPEED_LOGNORMAL:
        r = get_stream(s, k + 1);
        x = a[0] * exp(a[1] * rng_normal(&r));
        break;
    case SPEED_EXPONENTIAL:
        r = get_stream(s, k + 1);
        x = a[0] - a[1] * log(1.0 - rng_unit(&r));
        break;
    case SPEED_TWOCLASS:
        x = a[3];
        break;
    case SPEED_PERIODIC:
        if (fmod((double)now_ns / NS_PER_MS, a[2]) < a[3] * a[2])
            x *= a[1];
        break;
    case SPEED_STEPS:
        x = s->step[k % s->n_steps];
        break;
    }
    x *= unit_ns;
    if (s->kind == SPEED_PAUSE)
        x = with_pauses(s, now_ns, x);
    /* time moves on, so that an order of events exists */
    return x < 1 ? 1 : speed_clamp(x);
}

int64_t
speed_next(struct speed *s, int64_t now_ns)
{
    return speed_time(s, s->at++, now_ns, NS_PER_MS);
}
