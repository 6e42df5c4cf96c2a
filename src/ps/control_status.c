/* SPDX-License-Identifier: Apache-2.0 */
/* The answer to "status". */
#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "ps/control.h"
#include "ps/server.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

static const char *const phases[] = {
    [SERVER_STARTING] = "starting",
    [SERVER_TRAINING] = "training",
    [SERVER_ENDING] = "ending",
    [SERVER_OVER] = "over",
};

static json_t *
number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

static json_t *
text(const char *s)
{
    return s ? json_text(s) : json_null();
}

static json_t *
integer(uint64_t v)
{
    return json_integer((json_int_t)v);
}

static int
put_worker(json_t *to, const struct server_worker *w)
{
    json_t *v = json_object();
    int r = 0;

#define PUT(key, value) r |= json_object_set_new(v, key, value)
    PUT("rank", integer(w->rank));
    PUT("life", integer(w->life));
    PUT("state", text(w->state));
    PUT("host", text(w->host));
    PUT("pid", integer(w->pid));
    PUT("iterations", integer(w->iterations));
    PUT("clock", integer(w->clock));
    PUT("last_heard", number(w->last_heard_s));
    PUT("silence_limit", number(w->silence_limit_s));
    PUT("iteration_median", number(w->iteration_median_s));
    PUT("iteration_limit", number(w->iteration_limit_s));
    PUT("restarts", integer(w->restarts));
    PUT("bad_pushes", integer(w->bad_pushes));
    return r | json_array_append_new(to, v);
}

static int
put_run(json_t *v, const struct server *s)
{
    const char *failure = server_get_failure(s)->text;
    struct server_status st;
    int r = 0;

    server_get_status(s, &st);
    PUT("phase", text(phases[st.phase]));
    PUT("stopped", text(st.stopped));
    PUT("failure", text(*failure ? failure : NULL));
    PUT("policy", text(st.policy));
    PUT("note", text(*st.note ? st.note : NULL));
    PUT("seconds", number(st.seconds));
    PUT("samples", integer(st.samples));
    PUT("samples_total", integer(st.samples_total));
    PUT("epoch", number(st.samples_total ? (double)st.samples * st.epochs /
                                               (double)st.samples_total
                                         : 0));
    PUT("epochs", integer(st.epochs));
    PUT("version", integer(st.updates));
    PUT("samples_per_second", number(st.rate));
    PUT("train_loss", number(st.loss));
    PUT("test_accuracy", number(st.accuracy));
    PUT("test_loss", number(st.test_loss));
    PUT("test_epoch", number(isnan(st.accuracy) ? NAN : st.eval_epoch));
    PUT("best_accuracy", number(st.best_accuracy));
    PUT("max_staleness", integer(st.max_staleness));
    PUT("mean_staleness", number(st.mean_staleness));
    PUT("waiting_share", number(st.waiting_share));
    return r;
}

json_t *
control_checkpoint(const struct server *s, const char *run)
{
    const char *path = server_get_checkpoint(s);
    const char *slash = path ? strrchr(path, '/') : NULL;
    char *full = path ? fs_join(run, slash ? slash + 1 : path) : NULL;
    json_t *v = full ? json_text(full) : path ? NULL : json_null();

    mem_free(full);
    return v;
}

int
control_status(const struct server *s, const char *run, double uptime_s,
               struct buf *to, struct err *err)
{
    json_t *v = json_object(), *workers = json_array();
    int r = 0;

    PUT("ok", json_true());
    PUT("run", text(run));
    PUT("pid", integer((uint64_t)getpid()));
    PUT("uptime", number(uptime_s));
    r |= put_run(v, s);
    PUT("checkpoint", control_checkpoint(s, run));
    for (uint32_t i = 0; i < server_get_worker_count(s); i++) {
        struct server_worker w;

        server_get_worker(s, i, &w);
        r |= put_worker(workers, &w);
    }
    PUT("workers", workers);
    r = r != 0 ? err_nomem(err) : json_dump(v, 0, to, err);
    json_decref(v);
    return r;
#undef PUT
}
