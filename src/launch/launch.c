/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/launch.h"

#include "base/buf.h"
#include "base/mem.h"
#include "io/child.h"
#include "launch/hosts.h"
#include "launch/ssh.h"
#include "wire/frame.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define SHOWN_LINES 4
/* Not yet authenticated connections of which sshd drops none (MaxStartups
 * begins to at 10). */
#define MAX_STARTING_PER_HOST 8
/* For the way there and for login scripts; a host that does not answer at all
 * is given up by ssh earlier.  Here it is only this machine that can be slow.
 */
#define REMOTE_LIMIT_MS 20000
#define LOCAL_LIMIT_MS  60000
#define MAX_NOISE       1000 /* lines before the greeting */

enum state {
    QUEUED,
    STARTING, /* has not said who it is */
    JOINED
};

struct process {
    struct launcher *launcher;
    struct process *prev, *next; /* in order of launch_start */
    struct join join; /* strings borrowed; the key is wiped once it is sent */
    enum state state;
    bool cancelled;       /* while QUEUED */
    int shared[JOIN_FDS]; /* descriptors, until it is started; or -1 */
    struct child *child;  /* NULL while QUEUED */
    int n_lines;          /* while STARTING */
    struct err refused;   /* why it was killed before it joined */
    char host[];
};

struct launcher {
    uv_loop_t *loop;
    struct launch_options options;
    struct launch_handlers h;
    void *ctx;
    struct process *first, *last;
    uint32_t n, n_starting;
    bool pumping;
};

struct launcher *
launcher_new(uv_loop_t *loop, const struct launch_options *options,
             const struct launch_handlers *h, void *ctx, struct err *err)
{
    struct launcher *l = mem_alloc(1, sizeof *l);

    if (!l) {
        err_nomem(err);
        return NULL;
    }
    l->loop = loop;
    l->options = *options;
    l->h = *h;
    l->ctx = ctx;
    return l;
}

static bool
is_remote(const struct process *p)
{
    return strcmp(p->host, HOST_LOCAL) != 0;
}

/* ---- the list ------------------------------------------------------------ */

static void
list_add(struct launcher *l, struct process *p)
{
    p->prev = l->last;
    *(l->last ? &l->last->next : &l->first) = p;
    l->last = p;
    l->n++;
}

static void
list_remove(struct launcher *l, struct process *p)
{
    *(p->prev ? &p->prev->next : &l->first) = p->next;
    *(p->next ? &p->next->prev : &l->last) = p->prev;
    l->n--;
}

static bool
host_is_busy(const struct launcher *l, const char *host)
{
    unsigned n = 0;

    for (const struct process *p = l->first; p; p = p->next)
        n += p->state == STARTING && strcmp(p->host, host) == 0;
    return n >= MAX_STARTING_PER_HOST;
}

/* Whose turn it is. */
static struct process *
next_queued(const struct launcher *l)
{
    for (struct process *p = l->first; p; p = p->next)
        if (p->state == QUEUED && (p->cancelled || !host_is_busy(l, p->host)))
            return p;
    return NULL;
}

/* ---- the end ------------------------------------------------------------- */

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
close_shared(struct process *p)
{
    for (int i = 0; i < JOIN_FDS; i++) {
        if (p->shared[i] >= 0)
            close(p->shared[i]);
        p->shared[i] = -1;
    }
}

static void pump(struct launcher *l);

/* Tells and forgets. */
static void
report(struct process *p, enum err_code code, const char *how)
{
    struct launcher *l = p->launcher;

    list_remove(l, p);
    if (p->state == STARTING)
        l->n_starting--;
    l->h.on_exit(l->ctx, p->join.rank, p->join.life, code, how);
    close_shared(p);
    explicit_bzero(&p->join, sizeof p->join);
    mem_free(p);
    pump(l);
}

/* What it has said besides its greeting. */
static void
add_last_lines(struct buf *to, const struct child *c)
{
    char version[JOIN_VERSION_CAP];
    const char *shown[CHILD_LAST_LINES], *line;
    uint32_t protocol;
    int n = 0;

    for (int i = 0; (line = child_get_last_line(c, i)); i++)
        if (!join_is_greeting(line, &protocol, version) &&
            strncmp(line, JOIN_ANSWER, strlen(JOIN_ANSWER)) != 0)
            shown[n++] = line;
    for (int i = n > SHOWN_LINES ? n - SHOWN_LINES : 0; i < n; i++)
        buf_addf(to, "\n  | %.100s", shown[i]);
}

static void
on_exit_of(void *ctx, int64_t status, int signal)
{
    struct process *p = ctx;
    struct launcher *l = p->launcher;
    enum err_code code = code_of(status, signal), explained = ERR_OK;
    struct buf how = BUF_INIT(4096);

    if (is_remote(p) && p->refused.code != ERR_PROTO)
        buf_addf(&how, "%s: ", p->host);
    if (p->refused.code == ERR_OK && is_remote(p) && signal == 0)
        explained = ssh_explain(l->options.ssh, p->host, (int)status,
                                p->state == JOINED, p->child, &how);
    if (p->refused.code != ERR_OK) {
        code = p->refused.code;
        buf_adds(&how, p->refused.text);
    } else if (explained != ERR_OK) {
        code = explained;
    } else if (signal != 0) {
        buf_addf(&how, "%skilled by signal %d (%s)",
                 is_remote(p) ? "ssh was " : "", signal, strsignal(signal));
    } else {
        buf_addf(&how, "ended with exit status %d", (int)status);
    }
    add_last_lines(&how, p->child);
    p->child = NULL; /* frees itself after this */
    report(p, code, how.data ? how.data : "ended");
    buf_release(&how);
}

static void
refuse(struct process *p, const struct err *why)
{
    if (p->refused.code == ERR_OK)
        p->refused = *why;
    (void)child_kill(p->child, SIGKILL);
}

/* ---- the beginning ------------------------------------------------------- */

static int
tell_join(struct process *p, struct err *err)
{
    struct buf input = BUF_INIT(JOIN_MAX_BYTES + 64);
    int r = join_encode(&p->join, &input, err);

    if (r == 0)
        r = child_write(p->child, input.data, input.len, err);
    if (input.data)
        explicit_bzero(input.data, input.len); /* the key is in it */
    buf_release(&input);
    explicit_bzero(p->join.key, sizeof p->join.key);
    return r;
}

static void
on_greeting(struct process *p, uint32_t protocol, const char *version)
{
    struct launcher *l = p->launcher;
    struct err why = ERR_INIT;

    child_set_alarm(p->child, 0);
    if (protocol != WIRE_VERSION) {
        err_set(&why, ERR_PROTO,
                "%s runs ebsp %s (protocol %u), this is %s (protocol %d): "
                "install the same version there, or name it by --remote-path",
                p->host, version, protocol, join_version(), WIRE_VERSION);
        refuse(p, &why);
        return;
    }
    p->state = JOINED;
    l->n_starting--;
    if (tell_join(p, &why) != 0)
        refuse(p, &why);
    pump(l);
}

static void
on_line(void *ctx, enum child_stream from, const char *line)
{
    struct process *p = ctx;
    char version[JOIN_VERSION_CAP];
    struct err why = ERR_INIT;
    uint32_t protocol;

    if (p->state == STARTING && from == CHILD_OUT &&
        p->refused.code == ERR_OK) {
        if (join_is_greeting(line, &protocol, version)) {
            on_greeting(p, protocol, version);
            return;
        }
        if (++p->n_lines > MAX_NOISE) {
            err_set(&why, ERR_PROTO,
                    "%s: more than %d lines and no greeting of ebsp among "
                    "them; is it a login script that prints them?",
                    p->host, MAX_NOISE);
            refuse(p, &why);
        }
    }
    if (*line)
        p->launcher->h.on_line(p->launcher->ctx, p->join.rank, line);
}

static void
on_alarm(void *ctx)
{
    struct process *p = ctx;
    struct err why = ERR_INIT;

    if (is_remote(p)) /* and so it would be the next time */
        err_set(&why, ERR_CONFIG,
                "no word of \"%s worker\" within %d s, though ssh runs: does a "
                "login script, or a jump host, wait for something there",
                ssh_get_remote_path(p->launcher->options.ssh),
                REMOTE_LIMIT_MS / 1000);
    else
        err_set(&why, ERR_SYS, "no word of \"ebsp worker\" within %d s",
                LOCAL_LIMIT_MS / 1000);
    refuse(p, &why);
}

static const struct child_handlers handlers = {
    .on_line = on_line, .on_alarm = on_alarm, .on_exit = on_exit_of};

/* It may be queued for longer than the caller's descriptors live. */
static int
copy_shared(struct process *p, const int shared[JOIN_FDS], struct err *err)
{
    for (int i = 0; i < JOIN_FDS; i++)
        p->shared[i] = -1;
    for (int i = 0; p->join.shared && i < JOIN_FDS; i++) {
        p->shared[i] = fcntl(shared[i], F_DUPFD_CLOEXEC, 0);
        if (p->shared[i] < 0)
            return err_set(err, ERR_SYS, "descriptors for a worker: %s",
                           strerror(errno));
    }
    return 0;
}

static int
spawn(struct process *p, struct err *err)
{
    static const char *const words[] = {"worker", "--join-from-stdin", NULL};
    static const char *const here[] = {"/proc/self/exe", "worker",
                                       "--join-from-stdin", NULL};
    struct launcher *l = p->launcher;
    const char **there = NULL;

    if (is_remote(p)) {
        there = ssh_argv(l->options.ssh, p->host, words, err);
        if (!there)
            return -1;
    }
    p->child = child_new_with(l->loop, there ? there : here, p->shared,
                              p->join.shared ? JOIN_FDS : 0, &handlers, p, err);
    mem_free(there);
    close_shared(p);
    if (!p->child)
        return -1;
    child_set_alarm(p->child, is_remote(p) ? REMOTE_LIMIT_MS : LOCAL_LIMIT_MS);
    p->state = STARTING;
    l->n_starting++;
    return 0;
}

/* Starts as many as may be started now.  Only ever called by the loop: it may
 * tell that one could not be. */
static void
pump(struct launcher *l)
{
    struct process *p;

    if (l->pumping) /* a failure is being told: the loop below goes on */
        return;
    l->pumping = true;
    while (l->n_starting < l->options.fanout && (p = next_queued(l))) {
        struct err err = ERR_INIT;

        if (p->cancelled)
            report(p, ERR_WORKERS, "was not started any more");
        else if (spawn(p, &err) != 0)
            report(p, err.code, err.text);
    }
    l->pumping = false;
}

/* ---- calls --------------------------------------------------------------- */

static void
kill_process(struct process *p, int signal)
{
    if (p->child)
        (void)child_kill(p->child, signal);
    else
        p->cancelled = true; /* its turn comes: others are being started */
}

int
launch_start(struct launcher *l, const char *host, const struct join *j,
             const int shared[JOIN_FDS], struct err *err)
{
    size_t n = strlen(host) + 1;
    struct process *p = mem_alloc(1, sizeof *p + n);

    if (!p)
        return err_nomem(err);
    for (struct process *old = l->first; old; old = old->next)
        if (old->join.rank == j->rank)
            kill_process(old, SIGKILL);
    p->launcher = l;
    memcpy(p->host, host, n);
    p->join = *j;
    if (copy_shared(p, shared, err) != 0 ||
        (l->n_starting < l->options.fanout && !host_is_busy(l, host) &&
         spawn(p, err) != 0)) {
        close_shared(p);
        explicit_bzero(&p->join, sizeof p->join);
        mem_free(p);
        return -1;
    }
    list_add(l, p);
    return 0;
}

static struct process *
newest(const struct launcher *l, uint32_t rank)
{
    for (struct process *p = l->last; p; p = p->prev)
        if (p->join.rank == rank)
            return p;
    return NULL;
}

bool
launcher_has_joined(const struct launcher *l, uint32_t rank)
{
    const struct process *p = newest(l, rank);

    return p && p->state == JOINED;
}

const char *
launcher_describe(const struct launcher *l, uint32_t rank)
{
    const struct process *p = newest(l, rank);

    if (!p)
        return "no process";
    switch (p->state) {
    case QUEUED:
        return "others are being started first, see --fanout";
    case STARTING:
        return is_remote(p) ? "ssh runs, no greeting yet"
                            : "started, no greeting yet";
    default:
        return "it has greeted, and not connected yet";
    }
}

int
launcher_tell(struct launcher *l, uint32_t rank, const char *text,
              struct err *err)
{
    struct process *p = newest(l, rank);

    if (!p || p->state != JOINED)
        return err_set(err, ERR_WORKERS, "nobody is there to be told");
    return child_write(p->child, text, strlen(text), err);
}

void
launcher_kill_rank(struct launcher *l, uint32_t rank, int signal)
{
    struct process *p = newest(l, rank);

    if (p)
        kill_process(p, signal);
}

void
launcher_kill(struct launcher *l, int signal)
{
    for (struct process *p = l->first; p; p = p->next)
        kill_process(p, signal);
}

uint32_t
launcher_get_running(const struct launcher *l)
{
    return l->n;
}

void
launcher_let_go(struct launcher *l)
{
    for (struct process *p = l->first; p; p = p->next)
        if (p->child)
            child_close_stdin(p->child);
        else
            p->cancelled = true;
}

void
launcher_free(struct launcher *l)
{
    mem_free(l);
}
