/* SPDX-License-Identifier: Apache-2.0 */
/* Compression of pushes: contiguous ranges of a flat vector of floats to bytes
 * and back, each range by itself, so that a vector may be sent in pieces.
 *
 *   none          4 bytes a number
 *   fp16, bf16    2 bytes; to nearest even.  Finite numbers stay finite: what
 *                 is out of range becomes the largest number
 *   int8          1 byte, and one scale for a block of 256 numbers, to nearest
 *                 (blocks as in QSGD: Alistarh et al., NIPS 2017)
 *   topk:SHARE    the k largest magnitudes, exactly (ties: the lowest index);
 *                 4 bytes and mostly 1 for the distance to the one before
 *   randomk:SHARE k numbers at positions that both sides draw from a key:
 *                 4 bytes.  One of each of k equal strata
 *   sign          1 bit, and one scale, the mean magnitude (Karimireddy et al.,
 *                 ICML 2019, EF-signSGD; 1-bit SGD: Seide et al., INTERSPEECH
 *                 2014)
 *
 * Error feedback (Seide; Stich et al., NeurIPS 2018; Lin et al., ICLR 2018 call
 * it accumulation): what was not sent is remembered and added to the next
 * vector, so that all of it is sent in the end.  For topk, randomk and sign;
 * the others lose too little to be worth another vector.  Without it randomk
 * multiplies by the size of the stratum: its expectation is the vector.
 *
 * What is not finite is seen on the other side: as itself (none, fp16, bf16),
 * or the whole piece, or block, is not finite.
 *
 * The same input gives the same bytes on every machine (little-endian). */
#ifndef EBSP_CODEC_CODEC_H
#define EBSP_CODEC_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

enum codec_kind {
    CODEC_NONE,
    CODEC_FP16,
    CODEC_BF16,
    CODEC_INT8,
    CODEC_TOPK,
    CODEC_RANDOMK,
    CODEC_SIGN
};

struct codec_spec {
    enum codec_kind kind;
    bool feedback; /* error feedback, where the kind has it */
    double share;  /* of topk and randomk: k = share * n, rounded up */
};

/* "topk:0.01" and so on; a share that is not given is 0.01.  feedback is set.
 * ERR_CONFIG. */
int codec_spec_parse(struct codec_spec *s, const char *text, struct err *err);

/* A stretch of the vector with numbers; what lies between two is zero and not
 * sent.  Each has its own scale, or its own k. */
struct codec_part {
    size_t first, n;
    bool exact; /* never compressed: statistics */
};

/* What both sides know.  Not changed by use: any number of threads. */
struct codec;
/* Parts are copied; ascending and apart, within n_floats <= UINT32_MAX. */
struct codec *codec_new(const struct codec_spec *s,
                        const struct codec_part *part, size_t n_parts,
                        size_t n_floats, struct err *err);
void codec_free(struct codec *c);

/* Bytes of the range [first, first + n) of the vector at most; exactly, but for
 * topk.  A multiple of 4, with zeros at the end. */
size_t codec_bound(const struct codec *c, size_t first, size_t n);

/* What the sending side remembers: one vector for error feedback, and room to
 * select in.  One thread at a time. */
struct codec_memory;
struct codec_memory *codec_memory_new(const struct codec *c, struct err *err);
void codec_memory_free(struct codec_memory *m);
void codec_memory_clear(struct codec_memory *m); /* nothing is owed any more */
/* What is owed, n_floats numbers; NULL without error feedback. */
const float *codec_memory_get(const struct codec_memory *m);

/* Encodes the range from v[0..n-1] into `out`, which has codec_bound bytes;
 * how many were used.  `key` draws positions: another one for each push. */
size_t codec_encode(const struct codec *c, struct codec_memory *m, uint64_t key,
                    size_t first, size_t n, const float *v, void *out);

/* The inverse, from a stranger's bytes, with the same key and range; writes all
 * of v[0..n-1].  ERR_PROTO when the bytes are not what an encoder writes, and v
 * is anything then. */
int codec_decode(const struct codec *c, uint64_t key, size_t first, size_t n,
                 const void *in, size_t n_bytes, float *v, struct err *err);

#endif
