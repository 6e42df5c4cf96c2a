/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <errno.h>
#include <time.h>

int64_t
clock_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

int64_t
clock_real_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

double
clock_unix(int64_t t_ns)
{
    return (double)(clock_real_ns() - clock_now_ns() + t_ns) / (double)NS_PER_S;
}

static struct tm
utc_now(void)
{
    time_t now = time(NULL);
    struct tm tm;

    gmtime_r(&now, &tm);
    return tm;
}

void
clock_iso(char to[32])
{
    struct tm tm = utc_now();

    strftime(to, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

void
clock_stamp(char to[32])
{
    struct tm tm = utc_now();

    strftime(to, 32, "%Y%m%d-%H%M%S", &tm);
}

void
clock_sleep_until(int64_t t_ns)
{
    struct timespec t = {.tv_sec = t_ns / NS_PER_S, .tv_nsec = t_ns % NS_PER_S};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        continue;
}
