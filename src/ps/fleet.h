/* SPDX-License-Identifier: Apache-2.0 */
/* The parameter servers of a run (serve/serve.h), seen from the coordinator:
 * each holds a range of the parameters and of the optimizer's planes.  All are
 * told the same commands in the same order; what they have become comes back
 * when it is asked for.  One that is lost takes its range with it, so that is
 * the end of the run. */
#ifndef EBSP_PS_FLEET_H
#define EBSP_PS_FLEET_H

#include "nn/range.h"
#include "wire/msg_servers.h"

#include <stdbool.h>

struct conn;
struct err;
struct fleet;
struct store;

struct fleet_handlers {
    /* All of them have their range; workers may be told (fleet_describe). */
    void (*on_ready)(void *ctx);
    void (*on_have)(void *ctx, uint32_t k, const struct msg_have *m);
    /* Server k is gone, why->text says which and why.  Once; where that is the
     * end of a connection, a moment after it, in which the end of the process
     * may tell more. */
    void (*on_lost)(void *ctx, uint32_t k, const struct err *why);
};

/* What one of them is and has moved, for people. */
struct fleet_server {
    const char *host, *address; /* its name, where it listens; "" before */
    uint64_t pid;
    struct range range;
    uint64_t received, sent; /* bytes, from and to workers */
};

/* n servers for the numbers of a hollow store.  Everything is borrowed. */
struct fleet *fleet_new(struct store *store, const struct segtab *t, uint32_t n,
                        const struct fleet_handlers *h, void *ctx,
                        struct err *err);
/* When the loop is empty. */
void fleet_free(struct fleet *f);
/* A fleet that is NULL is none: of these, nothing happens then. */
void fleet_close(struct fleet *f); /* nobody is told of anything any more */
void fleet_stop(struct fleet *f);  /* they are not needed any more */
void fleet_command(struct fleet *f, const struct msg_command *c);
/* Silence, and who is not ready in time; excused_ns: what was silent before is
 * not to blame. */
void fleet_tick(struct fleet *f, int64_t now_ns, int64_t excused_ns,
                int64_t silence_ns, int64_t start_ns);

/* One of them has connected; it listens on `address`. */
int fleet_attach(struct fleet *f, struct conn *c, const struct msg_hello *hello,
                 const char *address, bool tls, struct err *err);
/* Its process has ended, or could not be started. */
void fleet_exited(struct fleet *f, uint32_t k, const char *how);

/* Whose connection is gone is lost now: the run ends, and perhaps because of
 * that. */
void fleet_settle(struct fleet *f);

bool fleet_is_ready(const struct fleet *f); /* false for none */
uint32_t fleet_get_size(const struct fleet *f);
void fleet_describe(const struct fleet *f, struct msg_servers *to);
void fleet_get_server(const struct fleet *f, uint32_t k,
                      struct fleet_server *to);

/* The numbers as they are after the commands so far: the parameters into v[0],
 * planes of the optimizer into v[1] and v[2] (n <= 3 vectors).  `done` is
 * called once, in the order of the calls: with true, or when the fleet is
 * closed. */
#define FLEET_VECTORS 3
typedef void fleet_done_fn(void *ctx, bool arrived);
int fleet_gather(struct fleet *f, float *const v[], uint32_t n,
                 fleet_done_fn *done, void *ctx, struct err *err);

#endif
