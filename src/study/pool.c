/* SPDX-License-Identifier: Apache-2.0 */
#include "study/pool.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "policy/watchdog.h"
#include "study/study.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_TEXT ((size_t)256 << 20) /* of a result */

struct slot {
    struct cell *cell; /* NULL: free */
    pid_t pid;
    struct buf text; /* what it has written so far */
};

struct pool {
    const struct study *study;
    unsigned n, n_busy;
    struct slot *slot;    /* [n] */
    struct pollfd *pipes; /* [n]; -1: none */
};

/* Its status, as of waitpid. */
static int
reap(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return status;
}

static int
leave(struct pool *p, unsigned i)
{
    struct slot *s = &p->slot[i];
    int status = reap(s->pid);

    close(p->pipes[i].fd);
    p->pipes[i].fd = -1;
    s->cell = NULL;
    p->n_busy--;
    return status;
}

void
pool_free(struct pool *p)
{
    if (!p)
        return;
    for (unsigned i = 0; p->slot && p->pipes && i < p->n; i++) {
        if (p->slot[i].cell) {
            kill(p->slot[i].pid, SIGKILL);
            (void)leave(p, i);
        }
        buf_release(&p->slot[i].text);
    }
    mem_free(p->slot);
    mem_free(p->pipes);
    mem_free(p);
}

bool
pool_has_room(const struct pool *p)
{
    return p->n_busy < p->n;
}

bool
pool_is_idle(const struct pool *p)
{
    return p->n_busy == 0;
}

/* ---- the child ----------------------------------------------------------- */

/* {"result": ...} or {"code": ..., "text": ...} */
static json_t *
work(const struct study *s, const struct cell *c)
{
    static const struct watchdog_limits limits = WATCHDOG_LIMITS;
    struct err err = ERR_INIT;
    json_t *result = NULL;

    if (watchdog_start(&limits, &err) == 0 &&
        virtual_run(s, c, &result, &err) == 0)
        return json_pack("{s:o}", "result", result);
    return json_pack("{s:i, s:o}", "code", (int)err.code, "text",
                     json_text(err.text));
}

/* As fork; the child ends with its parent. */
static pid_t
split(struct err *err)
{
    pid_t parent = getpid(), pid;

    fflush(NULL); /* or the child's copy of it comes out, too */
    pid = fork();
    if (pid < 0)
        err_errno(err, "fork");
    if (pid == 0 &&
        (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent))
        _exit(ERR_SYS);
    return pid;
}

static _Noreturn void
be_child(const struct study *s, const struct cell *c, int fd)
{
    struct buf text = BUF_INIT(MAX_TEXT);
    json_t *v = work(s, c);

    if (!v || json_dump(v, 0, &text, NULL) != 0)
        _exit(ERR_NOMEM);
    _exit(fs_write_all(fd, text.data, text.len, NULL) == 0 ? 0 : ERR_SYS);
}

int
pool_prepare(const struct pool *p, struct err *err)
{
    pid_t pid = split(err);

    if (pid == 0)
        _exit(virtual_prepare(p->study, NULL) == 0 ? 0 : ERR_FAIL);
    if (pid > 0)
        (void)reap(pid);
    return pid > 0 ? 0 : -1;
}

struct pool *
pool_new(const struct study *s, unsigned n, struct err *err)
{
    struct pool *p = mem_alloc(1, sizeof *p);

    if (p) {
        *p = (struct pool){.study = s, .n = n};
        p->slot = mem_alloc(n, sizeof *p->slot);
        p->pipes = mem_alloc(n, sizeof *p->pipes);
    }
    if (!p || !p->slot || !p->pipes) {
        pool_free(p);
        err_nomem(err);
        return NULL;
    }
    for (unsigned i = 0; i < n; i++) {
        p->slot[i] = (struct slot){.text = BUF_INIT(MAX_TEXT)};
        p->pipes[i] = (struct pollfd){.fd = -1, .events = POLLIN};
    }
    return p;
}

int
pool_start(struct pool *p, struct cell *c, struct err *err)
{
    unsigned i = 0;
    int ends[2];

    while (p->slot[i].cell)
        i++;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return err_errno(err, "pipe2");
    p->slot[i].pid = split(err);
    if (p->slot[i].pid < 0) {
        close(ends[0]);
        close(ends[1]);
        return -1;
    }
    if (p->slot[i].pid == 0)
        be_child(p->study, c, ends[1]);
    close(ends[1]);
    buf_clear(&p->slot[i].text);
    p->slot[i].cell = c;
    p->pipes[i].fd = ends[0];
    p->n_busy++;
    return 0;
}

/* ---- what comes out ------------------------------------------------------ */

static int
take(struct cell *c, const struct buf *text, int status, struct err *err)
{
    struct json_doc doc = {0};
    int r = 0;

    if (WIFSIGNALED(status))
        return err_set(err, ERR_FAIL, "its process ended by signal %d (%s)",
                       WTERMSIG(status), strsignal(WTERMSIG(status)));
    if (WEXITSTATUS(status) != 0)
        return err_set(err, (enum err_code)WEXITSTATUS(status),
                       "its process ended with exit status %d",
                       WEXITSTATUS(status));
    r = json_doc_parse(&doc, "result of a cell", text->data, text->len, err);
    if (r == 0) {
        json_t *code = json_object_get(doc.root, "code");

        if (code)
            r = err_set(err, (enum err_code)json_integer_value(code), "%s",
                        json_string_value(json_object_get(doc.root, "text")));
        else
            c->result = json_incref(json_object_get(doc.root, "result"));
    }
    json_doc_release(&doc);
    return r;
}

/* Whether it has ended. */
static bool
read_some(struct slot *s, int fd)
{
    char some[65536];
    ssize_t n = read(fd, some, sizeof some);

    if (n > 0)
        buf_add(&s->text, some, (size_t)n);
    return n == 0 || (n < 0 && errno != EINTR);
}

/* One that has ended, or p->n. */
static unsigned
listen_to(struct pool *p)
{
    for (unsigned i = 0; i < p->n; i++)
        if (p->pipes[i].revents != 0 && read_some(&p->slot[i], p->pipes[i].fd))
            return i;
    return p->n;
}

int
pool_wait(struct pool *p, struct cell **which, struct err *err)
{
    unsigned i = p->n;

    *which = NULL;
    while (i == p->n) {
        if (poll(p->pipes, p->n, -1) >= 0)
            i = listen_to(p);
        else if (errno != EINTR)
            return err_errno(err, "poll");
    }
    *which = p->slot[i].cell;
    return take(*which, &p->slot[i].text, leave(p, i), err);
}
