/* SPDX-License-Identifier: Apache-2.0 */
/* EMULATE, whose texts can be too long to be copied into a struct. */
#include "wire/msg.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/rd.h"

#include <math.h>
#include <stdbool.h>

void
msg_put_emulate(struct buf *b, const struct msg_emulate *m)
{
    buf_f64(b, m->pace_ms);
    buf_u32(b, m->slow_len);
    if (m->slow_len)
        buf_add(b, m->slow, m->slow_len);
    buf_u32(b, m->net_len);
    if (m->net_len)
        buf_add(b, m->net, m->net_len);
}

static const char *
get_text(struct rd *r, uint32_t *n, bool *printable)
{
    const char *text;

    *n = rd_u32(r);
    text = rd_skip(r, *n);
    for (uint32_t i = 0; text && i < *n; i++)
        *printable &= text[i] >= ' ' && text[i] <= '~';
    return text;
}

int
msg_get_emulate(struct msg_emulate *m, const void *p, size_t n, struct err *err)
{
    bool printable = true;
    struct rd r;

    rd_init(&r, p, n);
    m->pace_ms = rd_f64(&r);
    m->slow = get_text(&r, &m->slow_len, &printable);
    m->net = get_text(&r, &m->net_len, &printable);
    if (!rd_done(&r))
        return err_set(err, ERR_PROTO, "EMULATE: body is too %s",
                       r.bad ? "short" : "long");
    if (!isfinite(m->pace_ms) || m->pace_ms < 0)
        return err_set(err, ERR_PROTO,
                       "EMULATE: pace_ms is %g, expected at least 0",
                       m->pace_ms);
    if (!printable)
        return err_set(err, ERR_PROTO, "EMULATE: text is not printable ASCII");
    return 0;
}
