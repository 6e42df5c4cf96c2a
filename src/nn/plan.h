/* SPDX-License-Identifier: Apache-2.0 */
/* A plan: everything that one mini-batch size and mode (training, evaluation)
 * needs, as a list of operations in the order they run: forward, loss,
 * backward.  Private to nn/.
 *
 * Layers append operations (layers/X.c); afterwards the life of every buffer
 * is known from the operations that name it, and all buffers are laid out in
 * one arena (plan_memory.c).  Running a plan allocates nothing. */
#ifndef EBSP_NN_PLAN_H
#define EBSP_NN_PLAN_H

#include "nn/dnn.h"
#include "nn/layer.h"
#include "nn/net.h"

struct buf;

/* Where bytes are, known by address only when a plan runs. */
enum place_kind {
    PLACE_NONE,
    PLACE_ARENA,  /* `at` counts buffers of the plan */
    PLACE_INPUT,  /* the samples; `at` counts floats, as below */
    PLACE_PARAMS, /* the flat vector */
    PLACE_GRADS,
    PLACE_KINDS
};
struct place {
    enum place_kind kind;
    size_t at;
};

/* Bytes and their layout, and both as oneDNN wants them (owned by the plan).
 * Copies are references to the same bytes. */
struct tensor {
    dnnl_memory_desc_t md;
    struct place place;
    dnnl_memory_t mem;
};

/* What a layer puts out.  Layouts are (N, C, H, W) in any order or (N, K); a
 * flattened image keeps its four dimensions. */
struct value {
    struct tensor data;
    const struct layer *producer; /* NULL: the input of the network */
    /* Whose data it took over instead of writing its own, or NULL. */
    struct value *origin;
    bool wants_grad; /* some parameter is upstream */
    bool kept;       /* a backward operation reads the data as they are */
    bool rectified;  /* gradient is times `slope` where the data are <= 0 */
    float slope;
    /* While back-propagation is laid out: the sum so far. */
    struct tensor grad;
    size_t n_grads, n_rectified; /* terms; terms that `slope` was applied to */
};

struct buffer {
    size_t bytes, offset;
    size_t first, last; /* operations that use it */
    unsigned owners;    /* values whose pending gradient it is */
};

#define OP_PLACES 12

struct op {
    const struct layer *layer; /* it belongs to */
    const char *what;          /* "forward", "data", "weights", "reorder" */
    const char *how;           /* implementation */
    enum pass pass;            /* that it is a part of: convolutions only */
    size_t n_places;
    struct place place[OP_PLACES];
    /* Either a primitive; argument i is at place[i] ... */
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t arg[OP_PLACES];
    /* ... or a function of ours with its constants. */
    void (*run)(const struct plan *p, const struct op *o);
    void *ctx;
    dnnl_status_t *status; /* how run ended, in ctx; NULL: it cannot fail */
    /* It reads parameters of its layer, which end there (floats); else 0. */
    size_t params_end;
    /* Segments whose gradients are final after it. */
    size_t done, n_done;
};

/* A memory object whose address follows its place. */
struct binding {
    dnnl_memory_t mem;
    struct place place;
};

/* What a layer's backward needs from its forward. */
struct layer_state {
    dnnl_primitive_desc_t desc; /* of the forward primitive: the hint */
    struct tensor src, weights, work[3];
    /* The relu behind this layer is computed by it; and its gradient too. */
    bool relu_done, relu_grad_done;
};

struct plan {
    const struct graph *graph;
    const struct dnn *dnn;
    size_t n; /* samples */
    bool training;
    bool wants_keys;          /* dropout: batch->key is read */
    dnnl_format_tag_t images; /* layout asked from convolutions */

    struct op *op;
    struct buffer *buffer;
    struct binding *binding;
    size_t n_ops, n_buffers, n_bindings;
    size_t cap_ops, cap_buffers, cap_bindings;
    size_t arena_bytes;
    char *base[PLACE_KINDS]; /* as the memory objects are bound */
    struct tensor outputs;   /* what the loss reads, (N, K) plain */
    const char **layout;     /* of the output of each layer, for people */

    /* While it is built. */
    struct value *value;         /* graph->n + 1, numbered as in layer.h */
    const struct layer **reader; /* of a value, when it is the only one */
    struct layer_state *state;   /* graph->n */
    dnnl_primitive_desc_t *desc;
    size_t n_descs, cap_descs;
    enum pass pass; /* of operations that are appended */

    /* While it runs. */
    const struct net_batch *batch;
    struct net_result *result;
    int64_t *spent_ns; /* time of each operation goes here; NULL: nowhere */
    /* Asked before each operation, and ends the run when it says so; NULL:
     * nobody is asked. */
    bool (*stop)(void *ctx);
    void *stop_ctx;
    size_t n_ran; /* operations of the last run */
};

/* What spent_ns is measured with: processor time where one thread does it all,
 * for other load disturbs that less than the time of day. */
int64_t plan_clock_ns(void);

/* The number of threads (par.h) must be the same here and in plan_run: oneDNN
 * divides the work when a primitive is made. */
struct plan *plan_new(const struct graph *graph, const struct dnn *dnn,
                      size_t n, bool training, struct err *err);
void plan_free(struct plan *p);
/* `arena` has arena_bytes; grads only in training. */
int plan_run(struct plan *p, char *arena, const struct net_batch *b,
             const float *params, float *grads,
             const struct net_progress *progress, struct net_result *result,
             struct err *err);
/* The address of a place, from the last plan_run on. */
void *plan_at(const struct plan *p, struct place place);
/* One line per layer: name, layout of the output, operations. */
void plan_describe(const struct plan *p, struct buf *to);

/* Sets the offsets of all buffers and arena_bytes. */
int plan_lay_out(struct plan *p, struct err *err);

/* ---- choices (plan_choose.c) ---- */

/* The layout for images that p->graph is computed in. */
dnnl_format_tag_t plan_choose_images(const struct graph *g);
/* The way that one of the computations of a convolution should take. */
enum way plan_choose_conv(const struct plan *p, const struct layer *l,
                          enum pass pass);
/* Whether a dense layer reads an image as it lies (and reorders its weights to
 * fit) or has the image reordered. */
bool plan_choose_dense_image(const struct plan *p, int64_t units);
/* The layout of the weights of a dense layer that reads rows, or an image. */
dnnl_format_tag_t plan_choose_dense_weights(bool image);
/* Whether rows of n floats should lie farther apart in a matrix that a product
 * reads down the columns of. */
bool plan_choose_padding(int64_t n);
bool plan_choose_padded_weights(int64_t inputs, int64_t units);
bool plan_choose_padded_data(const struct plan *p, int64_t inputs,
                             int64_t units);
/* An implementation known to compute something else than it should. */
bool plan_choose_refuses(const_dnnl_primitive_desc_t desc);

/* ---- for layers: tensors (plan_emit.c) ---- */

/* Floats in a new buffer of the arena, known to our kernels only. */
int plan_new_scratch(struct plan *p, size_t n_floats, struct tensor *t,
                     struct err *err);
/* Data in a new buffer of the arena. */
int plan_new_tensor(struct plan *p, const dnnl_memory_desc_t *md,
                    struct tensor *t, struct err *err);
/* Segment number `which` of a layer, plain, with these dimensions. */
int plan_segment(struct plan *p, const struct layer *l, size_t which,
                 enum place_kind kind, int n_dims, const dnnl_dim_t *dim,
                 struct tensor *t, struct err *err);
/* The same bytes as `from`, described as md. */
int plan_view(struct plan *p, const struct tensor *from,
              const dnnl_memory_desc_t *md, struct tensor *to, struct err *err);
/* `from` in layout md: itself where it is that already, else a reordered copy.
 * (N, C, H, W) and (N, K) are converted into each other. */
int plan_as(struct plan *p, const struct layer *l, const struct tensor *from,
            const dnnl_memory_desc_t *md, struct tensor *to, struct err *err);
/* `from` in plain order with the dimensions it has, or as (N, K). */
int plan_as_plain(struct plan *p, const struct layer *l,
                  const struct tensor *from, struct tensor *to,
                  struct err *err);
int plan_as_rows(struct plan *p, const struct layer *l,
                 const struct tensor *from, struct tensor *to, struct err *err);
/* A primitive writes md, the result is wanted as `end`: before it plan_result
 * gives the tensor that it writes, `end` itself or one in between; after it
 * plan_store brings that to its end. */
int plan_result(struct plan *p, const struct tensor *end,
                const dnnl_memory_desc_t *md, struct tensor *t,
                struct err *err);
int plan_store(struct plan *p, const struct layer *l, const struct tensor *t,
               const struct tensor *end, struct err *err);

/* ---- for layers: operations (plan_emit.c) ---- */

/* A primitive descriptor with scratch memory from the arena, the plan's until
 * it is built.  `slope`: a rectifier is applied to the result, or NULL. */
int plan_desc(struct plan *p, const void *op_desc, const float *slope,
              dnnl_primitive_desc_t hint, const char *what,
              dnnl_primitive_desc_t *desc, struct err *err);
const dnnl_memory_desc_t *plan_desc_md(const_dnnl_primitive_desc_t desc,
                                       dnnl_query_t what);

struct plan_arg {
    int arg; /* DNNL_ARG_... */
    const struct tensor *t;
};
int plan_primitive(struct plan *p, const struct layer *l, const char *what,
                   dnnl_primitive_desc_t desc, const struct plan_arg *arg,
                   size_t n_args, struct err *err);
/* Our own operation on the places of n tensors; `ctx_size` zeroed bytes for
 * its constants at op->ctx.  NULL when out of memory. */
struct op *plan_kernel(struct plan *p, const struct layer *l, const char *what,
                       const char *how,
                       void (*run)(const struct plan *, const struct op *),
                       const struct tensor *const *t, size_t n_tensors,
                       size_t ctx_size, struct err *err);
/* The gradients of segments first, first + 1, ... of l (n of them) are final
 * after the last operation. */
void plan_done(struct plan *p, const struct layer *l, size_t first, size_t n);

/* ---- for layers: values and gradients (plan_value.c) ---- */

struct value *plan_in(struct plan *p, const struct layer *l, size_t i);
struct value *plan_out(struct plan *p, const struct layer *l);
struct layer_state *plan_state(struct plan *p, const struct layer *l);
/* Nobody needs the data of v after its only reader. */
bool plan_may_overwrite(const struct plan *p, const struct value *v);
/* The output of l is its input 0 as it is. */
void plan_share(struct plan *p, const struct layer *l);
/* A tensor for the output of l that is computed element by element from x, a
 * form of input 0: x itself when it may be overwritten, else a new one. */
int plan_out_like(struct plan *p, const struct layer *l, const struct tensor *x,
                  struct tensor *to, struct err *err);
/* The rectifier that is the only reader of l, or NULL; its slope. */
const struct layer *plan_next_relu(const struct plan *p, const struct layer *l,
                                   float *slope);

/* sum of in[0 .. n-1], all in one layout, then as `rect` says:
 * RECT_DATA  negative numbers times slope
 * RECT_GRAD  times slope where `mask`, in the same layout, is not positive
 * `out` may be one of the inputs. */
enum rect { RECT_NONE, RECT_DATA, RECT_GRAD };
int plan_sum(struct plan *p, const struct layer *l, const char *what,
             const struct tensor *out, const struct tensor *const *in, size_t n,
             enum rect rect, float slope, const struct tensor *mask,
             struct err *err);

/* The whole gradient of the output of l, through its rectifier.  To be called
 * when all readers have added theirs; plan_grad_drop when the last operation
 * that reads it was appended. */
int plan_grad(struct plan *p, const struct layer *l, struct tensor *g,
              struct err *err);
void plan_grad_drop(struct plan *p, const struct layer *l);
/* The gradient of the output is that of every input. */
int plan_grad_pass(struct plan *p, const struct layer *l, struct err *err);
/* A tensor for what is computed from g element by element: g's own when it may
 * be overwritten, else a new one. */
int plan_grad_like(struct plan *p, const struct tensor *g, struct tensor *to,
                   struct err *err);
/* Layer l adds g, in any layout, to the gradient of v (if v wants one).
 * `rectified`: g is zero (times slope) where v->slope says so. */
int plan_grad_add(struct plan *p, const struct layer *l, struct value *v,
                  const struct tensor *g, bool rectified, struct err *err);

#endif
