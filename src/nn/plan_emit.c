/* SPDX-License-Identifier: Apache-2.0 */
/* Appending tensors and operations to a plan. */
#include "nn/plan.h"

#include "base/err.h"
#include "base/mem.h"

#include <string.h>

/* Room for one more element of an array. */
static int
grow(void *array, size_t n, size_t *cap, size_t size, struct err *err)
{
    void **a = array, *p;
    size_t more = *cap ? 2 * *cap : 64;

    if (n < *cap)
        return 0;
    p = mem_resize(*a, *cap, more, size);
    if (!p)
        return err_nomem(err);
    *a = p;
    *cap = more;
    return 0;
}

/* Makes the memory object of t. */
static int
bind(struct plan *p, struct tensor *t, struct err *err)
{
    struct binding *b;

    if (grow(&p->binding, p->n_bindings, &p->cap_bindings, sizeof *p->binding,
             err) != 0 ||
        dnn_check(dnnl_memory_create(&t->mem, &t->md, p->dnn->engine,
                                     DNNL_MEMORY_NONE),
                  "memory", err) != 0)
        return -1;
    b = &p->binding[p->n_bindings++];
    b->mem = t->mem;
    b->place = t->place;
    return 0;
}

int
plan_new_tensor(struct plan *p, const dnnl_memory_desc_t *md, struct tensor *t,
                struct err *err)
{
    if (grow(&p->buffer, p->n_buffers, &p->cap_buffers, sizeof *p->buffer,
             err) != 0)
        return -1;
    t->md = *md;
    t->place = (struct place){PLACE_ARENA, p->n_buffers};
    p->buffer[p->n_buffers++] = (struct buffer){.bytes = dnn_bytes(md)};
    return bind(p, t, err);
}

int
plan_new_scratch(struct plan *p, size_t n_floats, struct tensor *t,
                 struct err *err)
{
    const dnnl_dim_t dim = (dnnl_dim_t)n_floats;
    dnnl_memory_desc_t md;

    if (dnn_layout(&md, 1, &dim, dnnl_a, err) != 0)
        return -1;
    return plan_new_tensor(p, &md, t, err);
}

int
plan_segment(struct plan *p, const struct layer *l, size_t which,
             enum place_kind kind, int n_dims, const dnnl_dim_t *dim,
             struct tensor *t, struct err *err)
{
    const struct segment *s = &p->graph->segments.seg[l->seg + which];

    if (dnn_layout(&t->md, n_dims, dim, dnn_plain(n_dims), err) != 0)
        return -1;
    t->place = (struct place){kind, s->offset};
    return bind(p, t, err);
}

int
plan_view(struct plan *p, const struct tensor *from,
          const dnnl_memory_desc_t *md, struct tensor *to, struct err *err)
{
    struct place place = from->place;

    if (dnn_equal(&from->md, md)) {
        *to = *from;
        return 0;
    }
    to->md = *md;
    to->place = place;
    return bind(p, to, err);
}

/* The first implementation, which oneDNN believes to be the fastest, that
 * computes what it should. */
static dnnl_status_t
first_sound(const struct plan *p, const void *op_desc,
            const_dnnl_primitive_attr_t attr, const_dnnl_primitive_desc_t hint,
            dnnl_primitive_desc_t *desc)
{
    dnnl_primitive_desc_iterator_t at;
    dnnl_status_t s = dnnl_primitive_desc_iterator_create(&at, op_desc, attr,
                                                          p->dnn->engine, hint);

    if (s != dnnl_success)
        return s;
    *desc = dnnl_primitive_desc_iterator_fetch(at);
    while (*desc && plan_choose_refuses(*desc)) {
        dnnl_primitive_desc_destroy(*desc);
        *desc = NULL;
        s = dnnl_primitive_desc_iterator_next(at);
        if (s != dnnl_success)
            break;
        *desc = dnnl_primitive_desc_iterator_fetch(at);
    }
    dnnl_primitive_desc_iterator_destroy(at);
    if (s == dnnl_success && !*desc)
        return dnnl_out_of_memory;
    return s == dnnl_iterator_ends ? dnnl_unimplemented : s;
}

int
plan_desc(struct plan *p, const void *op_desc, const float *slope,
          dnnl_primitive_desc_t hint, const char *what,
          dnnl_primitive_desc_t *desc, struct err *err)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_post_ops_t post = NULL;
    dnnl_status_t s;

    if (grow(&p->desc, p->n_descs, &p->cap_descs, sizeof *p->desc, err) != 0)
        return -1;
    s = dnnl_primitive_attr_create(&attr);
    if (s == dnnl_success)
        s = dnnl_primitive_attr_set_scratchpad_mode(attr,
                                                    dnnl_scratchpad_mode_user);
    if (slope && s == dnnl_success)
        s = dnnl_post_ops_create(&post);
    if (slope && s == dnnl_success)
        s = dnnl_post_ops_append_eltwise(post, 1.0f, dnnl_eltwise_relu, *slope,
                                         0.0f);
    if (slope && s == dnnl_success)
        s = dnnl_primitive_attr_set_post_ops(attr, post);
    if (s == dnnl_success)
        s = first_sound(p, op_desc, attr, hint, desc);
    if (post)
        dnnl_post_ops_destroy(post);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    if (dnn_check(s, what, err) != 0)
        return -1;
    p->desc[p->n_descs++] = *desc;
    return 0;
}

const dnnl_memory_desc_t *
plan_desc_md(const_dnnl_primitive_desc_t desc, dnnl_query_t what)
{
    return dnnl_primitive_desc_query_md(desc, what, 0);
}

static struct op *
new_op(struct plan *p, const struct layer *l, const char *what, struct err *err)
{
    struct op *o;

    if (grow(&p->op, p->n_ops, &p->cap_ops, sizeof *p->op, err) != 0)
        return NULL;
    o = &p->op[p->n_ops++];
    o->layer = l;
    o->what = what;
    o->pass = p->pass;
    return o;
}

static void
add_arg(struct op *o, int arg, const struct tensor *t)
{
    o->arg[o->n_places].arg = arg;
    o->arg[o->n_places].memory = t->mem;
    o->place[o->n_places++] = t->place;
}

int
plan_primitive(struct plan *p, const struct layer *l, const char *what,
               dnnl_primitive_desc_t desc, const struct plan_arg *arg,
               size_t n_args, struct err *err)
{
    const dnnl_memory_desc_t *scratch =
        plan_desc_md(desc, dnnl_query_scratchpad_md);
    struct op *o = new_op(p, l, what, err);

    if (!o)
        return -1;
    o->how = "?";
    (void)dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0,
                                    (void *)&o->how);
    if (dnn_check(dnnl_primitive_create(&o->primitive, desc), what, err) != 0)
        return -1;
    for (size_t i = 0; i < n_args; i++)
        if (arg[i].t)
            add_arg(o, arg[i].arg, arg[i].t);
    if (scratch && dnn_bytes(scratch) > 0) {
        struct tensor t;

        if (plan_new_tensor(p, scratch, &t, err) != 0)
            return -1;
        add_arg(o, DNNL_ARG_SCRATCHPAD, &t);
    }
    return 0;
}

struct op *
plan_kernel(struct plan *p, const struct layer *l, const char *what,
            const char *how,
            void (*run)(const struct plan *, const struct op *),
            const struct tensor *const *t, size_t n_tensors, size_t ctx_size,
            struct err *err)
{
    struct op *o = new_op(p, l, what, err);

    if (!o)
        return NULL;
    o->how = how;
    o->run = run;
    for (size_t i = 0; i < n_tensors; i++)
        o->place[o->n_places++] = t[i]->place;
    o->ctx = mem_alloc(1, ctx_size);
    if (!o->ctx) {
        err_nomem(err);
        return NULL;
    }
    return o;
}

void
plan_done(struct plan *p, const struct layer *l, size_t first, size_t n)
{
    struct op *o = &p->op[p->n_ops - 1];

    o->done = l->seg + first;
    o->n_done = n;
}

static int
reorder(struct plan *p, const struct layer *l, const struct tensor *from,
        const struct tensor *to, struct err *err)
{
    const struct plan_arg args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t desc = NULL;
    dnnl_status_t s = dnnl_primitive_attr_create(&attr);
    int r = -1;

    if (s == dnnl_success)
        s = dnnl_primitive_attr_set_scratchpad_mode(attr,
                                                    dnnl_scratchpad_mode_user);
    if (s == dnnl_success)
        s = dnnl_reorder_primitive_desc_create(&desc, &from->md, p->dnn->engine,
                                               &to->md, p->dnn->engine, attr);
    if (dnn_check(s, "reorder", err) == 0)
        r = plan_primitive(p, l, "reorder", desc, args, ARRAY_LEN(args), err);
    if (desc)
        dnnl_primitive_desc_destroy(desc);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    return r;
}

/* Layouts of the same dimensions. */
static int
reordered(struct plan *p, const struct layer *l, const struct tensor *from,
          const dnnl_memory_desc_t *md, struct tensor *to, struct err *err)
{
    struct tensor t;

    if (dnn_same_bytes(&from->md, md))
        return plan_view(p, from, md, to, err);
    if (plan_new_tensor(p, md, &t, err) != 0 ||
        reorder(p, l, from, &t, err) != 0)
        return -1;
    *to = t;
    return 0;
}

int
plan_as(struct plan *p, const struct layer *l, const struct tensor *from,
        const dnnl_memory_desc_t *md, struct tensor *to, struct err *err)
{
    dnnl_memory_desc_t plain;
    struct tensor a, b;

    if (from->md.ndims == md->ndims)
        return reordered(p, l, from, md, to, err);
    /* Images and rows have the same order of elements when both are plain. */
    if (dnn_relayout(&plain, &from->md, dnn_plain(from->md.ndims), err) != 0 ||
        reordered(p, l, from, &plain, &a, err) != 0 ||
        dnn_relayout(&plain, md, dnn_plain(md->ndims), err) != 0 ||
        plan_view(p, &a, &plain, &b, err) != 0)
        return -1;
    return reordered(p, l, &b, md, to, err);
}

int
plan_as_plain(struct plan *p, const struct layer *l, const struct tensor *from,
              struct tensor *to, struct err *err)
{
    dnnl_memory_desc_t md;

    if (dnn_relayout(&md, &from->md, dnn_plain(from->md.ndims), err) != 0)
        return -1;
    return plan_as(p, l, from, &md, to, err);
}

int
plan_as_rows(struct plan *p, const struct layer *l, const struct tensor *from,
             struct tensor *to, struct err *err)
{
    dnnl_dim_t dim[2] = {from->md.dims[0], 1};
    dnnl_memory_desc_t md;

    for (int i = 1; i < from->md.ndims; i++)
        dim[1] *= from->md.dims[i];
    if (dnn_layout(&md, 2, dim, dnnl_ab, err) != 0)
        return -1;
    return plan_as(p, l, from, &md, to, err);
}

int
plan_result(struct plan *p, const struct tensor *end,
            const dnnl_memory_desc_t *md, struct tensor *t, struct err *err)
{
    if (dnn_same_bytes(&end->md, md))
        return plan_view(p, end, md, t, err);
    return plan_new_tensor(p, md, t, err);
}

int
plan_store(struct plan *p, const struct layer *l, const struct tensor *t,
           const struct tensor *end, struct err *err)
{
    if (dnn_same_bytes(&end->md, &t->md))
        return 0;
    return reorder(p, l, t, end, err);
}
