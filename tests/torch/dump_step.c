/* SPDX-License-Identifier: Apache-2.0 */
/* One training step of a job's network on the numbers of refdata.h, for
 * compare.py to hold against PyTorch.
 *
 *   dump_step JOB.json BATCH SEED GRADIENTS.safetensors
 *
 * The file has the loss as text in its metadata. */
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "nn/net.h"
#include "nn/tensors.h"
#include "refdata.h"

#include <stdio.h>

static int
step(struct net *net, const struct graph *g, size_t n, uint64_t seed,
     const char *path, struct err *err)
{
    const struct segtab *t = graph_get_segments(g);
    size_t n_in = n * shape_count(graph_get_input(g));
    float *x = mem_alloc_aligned(n_in * sizeof *x);
    float *params = mem_alloc_aligned(t->n_floats * sizeof *params);
    float *grads = mem_alloc_aligned(t->n_floats * sizeof *grads);
    int32_t *label = mem_alloc(n, sizeof *label);
    uint64_t *key = mem_alloc(n, sizeof *key);
    struct net_batch b = {n, x, label, NULL, key};
    struct net_result res;
    char loss[32];
    struct tensors_meta meta = {"loss", loss};
    int r = x && params && grads && label && key ? 0 : err_nomem(err);

    if (r == 0) {
        refdata_input(seed, x, n_in);
        refdata_labels(seed, label, n, (uint64_t)graph_get_outputs(g));
        refdata_params(seed, t, params);
        r = net_step(net, &b, params, grads, NULL, &res, err);
    }
    if (r == 0) {
        snprintf(loss, sizeof loss, "%.17g", res.loss);
        r = tensors_save(path, t, grads, &meta, 1, err);
    }
    mem_free(x);
    mem_free(params);
    mem_free(grads);
    mem_free(label);
    mem_free(key);
    return r;
}

int
main(int argc, char **argv)
{
    struct net_options o = {.threads = 1};
    struct err err = ERR_INIT;
    struct graph *g = NULL;
    struct net *net = NULL;
    struct json_doc doc;
    struct jcur root;
    uint64_t n, seed;

    if (argc != 5 || !str_u64(argv[2], &n) || !str_u64(argv[3], &seed) ||
        n < 1 || n > 4096) {
        fputs("usage: dump_step JOB.json BATCH SEED OUT.safetensors\n", stderr);
        return ERR_USAGE;
    }
    if (json_doc_load(&doc, argv[1], &err) == 0) {
        root = jcur_root(&doc);
        g = graph_new(&root, &err);
        if (g)
            net = net_new(g, &o, &err);
        if (net)
            step(net, g, (size_t)n, seed, argv[4], &err);
        net_free(net);
        graph_free(g);
        json_doc_release(&doc);
    }
    if (err.code != ERR_OK)
        fprintf(stderr, "dump_step: %s\n", err.text);
    return (int)err.code;
}
