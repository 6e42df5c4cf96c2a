/* SPDX-License-Identifier: Apache-2.0 */
/* What workers emulate, changed on demand while they run. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "io/link.h"
#include "job/emulation.h"
#include "job/ranked.h"
#include "ps/server_impl.h"

#include <string.h>

static bool
is_link(const char *net)
{
    struct link_spec l;

    return net && link_parse(&l, net, NULL) == 0 && !link_is_none(&l);
}

bool
server_has_link(const struct server *s, uint32_t rank)
{
    char *slow = NULL, *net = NULL;
    bool has = false;

    if (emulation_get(s->c.emulation, rank, &slow, &net, NULL) == 0) {
        has = is_link(net);
        mem_free(slow);
        mem_free(net);
    }
    return has;
}

/* All that the worker emulates; what cannot be sent is a lost connection. */
static int
tell(struct session *w, struct err *err)
{
    struct emulation *e = w->server->c.emulation;
    struct buf body = BUF_INIT(FRAME_MAX_BODY);
    struct err why = ERR_INIT;
    struct msg_emulate m = {.pace_ms = e->pace_ms};
    char *slow, *net;
    int r;

    if (emulation_get(e, w->rank, &slow, &net, err) != 0)
        return -1;
    m.slow = slow;
    m.slow_len = slow ? (uint32_t)strlen(slow) : 0;
    m.net = net;
    m.net_len = net ? (uint32_t)strlen(net) : 0;
    w->has_link = is_link(net);
    w->n_emulations = w->server->n_emulations;
    msg_put_emulate(&body, &m);
    r = buf_ok(&body, err);
    if (r == 0 && conn_send(w->conn, MSG_EMULATE, body.data, body.len, NULL, 0,
                            NULL, NULL, &why) != 0)
        conn_close(w->conn, false);
    buf_release(&body);
    mem_free(slow);
    mem_free(net);
    return r;
}

void
server_tell_emulation(struct session *w)
{
    struct server *s = w->server;
    struct err err = ERR_INIT;

    if (w->n_emulations != s->n_emulations && tell(w, &err) != 0)
        log_warn(s->c.log, "server", "worker %u emulates as before: %s",
                 w->rank, err.text);
}

/* Who is not there is told when it comes. */
static int
tell_all(struct server *s, struct err *err)
{
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        struct session *w = &s->session[i];

        if (w->conn && !conn_is_closing(w->conn) &&
            w->state != SESSION_STOPPING && tell(w, err) != 0)
            return -1;
    }
    return 0;
}

static void
change_event(struct events *e, enum emulation_key key, const char *text)
{
    events_begin(e, clock_now_ns(), "emulate");
    if (key == EMULATE_SLOW)
        events_str(e, "slow", text);
    else if (key == EMULATE_PACE)
        events_str(e, "pace", text);
    else
        events_str(e, "net", text);
    events_end(e);
}

int
server_emulate(struct server *s, enum emulation_key key, const char *text,
               struct err *err)
{
    struct emulation new = {0};
    int r;

    if (s->phase >= SERVER_ENDING)
        return err_set(err, ERR_FAIL, "the run is ending");
    if (key == EMULATE_NET && s->fleet)
        return err_set(err, ERR_FAIL,
                       "net: links are not emulated in a run with parameter "
                       "servers");
    r = emulation_set(&new, key, text, NULL, err);
    if (r == 0)
        r = emulation_check_ranks(&new, s->n_sessions, err);
    emulation_release(&new);
    if (r != 0 || emulation_change(s->c.emulation, key, text, NULL, err) != 0)
        return -1;
    s->n_emulations++;
    change_event(s->c.events, key, text);
    return tell_all(s, err);
}

bool
server_find_absent(const struct server *s, const char *text, uint32_t *first,
                   uint32_t *last)
{
    struct ranked r;

    while (ranked_next(&text, &r, NULL) == 1) {
        uint32_t i = r.first;

        while (i < s->n_sessions && i <= r.last &&
               (s->session[i].state == SESSION_ABSENT ||
                s->session[i].state == SESSION_STOPPING))
            i++;
        if (r.last == UINT32_MAX || (i < s->n_sessions && i <= r.last))
            continue;
        *first = r.first;
        *last = r.last;
        return true;
    }
    return false;
}
