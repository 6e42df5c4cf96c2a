/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/msg_servers.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/rd.h"
#include "ebsp/policy.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define MAX_FLOATS (FRAME_MAX_BULK / sizeof(float))
#define MAX_PLANE  2

/* ---- encoding ------------------------------------------------------------ */

static void
put_host(struct buf *b, const char *host)
{
    size_t n = strnlen(host, WIRE_HOST_CAP - 1);

    buf_u32(b, (uint32_t)n);
    buf_add(b, host, n);
}

void
msg_put_serve(struct buf *b, const struct msg_serve *m)
{
    put_host(b, m->host);
    buf_u32(b, m->tls);
    buf_u64(b, m->first);
    buf_u64(b, m->count);
    buf_u64(b, m->version);
    buf_u64(b, m->updates);
}

void
msg_put_serving(struct buf *b, const struct msg_serving *m)
{
    buf_u32(b, m->port);
}

void
msg_put_servers(struct buf *b, const struct msg_servers *m)
{
    buf_u32(b, m->tls);
    buf_u32(b, m->n);
    for (uint32_t i = 0; i < m->n; i++) {
        put_host(b, m->server[i].host);
        buf_u32(b, m->server[i].port);
        buf_u64(b, m->server[i].first);
        buf_u64(b, m->server[i].count);
    }
}

void
msg_put_command(struct buf *b, const struct msg_command *m)
{
    buf_u32(b, m->command);
    buf_u32(b, m->rank);
    buf_u32(b, m->life);
    buf_u64(b, m->iteration);
    buf_u32(b, m->keep);
    buf_u32(b, m->kind);
    buf_u32(b, m->plane);
    buf_f64(b, m->weight);
    buf_f64(b, m->lr);
}

void
msg_put_have(struct buf *b, const struct msg_have *m)
{
    buf_u32(b, m->rank);
    buf_u32(b, m->life);
    buf_u64(b, m->iteration);
    buf_u64(b, m->received);
    buf_u64(b, m->sent);
}

void
msg_put_open(struct buf *b, const struct msg_open *m)
{
    buf_u64(b, m->iteration);
    buf_u32(b, m->params);
}

/* ---- decoding ------------------------------------------------------------ */

/* Reads all fields, then asks once: `wrong` names the first that is out of
 * range, unless the body ended before it. */
struct in {
    struct rd r;
    const char *wrong;
};

static uint64_t
in_range(struct in *in, const char *field, uint64_t v, uint64_t min,
         uint64_t max)
{
    if (!in->wrong && !in->r.bad && (v < min || v > max))
        in->wrong = field;
    return v;
}

static uint32_t
in_u32(struct in *in, const char *field, uint32_t min, uint32_t max)
{
    return (uint32_t)in_range(in, field, rd_u32(&in->r), min, max);
}

static uint64_t
in_u64(struct in *in, const char *field, uint64_t min, uint64_t max)
{
    return in_range(in, field, rd_u64(&in->r), min, max);
}

static double
in_number(struct in *in, const char *field)
{
    double v = rd_f64(&in->r);

    in_range(in, field, isfinite(v) ? 1 : 0, 1, 1);
    return v;
}

/* A numeric address, or a name. */
static void
in_host(struct in *in, char *to)
{
    bool fine;

    rd_str(&in->r, to, WIRE_HOST_CAP);
    fine = *to != '\0';
    for (size_t i = 0; to[i]; i++)
        fine &= to[i] > ' ' && to[i] <= '~';
    in_range(in, "host", fine, 1, 1);
}

static void
in_floats(struct in *in, uint64_t *first, uint64_t *count)
{
    *first = in_u64(in, "first", 0, MAX_FLOATS);
    *count = in_u64(in, "count", 1, MAX_FLOATS);
}

static int
in_end(const struct in *in, uint16_t type, struct err *err)
{
    if (in->wrong)
        return err_set(err, ERR_PROTO, "%s: %s is out of range", msg_name(type),
                       in->wrong);
    if (!rd_done(&in->r))
        return err_set(err, ERR_PROTO, "%s: body is too %s", msg_name(type),
                       in->r.bad ? "short" : "long");
    return 0;
}

static struct in
in_init(const void *p, size_t n)
{
    struct in in = {.wrong = NULL};

    rd_init(&in.r, p, n);
    return in;
}

int
msg_get_serve(struct msg_serve *m, const void *p, size_t n, struct err *err)
{
    struct in in = in_init(p, n);

    in_host(&in, m->host);
    m->tls = in_u32(&in, "tls", 0, 1) != 0;
    in_floats(&in, &m->first, &m->count);
    m->version = rd_u64(&in.r);
    m->updates = rd_u64(&in.r);
    return in_end(&in, MSG_SERVE, err);
}

int
msg_get_serving(struct msg_serving *m, const void *p, size_t n, struct err *err)
{
    struct in in = in_init(p, n);

    m->port = (uint16_t)in_u32(&in, "port", 1, UINT16_MAX);
    return in_end(&in, MSG_SERVING, err);
}

int
msg_get_servers(struct msg_servers *m, const void *p, size_t n, struct err *err)
{
    struct in in = in_init(p, n);
    uint64_t at = 0;

    m->tls = in_u32(&in, "tls", 0, 1) != 0;
    m->n = in_u32(&in, "n", 1, WIRE_MAX_SERVERS);
    for (uint32_t i = 0; i < m->n && !in.wrong && !in.r.bad; i++) {
        struct msg_server *s = &m->server[i];

        in_host(&in, s->host);
        s->port = (uint16_t)in_u32(&in, "port", 1, UINT16_MAX);
        in_floats(&in, &s->first, &s->count);
        in_range(&in, "first", s->first, at, at);
        at = s->first + s->count;
    }
    return in_end(&in, MSG_SERVERS, err);
}

int
msg_get_command(struct msg_command *m, const void *p, size_t n, struct err *err)
{
    struct in in = in_init(p, n);

    m->command = in_u32(&in, "command", 0, SERVER_LAST);
    m->rank = rd_u32(&in.r);
    m->life = rd_u32(&in.r);
    m->iteration = rd_u64(&in.r);
    m->keep = in_u32(&in, "keep", 0, 1) != 0;
    m->kind = in_u32(&in, "kind", 0, EBSP_PUSH_MODEL);
    m->plane = in_u32(&in, "plane", 0, MAX_PLANE);
    m->weight = in_number(&in, "weight");
    m->lr = in_number(&in, "lr");
    return in_end(&in, MSG_COMMAND, err);
}

int
msg_get_have(struct msg_have *m, const void *p, size_t n, struct err *err)
{
    struct in in = in_init(p, n);

    m->rank = rd_u32(&in.r);
    m->life = rd_u32(&in.r);
    m->iteration = in_u64(&in, "iteration", 1, UINT64_MAX);
    m->received = in_u64(&in, "received", 0, INT64_MAX);
    m->sent = in_u64(&in, "sent", 0, INT64_MAX);
    return in_end(&in, MSG_HAVE, err);
}

int
msg_get_open(struct msg_open *m, const void *p, size_t n, struct err *err)
{
    struct in in = in_init(p, n);

    m->iteration = in_u64(&in, "iteration", 1, UINT64_MAX);
    m->params = in_u32(&in, "params", 0, 1) != 0;
    return in_end(&in, MSG_OPEN, err);
}
