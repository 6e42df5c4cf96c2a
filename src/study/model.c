/* SPDX-License-Identifier: Apache-2.0 */
/* A scenario in the simulator's terms. */
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "io/link.h"
#include "sim/sim.h"
#include "study/scenario.h"

#include <math.h>
#include <string.h>

#define MAX_SPEC ((size_t)32 << 20)

/* Who is not named has the factor 1. */
static int
make_speeds(const struct scenario *s, struct scenario_model *m,
            const struct sim_config *c, struct err *err)
{
    struct buf spec = BUF_INIT(MAX_SPEC);
    int r;

    m->speeds = mem_alloc(1, sizeof *m->speeds);
    if (!m->speeds)
        return err_nomem(err);
    buf_adds(&spec, "all:1");
    if (s->emulation.slow)
        buf_addf(&spec, ";%s", s->emulation.slow);
    r = buf_ok(&spec, err);
    if (r == 0)
        r = speeds_parse(m->speeds, c->n, spec.data, c->seed, err);
    buf_release(&spec);
    return r;
}

static int
make_path(const struct scenario *s, struct sim_path *to, uint32_t rank,
          struct err *err)
{
    struct link_spec link = {0};
    char *slow, *net;
    int r;

    if (emulation_get(&s->emulation, rank, &slow, &net, err) != 0)
        return -1;
    r = net ? link_parse(&link, net, err) : 0;
    if (r == 0 && link.loss > 0)
        r = err_set(err, ERR_CONFIG,
                    "scenario %s: net \"%.40s\": what is lost is not known in "
                    "virtual time",
                    s->name, net);
    *to = (struct sim_path){.latency_ns = link.delay_ns,
                            .bytes_per_s = link.bytes_per_s};
    mem_free(slow);
    mem_free(net);
    return r;
}

static int
make_paths(const struct scenario *s, struct scenario_model *m, uint32_t n,
           struct err *err)
{
    if (!s->emulation.net)
        return 0;
    m->path = mem_alloc(n, sizeof *m->path);
    if (!m->path)
        return err_nomem(err);
    for (uint32_t i = 0; i < n; i++)
        if (make_path(s, &m->path[i], i, err) != 0)
            return -1;
    return 0;
}

int
scenario_check_virtual(const struct scenario *s, uint32_t n, struct err *err)
{
    struct sim_path path;

    for (uint32_t i = 0; i < n; i++)
        if (make_path(s, &path, i, err) != 0)
            return -1;
    return 0;
}

static int
make_losses(const struct scenario *s, struct scenario_model *m,
            uint64_t samples, struct err *err)
{
    m->loss = mem_alloc(s->n_kills, sizeof *m->loss);
    if (!m->loss)
        return err_nomem(err);
    for (size_t i = 0; i < s->n_kills; i++)
        m->loss[i] = (struct sim_loss){
            .samples = (uint64_t)ceil(s->kill[i].at * (double)samples),
            .worker = s->kill[i].rank};
    return 0;
}

int
scenario_model(const struct scenario *s, struct scenario_model *m,
               struct sim_config *c, double pace_ms, uint64_t samples,
               uint64_t bytes, struct err *err)
{
    memset(m, 0, sizeof *m);
    if (make_speeds(s, m, c, err) != 0 || make_paths(s, m, c->n, err) != 0 ||
        make_losses(s, m, samples, err) != 0) {
        scenario_model_release(m);
        return -1;
    }
    if (!(pace_ms > 0))
        pace_ms = s->emulation.pace_ms;
    if (!(pace_ms > 0))
        pace_ms = SCENARIO_PACE_MS;
    if (s->bytes)
        bytes = s->bytes;
    c->speeds = m->speeds;
    c->unit_ns = pace_ms * 1e6;
    c->path = m->path;
    c->loss = m->loss;
    c->n_losses = s->n_kills;
    c->net = (struct sim_net){.latency_ns = speed_clamp(s->latency_ms * 1e6),
                              .bytes_per_s = s->gbit_per_s * 1e9 / 8,
                              .push_bytes = bytes,
                              .pull_bytes = bytes,
                              .apply_ns = speed_clamp(s->apply_ms * 1e6)};
    return 0;
}

void
scenario_model_release(struct scenario_model *m)
{
    if (m->speeds)
        speeds_release(m->speeds);
    mem_free(m->speeds);
    mem_free(m->path);
    mem_free(m->loss);
    memset(m, 0, sizeof *m);
}
