/* SPDX-License-Identifier: Apache-2.0 */
#include "io/addr.h"

#include "base/err.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool
is_loopback(const struct sockaddr_storage *a)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    if (a->ss_family == AF_INET) {
        memcpy(&v4, a, sizeof v4);
        return ntohl(v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    memcpy(&v6, a, sizeof v6);
    return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
}

bool
addr_parse(struct sockaddr_storage *to, const char *host, uint16_t port)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    memset(to, 0, sizeof *to);
    if (!strcmp(host, "localhost"))
        host = "127.0.0.1";
    if (uv_ip4_addr(host, port, &v4) == 0)
        memcpy(to, &v4, sizeof v4);
    else if (uv_ip6_addr(host, port, &v6) == 0)
        memcpy(to, &v6, sizeof v6);
    else
        return false;
    return true;
}

int
addr_check(const struct sockaddr_storage *a, struct io_security how,
           struct err *err)
{
    char name[ADDR_CAP];

    if (how.tls || how.insecure || is_loopback(a))
        return 0;
    addr_format(name, a);
    return err_set(err, ERR_CONFIG,
                   "address %s: not of this machine's loopback, so frames "
                   "must travel in TLS",
                   name);
}

void
addr_format(char to[ADDR_CAP], const struct sockaddr_storage *a)
{
    char name[INET6_ADDRSTRLEN] = "?";
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    if (a->ss_family == AF_INET) {
        memcpy(&v4, a, sizeof v4);
        uv_ip4_name(&v4, name, sizeof name);
        snprintf(to, ADDR_CAP, "%s:%u", name, addr_port(a));
    } else if (a->ss_family == AF_INET6) {
        memcpy(&v6, a, sizeof v6);
        uv_ip6_name(&v6, name, sizeof name);
        snprintf(to, ADDR_CAP, "[%s]:%u", name, addr_port(a));
    } else {
        snprintf(to, ADDR_CAP, "?");
    }
}

uint16_t
addr_port(const struct sockaddr_storage *a)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    if (a->ss_family == AF_INET) {
        memcpy(&v4, a, sizeof v4);
        return ntohs(v4.sin_port);
    }
    memcpy(&v6, a, sizeof v6);
    return ntohs(v6.sin6_port);
}
