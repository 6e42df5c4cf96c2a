/* SPDX-License-Identifier: Apache-2.0 */
/* Our own loops run on the threads that oneDNN runs on, those of the OpenMP
 * runtime: a second pool would fight with them for the cores.  Private to
 * nn/. */
#ifndef EBSP_NN_PAR_H
#define EBSP_NN_PAR_H

#include <stddef.h>

/* From here on oneDNN and par_for use `threads` threads when they are called
 * from the calling thread.  Returns the number before, to be set again. */
int par_set_threads(int threads);

/* That number. */
int par_get_threads(void);

/* fn(ctx, begin, end) on ranges that cover 0 .. n - 1; all but the last are
 * multiples of `grain` long.  Which range goes where depends on n, grain and
 * the number of threads only. */
void par_for(size_t n, size_t grain,
             void (*fn)(void *ctx, size_t begin, size_t end), void *ctx);

#endif
