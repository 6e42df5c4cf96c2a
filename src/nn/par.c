/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/par.h"

/* The runtime's own entry points instead of pragmas: gcc and clang compile
 * pragmas for different runtimes, and a process should have one, that of
 * oneDNN.  GOMP_parallel is what gcc emits for `#pragma omp parallel`; LLVM's
 * runtime has it too. */
void GOMP_parallel(void (*fn)(void *), void *data, unsigned n_threads,
                   unsigned flags);
int omp_get_max_threads(void);
void omp_set_num_threads(int n);
int omp_get_num_threads(void);
int omp_get_thread_num(void);

struct loop {
    size_t n, grain;
    void (*fn)(void *ctx, size_t begin, size_t end);
    void *ctx;
};

int
par_set_threads(int threads)
{
    int before = omp_get_max_threads();

    omp_set_num_threads(threads);
    return before;
}

int
par_get_threads(void)
{
    return omp_get_max_threads();
}

static size_t
min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void
run_share(void *data)
{
    const struct loop *l = data;
    size_t threads = (size_t)omp_get_num_threads();
    size_t me = (size_t)omp_get_thread_num();
    size_t grains = (l->n + l->grain - 1) / l->grain;
    size_t begin = grains * me / threads * l->grain;
    size_t end = min_size(grains * (me + 1) / threads * l->grain, l->n);

    if (begin < end)
        l->fn(l->ctx, begin, end);
}

void
par_for(size_t n, size_t grain, void (*fn)(void *ctx, size_t begin, size_t end),
        void *ctx)
{
    struct loop l = {n, grain, fn, ctx};
    int threads = omp_get_max_threads();

    if (threads == 1 || n <= grain) {
        if (n > 0)
            fn(ctx, 0, n);
        return;
    }
    GOMP_parallel(run_share, &l, (unsigned)threads, 0);
}
