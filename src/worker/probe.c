/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/probe.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "worker/probe_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_CHARS 480 /* whoever reads cuts longer ones */

struct probe {
    const struct join *join;
    uv_loop_t loop;
    uv_poll_t in; /* stdin */
    char line[256];
    size_t len; /* of the line that has no end yet */
    struct speed *speed;
    struct links *links;
    struct err err;
};

/* ---- answers ------------------------------------------------------------- */

static void
put(const char *line)
{
    (void)fs_write_all(STDOUT_FILENO, line, strlen(line), NULL);
}

void
probe_say(const char *key, const char *fmt, ...)
{
    char value[LINE_CHARS], text[LINE_CHARS + 1], line[2 * LINE_CHARS];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(value, sizeof value, fmt, ap);
    va_end(ap);
    str_escape(text, sizeof text - strlen(key), value, strlen(value));
    snprintf(line, sizeof line, JOIN_ANSWER "%s %s\n", key, text);
    put(line);
}

void
probe_done(const char *question)
{
    probe_say("done", "%s", question);
}

void
probe_failed(const char *question, const struct err *why)
{
    probe_say("failed", "%s %d %.400s", question, (int)why->code, why->text);
}

/* ---- questions ----------------------------------------------------------- */

static void
end(struct probe *p, const struct err *why)
{
    if (uv_is_closing((uv_handle_t *)&p->in))
        return;
    if (why)
        p->err = *why;
    uv_close((uv_handle_t *)&p->in, NULL);
    links_close(p->links);
}

static void
answer(const char *question, int r, const struct err *why)
{
    if (r == 0)
        probe_done(question);
    else
        probe_failed(question, why);
}

static void
ask(struct probe *p, char *line)
{
    char *args = strchr(line, ' ');
    struct err err = ERR_INIT;

    if (args)
        *args++ = '\0';
    else
        args = line + strlen(line);
    if (strcmp(line, "clock") == 0) {
        probe_say("clock_ns", "%lld", (long long)clock_real_ns());
        probe_done(line);
    } else if (strcmp(line, "machine") == 0) {
        probe_machine(p->join);
        probe_done(line);
    } else if (strcmp(line, "data") == 0) {
        answer(line, speed_open_data(p->speed, &err), &err);
    } else if (strcmp(line, "compute") == 0) {
        answer(line, speed_measure(p->speed, &err), &err);
    } else if (strcmp(line, "listen") == 0) {
        links_listen(p->links, args);
    } else if (strcmp(line, "link") == 0) {
        links_connect(p->links, args);
    } else {
        err_set(&err, ERR_PROTO, "stdin: unknown question \"%s\"", line);
        end(p, &err);
    }
}

/* Whole lines among what has come. */
static void
take_lines(struct probe *p)
{
    struct err err = ERR_INIT;
    char *newline;

    while ((newline = memchr(p->line, '\n', p->len))) {
        size_t n = (size_t)(newline + 1 - p->line);

        *newline = '\0';
        ask(p, p->line);
        p->len -= n;
        memmove(p->line, p->line + n, p->len);
    }
    if (p->len == sizeof p->line) {
        err_set(&err, ERR_PROTO, "stdin: a line that is too long");
        end(p, &err);
    }
}

static void
on_input(uv_poll_t *poll, int status, int events)
{
    struct probe *p = poll->data;
    ssize_t n = -1;

    (void)events;
    if (status == 0)
        n = read(STDIN_FILENO, p->line + p->len, sizeof p->line - p->len);
    if (n <= 0) {
        end(p, NULL);
        return;
    }
    p->len += (size_t)n;
    take_lines(p);
}

/* ---- life ---------------------------------------------------------------- */

static int
talk(struct probe *p, struct err *err)
{
    int rc;

    if (uv_loop_init(&p->loop) != 0)
        return err_set(err, ERR_SYS, "no event loop");
    p->links = links_new(&p->loop, p->join, err);
    rc = p->links ? uv_poll_init(&p->loop, &p->in, STDIN_FILENO) : 0;
    if (!p->links || rc < 0) {
        links_close(p->links);
        uv_run(&p->loop, UV_RUN_DEFAULT);
        links_free(p->links);
        uv_loop_close(&p->loop);
        return err_set(err, ERR_SYS, "stdin: expected a pipe: %s",
                       uv_strerror(rc));
    }
    p->in.data = p;
    uv_poll_start(&p->in, UV_READABLE, on_input);
    put(JOIN_ANSWER "ready\n");
    uv_run(&p->loop, UV_RUN_DEFAULT);
    links_free(p->links);
    uv_loop_close(&p->loop);
    return p->err.code == ERR_OK ? 0
                                 : err_set(err, p->err.code, "%s", p->err.text);
}

int
probe_run(const struct join *j, struct err *err)
{
    struct probe *p = mem_alloc(1, sizeof *p);
    int r = -1;

    if (!p)
        return err_nomem(err);
    p->join = j;
    p->speed = speed_new(j, err);
    if (p->speed)
        r = talk(p, err);
    speed_free(p->speed);
    mem_free(p);
    return r;
}
