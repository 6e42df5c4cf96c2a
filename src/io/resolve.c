/* SPDX-License-Identifier: Apache-2.0 */
#include "io/resolve.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "io/loop.h"

#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

struct resolve {
    uv_getaddrinfo_t req;
    uv_timer_t timer;
    bool due;          /* the timer has fired once */
    bool looked_up;    /* the resolver has come back */
    bool timer_closed; /* freed when both are true */
    char host[256];    /* for messages */
    int64_t timeout_ms;
    resolve_fn *on_found;
    void *ctx;
};

static void
free_if_over(struct resolve *r)
{
    if (r->looked_up && r->timer_closed)
        mem_free(r);
}

static void
on_timer_closed(uv_handle_t *timer)
{
    struct resolve *r = timer->data;

    r->timer_closed = true;
    free_if_over(r);
}

static void
tell(struct resolve *r, const struct sockaddr_storage *a, size_t n,
     const struct err *why)
{
    r->on_found(r->ctx, a, n, why);
    r->on_found = NULL;
    uv_close((uv_handle_t *)&r->timer, on_timer_closed);
}

static void
on_looked_up(uv_getaddrinfo_t *req, int status, struct addrinfo *list)
{
    struct resolve *r = req->data;
    struct sockaddr_storage a[RESOLVE_MAX];
    struct err e = ERR_INIT;
    size_t n = 0;

    r->looked_up = true;
    if (!r->on_found) { /* too late */
        uv_freeaddrinfo(list);
        free_if_over(r);
        return;
    }
    memset(a, 0, sizeof a);
    for (struct addrinfo *i = list; i && n < RESOLVE_MAX; i = i->ai_next)
        if (i->ai_family == AF_INET || i->ai_family == AF_INET6)
            memcpy(&a[n++], i->ai_addr, i->ai_addrlen);
    uv_freeaddrinfo(list);
    if (n == 0)
        err_set(&e, ERR_SYS, "host \"%s\": %s", r->host,
                status < 0 ? uv_strerror(status) : "has no address");
    tell(r, a, n, &e);
}

static void
on_timer(uv_timer_t *timer)
{
    struct resolve *r = timer->data;
    struct err e = ERR_INIT;

    if (!r->due) { /* the answer may have come while we were busy */
        r->due = true;
        uv_timer_start(timer, on_timer, 1, 0);
        return;
    }
    err_set(&e, ERR_SYS, "host \"%s\": no answer of the resolver within %.1f s",
            r->host, (double)r->timeout_ms / 1000);
    (void)uv_cancel((uv_req_t *)&r->req); /* if it has not begun */
    tell(r, NULL, 0, &e);
}

int
resolve_start(uv_loop_t *loop, const char *host, uint16_t port,
              int64_t timeout_ms, resolve_fn *on_found, void *ctx,
              struct err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct resolve *r = mem_alloc(1, sizeof *r);
    char service[8];
    int rc;

    if (!r)
        return err_nomem(err);
    str_escape(r->host, sizeof r->host, host, strlen(host));
    r->timeout_ms = timeout_ms;
    r->on_found = on_found;
    r->ctx = ctx;
    r->req.data = r->timer.data = r;
    snprintf(service, sizeof service, "%u", (unsigned)port);
    rc = uv_getaddrinfo(loop, &r->req, on_looked_up, host, service, &hints);
    if (rc < 0) {
        err_set(err, ERR_SYS, "host \"%s\": %s", r->host, uv_strerror(rc));
        mem_free(r);
        return -1;
    }
    uv_timer_init(loop, &r->timer);
    loop_start_timer(&r->timer, on_timer, timeout_ms);
    return 0;
}
