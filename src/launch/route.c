/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/route.h"

#include "base/err.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANY_PORT "9" /* discard; nothing is sent to it */

static bool
is_loopback_address(const struct sockaddr *a)
{
    const struct sockaddr_in *a4 = (const void *)a;
    const struct sockaddr_in6 *a6 = (const void *)a;

    if (a->sa_family == AF_INET)
        return ntohl(a4->sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&a6->sin6_addr);
}

/* Connecting a datagram socket looks up the route and no more. */
static int
look_up(const struct addrinfo *to, char source[ROUTE_CAP], struct err *err)
{
    struct sockaddr_storage own;
    socklen_t len = sizeof own;
    int fd = socket(to->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), r = -1;

    if (fd < 0)
        return err_errno(err, "socket");
    if (connect(fd, to->ai_addr, to->ai_addrlen) != 0 ||
        getsockname(fd, (struct sockaddr *)&own, &len) != 0)
        err_errno(err, "no route");
    else
        r = getnameinfo((struct sockaddr *)&own, len, source, ROUTE_CAP, NULL,
                        0, NI_NUMERICHOST) == 0
                ? 0
                : err_set(err, ERR_SYS, "no numeric address");
    close(fd);
    return r;
}

int
route_source(const char *address, char source[ROUTE_CAP], bool *is_loopback,
             struct err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *found;
    int rc = getaddrinfo(address, ANY_PORT, &hints, &found), r;

    if (rc != 0)
        return err_set(err, ERR_CONFIG, "the name \"%s\" does not resolve: %s",
                       address, gai_strerror(rc));
    *is_loopback = is_loopback_address(found->ai_addr);
    r = look_up(found, source, err);
    freeaddrinfo(found);
    return r == 0 ? 0 : err_wrap(err, "%s", address);
}

static bool
is_one_address(const char *text)
{
    struct in6_addr a6;
    struct in_addr a4;

    if (inet_pton(AF_INET, text, &a4) == 1)
        return a4.s_addr != htonl(INADDR_ANY);
    return inet_pton(AF_INET6, text, &a6) == 1 && !IN6_IS_ADDR_UNSPECIFIED(&a6);
}

int
route_parse(const char *text, char address[ROUTE_CAP], unsigned *port,
            struct err *err)
{
    const char *colon, *end = text + strlen(text);
    uint64_t n = 0;
    bool fits;

    if (*text == '[') {
        const char *close = strchr(text, ']');

        end = close ? close : end;
        fits = close && (close[1] == '\0' || close[1] == ':') &&
               str_printf(address, ROUTE_CAP, "%.*s", (int)(end - text - 1),
                          text + 1);
        colon = fits && close[1] ? close + 1 : NULL;
    } else {
        colon = strchr(text, ':');
        if (colon && strchr(colon + 1, ':'))
            colon = NULL; /* IPv6 without brackets */
        fits = str_printf(address, ROUTE_CAP, "%.*s",
                          (int)((colon ? colon : end) - text), text);
    }
    if (!fits || !is_one_address(address) ||
        (colon && (!str_u64(colon + 1, &n) || n < 1 || n > UINT16_MAX)))
        return err_set(err, ERR_USAGE,
                       "--listen: expected one address of this machine, as in "
                       "192.0.2.7 or [2001:db8::7]:4711, got \"%s\"",
                       text);
    *port = (unsigned)n;
    return 0;
}

int
route_try_listen(const char *address, unsigned port, struct err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *to;
    char text[8];
    int fd, on = 1, r = 0;

    (void)str_printf(text, sizeof text, "%u", port);
    if (getaddrinfo(address, text, &hints, &to) != 0)
        return err_set(err, ERR_SYS, "%s is no address", address);
    fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) /* what is left of an earlier run is in nobody's way */
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, to->ai_addr, to->ai_addrlen) != 0 ||
        listen(fd, 1) != 0)
        r = errno == EADDRNOTAVAIL
                ? err_set(err, ERR_SYS,
                          "%s is not an address of this machine (\"ip addr\" "
                          "lists those)",
                          address)
                : err_errno(err, "listen on %s port %u", address, port);
    if (fd >= 0)
        close(fd);
    freeaddrinfo(to);
    return r;
}
