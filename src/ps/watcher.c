/* SPDX-License-Identifier: Apache-2.0 */
#include "ps/watcher.h"

#include "base/clock.h"
#include "base/mem.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

struct task {
    struct watcher_result r;
    struct task *next;
};

struct queue {
    struct task *head, **tail;
};

struct watcher {
    const struct graph *graph;
    const struct dataset *data;
    const struct augment_config *augment;
    int threads;
    watcher_fn *on_result;
    void *ctx;
    uv_thread_t thread;
    uv_async_t woken;
    uv_mutex_t lock;
    uv_cond_t more;
    struct queue todo, ready; /* guarded by lock */
    atomic_bool stop;         /* set under lock, read also without */
    size_t pending;           /* loop thread only */
};

static void
put(struct queue *q, struct task *t)
{
    t->next = NULL;
    *q->tail = t;
    q->tail = &t->next;
}

static struct task *
take(struct queue *q)
{
    struct task *t = q->head;

    if (t) {
        q->head = t->next;
        if (!q->head)
            q->tail = &q->head;
    }
    return t;
}

static void
work(void *arg)
{
    struct watcher *w = arg;
    struct evaluator *e = NULL;

    /* Training comes first. On Linux this is a property of the thread. */
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 10);
    uv_mutex_lock(&w->lock);
    for (;;) {
        struct task *t;
        int64_t start;

        while (!w->stop && !w->todo.head)
            uv_cond_wait(&w->more, &w->lock);
        if (w->stop)
            break;
        t = take(&w->todo);
        uv_mutex_unlock(&w->lock);
        start = clock_now_ns();
        if (!e)
            e = evaluator_new(w->graph, w->data, w->augment, w->threads,
                              &t->r.err);
        if (e)
            (void)evaluator_run(e, t->r.params->v, &w->stop, &t->r.eval,
                                &t->r.err);
        t->r.cost_ns = clock_now_ns() - start;
        uv_mutex_lock(&w->lock);
        put(&w->ready, t);
        uv_async_send(&w->woken);
    }
    uv_mutex_unlock(&w->lock);
    evaluator_free(e);
}

static void
deliver(uv_async_t *a)
{
    struct watcher *w = a->data;

    for (;;) {
        struct task *t;

        uv_mutex_lock(&w->lock);
        t = take(&w->ready);
        uv_mutex_unlock(&w->lock);
        if (!t)
            return;
        w->pending--;
        w->on_result(w->ctx, &t->r);
        mem_free(t);
    }
}

static void
on_closed(uv_handle_t *h)
{
    mem_free(h->data);
}

struct watcher *
watcher_new(uv_loop_t *loop, const struct graph *g, const struct dataset *d,
            const struct augment_config *a, int threads, watcher_fn *on_result,
            void *ctx, struct err *err)
{
    struct watcher *w = mem_alloc(1, sizeof *w);

    if (!w) {
        err_nomem(err);
        return NULL;
    }
    w->graph = g;
    w->data = d;
    w->augment = a;
    w->threads = threads;
    w->on_result = on_result;
    w->ctx = ctx;
    w->todo.tail = &w->todo.head;
    w->ready.tail = &w->ready.head;
    w->woken.data = w;
    uv_mutex_init(&w->lock);
    uv_cond_init(&w->more);
    uv_async_init(loop, &w->woken, deliver);
    if (uv_thread_create(&w->thread, work, w) != 0) {
        err_set(err, ERR_SYS, "no thread for evaluation");
        uv_mutex_destroy(&w->lock);
        uv_cond_destroy(&w->more);
        uv_close((uv_handle_t *)&w->woken, on_closed);
        return NULL;
    }
    return w;
}

int
watcher_submit(struct watcher *w, struct params *p, uint64_t samples,
               int64_t now_ns, struct err *err)
{
    struct task *t = mem_alloc(1, sizeof *t);

    if (!t)
        return err_nomem(err);
    t->r.params = p;
    t->r.samples = samples;
    t->r.taken_ns = now_ns;
    w->pending++;
    uv_mutex_lock(&w->lock);
    put(&w->todo, t);
    uv_cond_signal(&w->more);
    uv_mutex_unlock(&w->lock);
    return 0;
}

size_t
watcher_get_pending(const struct watcher *w)
{
    return w->pending;
}

void
watcher_close(struct watcher *w)
{
    struct task *t;

    if (!w)
        return;
    uv_mutex_lock(&w->lock);
    w->stop = true;
    uv_cond_signal(&w->more);
    uv_mutex_unlock(&w->lock);
    uv_thread_join(&w->thread);
    while ((t = take(&w->ready)) || (t = take(&w->todo))) {
        if (!t->r.cost_ns)
            err_set(&t->r.err, ERR_FAIL, "not evaluated: the run ended");
        w->pending--;
        w->on_result(w->ctx, &t->r);
        mem_free(t);
    }
    uv_mutex_destroy(&w->lock);
    uv_cond_destroy(&w->more);
    uv_close((uv_handle_t *)&w->woken, on_closed);
}
