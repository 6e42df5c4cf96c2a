/* SPDX-License-Identifier: Apache-2.0 */
/* Which address of this machine another host would talk to. */
#ifndef EBSP_LAUNCH_ROUTE_H
#define EBSP_LAUNCH_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

struct err;

#define ROUTE_CAP 64 /* a numeric address without brackets */

/* Resolves a name or address and asks the kernel which source address packets
 * to it would carry; nothing is sent.  *is_loopback: the host is this machine,
 * by a loopback address.  ERR_CONFIG when the name does not resolve (to ssh it
 * may be an alias), ERR_SYS when no network leads there. */
int route_source(const char *address, char source[ROUTE_CAP], bool *is_loopback,
                 struct err *err);

/* "ADDRESS[:PORT]", numeric, IPv6 in brackets: one address, not the wildcard.
 * port 0: none given. ERR_USAGE. */
int route_parse(const char *text, char address[ROUTE_CAP], unsigned *port,
                struct err *err);

/* Whether one can listen there now: ERR_SYS when the address is not this
 * machine's, or somebody else has the port (0: any). */
int route_try_listen(const char *address, unsigned port, struct err *err);

#endif
