/* SPDX-License-Identifier: Apache-2.0 */
/* ebsp bench sync: what synchronizing costs when nothing is computed.  A run of
 * `ebsp train --echo` with bsp, so all of it is the real thing; the time
 * between its updates is compared with that of the traffic of memory alone. */
#include "cmd/bench_sync.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "cmd/bench_memory.h"
#include "cmd/cmd.h"
#include "job/events_read.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define FEATURES    1000 /* inputs of the layer that has the parameters */
#define MAX_PARAMS  1000000000
#define MAX_WORKERS 64
#define MAX_ROUNDS  10000
#define WARM_UP     3 /* rounds that are not counted: pages come into being */

extern char **environ;

struct options {
    uint64_t params, workers, rounds;
    const char *transport;
    bool json;
};

enum { OPT_PARAMS = 0x100, OPT_ROUNDS, OPT_TRANSPORT, OPT_JSON };

static const struct argp_option options[] = {
    {"params", OPT_PARAMS, "N", 0, "about so many parameters; default 10000000",
     0},
    {"workers", 'n', "N", 0, "workers on this machine; default 4", 0},
    {"rounds", OPT_ROUNDS, "N", 0, "updates that are measured; default 30", 0},
    {"transport", OPT_TRANSPORT, "HOW", 0,
     "auto (shared memory) or tcp; default auto", 0},
    {"json", OPT_JSON, NULL, 0, "print JSON", 0},
    {NULL, 0, NULL, 0, NULL, 0},
};

static void
number(struct argp_state *state, const char *name, const char *arg,
       uint64_t most, uint64_t *to)
{
    if (!str_u64(arg, to) || *to < 1 || *to > most)
        argp_error(state, "--%s: expected 1 to %llu, got \"%s\"", name,
                   (unsigned long long)most, arg);
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;

    switch (key) {
    case OPT_PARAMS:
        number(state, "params", arg, MAX_PARAMS, &o->params);
        return 0;
    case 'n':
        number(state, "workers", arg, MAX_WORKERS, &o->workers);
        return 0;
    case OPT_ROUNDS:
        number(state, "rounds", arg, MAX_ROUNDS, &o->rounds);
        return 0;
    case OPT_TRANSPORT:
        if (strcmp(arg, "auto") != 0 && strcmp(arg, "tcp") != 0)
            argp_error(state, "--transport: expected auto or tcp, got \"%s\"",
                       arg);
        o->transport = arg;
        return 0;
    case OPT_JSON:
        o->json = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .doc = "Measure push, apply and pull of bsp when nothing is computed, "
           "against the traffic of memory that they need at least."};

/* ---- the run ------------------------------------------------------------- */

/* One layer has nearly all parameters; a mini-batch is one sample. */
static int
write_job(const struct options *o, const char *path, struct err *err)
{
    uint64_t units = o->params / FEATURES;
    uint64_t rounds = o->rounds + WARM_UP + 1;
    struct buf b = BUF_INIT(4096);
    int r;

    buf_addf(&b,
             "{\"name\": \"sync\", \"input\": [%d], \"layers\": ["
             "{\"type\": \"dense\", \"name\": \"parameters\", "
             "\"units\": %llu, \"bias\": false}, "
             "{\"type\": \"dense\", \"name\": \"out\", \"units\": 2}, "
             "{\"type\": \"softmax_cross_entropy\"}], "
             "\"data\": {\"type\": \"blobs\", \"classes\": 2, "
             "\"features\": %d, \"train\": %llu, \"test\": 1}, "
             "\"batch\": 1, \"epochs\": 1, \"eval_every\": 0, "
             "\"optimizer\": {\"type\": \"sgd\", \"lr\": 0.01}, "
             "\"policy\": \"bsp\", \"workers\": %llu}",
             FEATURES, (unsigned long long)units, FEATURES,
             (unsigned long long)(rounds * o->workers),
             (unsigned long long)o->workers);
    r = buf_ok(&b, err);
    if (r == 0)
        r = fs_write(path, b.data, b.len, err);
    buf_release(&b);
    return r;
}

static int
train(const struct options *o, const char *job, const char *run,
      struct err *err)
{
    const char *argv[] = {"ebsp", "train",  job,           "-r",         run,
                          "-q",   "--echo", "--transport", o->transport, NULL};
    int status = 0, rc;
    pid_t pid;

    rc = posix_spawn(&pid, "/proc/self/exe", NULL, NULL,
                     (char *const *)(uintptr_t)argv, environ);
    if (rc != 0)
        return err_set(err, ERR_SYS, "ebsp train: %s", strerror(rc));
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return err_errno(err, "ebsp train");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    return err_set(err, ERR_FAIL, "ebsp train has failed, see above");
}

static int
by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* Times between updates, sorted. */
static int
read_rounds(const char *path, double *s, size_t cap, size_t *n, struct err *err)
{
    struct events_reader r;
    const char *event;
    struct jcur root;
    double before = 0, t = 0;
    size_t seen = 0;
    int more;

    *n = 0;
    if (events_reader_open(&r, path, err) != 0)
        return -1;
    while ((more = events_reader_next(&r, &event, &root, err)) == 1) {
        if (strcmp(event, "commit") != 0)
            continue;
        if (jcur_num(&root, "t", 0, 1e9, &t, err) != 0) {
            more = -1;
            break;
        }
        if (++seen > WARM_UP + 1 && *n < cap)
            s[(*n)++] = t - before;
        before = t;
    }
    events_reader_close(&r);
    if (more == 0 && *n == 0)
        return err_set(err, ERR_FAIL, "%s: no updates in it", path);
    qsort(s, *n, sizeof *s, by_value);
    return more;
}

static int
measure(const struct options *o, const char *dir, double *s, size_t *n,
        struct err *err)
{
    char *job = fs_join(dir, "job.json"), *run = fs_join(dir, "run");
    char *events = run ? fs_join(run, "events.jsonl") : NULL;
    int r = -1;

    if (!job || !run || !events)
        err_nomem(err);
    else if (write_job(o, job, err) == 0 && train(o, job, run, err) == 0)
        r = read_rounds(events, s, o->rounds, n, err);
    mem_free(job);
    mem_free(run);
    mem_free(events);
    return r;
}

/* ---- the result ---------------------------------------------------------- */

static void
print(const struct options *o, const double *s, size_t n,
      const struct memory_bound *b)
{
    double median = s[n / 2], bound = b->workers_s + b->server_s;
    double mb = (double)o->params * 4 / 1e6;

    if (o->json) {
        printf("{\"params\": %llu, \"megabytes\": %g, \"workers\": %llu, "
               "\"transport\": \"%s\", \"rounds\": %zu, \"median_ms\": %.4f, "
               "\"best_ms\": %.4f, \"bound_ms\": %.4f, "
               "\"bound_workers_ms\": %.4f, \"bound_server_ms\": %.4f, "
               "\"ratio\": %.4f}\n",
               (unsigned long long)o->params, mb,
               (unsigned long long)o->workers, o->transport, n, median * 1e3,
               s[0] * 1e3, bound * 1e3, b->workers_s * 1e3, b->server_s * 1e3,
               median / bound);
        return;
    }
    printf("%g MB of parameters, %llu workers, transport %s, %zu rounds\n", mb,
           (unsigned long long)o->workers, o->transport, n);
    printf("push + apply + pull  %8.2f ms (median; best %.2f)\n", median * 1e3,
           s[0] * 1e3);
    printf("bound of memory      %8.2f ms (workers %.2f, server %.2f)\n",
           bound * 1e3, b->workers_s * 1e3, b->server_s * 1e3);
    printf("ratio                %8.2f\n", median / bound);
}

int
bench_sync(int argc, char **argv, struct err *err)
{
    struct options o = {
        .params = 10000000, .workers = 4, .rounds = 30, .transport = "auto"};
    const char *tmp = getenv("TMPDIR");
    struct memory_bound before, after;
    double *s = NULL;
    size_t n = 0;
    char *dir;
    int r = -1;

    if (cmd_parse(&argp, argc, argv, &o, err) != 0)
        return -1;
    o.params -= o.params % FEATURES;
    if (o.params == 0)
        o.params = FEATURES;
    dir = mem_printf("%s/ebsp-sync-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    s = mem_alloc(o.rounds, sizeof *s);
    if (!dir || !s) {
        err_nomem(err);
    } else if (!mkdtemp(dir)) {
        err_errno(err, "%s", dir);
    } else {
        /* The bound before and after: the machine may be busy with others. */
        if (memory_measure(&before, o.params, (unsigned)o.workers, 5, err) ==
                0 &&
            measure(&o, dir, s, &n, err) == 0 &&
            memory_measure(&after, o.params, (unsigned)o.workers, 5, err) ==
                0) {
            before.workers_s = (before.workers_s + after.workers_s) / 2;
            before.server_s = (before.server_s + after.server_s) / 2;
            print(&o, s, n, &before);
            r = 0;
        }
        if (fs_remove(dir, r == 0 ? err : NULL) != 0)
            r = -1;
    }
    mem_free(dir);
    mem_free(s);
    return r;
}
