/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of events into each plugin of the build, through the host.  Whatever
 * happens, no action may be illegal and nobody may wait for ever.
 *
 * Input: which plugin, a byte for each of its options, then instructions of one
 * byte, the kind in the low 3 bits and a worker or a number in the others. */
#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/rd.h"
#include "base/str.h"
#include "policy/host.h"
#include "policy/lib.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define N_WORKERS 6
/* Small time steps: many things at the same time. */
#define STEP_NS 500000

struct stream {
    struct host *host;
    int64_t now_ns;
    int64_t timer_ns;
    uint32_t n_finish; /* releases to come that find no work */
};

static struct policy_lib *plugins;
static size_t n_plugins;

static void
fail(const char *text)
{
    fprintf(stderr, "fuzz_policy_events: %s\n", text);
    abort();
}

/* Once: all plugins of the build, with their defaults. */
static void
load_plugins(void)
{
    const char *build = getenv("EBSP_BUILDDIR");
    char folder[512];
    char **names;
    size_t n;
    struct err err = ERR_INIT;

    str_printf(folder, sizeof folder, "%s/plugins", build ? build : ".");
    if (fs_list(folder, &names, &n, &err) != 0)
        fail(err.text);
    plugins = calloc(n + 1, sizeof *plugins);
    if (!plugins)
        fail("out of memory");
    for (size_t i = 0; i < n; i++) {
        char *path = fs_join(folder, names[i]);
        size_t len = strlen(names[i]);

        if (len > 3 && !strcmp(names[i] + len - 3, ".so") &&
            policy_lib_open(&plugins[n_plugins++], path, &err) != 0)
            fail(err.text);
        mem_free(path);
    }
    fs_names_free(names, n);
    if (n_plugins == 0)
        fail("no plugins in $EBSP_BUILDDIR/plugins");
}

static int
release(void *ctx, uint32_t worker, const struct host_release *how,
        bool *finished, struct err *err)
{
    struct stream *s = ctx;

    (void)worker;
    (void)how;
    (void)err;
    *finished = s->n_finish > 0;
    s->n_finish -= *finished;
    return 0;
}

static void
timer(void *ctx, int64_t at_ns)
{
    ((struct stream *)ctx)->timer_ns = at_ns;
}

/* One instruction; -1: the policy did something wrong. */
static int
step(struct stream *s, uint8_t op, struct err *err)
{
    uint32_t worker = (op >> 3) % N_WORKERS;
    enum host_state state = host_get_state(s->host, worker);
    struct host_push push = {.samples = 1 + (op >> 3),
                             .steps = 1,
                             .compute_ns = STEP_NS,
                             .loss = op,
                             .gradient_norm = 1};

    switch (op & 7) {
    case 0:
        if (state != HOST_ABSENT)
            return 0;
        return host_join(s->host, s->now_ns, worker, err);
    case 1:
        return host_leave(s->host, s->now_ns, worker, err);
    case 2:
        s->now_ns += (int64_t)(op >> 3) * STEP_NS;
        return 0;
    case 3:
        if (s->timer_ns == INT64_MAX)
            return 0;
        if (s->timer_ns > s->now_ns)
            s->now_ns = s->timer_ns;
        return host_advance(s->host, s->now_ns, err);
    case 4:
        s->n_finish = (op >> 3) % 4;
        return 0;
    case 5:
        return host_probe(s->host, s->now_ns, 100 + op, err);
    default:
        if (state != HOST_RUNNING)
            return 0;
        s->now_ns += STEP_NS;
        return host_push(s->host, s->now_ns, worker, &push, err);
    }
}

static int
run(struct stream *s, struct rd *r, struct err *err)
{
    uint32_t n_ready = rd_u8(r) % (N_WORKERS + 1);

    for (uint32_t i = 0; i < n_ready; i++)
        if (host_join(s->host, 0, i, err) != 0)
            return -1;
    if (host_start(s->host, 0, err) != 0)
        return -1;
    while (r->p < r->end)
        if (step(s, rd_u8(r), err) != 0)
            return -1;
    return 0;
}

/* "path:option=value,...": above 127 the default stays. */
static void
draw_spec(const struct policy_lib *lib, struct rd *r, struct buf *spec)
{
    char separator = ':';

    buf_adds(spec, lib->path);
    for (size_t i = 0; i < lib->p.n_options; i++) {
        const struct ebsp_option *o = &lib->options[i];
        uint8_t b = rd_u8(r);
        const char *word = o->words;

        if (b > 127)
            continue;
        buf_addf(spec, "%c%s=", separator, o->name);
        separator = ',';
        for (; word && b % 4 > 0 && strchr(word, '|'); b--)
            word = strchr(word, '|') + 1;
        if (word)
            buf_add(spec, word, strcspn(word, "|"));
        else
            buf_addf(spec, "%.17g", fmin(o->minimum + b % 16, o->maximum));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct host_driver driver = {.release = release,
                                              .timer = timer};
    struct stream s = {.timer_ns = INT64_MAX};
    struct host_config config = {
        .driver = &driver, .ctx = &s, .max_workers = N_WORKERS, .seed = 1};
    struct policy_lib lib = {0};
    struct buf spec = BUF_INIT(4096);
    struct err err = ERR_INIT;
    struct rd r;

    if (!plugins)
        load_plugins();
    rd_init(&r, data, size);
    draw_spec(&plugins[rd_u8(&r) % n_plugins], &r, &spec);
    if (policy_lib_open(&lib, spec.data, &err) != 0)
        fail(err.text);
    config.lib = &lib;
    s.host = host_new(&config, &err); /* may refuse its options */
    if (s.host && run(&s, &r, &err) != 0)
        fail(err.text);
    host_free(s.host);
    policy_lib_close(&lib);
    buf_release(&spec);
    return 0;
}
