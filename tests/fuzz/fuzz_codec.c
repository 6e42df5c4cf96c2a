/* SPDX-License-Identifier: Apache-2.0 */
/* Compressed pushes.  The first byte chooses kind and range; the rest is what a
 * stranger sends.  What is accepted can be encoded and decoded again. */
#include "base/mem.h"
#include "codec/codec.h"

#include <stdlib.h>
#include <string.h>

#define N   600
#define KEY 7

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);

static const struct codec_part parts[] = {
    {3, 300, false}, {310, 17, true}, {327, 270, false}};

static void
again(const struct codec *c, size_t first, size_t n, const float *v)
{
    struct codec_memory *m = codec_memory_new(c, NULL);
    size_t bound = codec_bound(c, first, n), used;
    uint8_t *bytes = mem_alloc(bound, 1);
    float back[N];

    if (!m || !bytes)
        abort();
    used = codec_encode(c, m, KEY, first, n, v, bytes);
    if (used > bound ||
        codec_decode(c, KEY, first, n, bytes, used, back, NULL) != 0)
        abort();
    codec_memory_free(m);
    mem_free(bytes);
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
    static const enum codec_kind kinds[] = {
        CODEC_NONE, CODEC_FP16, CODEC_BF16,    CODEC_INT8,
        CODEC_TOPK, CODEC_TOPK, CODEC_RANDOMK, CODEC_SIGN};
    struct codec_spec s = {.share = 0.02};
    size_t first, count;
    struct codec *c;
    float v[N];

    if (n < 1)
        return 0;
    s.kind = kinds[data[0] & 7];
    s.feedback = data[0] >> 3 & 1;
    first = (size_t)(data[0] >> 4 & 3) * 100;
    count = data[0] >> 6 & 1 ? 0 : 250;
    count = data[0] >> 7 & 1 ? N - first : count;
    c = codec_new(&s, parts, sizeof parts / sizeof parts[0], N, NULL);
    if (!c)
        abort();
    memset(v, 0x55, sizeof v);
    if (codec_decode(c, KEY, first, count, data + 1, n - 1, v, NULL) == 0)
        again(c, first, count, v);
    codec_free(c);
    return 0;
}
