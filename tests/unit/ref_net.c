/* SPDX-License-Identifier: Apache-2.0 */
#include "ref_net.h"

#include "base/err.h"
#include "ref_layers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LAYERS 512

struct node {
    struct jcur at;
    struct ref_layer layer;
    size_t in[REF_INPUTS]; /* values */
    char name[64];
};

struct ref_net {
    struct json_doc doc;
    struct jcur root, layers;
    const struct segtab *t;
    size_t n; /* layers, the loss included */
    struct node node[MAX_LAYERS];
    struct ref_value value[MAX_LAYERS]; /* 0 is the input */
    int64_t n_samples;                  /* that the values have room for */
};

static void
must(bool good, const char *what)
{
    if (good)
        return;
    printf("Bail out! reference network: %s\n", what);
    exit(1);
}

/* Names as ebsp-job(5) has them. */
static void
name_layer(struct ref_net *r, size_t i)
{
    static const char *const short_names[][2] = {
        {"conv2d", "conv"},
        {"dense", "fc"},
        {"batchnorm", "bn"},
        {"groupnorm", "gn"},
        {"mse", "loss"},
        {"global_avgpool", "gap"},
        {"", ""},
    };
    struct node *o = &r->node[i];
    const char *given = json_string_value(jcur_key(&o->at, "name").v);
    const char *prefix = o->layer.type;
    int number = 1;

    for (int k = 0; short_names[k][0][0]; k++)
        if (!strcmp(o->layer.type, short_names[k][0]))
            prefix = short_names[k][1];
    for (size_t k = 0; k < i; k++)
        number += !strcmp(r->node[k].layer.type, o->layer.type);
    if (given)
        snprintf(o->name, sizeof o->name, "%s", given);
    else
        snprintf(o->name, sizeof o->name, "%s%d", prefix, number);
}

static size_t
find_value(const struct ref_net *r, size_t before, const char *name)
{
    for (size_t i = 0; i < before; i++)
        if (!strcmp(r->node[i].name, name))
            return i + 1;
    must(!strcmp(name, "input"), name);
    return 0;
}

static void
read_layer(struct ref_net *r, size_t i)
{
    struct node *o = &r->node[i];
    struct ref_layer *l = &o->layer;
    const json_t *input;

    o->at = jcur_at(&r->layers, i);
    l->at = &o->at;
    l->type = json_string_value(jcur_key(&o->at, "type").v);
    must(l->type != NULL, "no type");
    name_layer(r, i);
    input = jcur_key(&o->at, "input").v;
    l->n_in = json_is_array(input) ? (int)json_array_size(input) : 1;
    for (int k = 0; k < l->n_in; k++) {
        const char *name = json_string_value(
            json_is_array(input) ? json_array_get(input, (size_t)k) : input);

        o->in[k] = name ? find_value(r, i, name) : i;
        l->in[k] = &r->value[o->in[k]];
    }
    l->out = &r->value[i + 1];
    ref_shape(l);
}

struct ref_net *
ref_new(const char *job, const struct segtab *t)
{
    struct ref_net *r = calloc(1, sizeof *r);
    struct err err = ERR_INIT;
    struct jcur input;

    must(r != NULL, "out of memory");
    must(json_doc_parse(&r->doc, "job", job, strlen(job), &err) == 0, err.text);
    r->root = jcur_root(&r->doc);
    r->layers = jcur_key(&r->root, "layers");
    r->t = t;
    r->n = json_array_size(r->layers.v);
    must(r->n > 0 && r->n < MAX_LAYERS, "number of layers");
    input = jcur_key(&r->root, "input");
    r->value[0] = (struct ref_value){.c = 1, .h = 1, .w = 1};
    r->value[0].c = json_integer_value(json_array_get(input.v, 0));
    if (json_array_size(input.v) == 3) {
        r->value[0].h = json_integer_value(json_array_get(input.v, 1));
        r->value[0].w = json_integer_value(json_array_get(input.v, 2));
    }
    for (size_t i = 0; i < r->n; i++)
        read_layer(r, i);
    return r;
}

void
ref_free(struct ref_net *r)
{
    for (size_t i = 0; i <= r->n; i++) {
        free(r->value[i].v);
        free(r->value[i].d);
    }
    json_doc_release(&r->doc);
    free(r);
}

static size_t
size_of(const struct ref_value *v)
{
    return (size_t)(v->c * v->h * v->w);
}

static void
make_room(struct ref_net *r, int64_t n)
{
    for (size_t i = 0; i <= r->n; i++) {
        struct ref_value *v = &r->value[i];

        if (n != r->n_samples) {
            free(v->v);
            free(v->d);
            v->v = calloc((size_t)n * size_of(v), sizeof *v->v);
            v->d = calloc((size_t)n * size_of(v), sizeof *v->d);
            must(v->v && v->d, "out of memory");
        }
        memset(v->d, 0, (size_t)n * size_of(v) * sizeof *v->d);
    }
    r->n_samples = n;
}

/* Where segment "NAME.suffix" of a layer lies in a flat vector, or NULL. */
static double *
segment(const struct ref_net *r, const struct node *o, const char *suffix,
        double *flat)
{
    char name[96];

    snprintf(name, sizeof name, "%s.%s", o->name, suffix);
    for (size_t i = 0; flat && i < r->t->n; i++)
        if (!strcmp(r->t->seg[i].name, name))
            return flat + r->t->seg[i].offset;
    return NULL;
}

double
ref_step(struct ref_net *r, const struct ref_batch *b, const double *params,
         bool training, double *grads)
{
    double *p = malloc(r->t->n_floats * sizeof *p), loss;
    size_t last = r->n - 1;

    must(p && (training || !grads), "arguments");
    memcpy(p, params, r->t->n_floats * sizeof *p);
    if (grads)
        memset(grads, 0, r->t->n_floats * sizeof *grads);
    make_room(r, (int64_t)b->n);
    memcpy(r->value[0].v, b->x, b->n * size_of(&r->value[0]) * sizeof *b->x);
    for (size_t i = 0; i < r->n; i++) {
        struct ref_layer *l = &r->node[i].layer;

        l->n = (int64_t)b->n;
        l->index = i;
        l->key = b->key;
        l->training = training;
        l->weight = segment(r, &r->node[i], "weight", p);
        l->bias = segment(r, &r->node[i], "bias", p);
        l->mean = segment(r, &r->node[i], "running_mean", p);
        l->var = segment(r, &r->node[i], "running_var", p);
        l->d_weight = segment(r, &r->node[i], "weight", grads);
        l->d_bias = segment(r, &r->node[i], "bias", grads);
        l->d_mean = segment(r, &r->node[i], "running_mean", grads);
        l->d_var = segment(r, &r->node[i], "running_var", grads);
        if (i < last)
            ref_forward(l);
    }
    loss = ref_loss(&r->node[last].layer, b->label, b->target, grads != NULL);
    for (size_t i = last; grads && i > 0; i--)
        ref_backward(&r->node[i - 1].layer);
    free(p);
    return loss;
}

const double *
ref_outputs(const struct ref_net *r)
{
    return r->node[r->n - 1].layer.in[0]->v;
}

size_t
ref_n_outputs(const struct ref_net *r)
{
    return size_of(r->node[r->n - 1].layer.in[0]);
}

double
ref_margin(const struct ref_net *r)
{
    double margin = INFINITY;

    for (size_t i = 0; i + 1 < r->n; i++)
        margin = fmin(margin, ref_layer_margin(&r->node[i].layer));
    return margin;
}
