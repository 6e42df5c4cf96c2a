/* SPDX-License-Identifier: Apache-2.0 */
/* The layers of the reference network, one at a time. */
#ifndef EBSP_TEST_REF_LAYERS_H
#define EBSP_TEST_REF_LAYERS_H

#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>

#define REF_INPUTS 8

/* Output of a layer for a mini-batch and the gradient of the loss by it. */
struct ref_value {
    int64_t c, h, w; /* a vector of K: c = K, h = w = 1 */
    double *v, *d;   /* n * c * h * w */
};

struct ref_layer {
    const char *type;
    const struct jcur *at; /* its object in the job */
    struct ref_value *in[REF_INPUTS], *out;
    int n_in;
    int64_t n;           /* samples */
    size_t index;        /* in the job */
    const uint64_t *key; /* of each sample: what dropout draws from */
    bool training;
    /* Parameters by suffix, NULL where the layer has none. */
    const double *weight, *bias, *mean, *var;
    double *d_weight, *d_bias, *d_mean, *d_var; /* NULL: no gradient wanted */
};

/* Shape of the output, from those of the inputs. */
void ref_shape(struct ref_layer *l);
void ref_forward(const struct ref_layer *l);
/* Adds to d of the inputs and of the parameters. */
void ref_backward(const struct ref_layer *l);

/* Distance of the input to the nearest kink; infinite where there is none. */
double ref_layer_margin(const struct ref_layer *l);

/* Mean loss; with `gradient` also that by the outputs. */
double ref_loss(const struct ref_layer *l, const int32_t *label,
                const double *target, bool gradient);

/* Parts of the two above that live in ref_elements.c. */
void ref_norm(const struct ref_layer *l, bool back);
void ref_lrn(const struct ref_layer *l, bool back);
void ref_activation(const struct ref_layer *l, bool back);
void ref_dropout(const struct ref_layer *l, bool back);

#endif
