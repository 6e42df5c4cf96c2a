/* SPDX-License-Identifier: Apache-2.0 */
/* The parameter store: the global parameters, their version, the accumulator
 * and the optimizer.  One thread.
 *
 * Parameters are published as reference-counted vectors: a vector that is being
 * sent, computed on, evaluated or saved never changes; an update writes in
 * place when nobody else looks, into a spare vector otherwise.
 *
 * An update is one pass over memory, block by block in the cache and in several
 * threads: it reads what was added where the workers have written it.  Every
 * element goes through the same operations in the same order however that is
 * divided, so the bits do not depend on it. */
#ifndef EBSP_PS_STORE_H
#define EBSP_PS_STORE_H

#include "nn/optim.h"

#include <stdbool.h>
#include <stdint.h>

struct err;
struct piece;
struct store;

#define STORE_PRIVATE UINT32_MAX

/* A published state of the parameters. */
struct params {
    float *v; /* segtab.n_floats */
    uint64_t version;
    uint64_t
        *sum; /* wire_hash of its pieces (wire/pieces.h), of the first ... */
    size_t n_sums; /* ... so many */
    uint32_t refs;
    uint32_t slot;       /* in the shared memory; STORE_PRIVATE */
    struct store *store; /* whose it is */
    struct params *next; /* spare list */
};

struct store_options {
    /* So many published vectors at most lie in memory that other processes can
     * read; what does not fit is private, as is everything where the system has
     * no such memory (store_get_fd).  0: none do. */
    uint32_t n_slots;
    unsigned threads; /* that an update is divided among; 0 counts as 1 */
    /* Parameter servers do the work: updates are counted, never computed, and
     * the numbers stay what store_edit has made them. */
    bool is_hollow;
};

/* For an update of so many floats on this machine: one of few is over before
 * another thread is awake. */
unsigned store_choose_threads(size_t n_floats);

/* Table and configuration are borrowed.  The parameters are zero at first: see
 * store_edit. */
struct store *store_new(const struct segtab *t, const struct optim_config *o,
                        const struct store_options *options, struct err *err);
void store_free(struct store *s);

/* The parameters for the initial values or a checkpoint; only before the first
 * reference is taken. */
float *store_edit(struct store *s);
struct optim *store_get_optim(struct store *s);
void store_set_version(struct store *s, uint64_t version);
uint64_t store_get_version(const struct store *s);

/* The current parameters; give back with store_unref. */
struct params *store_ref(struct store *s);
void store_unref(struct params *p);
/* The current ones without a reference, until the next commit. */
const float *store_peek(const struct store *s);

/* The descriptor of the shared memory, to be inherited; -1: there is none.
 * A slot begins every shm_stride(bytes of a vector). */
int store_get_fd(const struct store *s);

/* wire_hash of a piece of published parameters, computed once for all who get
 * it.  They are cut alike, and nobody asks for one before those that precede
 * it. */
uint64_t store_get_sum(struct params *p, const struct piece *x);

/* A hollow store's: a vector for the numbers of the current version, which
 * somebody else has; NULL: out of memory. */
bool store_is_hollow(const struct store *s);
struct params *store_blank(struct store *s);
/* The numbers have come back, into store_edit and the planes of the optimizer:
 * a store like any other from now on. */
void store_fill(struct store *s);

/* accumulator += weight * push; kind is EBSP_PUSH_*; kinds do not mix.  The
 * push is read at the commit: it stays as it is until then, or until
 * store_let_go. */
int store_add(struct store *s, const float *push, uint32_t kind, double weight,
              struct err *err);
/* This memory is about to be used for something else: if it was added, it is
 * read now. */
int store_let_go(struct store *s, const float *push, struct err *err);
/* The sum of the weights of what was added. */
double store_get_weight(const struct store *s);
/* One update with weight * accumulator, then the accumulator is empty.
 * gradient: one optimizer step at learning rate lr (statistics move by the
 * weighted mean of what was pushed); delta: parameters += weight * sum; model:
 * parameters = weight * sum. */
int store_commit(struct store *s, double weight, double lr, struct err *err);
/* Forgets what was added. */
void store_discard(struct store *s);

#endif
