/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of sockets, as text and as libuv wants them. */
#ifndef EBSP_IO_ADDR_H
#define EBSP_IO_ADDR_H

#include "io/conn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct err;

#define ADDR_CAP 64 /* "[::1]:4711" */

/* Numeric, or "localhost", which is 127.0.0.1; anything else is false. */
bool addr_parse(struct sockaddr_storage *to, const char *host, uint16_t port);
/* ERR_CONFIG unless frames may travel to and from there in this way. */
int addr_check(const struct sockaddr_storage *a, struct io_security how,
               struct err *err);
void addr_format(char to[ADDR_CAP], const struct sockaddr_storage *a);
uint16_t addr_port(const struct sockaddr_storage *a);

#endif
