/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/bench_memory.h"

#include "base/clock.h"
#include "base/crew.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/vec.h"

#include <math.h>
#include <unistd.h>

/* Floats at a time: they are added up in the cache. */
#define BLOCK ((size_t)4096)

struct bound {
    size_t n_floats, n_blocks;
    unsigned n_workers, n_parts;
    float **push; /* [n_workers] */
    float *old, *new;
};

static void
worker(void *ctx, unsigned part)
{
    struct bound *b = ctx;

    vec_set_scaled(b->push[part], 1e-3f, b->old, b->n_floats);
}

static void
server(void *ctx, unsigned part)
{
    struct bound *b = ctx;
    size_t begin = b->n_blocks * part / b->n_parts;
    size_t end = b->n_blocks * (part + 1) / b->n_parts;
    _Alignas(64) float sum[BLOCK];

    for (size_t i = begin; i < end; i++) {
        size_t at = i * BLOCK;

        vec_set_scaled(sum, 0.5f, b->push[0] + at, BLOCK);
        for (unsigned k = 1; k < b->n_workers; k++)
            vec_axpy(sum, 0.5f, b->push[k] + at, BLOCK);
        vec_set_scaled(b->new + at, 1.0f, b->old + at, BLOCK);
        vec_axpy(b->new + at, -0.01f, sum, BLOCK);
    }
}

static double
best_of(unsigned rounds, struct crew *crew, unsigned parts,
        void (*fn)(void *ctx, unsigned part), struct bound *b)
{
    double best = INFINITY;

    for (unsigned i = 0; i <= rounds; i++) { /* the first one is to warm up */
        int64_t start = clock_now_ns();
        double s;

        crew_run(crew, parts, fn, b);
        s = (double)(clock_now_ns() - start) / (double)NS_PER_S;
        if (i > 0 && s < best)
            best = s;
    }
    return best;
}

static int
allocate(struct bound *b, struct err *err)
{
    size_t bytes = b->n_blocks * BLOCK * sizeof(float);

    b->push = mem_alloc(b->n_workers, sizeof *b->push);
    b->old = mem_alloc_aligned(bytes);
    b->new = mem_alloc_aligned(bytes);
    if (!b->push || !b->old || !b->new)
        return err_nomem(err);
    for (unsigned i = 0; i < b->n_workers; i++) {
        b->push[i] = mem_alloc_aligned(bytes);
        if (!b->push[i])
            return err_nomem(err);
    }
    return 0;
}

int
memory_measure(struct memory_bound *to, size_t n_floats, unsigned n_workers,
               unsigned rounds, struct err *err)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    struct bound b = {.n_floats = n_floats,
                      .n_blocks = (n_floats + BLOCK - 1) / BLOCK,
                      .n_workers = n_workers};
    struct crew *crew = crew_new(cpus > 1 ? (unsigned)cpus : 1, err);
    int r = crew ? allocate(&b, err) : -1;

    if (r == 0) {
        b.n_parts = crew_get_size(crew);
        to->workers_s = best_of(rounds, crew, n_workers, worker, &b);
        to->server_s = best_of(rounds, crew, b.n_parts, server, &b);
    }
    crew_free(crew);
    for (unsigned i = 0; b.push && i < n_workers; i++)
        mem_free(b.push[i]);
    mem_free(b.push);
    mem_free(b.old);
    mem_free(b.new);
    return r;
}
