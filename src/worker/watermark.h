/* SPDX-License-Identifier: Apache-2.0 */
/* How much of a gradient is final while back-propagation makes it, segment by
 * segment, counted from the end of the vector. */
#ifndef EBSP_WORKER_WATERMARK_H
#define EBSP_WORKER_WATERMARK_H

#include "nn/segment.h"

#include <stdbool.h>

struct err;

struct watermark {
    const struct segtab *t; /* borrowed */
    bool *final;            /* [t->n] */
    size_t next;            /* this segment and those after it are final */
};

int watermark_init(struct watermark *m, const struct segtab *t,
                   struct err *err);
void watermark_release(struct watermark *m);
void watermark_clear(struct watermark *m); /* of a new gradient */
/* A segment is final; in any order.  Floats at the end of the vector before
 * which something is not. */
size_t watermark_rise(struct watermark *m, size_t segment);

#endif
