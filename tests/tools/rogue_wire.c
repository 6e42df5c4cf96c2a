/* SPDX-License-Identifier: Apache-2.0 */
#include "rogue_wire.h"

#include "base/clock.h"
#include "io/auth.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BEAT_MS 300

bool
wire_send_bytes(struct wire *w, const void *p, size_t n)
{
    const char *from = p;

    while (n > 0) {
        ssize_t r = send(w->fd, from, n, MSG_NOSIGNAL);

        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return false;
        from += r;
        n -= (size_t)r;
    }
    return true;
}

bool
wire_send(struct wire *w, uint16_t type, const struct buf *body,
          const void *bulk, size_t n_bulk)
{
    uint8_t head[FRAME_HEAD_BYTES];
    size_t n = body ? body->len : 0;

    frame_encode(head, type, n ? body->data : NULL, (uint32_t)n, bulk, n_bulk);
    return wire_send_bytes(w, head, sizeof head) &&
           (n == 0 || wire_send_bytes(w, body->data, n)) &&
           (n_bulk == 0 || wire_send_bytes(w, bulk, n_bulk));
}

/* Gives signs of life until something is to be read: 1, 0: in vain. */
static int
wait_input(struct wire *w, int limit_ms)
{
    int64_t end = clock_now_ns() + limit_ms * (NS_PER_S / 1000);

    for (;;) {
        struct pollfd p = {w->fd, w->deaf ? 0 : POLLIN, 0};
        int64_t now = clock_now_ns();
        int ms = BEAT_MS;

        if (w->beat_ns <= now - BEAT_MS * (NS_PER_S / 1000)) {
            w->beat_ns = now;
            if (!wire_send(w, MSG_BEAT, NULL, NULL, 0))
                return -1;
        }
        if (limit_ms >= 0 && end - now < BEAT_MS * (NS_PER_S / 1000))
            ms = now < end ? (int)((end - now) / 1000000) + 1 : 0;
        if (poll(&p, 1, ms) > 0)
            return 1;
        if (ms == 0)
            return 0;
    }
}

static int
read_all(struct wire *w, void *to, size_t n)
{
    char *at = to;

    while (n > 0) {
        ssize_t r;

        if (wait_input(w, -1) < 0)
            return -1;
        r = recv(w->fd, at, n, 0);
        if (r <= 0)
            return -1;
        at += r;
        n -= (size_t)r;
    }
    return 0;
}

/* More than fits is read and forgotten. */
static int
read_bulk(struct wire *w, char *to, size_t cap, uint64_t n)
{
    char some[4096];

    if (n <= cap)
        return n ? read_all(w, to, (size_t)n) : 0;
    for (; n > 0; n -= n < sizeof some ? n : sizeof some)
        if (read_all(w, some, n < sizeof some ? (size_t)n : sizeof some) != 0)
            return -1;
    return 0;
}

int
wire_next(struct wire *w, int limit_ms, struct frame_head *h, struct buf *body,
          void *bulk, size_t n)
{
    uint8_t head[FRAME_HEAD_BYTES];
    int r;

    do {
        void *at;

        r = wait_input(w, limit_ms);
        if (r <= 0)
            return r;
        if (read_all(w, head, sizeof head) != 0 ||
            frame_decode(h, head, FRAME_MAX_BODY, FRAME_MAX_BULK, NULL) != 0)
            return -1;
        buf_clear(body);
        at = buf_grow(body, h->body_len + 1);
        if (!at || read_all(w, at, h->body_len) != 0 ||
            read_bulk(w, bulk, n, h->bulk_len) != 0)
            return -1;
    } while (h->type == MSG_BEAT);
    return 1;
}

static bool
greet(struct wire *w, const struct join *j, uint32_t rank, uint32_t life)
{
    struct auth_talk talk = {.rank = rank, .life = life};
    struct msg_hello m = {
        .rank = rank, .life = life, .host = "rogue", .pid = (uint64_t)getpid()};
    struct buf body = BUF_INIT(4096);
    struct msg_challenge c;
    struct frame_head h;
    bool ok;

    ok = wire_next(w, -1, &h, &body, NULL, 0) == 1 && h.type == MSG_CHALLENGE &&
         msg_get_challenge(&c, body.data, h.body_len, NULL) == 0;
    if (ok) {
        memcpy(talk.challenge, c.nonce, sizeof talk.challenge);
        ok = auth_prove_hello(j->key, &talk, m.proof, NULL) == 0;
        buf_clear(&body);
        msg_put_hello(&body, &m);
        ok = ok && wire_send(w, MSG_HELLO, &body, NULL, 0) &&
             wire_next(w, -1, &h, &body, NULL, 0) == 1 && h.type == MSG_WELCOME;
    }
    buf_release(&body);
    return ok;
}

bool
wire_meet(struct wire *w, const struct join *j, uint32_t rank, uint32_t life,
          bool small)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(j->port)};
    int on = 1, window = 2048;

    /* No sign of life in the middle of a handshake. */
    *w = (struct wire){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                       .beat_ns = INT64_MAX};
    if (small)
        setsockopt(w->fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
    if (j->tls || inet_pton(AF_INET, j->host, &a.sin_addr) != 1 ||
        connect(w->fd, (struct sockaddr *)&a, sizeof a) != 0)
        return false;
    setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (!greet(w, j, rank, life))
        return false;
    w->beat_ns = clock_now_ns();
    return true;
}

void
wire_drain(struct wire *w, int limit_ms)
{
    struct pollfd p = {w->fd, POLLIN, 0};
    char some[4096];

    while (poll(&p, 1, limit_ms) > 0 && recv(w->fd, some, sizeof some, 0) > 0)
        continue;
}

void
wire_finish(struct wire *w, int limit_ms)
{
    if (shutdown(w->fd, SHUT_WR) == 0)
        wire_drain(w, limit_ms);
    wire_close(w);
}

void
wire_reset(struct wire *w)
{
    struct linger at_once = {.l_onoff = 1};

    setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    wire_close(w);
}

void
wire_close(struct wire *w)
{
    close(w->fd);
    w->fd = -1;
}
