/* SPDX-License-Identifier: Apache-2.0 */
#include "relay_conn.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINGER_NS (5 * NS_PER_S)

static const char *const way[2] = {"up", "down"};

static void
die(const char *what)
{
    perror(what);
    exit(5);
}

void
relay_narrow(int fd)
{
    int size = 65536;

    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

void
conn_start(struct relay *r, struct conn *c)
{
    int yes = 1;

    c->fd[1] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd[1] < 0)
        die("socket");
    relay_narrow(c->fd[1]);
    setsockopt(c->fd[1], IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    /* A failure is told by poll. */
    (void)connect(c->fd[1], (struct sockaddr *)&r->target, sizeof r->target);
    c->pipe[0].from = c->pipe[1].to = c->fd[0];
    c->pipe[0].to = c->pipe[1].from = c->fd[1];
}

static FILE *
open_record(const struct relay *r, const struct conn *c, int d)
{
    char path[4096];

    if (!r->record)
        return NULL;
    snprintf(path, sizeof path, "%s/%s.%llu.%s", r->record, c->link->name,
             (unsigned long long)c->number, way[d]);
    return fopen(path, "we");
}

void
conn_accept(struct relay *r, struct link *l, int64_t now)
{
    int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), yes = 1;
    struct conn *c;

    if (fd < 0)
        return;
    if (l->refuses || r->n_conns == MAX_CONNS) {
        struct linger reset = {1, 0};

        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd);
        printf("%s refused\n", l->name);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    c = mem_alloc(1, sizeof *c);
    if (!c)
        die("relay");
    c->link = l;
    c->number = l->count++;
    c->fd[0] = fd;
    c->fd[1] = -1;
    for (int d = 0; d < 2; d++) {
        pipe_init(&c->pipe[d], &l->set[d],
                  rng_hash(r->seed, (uint64_t)(l - r->link),
                           c->number * 2 + (uint64_t)d),
                  now);
        snprintf(c->pipe[d].name, sizeof c->pipe[d].name, "%s.%llu %s", l->name,
                 (unsigned long long)c->number, way[d]);
        c->pipe[d].record = open_record(r, c, d);
    }
    r->conn[r->n_conns++] = c;
    printf("%s.%llu accepted\n", l->name, (unsigned long long)c->number);
    if (r->target.sin_port)
        conn_start(r, c);
}

void
conn_end(struct relay *r, struct conn *c, bool reset)
{
    struct linger l = {1, 0};
    size_t i = 0;

    for (int s = 0; s < 2; s++) {
        if (c->fd[s] < 0)
            continue;
        if (reset)
            setsockopt(c->fd[s], SOL_SOCKET, SO_LINGER, &l, sizeof l);
        close(c->fd[s]);
    }
    printf("%s.%llu %s (up %llu, down %llu)\n", c->link->name,
           (unsigned long long)c->number, reset ? "reset" : "closed",
           (unsigned long long)c->pipe[0].out,
           (unsigned long long)c->pipe[1].out);
    pipe_release(&c->pipe[0]);
    pipe_release(&c->pipe[1]);
    while (r->conn[i] != c)
        i++;
    r->conn[i] = r->conn[--r->n_conns];
    mem_free(c);
}

/* On a network that passes nothing the other side would not learn of it at
 * once: it comes after everything that was before. */
static void
lose_side(struct conn *c, int s, int64_t now)
{
    c->lost[s] = true;
    pipe_lose(&c->pipe[s], now);
}

static void
stall_both(const struct relay *r, struct conn *c, int d)
{
    struct pipe *p = &c->pipe[d], *other = &c->pipe[!d];

    for (size_t i = 0; i < r->n_rules; i++)
        if (r->rule[i] == p->stalled_by)
            other->fired |= UINT64_C(1) << i;
    pipe_stall_like(other, p);
}

/* What still comes is read and thrown away: closing over unread bytes would be
 * a reset. */
static void
begin_close(struct conn *c, int64_t now)
{
    for (int s = 0; s < 2; s++)
        if (c->fd[s] >= 0)
            (void)shutdown(c->fd[s], SHUT_WR);
    c->close_by_ns = now + LINGER_NS;
}

bool
conn_follow(struct relay *r, struct conn *c, int d, enum fate f, int64_t now)
{
    switch (f) {
    case FATE_GOES_ON:
        break;
    case FATE_STALL:
        stall_both(r, c, d);
        break;
    case FATE_CLOSE:
        if (c->close_by_ns == 0)
            begin_close(c, now);
        break;
    case FATE_RESET:
        conn_end(r, c, true);
        return false;
    case FATE_LOST:
        lose_side(c, !d, now);
        break;
    }
    return true;
}

bool
conn_is_meant(const struct conn *c, int d, const struct rule *q)
{
    return (strcmp(q->link, c->link->name) == 0 ||
            strcmp(q->link, "all") == 0) &&
           (q->connection < 0 || (uint64_t)q->connection == c->number) &&
           q->direction[d];
}

static const struct rule *const *
rules_of(const struct relay *r, const struct conn *c, int d)
{
    static const struct rule *meant[PIPE_MAX_RULES];

    for (size_t i = 0; i < r->n_rules; i++)
        meant[i] = conn_is_meant(c, d, r->rule[i]) ? r->rule[i] : NULL;
    return meant;
}

bool
conn_do_timed(struct relay *r, struct conn *c, int64_t now, int64_t *next)
{
    for (size_t i = 0; i < r->n_rules; i++) {
        const struct rule *q = r->rule[i];

        for (int d = 0; d < 2; d++) {
            struct pipe *p = &c->pipe[d];
            int64_t at = p->start_ns + (int64_t)q->where * 1000000;

            if (q->when != RULE_AFTER || !conn_is_meant(c, d, q) ||
                p->fired >> i & 1)
                continue;
            if (at > now) {
                *next = at < *next ? at : *next;
                continue;
            }
            p->fired |= UINT64_C(1) << i;
            if (!conn_follow(r, c, d, pipe_do(p, q, now), now))
                return false;
        }
    }
    return true;
}

struct pollfd
conn_poll(const struct conn *c, int s, int64_t now)
{
    struct pollfd p = {c->lost[s] ? -1 : c->fd[s], 0, 0};

    if (c->close_by_ns)
        p.events = POLLIN;
    else if (!c->connected)
        p.events = s == 1 ? POLLOUT : 0;
    else
        p.events = (short)((pipe_wants_read(&c->pipe[s]) ? POLLIN : 0) |
                           (pipe_wants_write(&c->pipe[!s], now) ? POLLOUT : 0));
    return p;
}

/* After a close: until both sides have closed, or for a while. */
static void
conn_drain(struct relay *r, struct conn *c, const short revents[2], int64_t now)
{
    char waste[4096];

    for (int s = 0; s < 2; s++)
        if (revents[s] && read(c->fd[s], waste, sizeof waste) <= 0)
            c->lost[s] = true;
    if ((c->lost[0] && (c->lost[1] || c->fd[1] < 0)) || now > c->close_by_ns)
        conn_end(r, c, false);
}

void
conn_turn(struct relay *r, struct conn *c, const short revents[2], int64_t now)
{
    if (c->close_by_ns) {
        conn_drain(r, c, revents, now);
        return;
    }
    if (!c->connected && revents[1]) {
        int failed = 0;
        socklen_t n = sizeof failed;

        getsockopt(c->fd[1], SOL_SOCKET, SO_ERROR, &failed, &n);
        if (failed) {
            conn_end(r, c, true);
            return;
        }
        c->connected = true;
    }
    for (int s = 0; s < 2 && c->connected; s++) {
        if (revents[s] & POLLIN && pipe_wants_read(&c->pipe[s])) {
            pipe_read(&c->pipe[s], rules_of(r, c, s), r->n_rules, now);
        } else if (revents[s] & (POLLERR | POLLHUP)) {
            lose_side(c, s, now);
        }
    }
    for (int d = 0; d < 2 && c->connected; d++)
        if (!conn_follow(r, c, d, pipe_write(&c->pipe[d], now), now))
            return;
    if (c->pipe[0].ended && c->pipe[1].ended)
        conn_end(r, c, false);
}
