/* SPDX-License-Identifier: Apache-2.0 */
/* Compression of contributions, where the job asks for it.  What a worker has
 * computed is replaced by what the coordinator will make of it, so the bits are
 * the same whether it is sent, left in shared memory or only simulated. */
#ifndef EBSP_WORKER_PACK_H
#define EBSP_WORKER_PACK_H

#include "codec/codec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct job;
struct msg_order;

/* What a worker owes from earlier contributions. */
struct debt {
    struct codec_memory *memory; /* NULL: nothing */
    uint32_t contribution;       /* EBSP_PUSH_* that it is the rest of */
};

struct packer {
    const struct job *job;
    struct codec *codec; /* NULL: contributions are not compressed */
    struct debt debt;
    uint8_t *bytes;
    size_t n_bytes; /* of the last contribution; 0: it was not compressed */
};

/* The job is borrowed. */
int packer_init(struct packer *p, const struct job *job, struct err *err);
void packer_release(struct packer *p);

/* Is the contribution to this order compressed? */
bool packer_is_for(const struct packer *p, const struct msg_order *o);
/* If so: encodes and decodes a contribution of `n` floats. */
int packer_run(struct packer *p, const struct msg_order *o, float *push,
               size_t n, struct err *err);
void debt_forget(struct debt *d);

#endif
