/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of a host by its name. */
#ifndef EBSP_IO_RESOLVE_H
#define EBSP_IO_RESOLVE_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct err;

#define RESOLVE_MAX 8 /* addresses; more are not looked at */

/* n > 0 addresses in the order of getaddrinfo(3), or none and why. */
typedef void resolve_fn(void *ctx, const struct sockaddr_storage *a, size_t n,
                        const struct err *why);
/* Calls `on_found` once, later, from the loop, after timeout_ms at the latest.
 * The system's resolver cannot be interrupted: the loop stays alive until it
 * has given up, too. */
int resolve_start(uv_loop_t *loop, const char *host, uint16_t port,
                  int64_t timeout_ms, resolve_fn *on_found, void *ctx,
                  struct err *err);

#endif
