/* SPDX-License-Identifier: Apache-2.0 */
/* Reading "input" and "layers" of a job. */
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "nn/layer.h"

#include <ctype.h>
#include <string.h>

/* The shape of a value: 0 is the input, i + 1 the output of layer i. */
static const struct shape *
value_shape(const struct graph *g, size_t value)
{
    return value == 0 ? &g->input : &g->layer[value - 1].out;
}

static const char *
value_name(const struct graph *g, size_t value)
{
    return value == 0 ? "input" : g->layer[value - 1].name;
}

static int
read_input(struct graph *g, const struct jcur *job, struct err *err)
{
    struct jcur at = jcur_key(job, "input");
    size_t n;

    if (jcur_array(&at, 1, &n, err) != 0)
        return -1;
    if (n != 1 && n != 3)
        return jcur_fail(&at, err,
                         "expected 1 number or 3 (channels, height, width), "
                         "got %zu",
                         n);
    g->input.n_dims = (int)n;
    if (jcur_ints_or(job, "input", n, 1, GRAPH_MAX_DIM, g->input.dim, err) != 0)
        return -1;
    g->n_floats = shape_count(&g->input); /* at most 2^60 */
    if (g->n_floats > GRAPH_MAX_FLOATS)
        return jcur_fail(&at, err, "more than %zu numbers per sample",
                         GRAPH_MAX_FLOATS);
    return 0;
}

static int
name_is_good(const char *s)
{
    size_t n = strlen(s);

    if (n >= LAYER_NAME || !strcmp(s, "input"))
        return 0;
    for (; *s; s++)
        if (!isascii((unsigned char)*s) ||
            (!isalnum((unsigned char)*s) && !strchr("_-.", *s)))
            return 0;
    return 1;
}

/* "name", or the prefix of the type and the number of the layer among those
 * with the same prefix. */
static int
read_name(const struct graph *g, struct layer *l, const struct jcur *at,
          struct err *err)
{
    struct jcur key = jcur_key(at, "name");
    const char *name = NULL;
    size_t number = 1;

    if (jcur_str_or(at, "name", &name, err) != 0)
        return -1;
    if (name && !name_is_good(name))
        return jcur_fail(&key, err,
                         "expected up to %d letters, digits, \"_\", \"-\", "
                         "\".\" and not \"input\"",
                         LAYER_NAME - 1);
    for (size_t i = 0; i < g->n; i++)
        number += !strcmp(g->layer[i].type->prefix, l->type->prefix);
    if (name)
        str_printf(l->name, sizeof l->name, "%s", name);
    else
        str_printf(l->name, sizeof l->name, "%s%zu", l->type->prefix, number);
    for (size_t i = 0; i < g->n; i++)
        if (!strcmp(g->layer[i].name, l->name))
            return jcur_fail(&key, err, "name \"%s\" is used twice", l->name);
    return 0;
}

static int
add_input(struct graph *g, struct layer *l, const struct jcur *at,
          struct err *err)
{
    const char *name = json_string_value(at->v);

    if (!name)
        return jcur_fail(at, err, "expected the name of an earlier layer");
    for (size_t v = 0; v <= g->n; v++)
        if (!strcmp(value_name(g, v), name)) {
            l->in[l->n_in++] = v;
            return 0;
        }
    return jcur_fail(at, err, "no earlier layer is called \"%.64s\"", name);
}

/* "input": a name, a list of names, or the layer before. */
static int
read_inputs(struct graph *g, struct layer *l, const struct jcur *at,
            struct err *err)
{
    const struct layer_type *t = l->type;
    struct jcur key = jcur_key(at, "input");
    struct buf text = BUF_INIT(LAYER_INPUTS * (LAYER_NAME + 2));
    size_t n = 1;

    if (json_is_array(key.v))
        n = json_array_size(key.v);
    if (n != 1 && t->max_inputs == 1)
        return jcur_fail(&key, err, "expected 1 input, got %zu", n);
    if (n < t->min_inputs || n > t->max_inputs)
        return jcur_fail(&key, err, "expected %zu to %zu inputs, got %zu",
                         t->min_inputs, t->max_inputs, n);
    if (!key.v) {
        l->in[l->n_in++] = g->n;
    } else if (!json_is_array(key.v)) {
        if (add_input(g, l, &key, err) != 0)
            return -1;
    } else {
        for (size_t i = 0; i < n; i++) {
            struct jcur e = jcur_at(&key, i);

            if (add_input(g, l, &e, err) != 0)
                return -1;
        }
    }
    for (size_t i = 0; i < l->n_in; i++) {
        buf_addf(&text, "%s%s", i ? ", " : "", value_name(g, l->in[i]));
        if (l->in[i] > 0)
            g->layer[l->in[i] - 1].n_readers++;
    }
    l->inputs = buf_take(&text, NULL);
    return l->inputs ? 0 : err_nomem(err);
}

static int
read_type(struct layer *l, const struct jcur *at, struct err *err)
{
    static const char *const none[] = {NULL};
    const char *names[64], *name, *near;
    struct jcur key = jcur_key(at, "type");
    size_t n = 0;

    if (!json_is_object(at->v))
        return jcur_object(at, none, err);
    if (jcur_str(at, "type", &name, err) != 0)
        return -1;
    l->type = layer_type_find(name);
    if (l->type)
        return jcur_object(at, l->type->keys, err);
    for (; layer_types[n] && n + 1 < ARRAY_LEN(names); n++)
        names[n] = layer_types[n]->name;
    names[n] = NULL;
    near = str_nearest(name, names);
    if (near)
        return jcur_fail(&key, err,
                         "unknown layer \"%.40s\", did you mean \"%s\"?", name,
                         near);
    return jcur_fail(&key, err, "unknown layer \"%.40s\"", name);
}

/* Appends the layer at `at`; g->n counts it only when it is whole, but its
 * parts are released in any case (graph_free). */
static int
read_layer(struct graph *g, const struct jcur *at, bool last, struct err *err)
{
    struct layer *l = &g->layer[g->n];
    struct layer_reader r = {.graph = g, .at = at};
    struct jcur type = jcur_key(at, "type");

    l->index = g->n;
    if (read_type(l, at, err) != 0)
        return -1;
    if (l->type->is_loss && !last)
        return jcur_fail(&type, err, "layers after the loss");
    if (!l->type->is_loss && last)
        return jcur_fail(&type, err,
                         "expected a loss as the last layer "
                         "(softmax_cross_entropy, mse), got \"%s\"",
                         l->type->name);
    if (read_name(g, l, at, err) != 0 || read_inputs(g, l, at, err) != 0)
        return -1;
    for (size_t i = 0; i < l->n_in; i++)
        r.in[i] = value_shape(g, l->in[i]);
    l->opt = mem_alloc(1, l->type->opt_size);
    if (!l->opt)
        return err_nomem(err);
    if (l->type->read(&r, l, err) != 0)
        return -1;
    g->n_floats += shape_count(&l->out); /* both are limited */
    if (g->n_floats > GRAPH_MAX_FLOATS)
        return jcur_fail(at, err,
                         "more than %zu outputs per sample up to this layer",
                         GRAPH_MAX_FLOATS);
    g->flop += l->flop;
    g->n++;
    return 0;
}

static int
read_layers(struct graph *g, const struct jcur *job, struct err *err)
{
    struct jcur layers = jcur_key(job, "layers");
    size_t n;

    if (jcur_array(&layers, 1, &n, err) != 0)
        return -1;
    if (n > GRAPH_MAX_LAYERS)
        return jcur_fail(&layers, err, "expected at most %d layers, got %zu",
                         GRAPH_MAX_LAYERS, n);
    g->layer = mem_alloc(n, sizeof *g->layer);
    if (!g->layer)
        return err_nomem(err);
    g->cap = n;
    for (size_t i = 0; i < n; i++) {
        struct jcur at = jcur_at(&layers, i);

        if (read_layer(g, &at, i + 1 == n, err) != 0)
            return -1;
    }
    for (size_t i = 0; i + 1 < n; i++) {
        struct jcur at = jcur_at(&layers, i);

        if (g->layer[i].n_readers == 0)
            return jcur_fail(&at, err, "no layer uses the output of \"%s\"",
                             g->layer[i].name);
    }
    if (g->segments.n_params == 0)
        return jcur_fail(&layers, err, "no layer has parameters to train");
    return 0;
}

static int
read_ways(struct graph *g, const struct jcur *job, struct err *err)
{
    struct jcur at = jcur_key(job, "ways");
    struct err why = ERR_INIT;
    const char *text = NULL;

    if (jcur_str_or(job, "ways", &text, err) != 0)
        return -1;
    if (!text || graph_set_ways(g, text, &why) == 0)
        return 0;
    return why.code == ERR_CONFIG ? jcur_fail(&at, err, "%s", why.text)
                                  : err_set(err, why.code, "%s", why.text);
}

struct graph *
graph_new(const struct jcur *job, struct err *err)
{
    struct graph *g = mem_alloc(1, sizeof *g);

    if (!g) {
        err_nomem(err);
        return NULL;
    }
    if (read_input(g, job, err) != 0 || read_layers(g, job, err) != 0 ||
        read_ways(g, job, err) != 0) {
        graph_free(g);
        return NULL;
    }
    return g;
}
