/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that one side of a connection can send to the other, over real
 * sockets.  The first byte says who speaks to whom and how, the rest is sent;
 * with `repair` its frames get the sums that no fuzzer guesses. */
#include "../unit/bare.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STRANGER, WORKER, IMPOSTOR, N_ROLES };
/* In TLS and instead of it: the latter also where keys have been agreed on. */
enum { PLAIN, SEALED, RAW, N_WAYS };

#define MAX_SAID ((size_t)60000) /* a socket takes this without blocking */

static uint64_t
at_most(uint64_t v, uint64_t max)
{
    return v < max ? v : max;
}

/* Makes as much as possible into frames that are whole and have right sums. */
static void
repair(uint8_t *p, size_t n)
{
    while (n >= FRAME_HEAD_BYTES) {
        uint8_t *body = p + FRAME_HEAD_BYTES;
        uint16_t type = (uint16_t)(p[6] | p[7] << 8);
        uint32_t body_len = (uint32_t)(p[8] | p[9] << 8);
        uint64_t bulk_len = (uint64_t)(p[16] | p[17] << 8);

        n -= FRAME_HEAD_BYTES;
        body_len = (uint32_t)at_most(body_len, n);
        n -= body_len;
        bulk_len = at_most(bulk_len, n) & ~UINT64_C(3);
        n -= bulk_len;
        frame_encode_summed(p, type, body, body_len, bulk_len,
                            wire_hash(body + body_len, bulk_len));
        p = body + body_len + bulk_len;
    }
}

static void
say(struct bare *b, const uint8_t *data, size_t n, bool raw)
{
    if (b->tls && !raw) {
        bare_send(b, data, n);
        bare_end(b);
        return;
    }
    /* Refused at its first byte, the rest may meet a closed connection. */
    if (n)
        (void)!send(b->fd, data, n, MSG_NOSIGNAL);
    shutdown(b->fd, SHUT_WR);
}

static void
as_stranger(const uint8_t *data, size_t n, bool raw)
{
    struct world w;
    struct bare b;

    world_init(&w);
    b = bare_connect(&w);
    say(&b, data, n, raw);
    WAIT(&w, w.n_refused);
    if (w.n_peers || w.n_refused != 1 || !w.refused.text[0])
        abort();
    bare_close(&b);
    if (!world_end(&w))
        abort();
}

static void
as_worker(const uint8_t *data, size_t n, bool raw)
{
    struct world w;
    struct bare b;

    world_init(&w);
    b = bare_meet(&w);
    if (!w.server.c)
        abort();
    conn_set_limits(w.server.c, 1000, sizeof w.server.bulk);
    say(&b, data, n, raw);
    WAIT(&w, w.server.n_closed);
    if (w.server.n_closed != 1 || w.server.n_frame > w.server.n_body)
        abort();
    if (raw && w.server.n_body) /* nobody can forge a record */
        abort();
    bare_close(&b);
    if (!world_end(&w))
        abort();
}

static void
as_impostor(const uint8_t *data, size_t n, bool raw)
{
    struct fake f;

    fake_init(&f, 9000);
    say(&f.b, data, n, raw);
    WAIT(&f.w, f.w.client.n_ready);
    if (f.w.client.n_ready != 1 || f.w.client.c || !f.w.client.why.text[0])
        abort();
    (void)fake_end(&f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy;
    unsigned role, way;

    if (!size || size > MAX_SAID)
        return 0;
    signal(SIGPIPE, SIG_IGN);
    role = *data % (2 * N_ROLES);
    way = *data / (2 * N_ROLES) % N_WAYS;
    world_how.tls = way != PLAIN;
    copy = malloc(size);
    if (!copy)
        return 0;
    memcpy(copy, data + 1, size - 1);
    if (role >= N_ROLES)
        repair(copy, size - 1);
    if (role % N_ROLES == STRANGER)
        as_stranger(copy, size - 1, way == RAW);
    else if (role % N_ROLES == WORKER)
        as_worker(copy, size - 1, way == RAW);
    else
        as_impostor(copy, size - 1, way == RAW);
    free(copy);
    return 0;
}
