/* SPDX-License-Identifier: Apache-2.0 */
/* ebsp ctl: ask a running job, or tell it what to do.  See ebsp-ctl(1). */
#include "cmd/ctl.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "cmd/cmd.h"
#include "io/local.h"
#include "job/emulation.h"
#include "job/rundir.h"
#include "ps/control.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_S 60.0 /* --timeout */
/* The run itself keeps the time of what takes long, and tells why it was not
 * enough; if it cannot even do that we go. */
#define GRACE_S    5.0
#define MAX_ANSWER ((size_t)16 << 20)

enum { OPT_JSON = 0x100, OPT_SLOTS, OPT_WAIT };

struct ctl {
    const char *run, *verb, *arg; /* arg: host, rank ..., or NULL */
    struct emulation emulation;   /* arg of slow and net, with traces read in */
    double timeout_s;
    uint64_t slots, rank;
    bool json, wait, has_slots;
};

static const struct argp_option options[] = {
    {"slots", OPT_SLOTS, "N", 0, "add-worker: so many of them on that host", 1},
    {"wait", OPT_WAIT, NULL, 0, "stop: return when the run has ended", 1},
    {"timeout", 't', "S", 0, "seconds to wait for the answer (default 60)", 2},
    {"json", OPT_JSON, NULL, 0, "print the answer as JSON", 2},
    {NULL, 0, NULL, 0, NULL, 0},
};

/* ---- requests and answers ------------------------------------------------ */

static json_t *
make_status(const struct ctl *c)
{
    (void)c;
    return json_pack("{s:s}", "do", "status");
}

static json_t *
make_checkpoint(const struct ctl *c)
{
    return json_pack("{s:s, s:f}", "do", "checkpoint", "wait", c->timeout_s);
}

static json_t *
make_stop(const struct ctl *c)
{
    return json_pack("{s:s, s:f}", "do", "stop", "wait",
                     c->wait ? c->timeout_s : 0.0);
}

static json_t *
make_add(const struct ctl *c)
{
    return json_pack("{s:s, s:o, s:I}", "do", "add-worker", "host",
                     json_text(c->arg), "slots", (json_int_t)c->slots);
}

static json_t *
make_remove(const struct ctl *c)
{
    return json_pack("{s:s, s:I}", "do", "remove-worker", "rank",
                     (json_int_t)c->rank);
}

static json_t *
make_slow(const struct ctl *c)
{
    return json_pack("{s:s, s:s}", "do", "slow", "what", c->emulation.slow);
}

static json_t *
make_pace(const struct ctl *c)
{
    return json_pack("{s:s, s:s}", "do", "pace", "what", c->arg);
}

static json_t *
make_net(const struct ctl *c)
{
    return json_pack("{s:s, s:s}", "do", "net", "what", c->emulation.net);
}

static void
print_status(const struct ctl *c, const json_t *a)
{
    (void)c;
    ctl_print_status(stdout, a);
}

static void
print_checkpoint(const struct ctl *c, const json_t *a)
{
    const char *path = json_string_value(json_object_get(a, "checkpoint"));

    (void)c;
    puts(path ? path : "-");
}

static void
print_stop(const struct ctl *c, const json_t *a)
{
    const json_t *status = json_object_get(a, "exit_status");

    if (c->wait && json_is_integer(status))
        printf("the run has ended with exit status %d\n",
               (int)json_integer_value(status));
    else
        puts("the run is ending");
}

static void
print_add(const struct ctl *c, const json_t *a)
{
    const json_t *ranks = json_object_get(a, "ranks");

    for (size_t i = 0; i < json_array_size(ranks); i++)
        printf("worker %lld is being started on %s\n",
               (long long)json_integer_value(json_array_get(ranks, i)), c->arg);
}

static void
print_remove(const struct ctl *c, const json_t *a)
{
    (void)a;
    printf("worker %llu was told to leave\n", (unsigned long long)c->rank);
}

static void
print_emulation(const struct ctl *c, const json_t *a)
{
    const char *note = json_string_value(json_object_get(a, "note"));

    printf("emulated from now on: %s %s\n", c->verb, c->arg);
    if (note)
        printf("%s\n", note);
}

static const struct verb {
    const char *name;
    const char *arg; /* what it takes, or NULL */
    bool waits;      /* the run has --timeout as well */
    json_t *(*make)(const struct ctl *c);
    void (*print)(const struct ctl *c, const json_t *answer);
} verbs[] = {
    {"status", NULL, false, make_status, print_status},
    {"checkpoint", NULL, true, make_checkpoint, print_checkpoint},
    {"stop", NULL, true, make_stop, print_stop},
    {"add-worker", "HOST", false, make_add, print_add},
    {"remove-worker", "RANK", false, make_remove, print_remove},
    {"slow", "RANK:FACTOR", false, make_slow, print_emulation},
    {"pace", "MS", false, make_pace, print_emulation},
    {"net", "RANK:LINK", false, make_net, print_emulation},
};

static const struct verb *
find_verb(const char *name, struct err *err)
{
    const char *names[ARRAY_LEN(verbs) + 1] = {NULL}, *near;

    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (!strcmp(verbs[i].name, name))
            return &verbs[i];
        names[i] = verbs[i].name;
    }
    near = str_nearest(name, names);
    if (near)
        err_set(err, ERR_USAGE, "unknown request \"%s\", did you mean \"%s\"?",
                name, near);
    else
        err_set(err, ERR_USAGE, "unknown request \"%s\"; see --help", name);
    return NULL;
}

/* ---- asking -------------------------------------------------------------- */

/* Why nobody listens at the socket, and what can be done. */
static int
not_running(const char *run, int why, struct err *err)
{
    char *summary = fs_join(run, "summary.json");
    bool ended = summary && fs_exists(summary);
    struct err e = ERR_INIT;

    mem_free(summary);
    switch (why) {
    case ENOENT:
    case ENOTDIR:
        if (rundir_check(run, &e) != 0)
            return err_set(err, ERR_SYS, "%s", e.text);
        return err_set(err, ERR_SYS,
                       ended ? "%s: this run has ended, see summary.json; "
                               "--resume of ebsp-train(1) goes on with it"
                             : "%s: this run is not at work: it has no "
                               "socket \"" CONTROL_SOCKET "\"",
                       run);
    case ECONNREFUSED:
        return err_set(err, ERR_SYS,
                       "%s: this run is not at work, its coordinator was "
                       "killed; continue it with \"ebsp train --resume %s\"",
                       run, run);
    case EACCES:
    case EPERM:
        return err_set(err, ERR_SYS,
                       "%s: permission denied; only the user who has started a "
                       "run may control it",
                       run);
    default:
        errno = why;
        return err_errno(err, "%s/" CONTROL_SOCKET, run);
    }
}

static int
dial(const struct ctl *c, int64_t deadline_ns, struct err *err)
{
    char *path = fs_join(c->run, CONTROL_SOCKET);
    int fd, why;

    if (!path)
        return err_nomem(err);
    fd = local_connect(path, deadline_ns, NULL);
    why = errno;
    mem_free(path);
    return fd >= 0 ? fd : not_running(c->run, why, err);
}

/* Appends the answer to `to`; *doc is the same, read, when it is {"ok": true}.
 * An error that the run tells is ours. */
static int
ask(const struct ctl *c, const struct verb *v, struct buf *to,
    struct json_doc *doc, struct err *err)
{
    double wait_s = c->timeout_s + (v->waits ? GRACE_S : 0);
    int64_t deadline = clock_now_ns() + (int64_t)(wait_s * (double)NS_PER_S);
    struct buf q = BUF_INIT(LOCAL_MAX_LINE);
    json_t *request = v->make(c);
    const char *text;
    int fd = -1, rc = -1;
    json_int_t code;

    if (!request)
        err_nomem(err);
    else if (json_dump(request, 0, &q, err) == 0)
        fd = dial(c, deadline, err);
    if (fd >= 0) {
        rc = local_ask(fd, q.data, q.len, deadline, to, err);
        if (rc < 0)
            err_wrap(err, "%s", c->run);
        close(fd);
    }
    json_decref(request);
    buf_release(&q);
    if (rc < 0 || json_doc_parse(doc, "answer", to->data, to->len, err) < 0)
        return -1;
    if (json_is_true(json_object_get(doc->root, "ok")))
        return 0;
    code = json_integer_value(json_object_get(doc->root, "code"));
    text = json_string_value(json_object_get(doc->root, "error"));
    return err_set(
        err, code > 0 && code <= ERR_BUG ? (enum err_code)code : ERR_PROTO,
        "%s", text ? text : "the run gave no proper answer");
}

/* ---- the command line ---------------------------------------------------- */

static error_t
parse(int key, char *arg, struct argp_state *state)
{
    struct ctl *c = state->input;

    switch (key) {
    case 't':
        if (!str_f64(arg, &c->timeout_s) || !(c->timeout_s > 0) ||
            c->timeout_s > CONTROL_MAX_WAIT)
            argp_error(state, "--timeout=%s: expected seconds, at most %d", arg,
                       CONTROL_MAX_WAIT);
        return 0;
    case OPT_SLOTS:
        c->has_slots = true;
        if (!str_u64(arg, &c->slots) || c->slots < 1 ||
            c->slots > CONTROL_MAX_SLOTS)
            argp_error(state, "--slots=%s: expected 1 to %d", arg,
                       CONTROL_MAX_SLOTS);
        return 0;
    case OPT_WAIT:
        c->wait = true;
        return 0;
    case OPT_JSON:
        c->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 2)
            argp_error(state, "one argument too many: \"%s\"", arg);
        *(state->arg_num == 0   ? &c->run
          : state->arg_num == 1 ? &c->verb
                                : &c->arg) = arg;
        return 0;
    case ARGP_KEY_END:
        if (!c->verb)
            argp_error(state, "expected a run directory and what to do");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "RUN status\nRUN checkpoint\nRUN stop\nRUN add-worker HOST\n"
                "RUN remove-worker RANK\nRUN slow RANK:FACTOR\nRUN pace MS\n"
                "RUN net RANK:LINK",
    .doc = "Ask a run that is at work how it is, or tell it what to do. RUN is "
           "its run directory, on this machine."
           "\vSee ebsp-ctl(1).",
};

/* Here, where the files of traces are. */
static int
check_emulation(struct ctl *c, const struct verb *v, struct err *err)
{
    enum emulation_key key = v->make == make_slow   ? EMULATE_SLOW
                             : v->make == make_pace ? EMULATE_PACE
                                                    : EMULATE_NET;
    struct err why = ERR_INIT;

    if (*c->arg && emulation_set(&c->emulation, key, c->arg, "", &why) == 0)
        return 0;
    return err_set(err, why.code ? why.code : ERR_USAGE,
                   "%s: expected %s, got \"%s\"%s%s", v->name, v->arg, c->arg,
                   why.code ? ": " : "", why.text);
}

/* What belongs to what. */
static int
check(struct ctl *c, const struct verb *v, struct err *err)
{
    if (!*c->run)
        return err_set(err, ERR_USAGE, "expected a run directory, got \"\"");
    if (v->arg && !c->arg)
        return err_set(err, ERR_USAGE, "%s: expected %s", v->name, v->arg);
    if (!v->arg && c->arg)
        return err_set(err, ERR_USAGE, "%s takes no argument, got \"%s\"",
                       v->name, c->arg);
    if (c->wait && v->make != make_stop)
        return err_set(err, ERR_USAGE, "--wait is for stop only");
    if (c->has_slots && v->make != make_add)
        return err_set(err, ERR_USAGE, "--slots is for add-worker only");
    if (v->make == make_slow || v->make == make_pace || v->make == make_net)
        return check_emulation(c, v, err);
    if (v->make == make_remove &&
        (!str_u64(c->arg, &c->rank) || c->rank > UINT32_MAX))
        return err_set(err, ERR_USAGE, "rank \"%s\": expected a number",
                       c->arg);
    return 0;
}

static int
run(int argc, char **argv, struct err *err)
{
    struct ctl c = {.timeout_s = DEFAULT_S, .slots = 1};
    struct buf answer = BUF_INIT(MAX_ANSWER);
    struct json_doc doc = {0};
    const struct verb *v;
    int rc = -1;

    if (cmd_parse(&argp, argc, argv, &c, err) != 0 ||
        !(v = find_verb(c.verb, err)) || check(&c, v, err) != 0)
        return -1;
    if (ask(&c, v, &answer, &doc, err) == 0) {
        rc = 0;
        if (c.json)
            puts(answer.data);
        else
            v->print(&c, doc.root);
    }
    json_doc_release(&doc);
    buf_release(&answer);
    emulation_release(&c.emulation);
    return rc;
}

const struct cmd cmd_ctl = {
    .name = "ctl",
    .args = "RUN status|checkpoint|stop|...",
    .summary = "ask a running job, or tell it what to do",
    .run = run,
};
