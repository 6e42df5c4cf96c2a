/* SPDX-License-Identifier: Apache-2.0 */
/* ebsp check: what would be in the way of a run.  See ebsp-check(1). */
#include "cmd/check.h"

#include "base/err.h"
#include "base/mem.h"
#include "cmd/cmd.h"
#include "launch/hosts.h"

#include <math.h>
#include <signal.h>
#include <string.h>

enum { OPT_SET = 0x100, OPT_DATA_DIR, OPT_JSON, OPT_SLOW, OPT_THREADS };

static const struct argp_option options[] = {
    {"workers", 'n', "N", 0, "worker processes there would be (job: workers)",
     1},
    {"threads", OPT_THREADS, "T", 0, "threads per worker (job: threads)", 1},
    {"set", OPT_SET, "KEY.PATH=VALUE", 0,
     "override any value of the job, for example batch=64; may be repeated", 1},
    {"data-dir", OPT_DATA_DIR, "DIR", 0,
     "folder with one folder or archive per data set; default beside the job",
     1},
    {"slow", OPT_SLOW, "RANK:FACTOR", 0,
     "emulate: the host of this worker computes FACTOR times slower; may be "
     "repeated",
     2},
    {"json", OPT_JSON, NULL, 0, "everything that is known, for programs", 4},
    {"verbose", 'v', NULL, 0, "print what the hosts say besides", 4},
    {NULL, 0, NULL, 0, NULL, 0},
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
    struct check_options *o = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->cluster;
        return 0;
    case 'n':
        return overrides_flag(&o->overrides, "workers", "workers", arg);
    case OPT_THREADS:
        return overrides_flag(&o->overrides, "threads", "threads", arg);
    case OPT_SET:
        return overrides_set(&o->overrides, arg, state);
    case OPT_DATA_DIR:
        o->data_dir = arg;
        return 0;
    case OPT_SLOW:
        return emulate_add(&o->emulate, EMULATE_SLOW, arg, state);
    case OPT_JSON:
        o->json = true;
        return 0;
    case 'v':
        o->verbose = true;
        return 0;
    default:
        return cmd_argument(key, arg, state, &o->job, "a job file");
    }
}

static const struct argp_child children[] = {
    {&cluster_argp, 0, "Other machines:", 3}, {NULL, 0, NULL, 0}};

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .children = children,
    .args_doc = "JOB.json",
    .doc = "Find out what would be in the way of a run, before it begins: "
           "reach every host, compare versions, data and clocks, look at "
           "processors, memory and disks, measure the network and how fast "
           "each host computes."
           "\vExit status: 0 nothing wrong, or warnings only; else that of "
           "the first error: 2 usage; 3 job or data; 5 a host or the network; "
           "6 protocol or authentication.  See ebsp-check(1), ebsp-hosts(5).",
};

/* ---- what is known before anybody is asked ------------------------------- */

static int
measure_job(struct check *c, struct err *err)
{
    const struct segtab *t = graph_get_segments(c->job.graph);
    struct augment_config augment;
    struct dataset *data;
    struct optim *o;

    if (job_open_data(&c->job, NULL, &data, &augment, err) != 0)
        return -1;
    c->data_hash = data->hash;
    c->data_bytes = (double)data->n_bytes;
    dataset_free(data);
    o = optim_new(&c->job.optim, t, err);
    if (!o)
        return -1;
    c->model_bytes = (double)(t->n_floats * sizeof(float));
    c->checkpoint_bytes = c->model_bytes * (1 + optim_planes(o));
    optim_free(o);
    return 0;
}

static struct check_node *
add_node(struct check *c, const char *name)
{
    struct check_node *n = &c->node[c->n_nodes++];

    n->name = name;
    n->slow = 1.0;
    n->clock_s = n->clock_error_s = n->slowdown = NAN;
    check_facts_init(&n->facts);
    return n;
}

/* This machine, as a host when it is one; then the others. */
static int
place(struct check *c, uint32_t *host_of_rank, size_t *node_of_host,
      struct err *err)
{
    const struct hosts *h = &c->cluster.hosts;
    struct check_node *here = add_node(c, HOST_LOCAL);

    if (h->n == 0) {
        here->slots = c->job.workers;
    } else if (hosts_deal(h, c->job.workers, host_of_rank, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < h->n; i++) {
        if (host_is_local(h->v[i].name)) {
            here->slots += h->v[i].slots;
            continue;
        }
        node_of_host[i] = c->n_nodes;
        add_node(c, h->v[i].name);
        c->node[node_of_host[i]].slots = h->v[i].slots;
        c->node[node_of_host[i]].is_remote = c->cluster.is_remote[i];
    }
    for (uint32_t rank = 0; rank < c->job.workers; rank++) {
        struct check_node *n = &c->node[node_of_host[host_of_rank[rank]]];
        double slow;

        if (emulation_mean_factor(&c->job.emulation, rank, c->job.seed, &slow,
                                  err) != 0)
            return -1;
        n->workers++;
        n->slow = slow > n->slow ? slow : n->slow;
    }
    return 0;
}

static int
make_nodes(struct check *c, struct err *err)
{
    size_t n = c->cluster.hosts.n;
    uint32_t *host_of_rank = mem_alloc(c->job.workers, sizeof *host_of_rank);
    size_t *node_of_host = mem_alloc(n + 1, sizeof *node_of_host);
    int r = -1;

    c->node = mem_alloc(n + 1, sizeof *c->node);
    if (c->node && host_of_rank && node_of_host)
        r = place(c, host_of_rank, node_of_host, err);
    else
        err_nomem(err);
    mem_free(host_of_rank);
    mem_free(node_of_host);
    return r == 0 ? check_links_make(c, err) : -1;
}

/* ---- all ----------------------------------------------------------------- */

static int
report(const struct check *c, struct err *err)
{
    if (c->options->json) {
        if (check_print_json(stdout, c, err) != 0)
            return -1;
    } else {
        check_print(stdout, c);
    }
    check_first_error(c, err);
    return err->code == ERR_OK ? 0 : -1;
}

void
check_release(struct check *c)
{
    for (size_t i = 0; i < c->n_nodes; i++)
        check_findings_release(&c->node[i].findings);
    mem_free(c->node);
    mem_free(c->link);
    cluster_release(&c->cluster);
    job_release(&c->job);
}

int
check_look(struct check *c, const struct check_options *o, struct err *err)
{
    *c = (struct check){.options = o};
    if (job_load(&c->job, o->job, o->overrides.v, o->overrides.n, err) != 0)
        return -1;
    if (job_set_data_dir(&c->job, o->data_dir, err) != 0 ||
        cluster_init(&c->cluster, &o->cluster, &c->job, err) != 0 ||
        emulate_check(&o->emulate, c->job.workers, err) != 0 ||
        measure_job(c, err) != 0 || make_nodes(c, err) != 0 ||
        cluster_make_room((uint32_t)c->n_nodes, c->job.workers, err) != 0 ||
        check_run(c, err) != 0 || c->signal)
        return -1;
    check_judge(c);
    return 0;
}

static int
check_job(const struct check_options *o, struct err *err)
{
    struct check c;
    int signal_got, r = check_look(&c, o, err);

    if (r == 0)
        r = report(&c, err);
    signal_got = c.signal;
    check_release(&c);
    if (signal_got) { /* a caller wants to know what ended us */
        signal(signal_got, SIG_DFL);
        raise(signal_got);
    }
    return r;
}

static int
run(int argc, char **argv, struct err *err)
{
    struct check_options o = {.cluster = CLUSTER_OPTIONS_INIT};
    int r = cmd_parse(&argp, argc, argv, &o, err);

    if (r == 0)
        r = cluster_override(&o.cluster, &o.overrides, err);
    if (r == 0)
        r = emulate_override(&o.emulate, &o.overrides, err);
    if (r == 0)
        r = check_job(&o, err);
    overrides_release(&o.overrides);
    emulate_release(&o.emulate);
    return r;
}

const struct cmd cmd_check = {
    .name = "check",
    .args = "[options] JOB.json",
    .summary = "find out what would be in the way of a run",
    .run = run,
};
