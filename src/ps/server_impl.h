/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the server share: server.c (life), session.c (frames of a
 * worker), driver.c (actions of the policy), summary.c. */
#ifndef EBSP_PS_SERVER_IMPL_H
#define EBSP_PS_SERVER_IMPL_H

#include "base/log.h"
#include "job/events.h"
#include "policy/host.h"
#include "policy/lib.h"
#include "ps/keeper.h"
#include "ps/ledger.h"
#include "ps/server.h"
#include "ps/watcher.h"

enum session_state {
    SESSION_EXPECTED, /* its process is starting */
    SESSION_JOINED,   /* authenticated, reads job and data */
    SESSION_READY,    /* takes part: held or running at the policy */
    SESSION_IDLE,     /* no mini-batch is left for it */
    SESSION_STOPPING, /* was told to stop */
    SESSION_GONE      /* said goodbye, or is lost */
};

/* One worker, seen from the server. */
struct session {
    struct server *server;
    uint32_t rank;
    enum session_state state;
    struct conn *conn; /* NULL: not connected */
    char host[WIRE_HOST_CAP];
    uint64_t pid;
    bool exited; /* its process is gone */

    struct share share;    /* its current order */
    float *push;           /* where contributions are received */
    struct msg_push told;  /* with the last one */
    int64_t held_since_ns; /* push complete, or ready */

    uint64_t iterations; /* pushes received */
    int64_t held_ns;     /* sum of waiting at the policy */
    bool confessed;      /* has told why it fails */
    bool has_bye;
    struct msg_bye bye;
    int64_t setup_ns;
    uint64_t bytes_pushed, bytes_pulled; /* of connections closed */
};

#define RATE_SLOTS 32 /* ticks that the rate looks back */

struct server {
    struct server_config c;
    uv_loop_t *loop;
    struct listener *listener;
    uv_timer_t tick;     /* deadlines, rate, flush */
    uv_timer_t timer;    /* the policy's */
    int64_t timer_at_ns; /* of the policy; INT64_MAX: none */

    const struct segtab *t;
    struct ledger ledger;
    struct host *host;
    struct watcher *watcher;
    struct keeper *keeper;
    struct session *session; /* [n_sessions] */
    uint32_t n_sessions, n_ready;

    enum server_phase phase;
    bool started;     /* the policy has been given START */
    char stopped[96]; /* why early, "" if not */
    struct err failure;
    int64_t made_ns, start_ns, end_ns, ending_since_ns;
    int64_t now_ns;        /* of the event being handled */
    int64_t last_event_ns; /* the last push */
    int64_t told_ns;       /* when silence was last talked about */
    int64_t lost_since_ns; /* a worker's connection is gone; 0: none */
    uint32_t lost_rank;
    bool hasty;            /* interrupted: nothing more is evaluated */
    uint64_t n_given_back; /* mini-batches that came back to the queue */

    double next_eval, next_checkpoint; /* epochs; INFINITY: never */
    struct checkpoint_state before;    /* sums of earlier sessions */
    uint64_t samples_before;
    char *checkpoint;            /* path of the last one written */
    uint64_t failed_checkpoints; /* in this session */

    double loss_sum, loss_weight; /* fading mean of training loss */
    double accuracy, test_loss, best_accuracy;
    uint64_t eval_samples;
    int64_t eval_ns;
    char note[96];
    struct {
        int64_t ns;
        uint64_t samples;
    } past[RATE_SLOTS];
    unsigned n_past;
    server_news_fn *news;
    void *news_ctx;
    bool log_lost; /* the event stream failed: said once */
};

/* session.c */
extern const struct conn_handlers session_handlers;
int session_attach(struct session *w, struct conn *c,
                   const struct msg_hello *hello, struct err *err);
int session_order(struct session *w, const struct host_release *how,
                  struct err *err);
void session_stop(struct session *w);
void session_release(struct session *w);

/* driver.c */
extern const struct host_driver server_driver;

/* server.c */
/* The policy is at work: training, and no worker has just been lost. */
bool server_is_training(const struct server *s);
/* After each event: who may go on, what is due, is it the end? */
void server_settle(struct server *s);
/* What happened to a session. */
void server_session_ready(struct server *s, struct session *w);
void server_session_pushed(struct server *s, struct session *w);
void server_session_lost(struct server *s, struct session *w,
                         const struct err *why);
void server_session_gone(struct server *s, struct session *w);

/* ending.c: failure, end, evaluations */
int server_failf(struct server *s, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* why: early, for people; NULL: all epochs are done. */
void server_begin_ending(struct server *s, const char *why);
void server_check_over(struct server *s);
void server_submit_snapshot(struct server *s, bool final);
watcher_fn server_on_evaluated; /* ctx: the server */
void server_tell_news(struct server *s);

/* saving.c: checkpoints */
/* Takes one now, which is written beside the training.  final: the end waits
 * for it, and it is a failure when it cannot be written. */
void server_save_checkpoint(struct server *s, bool final);
/* Over all sessions of the run. */
void server_get_sums(const struct server *s, struct checkpoint_state *st);
extern const struct keeper_handlers server_keeper_handlers; /* the server */

/* watch.c: deadlines and silence */
void server_on_tick(uv_timer_t *t); /* data: the server */

#endif
