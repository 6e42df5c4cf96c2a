/* SPDX-License-Identifier: Apache-2.0 */
/* The door to libuv for the rooms above: loop, timers, signals, threads. */
#ifndef EBSP_IO_LOOP_H
#define EBSP_IO_LOOP_H

#include <uv.h>

#endif
