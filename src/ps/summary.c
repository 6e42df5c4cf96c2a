/* SPDX-License-Identifier: Apache-2.0 */
/* What a run tells about itself: live status and summary.json. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "ps/server_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static double
seconds(int64_t ns)
{
    return (double)ns / (double)NS_PER_S;
}

static int64_t
trained_ns(const struct server *s)
{
    if (s->start_ns == 0)
        return 0;
    return (s->end_ns ? s->end_ns : clock_now_ns()) - s->start_ns;
}

/* How long a worker has taken part, up to now or the end. */
static int64_t
present_ns(const struct server *s, const struct session *w)
{
    if (w->present_since_ns == 0)
        return w->present_ns;
    return w->present_ns + (s->end_ns ? s->end_ns : clock_now_ns()) -
           w->present_since_ns;
}

/* Over the ticks that are remembered; over everything at the end. */
static double
recent_rate(const struct server *s, double trained, uint64_t samples)
{
    unsigned n = s->n_past < RATE_SLOTS ? s->n_past : RATE_SLOTS;
    unsigned last, first;
    double span;

    if (n < 2 || s->phase != SERVER_TRAINING)
        return trained > 0 ? (double)samples / trained : 0;
    last = (s->n_past - 1) % RATE_SLOTS;
    first = (s->n_past - n) % RATE_SLOTS;
    span = seconds(s->past[last].ns - s->past[first].ns);
    return span > 0
               ? (double)(s->past[last].samples - s->past[first].samples) / span
               : 0;
}

void
server_get_status(const struct server *s, struct server_status *st)
{
    struct host_stats hs;
    double held = 0, present = 0, trained = seconds(trained_ns(s));

    host_get_stats(s->host, &hs);
    memset(st, 0, sizeof *st);
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        held += seconds(s->session[i].held_ns);
        present += seconds(present_ns(s, &s->session[i]));
    }
    st->phase = s->phase;
    st->stopped = *s->stopped ? s->stopped : NULL;
    st->policy = s->c.policy->spec;
    st->workers_ready = server_count(s, SESSION_READY, SESSION_IDLE);
    st->workers =
        s->phase < SERVER_ENDING ? server_count_hopes(s) : s->c.job->workers;
    st->workers_lost = s->n_lost;
    st->samples = assign_get_done(s->ledger.assign);
    st->samples_total = assign_get_total(s->ledger.assign);
    st->samples_session = st->samples - s->samples_before;
    st->epochs = s->c.job->epochs;
    st->updates = store_get_version(s->ledger.store);
    st->seconds = trained;
    st->rate = recent_rate(s, trained, st->samples_session);
    st->loss = s->loss_weight > 0 ? s->loss_sum / s->loss_weight : NAN;
    st->accuracy = s->accuracy;
    st->test_loss = s->test_loss;
    st->eval_epoch =
        st->samples_total
            ? (double)s->eval_samples / (double)st->samples_total * st->epochs
            : 0;
    st->best_accuracy = s->best_accuracy;
    st->max_staleness = hs.max_staleness;
    st->mean_staleness =
        hs.applied ? (double)hs.sum_staleness / (double)hs.applied : 0;
    memcpy(st->note, s->note, sizeof st->note);
    st->waiting_share = present > 0 ? held / present : 0;
}

static json_t *
number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

/* The worker's own split when it said goodbye, so that the parts sum up to
 * its wall time; what is not in a part is "other". */
static json_t *
worker_json(const struct session *w)
{
    const struct msg_bye *b = &w->bye;
    int64_t parts =
        b->compute_ns + b->data_ns + b->push_ns + b->wait_ns + b->pull_ns;
    json_t *sec = NULL;

    if (w->has_bye)
        sec =
            json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "wall",
                      seconds(b->wall_ns), "compute", seconds(b->compute_ns),
                      "data", seconds(b->data_ns), "push", seconds(b->push_ns),
                      "wait", seconds(b->wait_ns), "pull", seconds(b->pull_ns),
                      "other", seconds(b->wall_ns - parts), "push_hidden",
                      seconds(b->push_hidden_ns), "pull_hidden",
                      seconds(b->pull_hidden_ns));
    return json_pack(
        "{s:I, s:s, s:I, s:o, s:f, s:f, s:I, s:I, s:i, s:i, s:i}", "rank",
        (json_int_t)w->rank, "host", w->host, "iterations",
        (json_int_t)w->iterations, "seconds", sec ? sec : json_null(),
        "setup_seconds", seconds(w->setup_ns), "present_seconds",
        seconds(present_ns(w->server, w)), "bytes_pushed",
        (json_int_t)w->bytes_pushed, "bytes_pulled",
        (json_int_t)w->bytes_pulled, "restarts", (int)w->restarts, "rejoins",
        (int)w->rejoins, "bad_pushes", (int)w->bad_pushes);
}

/* null: this process held the parameters. */
static json_t *
servers_json(const struct server *s)
{
    uint32_t n = fleet_get_size(s->fleet);
    json_t *v = n ? json_array() : json_null();

    for (uint32_t k = 0; k < n; k++) {
        struct fleet_server m;

        fleet_get_server(s->fleet, k, &m);
        json_array_append_new(
            v, json_pack("{s:s, s:s, s:I, s:f, s:I, s:I}", "host", m.host,
                         "address", m.address, "bytes",
                         (json_int_t)(m.range.count * sizeof(float)), "share",
                         (double)m.range.count / (double)s->t->n_floats,
                         "bytes_received", (json_int_t)m.received, "bytes_sent",
                         (json_int_t)m.sent));
    }
    return v;
}

static json_t *
histogram_json(const uint64_t bins[HOST_HISTOGRAM])
{
    json_t *v = json_array();
    int last = HOST_HISTOGRAM - 1;

    while (last > 0 && bins[last] == 0)
        last--;
    for (int i = 0; i <= last; i++)
        json_array_append_new(v, json_integer((json_int_t)bins[i]));
    return v;
}

static int
fill(const struct server *s, json_t *v)
{
    struct server_status st;
    struct checkpoint_state sums;
    json_t *workers = json_array();
    double wall = seconds(trained_ns(s));
    char hash[20];
    int r = 0;

    server_get_status(s, &st);
    server_get_sums(s, &sums);
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        if (s->session[i].used)
            json_array_append_new(workers, worker_json(&s->session[i]));
    }
    snprintf(hash, sizeof hash, "%016llx",
             (unsigned long long)ledger_params_hash(&s->ledger));
#define PUT(key, value) r |= json_object_set_new(v, key, value)
#define INT(value)      json_integer((json_int_t)(value))
    PUT("name", json_string(s->c.job->name));
    PUT("status", json_string(s->failure.code ? "failed"
                              : *s->stopped   ? "stopped"
                                              : "done"));
    if (s->failure.code)
        PUT("failure",
            json_pack("{s:i, s:o}", "exit_status", (int)s->failure.code, "text",
                      json_text(s->failure.text)));
    if (*s->stopped)
        PUT("stopped", json_text(s->stopped));
    PUT("policy", json_text(s->c.policy->spec));
    PUT("workers", INT(s->c.job->workers));
    PUT("threads", INT(s->c.job->threads));
    PUT("seed", INT(s->c.job->seed));
    PUT("batch", INT(s->c.job->batch));
    PUT("lr_scaling",
        json_incref(json_object_get(s->c.job->doc.root, "lr_scaling")));
    PUT("epochs", number(ledger_epochs(&s->ledger)));
    PUT("samples", INT(st.samples));
    PUT("updates", INT(st.updates));
    PUT("pushes", INT(sums.pushes));
    PUT("dropped_pushes", INT(sums.dropped));
    PUT("rejected_pushes", INT(s->n_rejected));
    PUT("workers_lost", INT(s->n_lost));
    PUT("first_loss",
        s->first_loss.code ? json_text(s->first_loss.text) : json_null());
    PUT("wall_seconds", number(sums.wall_seconds));
    PUT("samples_per_second",
        number(wall > 0 ? (double)st.samples_session / wall : 0));
    PUT("train_loss", number(st.loss));
    PUT("test_loss", number(st.test_loss));
    PUT("test_accuracy", number(st.accuracy));
    PUT("best_accuracy", number(sums.best_accuracy));
    PUT("eval_seconds", number(seconds(s->eval_ns)));
    PUT("max_staleness", INT(sums.max_staleness));
    PUT("mean_staleness",
        number(sums.applied ? (double)sums.sum_staleness / (double)sums.applied
                            : 0));
    PUT("staleness_histogram", histogram_json(sums.histogram));
    PUT("max_gap", INT(sums.max_gap));
    PUT("waiting_share", number(st.waiting_share));
    PUT("bytes_pushed", INT(sums.bytes_pushed));
    PUT("bytes_pulled", INT(sums.bytes_pulled));
    PUT("servers", servers_json(s));
    PUT("params_hash", json_string(hash));
    PUT("resumed", s->c.resume ? json_true() : json_false());
    PUT("checkpoint", s->checkpoint ? json_text(s->checkpoint) : json_null());
    PUT("failed_checkpoints", INT(sums.failed_checkpoints));
    PUT("per_worker", workers);
#undef PUT
#undef INT
    return r;
}

int
server_summary(const struct server *s, struct buf *to, struct err *err)
{
    json_t *v = json_object();
    int r = v && fill(s, v) == 0 ? json_dump(v, 2, to, err) : err_nomem(err);

    json_decref(v);
    buf_adds(to, "\n");
    return r == 0 ? buf_ok(to, err) : -1;
}
