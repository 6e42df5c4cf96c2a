/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crew.h"

#include "base/err.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdbool.h>

struct crew {
    unsigned n_threads; /* besides the caller */
    pthread_t thread[CREW_MAX];
    pthread_mutex_t lock;
    pthread_cond_t begin, end;
    /* guarded by lock */
    void (*fn)(void *ctx, unsigned part);
    void *ctx;
    unsigned next, parts, running;
    bool stop;
};

/* Takes parts as long as there are any; called with the lock, as it returns. */
static void
work(struct crew *c)
{
    while (c->next < c->parts) {
        unsigned part = c->next++;

        c->running++;
        pthread_mutex_unlock(&c->lock);
        c->fn(c->ctx, part);
        pthread_mutex_lock(&c->lock);
        c->running--;
    }
}

static void *
member(void *arg)
{
    struct crew *c = arg;

    pthread_mutex_lock(&c->lock);
    while (!c->stop) {
        work(c);
        if (c->running == 0)
            pthread_cond_signal(&c->end);
        if (!c->stop)
            pthread_cond_wait(&c->begin, &c->lock);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

struct crew *
crew_new(unsigned n, struct err *err)
{
    struct crew *c = mem_alloc(1, sizeof *c);

    if (!c) {
        err_nomem(err);
        return NULL;
    }
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->begin, NULL);
    pthread_cond_init(&c->end, NULL);
    while (c->n_threads + 1 < n && c->n_threads < CREW_MAX - 1) {
        if (pthread_create(&c->thread[c->n_threads], NULL, member, c) != 0) {
            err_set(err, ERR_SYS, "no thread for the parameter store");
            crew_free(c);
            return NULL;
        }
        c->n_threads++;
    }
    return c;
}

void
crew_free(struct crew *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    c->stop = true;
    pthread_cond_broadcast(&c->begin);
    pthread_mutex_unlock(&c->lock);
    for (unsigned i = 0; i < c->n_threads; i++)
        pthread_join(c->thread[i], NULL);
    pthread_cond_destroy(&c->begin);
    pthread_cond_destroy(&c->end);
    pthread_mutex_destroy(&c->lock);
    mem_free(c);
}

unsigned
crew_get_size(const struct crew *c)
{
    return c ? c->n_threads + 1 : 1;
}

void
crew_run(struct crew *c, unsigned parts, void (*fn)(void *ctx, unsigned part),
         void *ctx)
{
    if (!c || c->n_threads == 0 || parts < 2) {
        for (unsigned i = 0; i < parts; i++)
            fn(ctx, i);
        return;
    }
    pthread_mutex_lock(&c->lock);
    c->fn = fn;
    c->ctx = ctx;
    c->parts = parts;
    c->next = 0;
    pthread_cond_broadcast(&c->begin);
    work(c);
    while (c->running > 0)
        pthread_cond_wait(&c->end, &c->lock);
    c->parts = c->next = 0;
    pthread_mutex_unlock(&c->lock);
}
