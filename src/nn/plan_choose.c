/* SPDX-License-Identifier: Apache-2.0 */
/* Every choice between ways that compute the same lies here, and nowhere else:
 * what measuring on the machine would replace. */
#include "nn/layers/types.h"
#include "nn/plan.h"

#include <string.h>

/* Floats in a vector register, which is the block of channels that oneDNN
 * pads to. */
static int64_t
vector_lanes(void)
{
    dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();

    return (isa & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core ? 16
                                                                        : 8;
}

/* Blocked channels (nChw8c, nChw16c: what oneDNN takes when asked for `any`)
 * are a few percent faster than nhwc where channels fill the blocks; where
 * they do not, padding wastes more: LeNet's convolutions (20 and 50 channels)
 * take 40 % longer blocked than in nhwc.  One layout for the whole network,
 * decided by where its work is: reordering between layers costs more. */
dnnl_format_tag_t
plan_choose_images(const struct graph *g)
{
    const int64_t lanes = vector_lanes();
    double fits = 0.0, pads = 0.0;

    if (g->ways.images != IMAGES_RULE)
        return g->ways.images == IMAGES_NHWC ? dnnl_nhwc : dnnl_format_tag_any;
    for (size_t i = 0; i < g->n; i++) {
        const struct layer *l = &g->layer[i];

        if (l->type != &layer_conv2d)
            continue;
        if (l->out.dim[0] % lanes == 0)
            fits += l->flop;
        else
            pads += l->flop;
    }
    return pads > fits ? dnnl_nhwc : dnnl_format_tag_any;
}

enum way
plan_choose_conv(const struct plan *p, const struct layer *l, enum pass pass)
{
    const struct ways *w = &p->graph->ways;

    return w->layer ? (enum way)w->layer[l->index].pass[pass] : WAY_DIRECT;
}

/* oneDNN 2.6.3: the weight gradient of a 1x1 convolution with strides, where
 * the channels do not fill vectors ("jit_1x1"): a thread gathers its pixels in
 * whole vectors and writes over the first channels of the next thread's.  With
 * two threads gradients are off by percents, now and then. */
bool
plan_choose_refuses(const_dnnl_primitive_desc_t desc)
{
    const dnnl_convolution_desc_t *d = NULL;
    const char *how = "";

    if (dnnl_primitive_desc_query(desc, dnnl_query_convolution_d, 0, &d) !=
            dnnl_success ||
        d->prop_kind != dnnl_backward_weights)
        return false;
    (void)dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0, &how);
    return !strncmp(how, "jit_1x1", 7) &&
           (d->strides[0] > 1 || d->strides[1] > 1) &&
           d->diff_weights_desc.dims[d->diff_weights_desc.ndims - 3] %
                   vector_lanes() !=
               0;
}

/* One of both has to be put into the order of the other, three times a step:
 * the smaller one. */
bool
plan_choose_dense_image(const struct plan *p, int64_t units)
{
    return units < (int64_t)p->n;
}

/* Plain for rows: no reordering, and oneDNN's matrix product is faster with
 * them than with its own choice, the transpose (a step of a perceptron by a
 * quarter). */
dnnl_format_tag_t
plan_choose_dense_weights(bool image)
{
    return image ? dnnl_format_tag_any : dnnl_ab;
}

/* Every 2 KiB: twice as slow as with other distances; bench/NOTES.md has what
 * was measured. */
bool
plan_choose_padding(int64_t n)
{
    return n % 512 == 0;
}

/* Both factors are read down their columns.  A copy is worth its time where
 * each number is used often. */
bool
plan_choose_padded_weights(int64_t inputs, int64_t units)
{
    return (plan_choose_padding(inputs) || plan_choose_padding(units)) &&
           inputs >= 64 && units >= 64;
}

bool
plan_choose_padded_data(const struct plan *p, int64_t inputs, int64_t units)
{
    return plan_choose_padding(inputs) && units >= 64 && p->n >= 32;
}
