/* SPDX-License-Identifier: Apache-2.0 */
/* The maximum over windows, on images whose neighbouring channels are
 * neighbours in memory.  Own code: that of oneDNN 2.6 takes a quarter of a
 * training step of LeNet on a machine with AVX2. */
#include "base/err.h"
#include "base/mem.h"
#include "nn/kernels_pool.h"
#include "nn/layers/pool.h"
#include "nn/par.h"
#include "nn/plan.h"

#include <string.h>

/* The constants of an operation. */
struct maxpool {
    struct dnn_pixels in, out;
    bool rectified; /* the input is behind a relu of slope 0 */
    struct pool_rows rows;
    struct pool_span *covers; /* input rows of each output row */
    struct pool_span spans[];
};

/* Its addresses when it runs. */
struct maxpool_job {
    const struct maxpool *m;
    const float *x, *g;
    float *y, *dx;
    int32_t *from; /* NULL in evaluation */
};

static size_t
image_size(const struct dnn_pixels *px)
{
    return px->height * px->width * px->lanes;
}

static void
forward_images(void *ctx, size_t begin, size_t end)
{
    const struct maxpool_job *j = ctx;
    const struct maxpool *m = j->m;
    const size_t row = m->out.width * m->out.lanes;

    for (size_t u = begin; u < end; u++)
        for (size_t h = 0; h < m->out.height; h++) {
            size_t at = u * image_size(&m->out) + h * row;

            kernel_maxpool(&m->rows, j->x + u * image_size(&m->in),
                           m->covers[h], m->rectified, j->y + at,
                           j->from ? j->from + at : NULL);
        }
}

static void
run_forward(const struct plan *p, const struct op *o)
{
    struct maxpool_job j = {.m = o->ctx,
                            .x = plan_at(p, o->place[0]),
                            .y = plan_at(p, o->place[1])};

    if (o->n_places > 2)
        j.from = plan_at(p, o->place[2]);
    par_for(j.m->in.units, 1, forward_images, &j);
}

static void
backward_images(void *ctx, size_t begin, size_t end)
{
    const struct maxpool_job *j = ctx;
    const struct maxpool *m = j->m;
    const size_t row = m->out.width * m->out.lanes;

    for (size_t u = begin; u < end; u++) {
        float *dx = j->dx + u * image_size(&m->in);

        memset(dx, 0, image_size(&m->in) * sizeof *dx);
        for (size_t h = 0; h < m->out.height; h++) {
            size_t at = u * image_size(&m->out) + h * row;

            kernel_maxpool_grad(&m->rows, j->g + at, j->from + at, m->covers[h],
                                dx);
        }
    }
}

static void
run_backward(const struct plan *p, const struct op *o)
{
    struct maxpool_job j = {.m = o->ctx,
                            .g = plan_at(p, o->place[0]),
                            .from = plan_at(p, o->place[1]),
                            .dx = plan_at(p, o->place[2])};

    par_for(j.m->in.units, 1, backward_images, &j);
}

/* Which of `in` inputs the outputs of one axis cover. */
static void
fill_spans(const struct window *w, int axis, size_t in, size_t out,
           struct pool_span *covers)
{
    for (size_t i = 0; i < out; i++) {
        int64_t begin = (int64_t)i * w->stride[axis] - w->pad[axis];
        int64_t end = begin + w->kernel[axis];

        covers[i].first = (uint32_t)(begin > 0 ? begin : 0);
        covers[i].last = (uint32_t)(end < (int64_t)in ? end : (int64_t)in);
    }
}

static int
append(struct plan *p, const struct layer *l, const char *what,
       void (*run)(const struct plan *, const struct op *),
       const struct tensor *const *t, size_t n_tensors,
       const dnnl_memory_desc_t *in, const dnnl_memory_desc_t *out,
       struct err *err)
{
    const struct pool_options *o = l->opt;
    struct dnn_pixels a, b;
    struct maxpool *m;
    struct op *op;

    if (!dnn_get_pixels(in, &a) || !dnn_get_pixels(out, &b))
        return err_set(err, ERR_BUG, "maxpool: layout %s", dnn_layout_name(in));
    op =
        plan_kernel(p, l, what, "own", run, t, n_tensors,
                    sizeof *m + (b.height + b.width) * sizeof m->spans[0], err);
    if (!op)
        return -1;
    m = op->ctx;
    m->in = a;
    m->out = b;
    m->rectified =
        plan_in(p, l, 0)->rectified && plan_in(p, l, 0)->slope == 0.0f;
    m->covers = m->spans;
    m->rows = (struct pool_rows){.in_width = a.width,
                                 .out_width = b.width,
                                 .lanes = a.lanes,
                                 .covers = m->spans + b.height};
    fill_spans(&o->window, 0, a.height, b.height, m->spans);
    fill_spans(&o->window, 1, a.width, b.width, m->spans + b.height);
    return 0;
}

/* The layout of the output: that of `like` with the extent of l. */
static int
out_layout(const struct layer *l, const dnnl_memory_desc_t *like,
           dnnl_memory_desc_t *md, struct err *err)
{
    const dnnl_dim_t dim[4] = {like->dims[0], l->out.dim[0], l->out.dim[1],
                               l->out.dim[2]};
    struct dnn_pixels px;

    if (!dnn_get_pixels(like, &px))
        return err_set(err, ERR_BUG, "maxpool: layout %s",
                       dnn_layout_name(like));
    return dnn_layout(md, 4, dim,
                      like->format_desc.blocking.inner_nblks == 0 ? dnnl_nhwc
                      : px.lanes == 8                             ? dnnl_nChw8c
                                      : dnnl_nChw16c,
                      err);
}

int
forward_maxpool(struct plan *p, const struct layer *l, struct err *err)
{
    struct layer_state *s = plan_state(p, l);
    const struct value *in = plan_in(p, l, 0);
    struct value *out = plan_out(p, l);
    struct tensor *from = &s->work[0];
    const struct tensor *const t[] = {&s->src, &out->data, from};
    bool train = p->training && in->wants_grad;
    dnnl_memory_desc_t md;
    struct dnn_pixels px;

    s->src = in->data;
    if (!dnn_get_pixels(&in->data.md, &px) &&
        (dnn_relayout(&md, &in->data.md, dnnl_nhwc, err) != 0 ||
         plan_as(p, l, &in->data, &md, &s->src, err) != 0))
        return -1;
    if (out_layout(l, &s->src.md, &md, err) != 0 ||
        plan_new_tensor(p, &md, &out->data, err) != 0)
        return -1;
    if (train) {
        /* Pixel numbers: as many bytes as the maxima. */
        if (plan_new_tensor(p, &md, from, err) != 0)
            return -1;
    }
    return append(p, l, "forward", run_forward, t, train ? 3 : 2, &s->src.md,
                  &md, err);
}

int
backward_maxpool(struct plan *p, const struct layer *l, struct err *err)
{
    struct layer_state *s = plan_state(p, l);
    struct value *in = plan_in(p, l, 0);
    const dnnl_memory_desc_t *md = &plan_out(p, l)->data.md;
    struct tensor g, dst, src;
    const struct tensor *const t[] = {&dst, &s->work[0], &src};

    if (plan_grad(p, l, &g, err) != 0 ||
        plan_as(p, l, &g, md, &dst, err) != 0 ||
        plan_new_tensor(p, &s->src.md, &src, err) != 0 ||
        append(p, l, "data", run_backward, t, ARRAY_LEN(t), &s->src.md, md,
               err) != 0 ||
        plan_grad_add(p, l, in, &src, in->rectified && in->slope == 0.0f,
                      err) != 0)
        return -1;
    plan_grad_drop(p, l);
    return 0;
}
