/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the server share:
 *   server.c    life, listeners
 *   members.c   who takes part: joining, loss, replacement
 *   demand.c    what people ask of it
 *   emulate.c   what workers emulate, changed on demand
 *   session.c   frames of one worker
 *   transfer.c  its vectors on their way
 *   served.c    the same where they go to parameter servers
 *   training.c  pushes, and what is due after each event
 *   verdict.c   pushes that are not to be trusted
 *   driver.c    actions of the policy
 *   watch.c     deadlines
 *   ending.c    the end, checkpoints, evaluations
 *   summary.c   what is told about it all */
#ifndef EBSP_PS_SERVER_IMPL_H
#define EBSP_PS_SERVER_IMPL_H

#include "base/habit.h"
#include "base/log.h"
#include "base/shm.h"
#include "job/events.h"
#include "policy/host.h"
#include "policy/lib.h"
#include "ps/fleet.h"
#include "ps/guard.h"
#include "ps/keeper.h"
#include "ps/ledger.h"
#include "ps/server.h"
#include "ps/watcher.h"
#include "wire/pieces.h"

enum session_state {
    SESSION_ABSENT,   /* nobody is waited for */
    SESSION_EXPECTED, /* its process is starting, or about to be started */
    SESSION_JOINED,   /* authenticated, reads job and data */
    SESSION_READY,    /* takes part: held or running at the policy */
    SESSION_IDLE,     /* no mini-batch is left for it */
    SESSION_CUT,      /* its connection is gone; it may come back */
    SESSION_STOPPING  /* was told to stop */
};

/* One rank, seen from the server.  Its process may change: see life. */
struct session {
    struct server *server;
    uint32_t rank;
    enum session_state state;
    uint32_t life;
    struct conn *conn; /* NULL: not connected */
    char host[WIRE_HOST_CAP];
    uint64_t pid;
    bool used;        /* had a process */
    bool has_process; /* that was not reported to have ended */

    bool has_link;         /* emulated: everything goes over its connection */
    uint32_t n_emulations; /* the server's, when its process was told */

    struct share share;    /* its current order */
    float *push;           /* where contributions are received */
    uint8_t *packed;       /* where compressed ones are; NULL before */
    struct shm shared;     /* that it is in, if it is shared with the process */
    struct params *pulled; /* what the process computes on in shared memory */
    struct pieces coming;  /* of the answer to its order ... */
    uint64_t answered;     /* ... which is this iteration */
    struct msg_push told;  /* with the last one ... */
    bool pushed;           /* ... which has come, but perhaps not ... */
    uint64_t ranges;       /* ... to all servers: to these, as bits */
    int64_t held_since_ns; /* push complete, or ready */
    int64_t ordered_ns;    /* when its order was sent */

    int64_t since_ns;        /* of the state, where it has a limit */
    int64_t start_at_ns;     /* EXPECTED: when to start it; 0: it is started */
    char why[WIRE_TEXT_CAP]; /* CUT: what is known of the reason */
    int64_t heard_ns;        /* last BEAT */
    struct habit beats, steps;
    size_t queued; /* bytes to be sent when last looked at ... */
    uint64_t sent; /* ... and those that had been */
    int64_t moved_ns;
    bool fetched; /* it has asked for the data set */

    bool bad;           /* its last push was rejected ... */
    bool parked;        /* ... and what to do is undecided */
    bool is_finite;     /* ... as an outlier only */
    uint64_t good_base; /* version that its last good push was based on,
                         * plus 1; 0: there was none */
    uint32_t restarts, rejoins, bad_pushes;
    uint32_t tries; /* restarts that count: see GOOD_NS in members.c */
    uint32_t cuts;  /* since its last push */

    uint64_t iterations;                  /* pushes received */
    int64_t held_ns;                      /* sum of waiting at the policy */
    int64_t present_ns, present_since_ns; /* in the training; 0: it is not */
    bool confessed;                       /* has told why it fails */
    bool has_bye;
    struct msg_bye bye; /* sum over its processes */
    int64_t setup_ns;
    uint64_t bytes_pushed, bytes_pulled; /* of connections closed */
};

#define RATE_SLOTS 32 /* ticks that the rate looks back */

struct server {
    struct server_config c;
    uv_loop_t *loop;
    struct listener *listener, *remote;
    uv_timer_t tick;     /* deadlines, rate, flush */
    uv_timer_t timer;    /* the policy's */
    int64_t timer_at_ns; /* of the policy; INT64_MAX: none */

    const struct segtab *t;
    struct codec *codec; /* of contributions; NULL: they are as they are */
    struct ledger ledger;
    uint32_t n_emulations; /* changes of what is emulated */
    struct host *host;
    struct watcher *watcher;
    struct feeder *feeder; /* of the data set */
    struct keeper *keeper;
    struct fleet *fleet;     /* of parameter servers; NULL: there are none */
    struct session *session; /* [n_sessions]: ranks that there can be */
    uint32_t n_sessions;
    struct guard guard;

    enum server_phase phase;
    char stopped[96]; /* why early, "" if not */
    struct err failure;
    struct err first_loss; /* of a worker */
    uint32_t n_lost;
    uint64_t n_rejected; /* pushes */
    struct {
        uint64_t shown, hidden; /* since told_ns */
        int64_t told_ns;
        char last[160];
    } refused; /* strangers */
    int64_t made_ns, start_ns, end_ns, ending_since_ns;
    int64_t now_ns;        /* of the event being handled */
    int64_t last_event_ns; /* the last push */
    int64_t told_ns;       /* when silence was last talked about */
    int64_t tick_ns;       /* the last one */
    int64_t excused_ns;    /* silence before this was our own fault */
    int64_t beat_ns;       /* when we last gave a sign of life */
    bool concluded;        /* the final parameters are known */
    bool hasty;            /* interrupted: nothing more is evaluated */
    uint64_t n_given_back; /* mini-batches that came back to the queue */

    double next_eval, next_checkpoint; /* epochs; INFINITY: never */
    struct checkpoint_state before;    /* sums of earlier sessions */
    uint64_t samples_before;
    char *checkpoint;            /* path of the last one written */
    uint64_t failed_checkpoints; /* in this session */
    struct err save_error;       /* of the last of them */

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

static inline const struct faults *
server_faults(const struct server *s)
{
    return &s->c.job->faults;
}

/* server.c: nobody comes in any more. */
void server_close_listeners(struct server *s);

/* session.c */
extern const struct conn_handlers session_handlers;
void session_attach(struct session *w, struct conn *c,
                    const struct msg_hello *hello);
/* Takes the connection away: nothing more comes of it. */
void session_detach(struct session *w);
int session_order(struct session *w, const struct host_release *how,
                  struct err *err);
/* Memory for its next process, shared with it or not. */
int session_prepare(struct session *w, bool share, struct err *err);
/* Goes on with its push when all of that has come. */
void session_complete(struct session *w);
/* The same mini-batches again, on the newest parameters. */
int session_repeat(struct session *w, struct err *err);
/* Is a mini-batch left for it? */
bool session_has_work(const struct session *w);
void session_stop(struct session *w);
void session_release(struct session *w);

/* transfer.c */
/* How an order says that parameters are sent: in its bulk or in pieces. */
uint32_t transfer_flag(const struct session *w);
/* Sends the order with parameters, whose reference it takes. */
int transfer_params(struct session *w, const struct buf *order,
                    struct params *p, struct err *err);
/* An order is about to be sent: the pieces of its answer may come. */
void transfer_expect(struct session *w);
/* PIECE: its place, and that it has come.  ERR_PROTO when it is not the one
 * that must come now. */
int transfer_on_body(struct session *w, const struct frame_head *h,
                     const void *body, void **bulk, struct err *err);
int transfer_on_piece(struct session *w, const struct frame_head *h,
                      const void *body, struct err *err);
/* Bytes that may come at once. */
uint64_t transfer_max_bulk(const struct server *s);
/* PUSH: the place for its bulk. */
int transfer_on_push(struct session *w, const struct frame_head *h, void **bulk,
                     struct err *err);
/* All of the contribution is where the PUSH says that it is; now it is in
 * w->push. */
int transfer_take_push(struct session *w, const struct msg_push *m,
                       const struct frame_head *h, struct err *err);

/* served.c: with parameter servers; without them nothing happens */
extern const struct fleet_handlers server_fleet_handlers; /* the server */
/* A worker that has connected is told where they are, when they are ready. */
void served_tell(struct session *w);
void served_order(const struct session *w, bool keep);
void served_forget(const struct session *w);
void served_add(const struct session *w, double weight);
void served_commit(const struct server *s, double weight, double lr);
/* All of its contribution is where it belongs. */
bool served_is_whole(const struct session *w);
/* The current parameters go to the watcher when they have come; all that a
 * snapshot of a hollow store lacks, and then it goes to the keeper; the store
 * is filled, and then server_filled. */
int served_evaluate(struct server *s, int64_t now_ns, struct err *err);
int served_save(struct server *s, struct snapshot *snapshot, struct err *err);
int served_end(struct server *s, struct err *err);

/* driver.c */
extern const struct host_driver server_driver;

/* training.c */
/* Everybody that was waited for is ready. */
void server_begin_training(struct server *s);
/* A worker that is ready takes part; -1: the run has failed. */
int server_join_policy(struct server *s, struct session *w);
void server_pushed(struct server *s, struct session *w);
/* The push is what the policy is told about. */
void server_accept(struct server *s, struct session *w);
/* After each event: who may go on, what is due, is it the end? */
void server_settle(struct server *s);

/* verdict.c */
/* True when the push that has just come is good; else it is rejected, and the
 * worker gets another chance, is removed, or the run has diverged. */
bool server_judge(struct server *s, struct session *w);
/* Decides about rejected pushes that could not be decided before. */
void server_judge_parked(struct server *s);

/* emulate.c: is the rank to have a link (what cannot be known is none)? */
bool server_has_link(const struct server *s, uint32_t rank);
/* What has changed since its process was told. */
void server_tell_emulation(struct session *w);

/* members.c */
void server_session_ready(struct server *s, struct session *w);
/* Its connection broke: it may come back for a while. */
void server_session_cut(struct server *s, struct session *w, const char *why);
/* It will not come back.  Replaces, drops or aborts. */
void server_session_lost(struct server *s, struct session *w,
                         enum err_code code, const char *why);
/* The end has come before it came back. */
void server_session_missed(struct server *s, struct session *w);
/* It is not wanted any more. */
void server_session_dismiss(struct server *s, struct session *w,
                            const char *why);
/* It said goodbye, or is not waited for any longer. */
void server_session_gone(struct server *s, struct session *w);
void server_session_start(struct server *s, struct session *w);
uint32_t server_count(const struct server *s, enum session_state first,
                      enum session_state last);
uint32_t server_count_hopes(const struct server *s);

/* ending.c: failure, end, and what is kept of the run */
int server_failf(struct server *s, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Nobody is left to go on with, but what was learned is sound: as server_fail,
 * with a checkpoint. */
void server_give_up(struct server *s, const struct err *why);
/* why: early, for people; NULL: all epochs are done. */
void server_begin_ending(struct server *s, const char *why);
/* The final parameters have come back: they are told, evaluated and saved. */
void server_filled(struct server *s);
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

/* server.c: tells how many strangers were not told one by one. */
void server_tell_refused(struct server *s, int64_t now);

/* watch.c: deadlines and silence */
void server_on_tick(uv_timer_t *t); /* data: the server */

#endif
