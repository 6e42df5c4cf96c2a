/* SPDX-License-Identifier: Apache-2.0 */
/* What fleet.c (life, commands, gathering) and fleet_hear.c (connections)
 * share. */
#ifndef EBSP_PS_FLEET_IMPL_H
#define EBSP_PS_FLEET_IMPL_H

#include "base/err.h"
#include "io/conn.h"
#include "ps/fleet.h"
#include "ps/store.h"
#include "wire/pieces.h"

enum member_state { MEMBER_ABSENT, MEMBER_LOADING, MEMBER_SERVING };

struct member {
    struct fleet *fleet;
    uint32_t k;
    struct range range;
    enum member_state state;
    struct conn *conn;
    int plane; /* MEMBER_LOADING: which is being sent */
    bool tls;
    char host[WIRE_HOST_CAP], address[WIRE_HOST_CAP];
    uint16_t port;
    uint64_t pid, received, sent;
    int64_t cut_ns;     /* since when its connection is gone ... */
    struct err cut;     /* ... and why; ERR_OK: it is not */
    unsigned cut_ticks; /* that have seen it */
};

struct gather {
    uint64_t first;   /* number of the answer that is v[0] */
    uint32_t n, left; /* vectors; ranges that have not come */
    float *v[FLEET_VECTORS];
    struct pieces *coming; /* [n][fleet size] */
    fleet_done_fn *done;
    void *ctx;
    struct gather *next;
};

struct fleet {
    struct store *store;
    const struct segtab *t;
    const struct fleet_handlers *h;
    void *ctx;
    uint32_t n, n_serving;
    struct member *member;
    struct gather *gathers; /* the oldest first */
    uint64_t n_answers;     /* asked for so far */
    int64_t made_ns;
    bool over; /* closed, or one is lost */
};

/* What cannot be sent is a lost connection: on_closed follows. */
void fleet_say(struct member *m, uint16_t type, struct buf *body);
/* The first one that is lost is told. */
void fleet_lose(struct member *m, enum err_code code, const char *why);
/* Its connection is gone; what became of its process is waited for. */
void fleet_cut(struct member *m, const char *why);
/* Those whose numbers are here. */
void fleet_end_gathers(struct fleet *f);

#endif
