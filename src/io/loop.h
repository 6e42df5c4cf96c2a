/* SPDX-License-Identifier: Apache-2.0 */
/* The door to libuv for the rooms above: loop, timers, signals, threads. */
#ifndef EBSP_IO_LOOP_H
#define EBSP_IO_LOOP_H

#include <uv.h>

/* Starts a timer that ends once, ms from now.  libuv counts from the beginning
 * of a turn of its loop, which may have been busy since.  To move its clock
 * (uv_update_time) would be wrong: timers that are to let a turn go by, so that
 * sockets are looked at, would end in this one. */
static inline void
loop_start_timer(uv_timer_t *t, uv_timer_cb cb, int64_t ms)
{
    int64_t now = (int64_t)(uv_hrtime() / 1000000);
    int64_t late = now - (int64_t)uv_now(t->loop);

    uv_timer_start(t, cb, (uint64_t)(late > 0 ? ms + late : ms), 0);
}

#endif
