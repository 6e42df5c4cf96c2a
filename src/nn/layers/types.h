/* SPDX-License-Identifier: Apache-2.0 */
/* Every kind of layer; see ebsp-job(5) for what each computes. */
#ifndef EBSP_NN_LAYERS_TYPES_H
#define EBSP_NN_LAYERS_TYPES_H

#include "nn/layer.h"

extern const struct layer_type layer_conv2d;                /* conv2d.c */
extern const struct layer_type layer_dense;                 /* dense.c */
extern const struct layer_type layer_maxpool;               /* pool.c */
extern const struct layer_type layer_avgpool;               /* pool.c */
extern const struct layer_type layer_global_avgpool;        /* pool.c */
extern const struct layer_type layer_batchnorm;             /* batchnorm.c */
extern const struct layer_type layer_groupnorm;             /* groupnorm.c */
extern const struct layer_type layer_lrn;                   /* lrn.c */
extern const struct layer_type layer_relu;                  /* relu.c */
extern const struct layer_type layer_leaky_relu;            /* relu.c */
extern const struct layer_type layer_gelu;                  /* activation.c */
extern const struct layer_type layer_tanh;                  /* activation.c */
extern const struct layer_type layer_sigmoid;               /* activation.c */
extern const struct layer_type layer_dropout;               /* dropout.c */
extern const struct layer_type layer_flatten;               /* flatten.c */
extern const struct layer_type layer_add;                   /* add.c */
extern const struct layer_type layer_softmax_cross_entropy; /* loss.c */
extern const struct layer_type layer_mse;                   /* loss.c */

/* True for relu and leaky_relu. */
bool relu_get_slope(const struct layer *l, float *slope);

#endif
