/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of sockets, as text and as libuv wants them. */
#ifndef EBSP_IO_ADDR_H
#define EBSP_IO_ADDR_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct err;

#define ADDR_CAP 64 /* "[::1]:4711" */

/* A numeric address of this machine's loopback; "localhost" is 127.0.0.1.
 * Any other is ERR_CONFIG: frames are not encrypted, so they stay here. */
int addr_parse(struct sockaddr_storage *to, const char *host, uint16_t port,
               struct err *err);
void addr_format(char to[ADDR_CAP], const struct sockaddr_storage *a);
uint16_t addr_port(const struct sockaddr_storage *a);

#endif
