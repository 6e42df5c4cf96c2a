/* SPDX-License-Identifier: Apache-2.0 */
/* The coordinator of a run: sessions with workers, the policy, the parameter
 * store, evaluation and checkpoints, all on one libuv loop.
 *
 * The caller makes the loop, starts the worker processes (launch) against
 * server_get_port, tells the server when one of them ends, and runs the loop
 * until server_is_over; then server_close, and the loop once more until it is
 * empty. */
#ifndef EBSP_PS_SERVER_H
#define EBSP_PS_SERVER_H

#include "base/err.h"
#include "io/conn.h"
#include "io/loop.h"
#include "job/evaluate.h"
#include "job/job.h"
#include "wire/join.h"

struct events;
struct log;
struct policy_lib;
struct server;

/* Who can start processes.  `life` counts those that a rank has had before.
 * Ends are reported by server_worker_exited. */
struct server_starter {
    /* shared: descriptors of the parameters, of the memory for what this
     * process contributes and of the data set, to be inherited; NULL: what it
     * pulls and pushes goes over its connection. */
    int (*start)(void *ctx, uint32_t rank, uint32_t life,
                 const int shared[JOIN_FDS], struct err *err);
    /* Can the process of this rank share memory with this one? */
    bool (*is_here)(void *ctx, uint32_t rank);
    /* Starts parameter server k, whose rank is WIRE_SERVER_RANK + k. */
    int (*serve)(void *ctx, uint32_t k, struct err *err);
    /* A rank that is new in the run gets a place: "local", or a host. */
    int (*place)(void *ctx, uint32_t rank, const char *host, struct err *err);
    /* The process of the rank, if there is one, is to end now. */
    void (*kill)(void *ctx, uint32_t rank);
    /* "(HOST): how far the process is that has not connected", for people. */
    void (*describe)(void *ctx, uint32_t rank, char *to, size_t cap);
};

struct server_config {
    const struct job *job;
    const struct dataset *data;
    const struct augment_config *augment;
    const struct policy_lib *policy;
    const char *run;         /* run directory */
    const char *resume;      /* checkpoint folder, or NULL */
    const char *host;        /* loopback address for workers on this machine */
    const uint8_t *key;      /* IO_KEY_BYTES */
    bool tls_always;         /* on the loopback address, too */
    const char *remote_host; /* address for the others; NULL: there are none */
    uint16_t remote_port;    /* 0: any */
    bool remote_insecure;    /* without TLS, because somebody wants it so */
    const struct server_starter *starter; /* of worker processes */
    void *starter_ctx;
    struct emulation *emulation; /* changed by server_emulate */
    struct events *events;
    struct log *log;
    bool share;               /* memory, with workers that are here; then the
                               * data set is shared, too (blob_share) */
    uint32_t servers;         /* processes that hold the parameters; 0: this
                               * one does.  Not with `share`. */
    unsigned threads;         /* for updates; 0 counts as 1 */
    int64_t start_timeout_ms; /* for a worker to become ready */
};

/* Everything but key is borrowed and must outlive the server. */
struct server *server_new(uv_loop_t *loop, const struct server_config *c,
                          struct err *err);
uint16_t server_get_port(const struct server *s);
uint16_t server_get_remote_port(const struct server *s); /* 0: none */
/* Starts the job's workers; those that cannot be started are lost ones. */
void server_start_workers(struct server *s);

/* The process of a worker has ended: `how` says so to people ("exit status 3",
 * "killed by signal 9 (Killed)"), `code` is the exit status of a run that ends
 * because of it. Expected after the worker was told to stop.  From rank
 * WIRE_SERVER_RANK on it is that of a parameter server. */
void server_worker_exited(struct server *s, uint32_t rank, uint32_t life,
                          enum err_code code, const char *how);

/* ---- while it runs (ebsp-ctl(1)) ----------------------------------------- */

/* One more worker on "local" or a host, under a free rank; it takes part as
 * soon as it is ready. */
int server_add_worker(struct server *s, const char *host, uint32_t *rank,
                      struct err *err);
/* It is told to stop at once; its mini-batch goes back. */
int server_remove_worker(struct server *s, uint32_t rank, struct err *err);
/* Drops its connection, as a network may do at any time. */
int server_cut_worker(struct server *s, uint32_t rank, struct err *err);
/* Changes what workers emulate, also of those that are still to be started:
 * text is put behind what there is (emulation_change).  ERR_USAGE. */
int server_emulate(struct server *s, enum emulation_key key, const char *text,
                   struct err *err);
/* The first entry of such a text with ranks of which no worker is there: it
 * holds when one comes.  False: there is no such entry. */
bool server_find_absent(const struct server *s, const char *text,
                        uint32_t *first, uint32_t *last);
/* A checkpoint of now; server_get_checkpoint tells when it is written. */
int server_ask_checkpoint(struct server *s, struct err *err);
/* How many this session could not write, and why the last one of them. */
uint64_t server_get_failed_checkpoints(const struct server *s,
                                       struct err *last);

/* Ends the run early because somebody asks for it: no more orders, checkpoint,
 * workers told to stop; what is not evaluated yet stays so. */
void server_stop(struct server *s, const char *why);
/* Ends it with an error (first one wins); no checkpoint. */
void server_fail(struct server *s, const struct err *why);

/* The end has come, and no checkpoint is being written any more. */
bool server_is_over(const struct server *s);
/* ERR_OK when the run came to its end or was stopped. */
const struct err *server_get_failure(const struct server *s);
/* Closes what is on the loop; server_free when the loop is empty. */
void server_close(struct server *s);
void server_free(struct server *s);

/* ---- for people ---------------------------------------------------------- */

enum server_phase {
    SERVER_STARTING, /* waiting for workers */
    SERVER_TRAINING,
    SERVER_ENDING, /* workers are told to stop, the last evaluation runs */
    SERVER_OVER
};

struct server_status {
    enum server_phase phase;
    const char *stopped; /* why it was stopped early, or NULL */
    const char *policy;
    uint32_t workers_ready, workers; /* of those that are or may come back */
    uint32_t workers_lost;           /* so far */
    uint64_t samples, samples_total, samples_session;
    uint32_t epochs;
    uint64_t updates;
    double seconds;  /* of training, this session */
    double rate;     /* samples per second, over the last seconds */
    double loss;     /* running mean of training loss; NaN at first */
    double accuracy; /* last evaluation; NaN before the first */
    double test_loss;
    double eval_epoch;    /* when its snapshot was taken */
    double best_accuracy; /* NaN before the first */
    uint64_t max_staleness;
    double mean_staleness;
    char note[96];        /* what the policy said last, "" if nothing */
    double waiting_share; /* of worker time so far, 0..1 */
};
void server_get_status(const struct server *s, struct server_status *st);

struct server_worker {
    uint32_t rank, life;
    const char *state; /* "absent", "starting", "reading", "held", "running",
                          "idle", "cut" (it may come back), "leaving" */
    const char *host;  /* "" before it has said so */
    uint64_t pid;
    uint64_t iterations, clock;
    double last_heard_s, silence_limit_s;         /* NaN: not connected */
    double iteration_median_s, iteration_limit_s; /* NaN: no history */
    uint32_t restarts, bad_pushes;
};
/* Ranks 0..count-1, of which some may be absent. */
uint32_t server_get_worker_count(const struct server *s);
void server_get_worker(const struct server *s, uint32_t rank,
                       struct server_worker *w);

/* Called on the loop after each evaluation and when the phase changes. */
typedef void server_news_fn(void *ctx);
void server_set_news(struct server *s, server_news_fn *fn, void *ctx);

/* summary.json as text; after the end. */
struct buf;
int server_summary(const struct server *s, struct buf *to, struct err *err);
/* Path of the last checkpoint written, or NULL. */
const char *server_get_checkpoint(const struct server *s);

#endif
