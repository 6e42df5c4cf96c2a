/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/train_views.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "view/board.h"
#include "view/http.h"
#include "view/prom.h"
#include "view/viewer.h"

#include <stdio.h>
#include <unistd.h>

enum { OPT_PORT = 0x300, OPT_ADDRESS, OPT_TENSORBOARD };

static const struct argp_option options[] = {
    {"metrics-port", OPT_PORT, "PORT", 0,
     "serve metrics for Prometheus at http://127.0.0.1:PORT/metrics; 0: any "
     "port",
     0},
    {"metrics-address", OPT_ADDRESS, "ADDRESS", 0,
     "serve them on this address, to everybody who reaches it", 0},
    {"tensorboard", OPT_TENSORBOARD, NULL, 0,
     "write event files for TensorBoard to RUN/tensorboard", 0},
    {NULL, 0, NULL, 0, NULL, 0},
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
    struct views_options *o = state->input;
    uint64_t port;

    switch (key) {
    case OPT_PORT:
        if (!str_u64(arg, &port) || port > UINT16_MAX)
            argp_error(state, "--metrics-port: expected 0 to %d, got \"%s\"",
                       UINT16_MAX, arg);
        o->metrics = true;
        o->metrics_port = (uint16_t)port;
        return 0;
    case OPT_ADDRESS:
        o->metrics_address = arg;
        return 0;
    case OPT_TENSORBOARD:
        o->tensorboard = true;
        return 0;
    case ARGP_KEY_END:
        if (o->metrics_address && !o->metrics)
            argp_error(state, "--metrics-address needs --metrics-port");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp views_argp = {.options = options, .parser = parse};

int
views_listen(struct views *v, const struct views_options *o, struct err *err)
{
    const char *address = o->metrics_address;

    if (!o->metrics)
        return 0;
    v->fd = http_listen(address ? address : "127.0.0.1", o->metrics_port, err);
    return v->fd >= 0 ? 0 : err_wrap(err, "metrics");
}

static void
put_metrics(void *ctx, struct buf *to)
{
    viewer_put_metrics(ctx, to);
}

static int
serve(struct views *v, bool quiet, struct log *log, struct err *err)
{
    char url[128];
    bool local = http_is_local(v->fd);

    http_url(v->fd, url, sizeof url);
    v->http = http_new(v->fd, PROM_CONTENT_TYPE, put_metrics, v->viewer, err);
    v->fd = -1;
    if (!v->http)
        return -1;
    if (!quiet)
        fprintf(stderr, "metrics: %s\n", url);
    log_info(log, "metrics", "%s", url);
    if (!local)
        log_warn(log, "metrics",
                 "everybody who reaches %s can read how the run does", url);
    return 0;
}

/* Nothing of this session is in the stream yet. */
static int
get_size(const char *run, uint64_t *n, struct err *err)
{
    char *path = fs_join(run, "events.jsonl");
    int r = path ? fs_size(path, n, err) : err_nomem(err);

    mem_free(path);
    return r;
}

int
views_start(struct views *v, const struct views_options *o, const char *run,
            int64_t start_ns, bool quiet, struct log *log, struct err *err)
{
    uint64_t before;

    if (!o->metrics && !o->tensorboard)
        return 0;
    if (get_size(run, &before, err) != 0)
        return -1;
    if (o->tensorboard &&
        !(v->board = board_new(run, clock_unix(start_ns), err)))
        return -1;
    v->viewer = viewer_new(run, (int64_t)before, start_ns, v->board, err);
    if (!v->viewer)
        return -1;
    return o->metrics ? serve(v, quiet, log, err) : 0;
}

void
views_stop(struct views *v, struct log *log)
{
    struct err why = ERR_INIT;

    http_free(v->http);
    if (v->fd >= 0)
        close(v->fd);
    if (viewer_stop(v->viewer, &why) != 0)
        log_warn(log, "metrics", "%s", why.text);
    err_clear(&why);
    if (board_free(v->board, &why) != 0)
        log_warn(log, "tensorboard", "%s", why.text);
    viewer_free(v->viewer);
    *v = (struct views)VIEWS_INIT;
}
