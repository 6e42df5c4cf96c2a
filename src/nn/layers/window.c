/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/layers/window.h"

#include "base/err.h"
#include "base/json.h"

#include <string.h>

/* Rows or columns that the kernel covers, gaps of the dilation included. */
static int64_t
extent(const struct window *w, int i)
{
    return (w->kernel[i] - 1) * w->dilation[i] + 1;
}

/* "same": ceil(input / stride) outputs; when the padding is odd the end gets
 * one more (as TensorFlow does, and PyTorch, where stride is 1). */
static void
pad_same(struct window *w, const int64_t in[2])
{
    for (int i = 0; i < 2; i++) {
        int64_t out = (in[i] + w->stride[i] - 1) / w->stride[i];
        int64_t all = (out - 1) * w->stride[i] + extent(w, i) - in[i];

        all = all > 0 ? all : 0;
        w->pad[i] = all / 2;
        w->pad_end[i] = all - all / 2;
    }
}

static int
read_padding(struct window *w, const struct layer_reader *r,
             const int64_t in[2], struct err *err)
{
    struct jcur key = jcur_key(r->at, "padding");

    if (json_is_string(key.v)) {
        if (strcmp(json_string_value(key.v), "same") != 0)
            return jcur_fail(&key, err,
                             "expected \"same\", an integer or 2 integers, got "
                             "\"%.40s\"",
                             json_string_value(key.v));
        pad_same(w, in);
        return 0;
    }
    if (jcur_ints_or(r->at, "padding", 2, 0, GRAPH_MAX_DIM, w->pad, err) != 0)
        return -1;
    for (int i = 0; i < 2; i++)
        w->pad_end[i] = w->pad[i];
    return 0;
}

int
window_read(struct window *w, const struct layer_reader *r, struct err *err)
{
    struct jcur kernel = jcur_key(r->at, "kernel");
    const int64_t *in = &r->in[0]->dim[1];

    if (layer_need_image(r, err) != 0)
        return -1;
    if (!kernel.v)
        return jcur_fail(&kernel, err,
                         "expected an integer or 2 integers, got nothing");
    w->dilation[0] = w->dilation[1] = 1;
    if (jcur_ints_or(r->at, "kernel", 2, 1, GRAPH_MAX_DIM, w->kernel, err) != 0)
        return -1;
    for (int i = 0; i < 2; i++)
        if (w->stride[i] == 0)
            w->stride[i] = w->kernel[i];
    if (jcur_ints_or(r->at, "stride", 2, 1, GRAPH_MAX_DIM, w->stride, err) !=
            0 ||
        jcur_ints_or(r->at, "dilation", 2, 1, GRAPH_MAX_DIM, w->dilation,
                     err) != 0 ||
        read_padding(w, r, in, err) != 0)
        return -1;
    for (int i = 0; i < 2; i++) {
        int64_t room = in[i] + w->pad[i] + w->pad_end[i];

        if (extent(w, i) > room)
            return jcur_fail(
                &kernel, err, "kernel %lldx%lld larger than %sinput %lldx%lld",
                (long long)extent(w, 0), (long long)extent(w, 1),
                w->pad[0] + w->pad[1] + w->pad_end[0] + w->pad_end[1]
                    ? "padded "
                    : "",
                (long long)(in[0] + w->pad[0] + w->pad_end[0]),
                (long long)(in[1] + w->pad[1] + w->pad_end[1]));
        w->out[i] = (room - extent(w, i)) / w->stride[i] + 1;
    }
    return 0;
}
