/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody on the way between worker and coordinator can do: record what
 * he sees, change, repeat, swap, drop, invent, send back, cut. */
#include "bare.h"

/* What a worker sends until it is let in. */
struct flight {
    uint8_t byte[2048];
    size_t n, n_client_hello;
};

static void
note(struct flight *f, struct bare *b)
{
    size_t n;
    const void *p = tls_take(b->tls, &n);

    memcpy(f->byte + f->n, p, n);
    f->n += n;
    bare_send_raw(b, p, n);
}

static void
record(struct flight *f, struct bare *b)
{
    struct buf hello = BUF_INIT(1024);
    uint8_t in[1024];
    ssize_t n = -1;

    f->n = 0;
    tls_greet(b->tls, NULL);
    note(f, b);
    f->n_client_hello = f->n;
    WAIT(b->w, (n = recv(b->fd, in, sizeof in, MSG_DONTWAIT)) > 0);
    tls_feed(b->tls, in, (size_t)n);
    b->greeted = tls_greet(b->tls, NULL) == 1;
    note(f, b);
    bare_make_hello(b, &hello);
    tls_write(b->tls, hello.data, hello.len, NULL);
    note(f, b);
    buf_release(&hello);
}

/* Whether the listener answers a ClientHello. */
static bool
is_answered(struct world *w, const void *p, size_t n)
{
    struct bare b = bare_connect(w);
    int before = w->n_refused;
    char byte;
    bool some;

    bare_send_raw(&b, p, n);
    shutdown(b.fd, SHUT_WR);
    WAIT(w, w->n_refused > before);
    some = recv(b.fd, &byte, 1, MSG_DONTWAIT) == 1;
    bare_close(&b);
    return some;
}

static void
test_damaged_greeting(void)
{
    struct world w;
    struct flight f;
    struct bare b;
    int answers = 0;

    world_init(&w);
    b = bare_connect(&w);
    record(&f, &b);
    WAIT(&w, w.n_peers);
    ok(w.n_peers == 1, "a worker sends %zu bytes until it is let in", f.n);
    ok(f.n + 63 < 512, "far from the limit with any name");
    ok(is_answered(&w, f.byte, f.n_client_hello),
       "its first %zu have an answer, also a second time", f.n_client_hello);
    for (size_t i = 0; i < f.n_client_hello; i++) {
        f.byte[i] = (uint8_t)(f.byte[i] ^ 1 << i % 8);
        if (i != 2) /* a version that means nothing and must be ignored */
            answers += is_answered(&w, f.byte, f.n_client_hello);
        f.byte[i] = (uint8_t)(f.byte[i] ^ 1 << i % 8);
        answers += is_answered(&w, f.byte, i);
    }
    is_int(answers, 0, "not so with a wrong bit in them, or cut");
    is_str(bare_refused(&w, f.byte, f.n, false),
           "TLS: a record is damaged or forged", "all of it a second time");
    is_int(w.n_peers, 1, "lets nobody in");
    bare_close(&b);
    ok(world_end(&w), "nothing is left on the loop");
}

/* Each bit of what follows the ClientHello. */
static void
test_damaged_proof(void)
{
    struct world w;
    int let_in = 0, told = 0, n = 1;

    world_init(&w);
    for (int i = 0; i < n; i++) {
        struct bare b = bare_connect(&w);
        struct buf hello = BUF_INIT(1024);
        uint8_t sent[1024];
        size_t n_sent;
        const void *p;

        bare_make_hello(&b, &hello);
        tls_write(b.tls, hello.data, hello.len, NULL);
        p = tls_take(b.tls, &n_sent);
        memcpy(sent, p, n_sent);
        n = (int)n_sent;
        sent[i] = (uint8_t)(sent[i] ^ 1 << i % 8);
        bare_send_raw(&b, sent, n_sent);
        shutdown(b.fd, SHUT_WR);
        WAIT(&w, w.n_refused + w.n_peers > i);
        let_in += w.n_peers;
        told += w.n_refused == i + 1 && w.refused.code == ERR_PROTO;
        buf_release(&hello);
        bare_close(&b);
    }
    ok(n > 100 && let_in == 0, "none of %d damaged HELLOs lets anybody in", n);
    is_int(told, n, "each is refused");
    ok(world_end(&w), "nothing is left on the loop");
}

static void
test_reflection(void)
{
    struct fake f;
    uint8_t in[1024];
    ssize_t n = -1;

    fake_init(&f, 5000);
    WAIT(&f.w, (n = recv(f.b.fd, in, sizeof in, MSG_DONTWAIT)) > 0);
    bare_send_raw(&f.b, in, (size_t)n);
    ok(strstr(fake_end(&f), "does not speak TLS with this run's key (TLS: "),
       "a worker's own greeting is none to it");

    fake_init(&f, 5000);
    bare_send_raw(&f.b, "SSH-2.0-OpenSSH_9.2p1\r\n", 23);
    is_str(fake_end(&f),
           "does not speak TLS with this run's key (peer does not speak TLS)",
           "nor are other words");
    fake_init(&f, 5000);
    shutdown(f.b.fd, SHUT_WR);
    is_str(fake_end(&f),
           "does not speak TLS with this run's key (it closed the connection)",
           "nor is silence");
}

enum trick { HONEST, TWICE, SWAPPED, LOST, THROWN_BACK, FALSE_GOODBYE, CUT };

/* Three BEATs, one of which meets somebody on the way: how many arrive, and why
 * the connection ends. */
static void
test_trick(enum trick what, int n_frames, enum err_code code, const char *why)
{
    struct world w;
    struct bare b;
    uint8_t record[3][256], head[FRAME_HEAD_BYTES];
    size_t n[3];

    world_init(&w);
    b = bare_meet(&w);
    frame_encode(head, MSG_BEAT, NULL, 0, NULL, 0);
    for (int i = 0; i < 3; i++) {
        const void *p;

        tls_write(b.tls, head, sizeof head, NULL);
        p = tls_take(b.tls, &n[i]);
        memcpy(record[i], p, n[i]);
    }
    bare_send_raw(&b, record[0], n[0]);
    if (what == TWICE)
        bare_send_raw(&b, record[0], n[0]);
    if (what == FALSE_GOODBYE)
        bare_send_raw(&b, "\x15\x03\x03\0\2\1\0", 7);
    if (what == THROWN_BACK) {
        ssize_t got = -1;

        conn_send(w.server.c, MSG_STOP, NULL, 0, NULL, 0, NULL, NULL, NULL);
        WAIT(&w, (got = recv(b.fd, record[1], 256, MSG_DONTWAIT)) > 0);
        n[1] = (size_t)got;
    }
    if (what == SWAPPED)
        bare_send_raw(&b, record[2], n[2]);
    if (what != LOST)
        bare_send_raw(&b, record[1], n[1]);
    bare_send_raw(&b, record[2], n[2]);
    if (what == HONEST)
        bare_end(&b);
    else if (what == CUT)
        shutdown(b.fd, SHUT_WR);
    WAIT(&w, w.server.n_closed);
    ok(w.server.n_frame == n_frames && w.server.why.code == code,
       "%d frames arrive %s: %s", w.server.n_frame, why, w.server.why.text);
    bare_close(&b);
    ok(world_end(&w), "nothing is left on the loop");
}

static void
test_tricks(void)
{
    test_trick(HONEST, 3, ERR_OK, "of three");
    test_trick(TWICE, 1, ERR_PROTO, "when the first is repeated");
    test_trick(SWAPPED, 1, ERR_PROTO, "when the others are swapped");
    test_trick(LOST, 1, ERR_PROTO, "when the second is lost");
    test_trick(THROWN_BACK, 1, ERR_PROTO, "before an own one comes back");
    test_trick(FALSE_GOODBYE, 1, ERR_PROTO, "before a false goodbye");
    test_trick(CUT, 3, ERR_SYS, "when the line is cut behind them");
}

int
main(void)
{
    signal(SIGPIPE, SIG_IGN);
    world_how.tls = true;
    test_damaged_greeting();
    test_damaged_proof();
    test_reflection();
    test_tricks();
    return done();
}
