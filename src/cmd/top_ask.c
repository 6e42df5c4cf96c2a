/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of a run.  Nothing is written, locked or kept open there. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "cmd/top.h"
#include "io/local.h"
#include "job/rundir.h"
#include "ps/control.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ANSWER_NS  NS_PER_S /* to wait for an answer */
#define MAX_ANSWER ((size_t)16 << 20)

int
top_source_open(struct top_source *s, const char *run, struct err *err)
{
    *s = (struct top_source){.run = run, .life = TOP_AWAY};
    tally_init(&s->tally);
    if (follow_init(&s->follow, run, err) != 0)
        return -1;
    return rundir_check(run, err);
}

void
top_source_close(struct top_source *s)
{
    follow_release(&s->follow);
    tally_release(&s->tally);
    json_doc_release(&s->status);
}

/* ---- events -------------------------------------------------------------- */

static int
read_events(struct top_source *s, int64_t budget_ns, struct err *err)
{
    int64_t until = clock_now_ns() + budget_ns;
    const char *event;
    struct jcur root;
    int r;

    s->behind = false;
    while ((r = follow_next(&s->follow, &event, &root, err)) == 1) {
        if (tally_feed(&s->tally, event, &root, err) != 0)
            return -1;
        if (budget_ns > 0 && clock_now_ns() >= until) {
            s->behind = true;
            return 0;
        }
    }
    return r;
}

/* Seconds since the stream has grown.  The coordinator writes what it knows
 * before it waits for anything, so that is since its last event. */
static double
get_quiet(const struct top_source *s)
{
    struct stat st;
    int64_t written;

    if (s->follow.fd < 0 || fstat(s->follow.fd, &st) != 0)
        return 0;
    written = (int64_t)st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec;
    return (double)(clock_real_ns() - written) / (double)NS_PER_S;
}

/* ---- the run itself ------------------------------------------------------ */

/* Why nobody takes the question. */
static enum top_life
judge(const struct top_source *s, int why)
{
    if (s->tally.phase == TALLY_OVER || rundir_has_ended(s->run))
        return TOP_ENDED;
    switch (why) {
    case ECONNREFUSED:
        return TOP_KILLED;
    case EACCES:
    case EPERM:
        return TOP_DENIED;
    case ENOENT:
        return TOP_AWAY;
    default:
        return TOP_MUTE;
    }
}

static enum top_life
ask_status(struct top_source *s, const char *socket)
{
    static const char question[] = "{\"do\": \"status\"}";
    int64_t deadline = clock_now_ns() + ANSWER_NS;
    struct buf answer = BUF_INIT(MAX_ANSWER);
    int fd = local_connect(socket, deadline, NULL), why = errno;
    bool answered;

    if (fd < 0)
        return judge(s, why);
    answered = local_ask(fd, question, sizeof question - 1, deadline, &answer,
                         NULL) == 0 &&
               json_doc_parse(&s->status, "answer", answer.data, answer.len,
                              NULL) == 0 &&
               json_is_true(json_object_get(s->status.root, "ok"));
    close(fd);
    buf_release(&answer);
    if (answered)
        return TOP_ALIVE;
    json_doc_release(&s->status);
    return s->tally.phase == TALLY_OVER ? TOP_ENDED : TOP_MUTE;
}

int
top_source_look(struct top_source *s, int64_t budget_ns, struct err *err)
{
    char *socket = fs_join(s->run, CONTROL_SOCKET);
    double quiet;
    int r;

    if (!socket)
        return err_nomem(err);
    r = read_events(s, budget_ns, err);
    quiet = get_quiet(s);
    json_doc_release(&s->status);
    s->life = ask_status(s, socket);
    mem_free(socket);
    s->now = s->tally.t;
    if (s->life <= TOP_DENIED && !s->behind && quiet > 0)
        s->now += quiet;
    return r;
}
