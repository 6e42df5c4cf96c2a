/* SPDX-License-Identifier: Apache-2.0 */
#include "view/http.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "io/addr.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATH    "/metrics"
#define BACKLOG 128

struct peer {
    int fd; /* -1: the place is free */
    uint64_t number;
};

struct http {
    struct MHD_Daemon *daemon;
    const char *content_type;
    http_fn *fn;
    void *ctx;
    /* Of the thread, like everything that it calls back. */
    struct peer peer[HTTP_PEERS];
    uint64_t n_peers; /* so far */
};

/* ---- the socket ---------------------------------------------------------- */

int
http_listen(const char *address, uint16_t port, struct err *err)
{
    struct sockaddr_storage a;
    char name[ADDR_CAP];
    int fd, on = 1;

    if (!addr_parse(&a, address, port))
        return err_set(err, ERR_USAGE,
                       "address \"%s\": expected a numeric one, for example "
                       "127.0.0.1 or ::1",
                       address);
    addr_format(name, &a);
    fd = socket(a.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_errno(err, "%s", name);
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind(fd, (const struct sockaddr *)&a,
             a.ss_family == AF_INET ? sizeof(struct sockaddr_in)
                                    : sizeof(struct sockaddr_in6)) == 0 &&
        listen(fd, BACKLOG) == 0)
        return fd;
    err_errno(err, "%s: cannot listen", name);
    close(fd);
    return -1;
}

static struct sockaddr_storage
get_address(int fd)
{
    struct sockaddr_storage a = {.ss_family = AF_UNSPEC};
    socklen_t n = sizeof a;

    (void)getsockname(fd, (struct sockaddr *)&a, &n);
    return a;
}

void
http_url(int fd, char *to, size_t cap)
{
    struct sockaddr_storage a = get_address(fd);
    char name[ADDR_CAP];

    addr_format(name, &a);
    (void)str_printf(to, cap, "http://%s" PATH, name);
}

bool
http_is_local(int fd)
{
    struct sockaddr_storage a = get_address(fd);
    struct io_security plain = {.tls = false};

    return addr_check(&a, plain, NULL) == 0; /* where plain frames may go */
}

/* ---- connections --------------------------------------------------------- */

/* The one that is there the longest has had its time: the answer to a proper
 * request takes milliseconds. */
static void
drop_oldest(struct http *h)
{
    struct peer *oldest = &h->peer[0];

    for (size_t i = 1; i < HTTP_PEERS; i++)
        if (h->peer[i].number < oldest->number)
            oldest = &h->peer[i];
    (void)shutdown(oldest->fd, SHUT_RDWR);
}

static struct peer *
find_free(struct http *h, size_t *n_free)
{
    struct peer *p = NULL;

    *n_free = 0;
    for (size_t i = 0; i < HTTP_PEERS; i++)
        if (h->peer[i].fd < 0) {
            p = &h->peer[i];
            ++*n_free;
        }
    return p;
}

static void
on_connection(void *ctx, struct MHD_Connection *c, void **mine,
              enum MHD_ConnectionNotificationCode what)
{
    const union MHD_ConnectionInfo *info;
    struct http *h = ctx;
    struct peer *p = *mine;
    size_t n_free;

    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (p)
            p->fd = -1;
        return;
    }
    info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
    p = find_free(h, &n_free);
    if (!p || !info)
        return;
    *p = (struct peer){info->connect_fd, h->n_peers++};
    *mine = p;
    if (n_free == 1) /* the last place is taken */
        drop_oldest(h);
}

/* ---- requests ------------------------------------------------------------ */

static enum MHD_Result
answer(struct MHD_Connection *c, unsigned status, struct buf *body,
       const char *type, const char *allow)
{
    size_t n = body->len;
    char *data = body->bad ? NULL : buf_take(body, &n);
    struct MHD_Response *r =
        data ? MHD_create_response_from_buffer_with_free_callback(n, data,
                                                                  mem_free)
             : NULL;
    enum MHD_Result done = MHD_NO;

    buf_release(body);
    if (!r) {
        mem_free(data);
        return MHD_NO;
    }
    if (MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type) &&
        MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close") &&
        MHD_add_response_header(r, "X-Content-Type-Options", "nosniff") &&
        (!allow || MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, allow)))
        done = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return done;
}

static enum MHD_Result
refuse(struct MHD_Connection *c, unsigned status, const char *why,
       const char *allow)
{
    struct buf b = BUF_INIT(256);

    buf_addf(&b, "%s\n", why);
    return answer(c, status, &b, "text/plain; charset=utf-8", allow);
}

/* Answered when its head is there, so that no body is ever taken. */
static enum MHD_Result
on_request(void *ctx, struct MHD_Connection *c, const char *url,
           const char *method, const char *version, const char *upload,
           size_t *n_upload, void **mine)
{
    struct http *h = ctx;
    struct buf b = BUF_INIT(HTTP_MAX_ANSWER);

    (void)version;
    (void)upload;
    (void)n_upload;
    (void)mine;
    if (strcmp(url, PATH) != 0)
        return refuse(c, MHD_HTTP_NOT_FOUND, "there is only " PATH, NULL);
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0)
        return refuse(c, MHD_HTTP_METHOD_NOT_ALLOWED, "expected GET",
                      MHD_HTTP_METHOD_GET);
    h->fn(h->ctx, &b);
    return answer(c, MHD_HTTP_OK, &b, h->content_type, NULL);
}

/* What strangers do wrong is nobody's concern. */
static void
keep_quiet(void *ctx, const char *fmt, va_list ap)
{
    (void)ctx;
    (void)fmt;
    (void)ap;
}

/* ---- life ---------------------------------------------------------------- */

struct http *
http_new(int fd, const char *content_type, http_fn *fn, void *ctx,
         struct err *err)
{
    struct http *h = mem_alloc(1, sizeof *h);

    if (!h) {
        close(fd);
        err_nomem(err);
        return NULL;
    }
    h->content_type = content_type;
    h->fn = fn;
    h->ctx = ctx;
    for (size_t i = 0; i < HTTP_PEERS; i++)
        h->peer[i].fd = -1;
    h->daemon = MHD_start_daemon(
        MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG, 0, NULL, NULL,
        on_request, h, MHD_OPTION_EXTERNAL_LOGGER, keep_quiet, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)HTTP_PEERS, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)HTTP_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HTTP_MEMORY, MHD_OPTION_NOTIFY_CONNECTION, on_connection, h,
        MHD_OPTION_END);
    if (h->daemon)
        return h;
    close(fd);
    mem_free(h);
    err_set(err, ERR_SYS, "no thread for metrics");
    return NULL;
}

void
http_free(struct http *h)
{
    if (!h)
        return;
    MHD_stop_daemon(h->daemon);
    mem_free(h);
}
