/* SPDX-License-Identifier: Apache-2.0 */
/* Speeds of a real run. */
#ifndef EBSP_SIM_TRACE_H
#define EBSP_SIM_TRACE_H

#include "job/speed.h"

/* Measured iteration times (data + compute) of the pushes in an event stream;
 * worker i repeats those of rank i modulo the ranks found. */
int speeds_load_trace(struct speeds *s, uint32_t n, const char *path,
                      struct err *err);

#endif
