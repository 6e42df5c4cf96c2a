/* SPDX-License-Identifier: Apache-2.0 */
/* Products of matrices with padded rows.  oneDNN reads down the columns of a
 * factor that it need not transpose; when rows are a multiple of 2 KiB apart,
 * a column lies in a few sets of the caches only and is evicted before its
 * neighbour is read.  A copy with padded rows costs less than that. */
#include "nn/layers/dense.h"

#include "base/err.h"
#include "base/vec.h"
#include "nn/par.h"

#include <string.h>

#define GRAIN   16  /* rows of a copy, at least, for one thread */
#define PANEL   128 /* columns of a product, for each thread */
#define PADDING 16  /* floats */

/* A plain factor: of `width` columns at a time, rows are `stride` apart. */
struct factor {
    size_t rows, length, width, stride; /* floats */
    bool copied;
};

/* c (m, n) = a b, or a' b; b is copied panel by panel. */
struct product {
    char trans_a;
    size_t m, n, k;
    struct factor a, b;
    bool bias;
    dnnl_status_t status;
};

/* Read where it lies, or copied in panels of `width` columns. */
static void
factor_init(struct factor *f, const dnnl_memory_desc_t *md)
{
    f->rows = (size_t)md->dims[0];
    f->length = f->width = f->stride = (size_t)md->dims[1];
}

static void
factor_init_padded(struct factor *f, const dnnl_memory_desc_t *md, size_t width)
{
    factor_init(f, md);
    f->copied = plan_choose_padding(md->dims[1]);
    if (!f->copied)
        return;
    f->width = width < f->length ? width : f->length;
    f->stride = f->width + PADDING;
}

static size_t
copy_floats(const struct factor *f)
{
    return f->copied ? f->rows * f->stride : 0;
}

struct copy {
    const struct factor *f;
    const float *from;
    float *to;
    size_t width;
};

static void
copy_rows(void *ctx, size_t begin, size_t end)
{
    const struct copy *c = ctx;

    for (size_t i = begin; i < end; i++)
        memcpy(c->to + i * c->f->stride, c->from + i * c->f->length,
               c->width * sizeof *c->to);
}

/* `width` columns from x on, as they are to be read. */
static const float *
get_panel(const struct factor *f, const float *x, size_t width, float *scratch)
{
    struct copy c = {f, x, scratch, width};

    if (!f->copied)
        return x;
    par_for(f->rows, GRAIN, copy_rows, &c);
    return scratch;
}

/* First factor, second, product, scratch for both, sum of the rows of the
 * first. */
static void
run_product(const struct plan *p, const struct op *o)
{
    struct product *q = o->ctx;
    const float *a = plan_at(p, o->place[0]), *b = plan_at(p, o->place[1]);
    float *c = plan_at(p, o->place[2]), *scratch = plan_at(p, o->place[3]);
    float *sum = q->bias ? plan_at(p, o->place[4]) : NULL;

    if (sum)
        memset(sum, 0, q->a.length * sizeof *sum);
    for (size_t i = 0; sum && i < q->a.rows; i++)
        vec_add(sum, a + i * q->a.length, q->a.length);
    a = get_panel(&q->a, a, q->a.width, scratch);
    scratch += copy_floats(&q->a);
    q->status = dnnl_success;
    for (size_t j = 0; j < q->n && q->status == dnnl_success; j += q->b.width) {
        size_t width = q->n - j < q->b.width ? q->n - j : q->b.width;

        q->status =
            dnnl_sgemm(q->trans_a, 'N', (dnnl_dim_t)q->m, (dnnl_dim_t)width,
                       (dnnl_dim_t)q->k, 1.0f, a, (dnnl_dim_t)q->a.stride,
                       get_panel(&q->b, b + j, width, scratch),
                       (dnnl_dim_t)q->b.stride, 0.0f, c + j, (dnnl_dim_t)q->n);
    }
}

static int
append(struct plan *p, const struct layer *l, const char *what,
       const struct tensor *a, const struct tensor *b, const struct tensor *c,
       const struct tensor *sum, const struct product *q, struct err *err)
{
    struct tensor scratch;
    const struct tensor *const t[] = {a, b, c, &scratch, sum};
    struct op *o;

    if (plan_new_scratch(p, copy_floats(&q->a) + copy_floats(&q->b), &scratch,
                         err) != 0)
        return -1;
    o = plan_kernel(p, l, what, "padded:gemm", run_product, t, sum ? 5 : 4,
                    sizeof *q, err);
    if (!o)
        return -1;
    *(struct product *)o->ctx = *q;
    o->status = &((struct product *)o->ctx)->status;
    return 0;
}

static size_t
panel(void)
{
    return PANEL * (size_t)par_get_threads();
}

int
dense_padded_weights(struct plan *p, const struct layer *l,
                     const struct tensor *src, const struct tensor *dst,
                     const struct tensor *weights, const struct tensor *bias,
                     struct err *err)
{
    struct product q = {.trans_a = 'T',
                        .m = (size_t)weights->md.dims[0],
                        .n = (size_t)weights->md.dims[1],
                        .k = (size_t)src->md.dims[0],
                        .bias = bias != NULL};

    factor_init_padded(&q.a, &dst->md, SIZE_MAX);
    factor_init_padded(&q.b, &src->md, panel());
    return append(p, l, "weights", dst, src, weights, bias, &q, err);
}

/* The first factor is read along its rows. */
int
dense_padded_data(struct plan *p, const struct layer *l,
                  const struct tensor *dst, const struct tensor *weights,
                  const struct tensor *src, struct err *err)
{
    struct product q = {.trans_a = 'N',
                        .m = (size_t)dst->md.dims[0],
                        .n = (size_t)weights->md.dims[1],
                        .k = (size_t)weights->md.dims[0]};

    factor_init(&q.a, &dst->md);
    factor_init_padded(&q.b, &weights->md, panel());
    return append(p, l, "data", dst, weights, src, NULL, &q, err);
}
