/* SPDX-License-Identifier: Apache-2.0 */
/* The result for programs; ebsp-check(1) has the keys. */
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "cmd/check.h"
#include "wire/frame.h"
#include "wire/join.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* null for what is not known */
static json_t *
number(double v)
{
    return isnan(v) || isinf(v) ? json_null() : json_real(v);
}

static json_t *
integer(double v)
{
    return isnan(v) ? json_null() : json_integer((json_int_t)v);
}

static json_t *
text(const char *s)
{
    return *s ? json_text(s) : json_null();
}

static json_t *
words(const char *s)
{
    json_t *v = json_array();

    while (*s) {
        size_t n = strcspn(s, " ");

        if (n > 0)
            (void)json_array_append_new(v, json_stringn(s, n));
        s += n + (s[n] == ' ');
    }
    return v;
}

static json_t *
findings(const struct check_findings *f)
{
    json_t *all = json_array();

    for (size_t i = 0; i < f->n; i++) {
        const struct check_finding *one = &f->v[i];

        (void)json_array_append_new(
            all, json_pack("{s:s, s:s, s:i, s:o, s:s}", "verdict",
                           check_verdicts[one->verdict], "subject",
                           one->subject, "exit_status", (int)one->code, "text",
                           json_text(one->text), "advice", one->advice));
    }
    return all;
}

static json_t *
data(const struct check *c, const struct check_node *n)
{
    const struct check_facts *f = &n->facts;
    char hash[17];

    snprintf(hash, sizeof hash, "%016" PRIx64, c->data_hash);
    return json_pack("{s:o, s:o, s:b}", "hash", text(f->data_hash), "same",
                     *f->data_hash
                         ? json_boolean(strcmp(f->data_hash, hash) == 0)
                         : json_null(),
                     "to_send", f->data_cached == 0);
}

static json_t *
host(const struct check *c, const struct check_node *n)
{
    const struct check_facts *f = &n->facts;
    json_t *v = json_pack(
        "{s:s, s:s, s:i, s:i, s:o, s:o, s:o}", "host", n->name, "verdict",
        check_verdicts[check_worst(&n->findings)], "slots", (int)n->slots,
        "workers", (int)n->workers, "version", text(f->version), "kernel",
        text(f->kernel), "machine", text(f->machine));

    if (!v)
        return NULL;
    (void)json_object_set_new(
        v, "cpu",
        json_pack("{s:o, s:o, s:o, s:o}", "model", text(f->cpu_model), "count",
                  integer(f->cpus), "features", words(f->cpu_features), "load",
                  number(f->load)));
    (void)json_object_set_new(v, "memory_bytes",
                              json_pack("{s:o, s:o}", "total",
                                        integer(f->memory_total), "available",
                                        integer(f->memory_available)));
    (void)json_object_set_new(
        v, "disk_bytes",
        json_pack("{s:o, s:o, s:o}", "here", integer(f->disk_here), "data",
                  integer(f->disk_data), "cache", integer(f->disk_cache)));
    (void)json_object_set_new(
        v, "clock",
        json_pack("{s:o, s:o}", "offset_s", number(n->clock_s), "error_s",
                  isnan(n->clock_s) ? json_null() : number(n->clock_error_s)));
    (void)json_object_set_new(v, "data", data(c, n));
    (void)json_object_set_new(
        v, "compute",
        json_pack("{s:o, s:o, s:o, s:o, s:o}", "setup_s", number(f->setup_s),
                  "steps", integer(f->steps), "step_s", number(f->step_s),
                  "samples_per_s", number(c->job.batch / f->step_s), "slowdown",
                  number(n->slowdown)));
    (void)json_object_set_new(v, "findings", findings(&n->findings));
    return v;
}

static json_t *
link_of(const struct check *c, const struct check_link *l)
{
    return json_pack(
        "{s:s, s:s, s:b, s:b, s:o, s:o, s:o, s:o, s:o}", "from",
        c->node[l->from].name, "to", c->node[l->to].name, "measured",
        (int)l->measured, "encrypted", (int)l->encrypted, "roundtrip_s",
        number(l->rtt_s), "roundtrip_min_s", number(l->rtt_min_s),
        "there_bytes_per_s", number(l->up_bytes_per_s), "back_bytes_per_s",
        number(l->down_bytes_per_s), "error", text(l->error));
}

static json_t *
everything(const struct check *c)
{
    struct err first = ERR_INIT;
    enum check_verdict worst = CHECK_OK;
    json_t *hosts = json_array(), *links = json_array();
    char hash[17];

    for (size_t i = 0; i < c->n_nodes; i++) {
        (void)json_array_append_new(hosts, host(c, &c->node[i]));
        if (check_worst(&c->node[i].findings) > worst)
            worst = check_worst(&c->node[i].findings);
    }
    for (size_t i = 0; i < c->n_links; i++)
        (void)json_array_append_new(links, link_of(c, &c->link[i]));
    check_first_error(c, &first);
    snprintf(hash, sizeof hash, "%016" PRIx64, c->data_hash);
    return json_pack(
        "{s:s, s:s, s:i, s:s, s:i, s:s, s:o, s:o, s:o, s:o, s:o}", "job",
        c->job.name, "version", join_version(), "protocol", WIRE_VERSION,
        "verdict", check_verdicts[worst], "exit_status", (int)first.code,
        "data_hash", hash, "data_bytes", integer(c->data_bytes), "model_bytes",
        integer(c->model_bytes), "checkpoint_bytes",
        integer(c->checkpoint_bytes), "hosts", hosts, "links", links);
}

int
check_print_json(FILE *to, const struct check *c, struct err *err)
{
    struct buf out = BUF_INIT((size_t)64 << 20);
    json_t *v = everything(c);
    int r = v ? json_dump(v, 2, &out, err) : err_nomem(err);

    json_decref(v);
    if (r == 0)
        fprintf(to, "%s\n", out.data);
    buf_release(&out);
    return r;
}
