/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics over HTTP: GET /metrics and nothing else; the only door to
 * libmicrohttpd.
 *
 * Whoever reaches the port may ask.  A request has HTTP_MEMORY bytes, head and
 * answer's head together, and HTTP_IDLE_S seconds of silence; there are at most
 * HTTP_PEERS connections, and when one more comes the oldest goes, so that slow
 * ones do not keep anybody out.  One request a connection. */
#ifndef EBSP_VIEW_HTTP_H
#define EBSP_VIEW_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct http;

#define HTTP_MEMORY     8192
#define HTTP_IDLE_S     5
#define HTTP_PEERS      16
#define HTTP_MAX_ANSWER ((size_t)64 << 20)

/* A listening socket on an address: numeric, or "localhost".  Port 0: any. -1:
 * ERR_USAGE for what is no address, ERR_SYS. */
int http_listen(const char *address, uint16_t port, struct err *err);
/* "http://127.0.0.1:9100/metrics", of such a socket. */
void http_url(int fd, char *to, size_t cap);

/* It is of this machine's loopback: nobody else reaches it. */
bool http_is_local(int fd);

/* Appends the body of the answer; called in a thread of its own. */
typedef void http_fn(void *ctx, struct buf *to);

/* Serves with one thread of its own; takes the socket over, also when it
 * fails. */
struct http *http_new(int fd, const char *content_type, http_fn *fn, void *ctx,
                      struct err *err);
/* Ends the thread; what is half answered is cut off.  NULL is fine. */
void http_free(struct http *h);

#endif
