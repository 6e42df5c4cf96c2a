/* SPDX-License-Identifier: Apache-2.0 */
/* Which of several ways that compute the same (but for rounding) a network is
 * computed in: what tuning chooses by measuring (tune.h).  A job records them
 * as a string under "ways" (ebsp-job(5)), so that all workers of a run, and
 * those who replay it, take the same:
 *
 *   "nhwc ddd ooo odo"
 *
 * the layout of images, then three letters for each convolution in order. */
#ifndef EBSP_NN_WAYS_H
#define EBSP_NN_WAYS_H

#include <stddef.h>

struct buf;
struct err;
struct graph;

/* The layout of images between layers. */
enum images {
    IMAGES_RULE,    /* as a rule of thumb says (plan_choose.c) */
    IMAGES_BLOCKED, /* nChw8c, nChw16c: blocks of channels */
    IMAGES_NHWC,
    N_IMAGES
};

/* The algorithm of each of the three computations of a convolution.  Where one
 * does not exist (other processors) the direct one takes its place. */
enum way {
    WAY_DIRECT,   /* d */
    WAY_WINOGRAD, /* w: oneDNN's */
    WAY_OWN,      /* o: our Winograd (wino.h) */
    N_WAYS
};
enum pass { PASS_FORWARD, PASS_DATA, PASS_WEIGHTS, N_PASSES };

struct ways {
    enum images images;
    struct layer_ways {
        unsigned char pass[N_PASSES]; /* enum way */
    } * layer; /* one per layer of the graph; NULL: all direct */
};

/* Replaces the ways of a graph.  -1 with ERR_CONFIG when `text` is not as
 * above or does not fit the number of convolutions; then they are as they
 * were.  NULL: all by the rules.  Not while a net of the graph exists. */
int graph_set_ways(struct graph *g, const char *text, struct err *err);
/* Appends the text of the ways of g; nothing when all is by the rules. */
void graph_get_ways(const struct graph *g, struct buf *to);
/* "rule", "blocked" or "nhwc". */
const char *graph_get_images(const struct graph *g);
/* In words what training with mini-batches of this size takes on this machine:
 * "direct", "winograd" or "own winograd" for each pass, "own winograd (not for
 * this shape: direct)" where that is not what the ways say, and "none" for what
 * nobody needs.  One row of `way` per layer, NULL where it is no convolution.
 */
int graph_find_ways(const struct graph *g, size_t batch, int threads,
                    const char *(*way)[N_PASSES], struct err *err);

#endif
