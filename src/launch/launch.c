/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/launch.h"

#include "base/buf.h"
#include "base/mem.h"
#include "io/child.h"

#include <stdio.h>
#include <string.h>

#define SHOWN_LINES 4

struct slot {
    struct launcher *launcher;
    uint32_t rank;
    struct child *child; /* NULL: not started, or gone */
};

struct launcher {
    uv_loop_t *loop;
    struct launch_handlers h;
    void *ctx;
    uint32_t n, running;
    struct slot slot[];
};

struct launcher *
launcher_new(uv_loop_t *loop, uint32_t n, const struct launch_handlers *h,
             void *ctx, struct err *err)
{
    struct launcher *l = mem_alloc(1, sizeof *l + n * sizeof l->slot[0]);

    if (!l) {
        err_nomem(err);
        return NULL;
    }
    l->loop = loop;
    l->h = *h;
    l->ctx = ctx;
    l->n = n;
    for (uint32_t i = 0; i < n; i++) {
        l->slot[i].launcher = l;
        l->slot[i].rank = i;
    }
    return l;
}

static void
on_line(void *ctx, const char *line)
{
    struct slot *s = ctx;

    s->launcher->h.on_line(s->launcher->ctx, s->rank, line);
}

/* A worker ends with the codes of enum err_code; anything else is no word of
 * ours and counts as a worker lost. */
static enum err_code
code_of(int64_t status, int signal)
{
    if (signal != 0 || status == 0)
        return ERR_WORKERS;
    if ((status >= ERR_FAIL && status <= ERR_TARGET) || status == ERR_BUG)
        return (enum err_code)status;
    return ERR_WORKERS;
}

static void
on_exit_of(void *ctx, int64_t status, int signal)
{
    struct slot *s = ctx;
    struct launcher *l = s->launcher;
    struct buf how = BUF_INIT(2048);
    int n = 0;

    if (signal != 0)
        buf_addf(&how, "killed by signal %d (%s)", signal, strsignal(signal));
    else
        buf_addf(&how, "ended with exit status %d", (int)status);
    while (n < CHILD_LAST_LINES && child_get_last_line(s->child, n))
        n++;
    for (int i = n > SHOWN_LINES ? n - SHOWN_LINES : 0; i < n; i++)
        buf_addf(&how, "\n  | %.100s", child_get_last_line(s->child, i));
    s->child = NULL; /* frees itself after this */
    l->running--;
    l->h.on_exit(l->ctx, s->rank, code_of(status, signal),
                 how.data ? how.data : "ended");
    buf_release(&how);
}

int
launch_local(struct launcher *l, const struct join *j, struct err *err)
{
    static const struct child_handlers handlers = {.on_line = on_line,
                                                   .on_exit = on_exit_of};
    static const char *const argv[] = {"/proc/self/exe", "worker",
                                       "--join-from-stdin", NULL};
    struct buf input = BUF_INIT(JOIN_MAX_BYTES + 64);
    struct slot *s = &l->slot[j->rank];
    int r = join_encode(j, &input, err);

    if (r == 0) {
        s->child =
            child_new(l->loop, argv, input.data, input.len, &handlers, s, err);
        if (s->child)
            l->running++;
        else
            r = err_wrap(err, "worker %u", j->rank);
    }
    if (input.data)
        explicit_bzero(input.data, input.len); /* the key is in it */
    buf_release(&input);
    return r;
}

uint32_t
launcher_get_running(const struct launcher *l)
{
    return l->running;
}

void
launcher_let_go(struct launcher *l)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (l->slot[i].child)
            child_close_stdin(l->slot[i].child);
}

void
launcher_kill(struct launcher *l, int signal)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (l->slot[i].child)
            (void)child_kill(l->slot[i].child, signal);
}

void
launcher_free(struct launcher *l)
{
    mem_free(l);
}
