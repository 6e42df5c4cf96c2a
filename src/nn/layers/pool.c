/* SPDX-License-Identifier: Apache-2.0 */
/* Maximum and average over windows, as PyTorch's MaxPool2d and AvgPool2d in
 * floor mode, and the average over the whole image. */
#include "base/err.h"
#include "base/json.h"
#include "nn/layers/types.h"
#include "nn/layers/window.h"

struct pool_options {
    struct window window;
    bool count_include_pad;
};

static int
read_pool(const struct layer_reader *r, struct layer *l, struct err *err)
{
    struct pool_options *o = l->opt;
    struct window *w = &o->window;
    struct jcur padding = jcur_key(r->at, "padding");

    o->count_include_pad = true;
    if (window_read(w, r, err) != 0 ||
        jcur_bool_or(r->at, "count_include_pad", &o->count_include_pad, err) !=
            0)
        return -1;
    /* Otherwise a window could lie in the padding entirely. */
    for (int i = 0; i < 2; i++)
        if (w->pad[i] >= w->kernel[i] || w->pad_end[i] >= w->kernel[i])
            return jcur_fail(&padding, err,
                             "expected less padding than the kernel %lldx%lld",
                             (long long)w->kernel[0], (long long)w->kernel[1]);
    l->out = (struct shape){3, {r->in[0]->dim[0], w->out[0], w->out[1]}};
    l->flop = (double)shape_count(&l->out) * (double)w->kernel[0] *
              (double)w->kernel[1];
    return 0;
}

static int
read_global(const struct layer_reader *r, struct layer *l, struct err *err)
{
    struct pool_options *o = l->opt;
    const struct shape *in = r->in[0];

    if (layer_need_image(r, err) != 0)
        return -1;
    for (int i = 0; i < 2; i++) {
        o->window.kernel[i] = in->dim[1 + i];
        o->window.stride[i] = o->window.dilation[i] = 1;
        o->window.out[i] = 1;
    }
    l->out = (struct shape){1, {in->dim[0]}};
    l->flop = (double)shape_count(in);
    return 0;
}

static const char *const max_keys[] = {LAYER_KEYS, "kernel", "stride",
                                       "padding", NULL};
static const char *const avg_keys[] = {
    LAYER_KEYS, "kernel", "stride", "padding", "count_include_pad", NULL};
static const char *const global_keys[] = {LAYER_KEYS, NULL};

const struct layer_type layer_maxpool = {
    .name = "maxpool",
    .prefix = "maxpool",
    .keys = max_keys,
    .min_inputs = 1,
    .max_inputs = 1,
    .opt_size = sizeof(struct pool_options),
    .read = read_pool,
};

const struct layer_type layer_avgpool = {
    .name = "avgpool",
    .prefix = "avgpool",
    .keys = avg_keys,
    .min_inputs = 1,
    .max_inputs = 1,
    .opt_size = sizeof(struct pool_options),
    .read = read_pool,
};

const struct layer_type layer_global_avgpool = {
    .name = "global_avgpool",
    .prefix = "gap",
    .keys = global_keys,
    .min_inputs = 1,
    .max_inputs = 1,
    .opt_size = sizeof(struct pool_options),
    .read = read_global,
};
