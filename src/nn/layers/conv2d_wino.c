/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions by wino.h as operations of a plan. */
#include "base/err.h"
#include "nn/layers/conv2d.h"
#include "nn/par.h"
#include "nn/wino.h"

/* The constants of an operation. */
struct own {
    struct wino wino;
    bool bias, rectified;
    float slope;
};

bool
conv_is_own(const struct plan *p, const struct layer *l, enum pass pass,
            const dnnl_memory_desc_t *src, const dnnl_memory_desc_t *dst)
{
    const struct conv_options *o = l->opt;
    const struct window *w = &o->window;

    return plan_choose_conv(p, l, pass) == WAY_OWN &&
           wino_fits(src, dst, w->kernel, w->stride, w->dilation, o->groups);
}

static void
fill_wino(const struct layer *l, const struct tensor *src,
          const struct tensor *dst, struct wino *w)
{
    const struct conv_options *o = l->opt;

    wino_init(w, &src->md, &dst->md, (int)o->window.kernel[0], o->window.pad,
              par_get_threads());
}

/* Operations with places t[0], t[1], ... */
static int
append(struct plan *p, const struct layer *l, const char *what,
       void (*run)(const struct plan *, const struct op *),
       const struct tensor *const *t, size_t n_tensors, const struct own *own,
       struct err *err)
{
    struct op *o = plan_kernel(p, l, what, "own:winograd", run, t, n_tensors,
                               sizeof *own, err);

    if (!o)
        return -1;
    *(struct own *)o->ctx = *own;
    return 0;
}

/* ---- forward, and the gradient of the input ---- */

/* Weights, then the same transformed. */
static void
run_filters(const struct plan *p, const struct op *o)
{
    const struct own *own = o->ctx;

    wino_filters(&own->wino, plan_at(p, o->place[0]), own->rectified,
                 plan_at(p, o->place[1]));
}

/* Input, filters, output, scratch, bias. */
static void
run_conv(const struct plan *p, const struct op *o)
{
    const struct own *own = o->ctx;

    wino_run(&own->wino, plan_at(p, o->place[0]), plan_at(p, o->place[1]),
             own->bias ? plan_at(p, o->place[4]) : NULL,
             own->rectified ? &own->slope : NULL, plan_at(p, o->place[2]),
             plan_at(p, o->place[3]));
}

static int
append_conv(struct plan *p, const struct layer *l, const char *what,
            const struct own *own, bool exchanged, const struct tensor *x,
            const struct tensor *weights, const struct tensor *bias,
            const struct tensor *y, struct err *err)
{
    struct own filters = {.wino = own->wino, .rectified = exchanged};
    struct tensor transformed, scratch;
    const struct tensor *const from[] = {weights, &transformed};
    const struct tensor *const t[] = {x, &transformed, y, &scratch, bias};

    if (plan_new_scratch(p, own->wino.filter_floats, &transformed, err) != 0 ||
        plan_new_scratch(p, wino_run_floats(&own->wino), &scratch, err) != 0 ||
        append(p, l, "reorder", run_filters, from, 2, &filters, err) != 0)
        return -1;
    return append(p, l, what, run_conv, t, bias ? 5 : 4, own, err);
}

int
conv_own_forward(struct plan *p, const struct layer *l,
                 const struct tensor *src, const struct tensor *weights,
                 const struct tensor *bias, const float *slope,
                 const struct tensor *dst, struct err *err)
{
    struct own own = {.bias = bias != NULL,
                      .rectified = slope != NULL,
                      .slope = slope ? *slope : 0.0f};

    fill_wino(l, src, dst, &own.wino);
    return append_conv(p, l, "forward", &own, false, src, weights, bias, dst,
                       err);
}

int
conv_own_data(struct plan *p, const struct layer *l, const struct tensor *dst,
              const struct tensor *weights, const struct tensor *src,
              struct err *err)
{
    struct own own = {.bias = false};
    struct wino w;

    fill_wino(l, src, dst, &w);
    wino_init_data(&own.wino, &w);
    return append_conv(p, l, "data", &own, true, dst, weights, NULL, src, err);
}

/* ---- the gradient of the weights ---- */

/* Input, gradient of the output, gradient of the weights, scratch, gradient
 * of the bias. */
static void
run_weights(const struct plan *p, const struct op *o)
{
    const struct own *own = o->ctx;

    wino_filter_grad(&own->wino, plan_at(p, o->place[0]),
                     plan_at(p, o->place[1]), plan_at(p, o->place[2]),
                     own->bias ? plan_at(p, o->place[4]) : NULL,
                     plan_at(p, o->place[3]));
}

int
conv_own_weights(struct plan *p, const struct layer *l,
                 const struct tensor *src, const struct tensor *dst,
                 const struct tensor *weights, const struct tensor *bias,
                 struct err *err)
{
    struct own own = {.bias = bias != NULL};
    struct tensor scratch;
    const struct tensor *const t[] = {src, dst, weights, &scratch, bias};

    fill_wino(l, src, dst, &own.wino);
    if (plan_new_scratch(p, wino_grad_floats(&own.wino), &scratch, err) != 0)
        return -1;
    return append(p, l, "weights", run_weights, t, bias ? 5 : 4, &own, err);
}
