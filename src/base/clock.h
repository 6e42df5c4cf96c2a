/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EBSP_BASE_CLOCK_H
#define EBSP_BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_S INT64_C(1000000000)

/* Monotonic time in nanoseconds; only differences mean something. */
int64_t clock_now_ns(void);
/* CLOCK_REALTIME in nanoseconds: what two machines can compare. */
int64_t clock_real_ns(void);
/* The same instant of the monotonic time t_ns, as Unix time in seconds. */
double clock_unix(int64_t t_ns);
/* CLOCK_REALTIME as "2026-01-31T12:00:00Z". */
void clock_iso(char to[32]);
/* Same instant fit for a file name: "20260131-120000". */
void clock_stamp(char to[32]);
/* Sleeps until the monotonic time t_ns has come. */
void clock_sleep_until(int64_t t_ns);

#endif
