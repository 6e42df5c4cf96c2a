/* SPDX-License-Identifier: Apache-2.0 */
#include "view/viewer.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "job/follow.h"
#include "view/board.h"
#include "view/prom.h"
#include "view/tally.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#define BATCH 256 /* events while the others are kept out */

struct viewer {
    pthread_t thread;
    bool running;
    double start_s;   /* Unix time at t = 0 */
    int64_t start_ns; /* the same, clock_now_ns */
    struct follow follow;
    struct board *board;
    struct err failed; /* of the thread; read when it has ended */

    pthread_mutex_t mutex; /* of what follows */
    pthread_cond_t told;   /* stop */
    struct tally tally;
    bool stop;
};

/* 1: there may be more; 0: it was all for now. */
static int
feed_some(struct viewer *v)
{
    const char *event;
    struct jcur root;
    int r = 1;

    for (int i = 0; i < BATCH && r == 1; i++) {
        r = follow_next(&v->follow, &event, &root, &v->failed);
        if (r == 1 && tally_feed(&v->tally, event, &root, &v->failed) != 0)
            r = -1;
        if (r == 1 && v->board)
            board_follow(v->board, &v->tally, event);
    }
    return r;
}

/* Until it is told to stop, or some time has passed. */
static void
sleep_a_while(struct viewer *v)
{
    int64_t until = clock_now_ns() + VIEWER_LAG_MS * (NS_PER_S / 1000);
    struct timespec at = {until / NS_PER_S, until % NS_PER_S};

    while (!v->stop &&
           pthread_cond_timedwait(&v->told, &v->mutex, &at) != ETIMEDOUT)
        ;
}

static void *
work(void *arg)
{
    struct viewer *v = arg;
    bool last = false;
    int r = 0;

    pthread_mutex_lock(&v->mutex);
    for (;;) {
        r = feed_some(v);
        if (r < 0)
            break;
        if (r == 1) { /* somebody may want to see what there is so far */
            pthread_mutex_unlock(&v->mutex);
            pthread_mutex_lock(&v->mutex);
            continue;
        }
        if (v->board)
            board_flush(v->board);
        if (last)
            break;
        sleep_a_while(v);
        last = v->stop; /* what came before it was told is still read */
    }
    pthread_mutex_unlock(&v->mutex);
    return NULL;
}

/* Signals are for the thread of the loop. */
static int
start_thread(struct viewer *v, struct err *err)
{
    sigset_t all, before;
    int r;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&v->thread, NULL, work, v);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r != 0)
        return err_set(err, ERR_SYS, "thread: %s", strerror(r));
    v->running = true;
    return 0;
}

struct viewer *
viewer_new(const char *run, int64_t skip, int64_t start_ns, struct board *board,
           struct err *err)
{
    struct viewer *v = mem_alloc(1, sizeof *v);
    pthread_condattr_t monotonic;

    if (!v) {
        err_nomem(err);
        return NULL;
    }
    v->start_ns = start_ns;
    v->start_s = clock_unix(start_ns);
    v->board = board;
    tally_init(&v->tally);
    pthread_mutex_init(&v->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&v->told, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (follow_init(&v->follow, run, err) == 0 &&
        follow_skip(&v->follow, skip, err) == 0 && start_thread(v, err) == 0)
        return v;
    viewer_free(v);
    return NULL;
}

void
viewer_put_metrics(struct viewer *v, struct buf *to)
{
    double now = (double)(clock_now_ns() - v->start_ns) / (double)NS_PER_S;

    pthread_mutex_lock(&v->mutex);
    prom_put(to, &v->tally, v->start_s, now);
    pthread_mutex_unlock(&v->mutex);
}

int
viewer_stop(struct viewer *v, struct err *err)
{
    if (!v || !v->running)
        return 0;
    pthread_mutex_lock(&v->mutex);
    v->stop = true;
    pthread_cond_signal(&v->told);
    pthread_mutex_unlock(&v->mutex);
    pthread_join(v->thread, NULL);
    v->running = false;
    return v->failed.code == ERR_OK
               ? 0
               : err_set(err, v->failed.code, "%s", v->failed.text);
}

void
viewer_free(struct viewer *v)
{
    if (!v)
        return;
    (void)viewer_stop(v, NULL);
    follow_release(&v->follow);
    tally_release(&v->tally);
    pthread_cond_destroy(&v->told);
    pthread_mutex_destroy(&v->mutex);
    mem_free(v);
}
