/* SPDX-License-Identifier: Apache-2.0 */
#include "ps/fleet_impl.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <string.h>

#define EXIT_NS (NS_PER_S / 10) /* for the end of a process to be heard of */

/* ---- life ---------------------------------------------------------------- */

struct fleet *
fleet_new(struct store *store, const struct segtab *t, uint32_t n,
          const struct fleet_handlers *h, void *ctx, struct err *err)
{
    struct fleet *f = mem_alloc(1, sizeof *f);

    if (f)
        f->member = mem_alloc(n, sizeof *f->member);
    if (!f || !f->member) {
        fleet_free(f);
        err_nomem(err);
        return NULL;
    }
    f->store = store;
    f->t = t;
    f->h = h;
    f->ctx = ctx;
    f->n = n;
    f->made_ns = clock_now_ns();
    for (uint32_t k = 0; k < n; k++) {
        f->member[k].fleet = f;
        f->member[k].k = k;
        f->member[k].range = range_get(t->n_floats, k, n);
    }
    return f;
}

static void
end_gather(struct gather *g, bool arrived)
{
    g->done(g->ctx, arrived);
    mem_free(g->coming);
    mem_free(g);
}

/* Those whose turn it is: a later one may be complete first, where servers are
 * of different speed. */
void
fleet_end_gathers(struct fleet *f)
{
    while (f->gathers && f->gathers->left == 0 && !f->over) {
        struct gather *g = f->gathers;

        f->gathers = g->next;
        end_gather(g, true);
    }
}

void
fleet_close(struct fleet *f)
{
    if (!f)
        return;
    f->over = true;
    for (uint32_t k = 0; k < f->n; k++)
        if (f->member[k].conn) {
            conn_set_handlers(f->member[k].conn, NULL, NULL);
            conn_close(f->member[k].conn, false);
            f->member[k].conn = NULL;
        }
    while (f->gathers) {
        struct gather *g = f->gathers;

        f->gathers = g->next;
        end_gather(g, false);
    }
}

void
fleet_stop(struct fleet *f)
{
    for (uint32_t k = 0; f && k < f->n; k++) {
        struct conn *c = f->member[k].conn;

        if (!c)
            continue;
        conn_set_handlers(c, NULL, NULL);
        (void)conn_send(c, MSG_STOP, NULL, 0, NULL, 0, NULL, NULL, NULL);
        conn_close(c, true);
        f->member[k].conn = NULL;
    }
    if (f)
        f->over = true;
}

void
fleet_free(struct fleet *f)
{
    if (!f)
        return;
    mem_free(f->member);
    mem_free(f);
}

void
fleet_lose(struct member *m, enum err_code code, const char *why)
{
    struct fleet *f = m->fleet;
    struct err err = ERR_INIT;

    if (f->over)
        return;
    f->over = true;
    err_set(&err, code,
            "parameter server %u%s%s%s: %s; its part of the "
            "parameters is gone",
            m->k, *m->host ? " (" : "", m->host, *m->host ? ")" : "", why);
    f->h->on_lost(f->ctx, m->k, &err);
}

/* Of a process that is killed the end of its connection is heard of first, but
 * how it ended tells more. */
void
fleet_cut(struct member *m, const char *why)
{
    m->cut_ns = clock_now_ns();
    err_set(&m->cut, ERR_SYS, "%s", why);
}

void
fleet_settle(struct fleet *f)
{
    for (uint32_t k = 0; f && k < f->n; k++)
        if (f->member[k].cut.code != ERR_OK)
            fleet_lose(&f->member[k], ERR_SYS, f->member[k].cut.text);
}

void
fleet_exited(struct fleet *f, uint32_t k, const char *how)
{
    const struct err *cut = f && k < f->n ? &f->member[k].cut : NULL;
    char why[sizeof cut->text];

    if (!cut)
        return;
    str_printf(why, sizeof why, "%s%s%s", cut->text, *cut->text ? "; " : "",
               how);
    fleet_lose(&f->member[k], ERR_SYS, why);
}

void
fleet_tick(struct fleet *f, int64_t now_ns, int64_t excused_ns,
           int64_t silence_ns, int64_t start_ns)
{
    char why[96];

    for (uint32_t k = 0; f && k < f->n && !f->over; k++) {
        struct member *m = &f->member[k];
        int64_t since = m->conn ? conn_get_last_heard(m->conn) : f->made_ns;

        /* Two ticks, for between them the loop has heard of processes that
         * had ended by the first one, however late that was. */
        if (m->cut.code != ERR_OK &&
            (++m->cut_ticks < 2 || now_ns - m->cut_ns <= EXIT_NS))
            continue;
        if (m->cut.code != ERR_OK) {
            fleet_lose(m, ERR_SYS, m->cut.text);
            continue;
        }
        if (since < excused_ns)
            since = excused_ns;
        if (m->conn && now_ns - since > silence_ns)
            str_printf(why, sizeof why, "no sign of life for %.0f s",
                       (double)(now_ns - since) / (double)NS_PER_S);
        else if (m->state != MEMBER_SERVING && now_ns - f->made_ns > start_ns)
            str_printf(why, sizeof why, "it is not ready after %.0f s",
                       (double)(now_ns - f->made_ns) / (double)NS_PER_S);
        else
            continue;
        fleet_lose(m, ERR_SYS, why);
    }
    for (uint32_t k = 0; f && k < f->n && !f->over; k++) {
        struct conn *c = f->member[k].conn;

        if (c && conn_get_queued(c) == 0)
            (void)conn_send(c, MSG_BEAT, NULL, 0, NULL, 0, NULL, NULL, NULL);
    }
}

/* ---- for those who ask --------------------------------------------------- */

bool
fleet_is_ready(const struct fleet *f)
{
    return f && f->n_serving == f->n && !f->over;
}

uint32_t
fleet_get_size(const struct fleet *f)
{
    return f ? f->n : 0;
}

void
fleet_describe(const struct fleet *f, struct msg_servers *to)
{
    memset(to, 0, sizeof *to);
    to->n = f->n;
    to->tls = f->member[0].tls;
    for (uint32_t k = 0; k < f->n; k++) {
        const struct member *m = &f->member[k];
        struct msg_server *s = &to->server[k];

        memcpy(s->host, m->address, sizeof s->host);
        s->port = m->port;
        s->first = m->range.first;
        s->count = m->range.count;
    }
}

void
fleet_get_server(const struct fleet *f, uint32_t k, struct fleet_server *to)
{
    const struct member *m = &f->member[k];

    *to = (struct fleet_server){.host = m->host,
                                .address = m->address,
                                .pid = m->pid,
                                .range = m->range,
                                .received = m->received,
                                .sent = m->sent};
}

/* ---- what they are told -------------------------------------------------- */

void
fleet_say(struct member *m, uint16_t type, struct buf *body)
{
    struct err err = ERR_INIT;

    if (!m->conn || conn_is_closing(m->conn))
        return; /* on_closed follows */
    if (buf_ok(body, &err) != 0 ||
        conn_send(m->conn, type, body->data, body->len, NULL, 0, NULL, NULL,
                  &err) != 0)
        conn_close(m->conn, false);
}

void
fleet_command(struct fleet *f, const struct msg_command *c)
{
    struct buf body = BUF_INIT(256);

    if (!f || f->over)
        return;
    msg_put_command(&body, c);
    for (uint32_t k = 0; k < f->n; k++)
        fleet_say(&f->member[k], MSG_COMMAND, &body);
    buf_release(&body);
}

/* ---- getting the numbers ------------------------------------------------- */

int
fleet_gather(struct fleet *f, float *const v[], uint32_t n, fleet_done_fn *done,
             void *ctx, struct err *err)
{
    struct gather *g = mem_alloc(1, sizeof *g), **last = &f->gathers;

    if (g)
        g->coming = mem_alloc((size_t)n * f->n, sizeof *g->coming);
    if (!g || !g->coming) {
        mem_free(g);
        return err_nomem(err);
    }
    g->first = f->n_answers + 1;
    g->n = n;
    g->left = n * f->n;
    g->done = done;
    g->ctx = ctx;
    for (uint32_t i = 0; i < n; i++) {
        g->v[i] = v[i];
        for (uint32_t k = 0; k < f->n; k++)
            pieces_begin(&g->coming[i * f->n + k], f->member[k].range.count,
                         false);
    }
    while (*last)
        last = &(*last)->next;
    *last = g;
    for (uint32_t i = 0; i < n; i++) {
        struct msg_command c = {
            .command = SERVER_GATHER, .iteration = ++f->n_answers, .plane = i};

        fleet_command(f, &c);
    }
    return 0;
}
