/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/codec.h"

#include "base/err.h"
#include "base/mem.h"
#include "codec/impl.h"

struct codec {
    struct codec_spec spec;
    struct codec_part *part; /* [n_parts] */
    size_t n_parts, n_floats, max_part;
};

struct codec_memory {
    size_t n_floats;
    float *owed;    /* [n_floats]; NULL: no error feedback */
    uint32_t *room; /* to select the largest; NULL: others do not select */
};

/* What of a part lies in a range. */
struct piece {
    size_t at, n; /* in the vector */
    bool exact;
};

static bool
is_sparse(const struct codec *c)
{
    return c->spec.kind == CODEC_TOPK || c->spec.kind == CODEC_RANDOMK;
}

struct codec *
codec_new(const struct codec_spec *s, const struct codec_part *part,
          size_t n_parts, size_t n_floats, struct err *err)
{
    struct codec *c = mem_alloc(1, sizeof *c);
    size_t end = 0;

    if (!c || !(c->part = mem_alloc(n_parts, sizeof *c->part))) {
        err_nomem(err);
        goto fail;
    }
    c->spec = *s;
    c->n_parts = n_parts;
    c->n_floats = n_floats;
    if (n_floats > UINT32_MAX) {
        err_set(err, ERR_CONFIG, "more than %lu numbers", 0UL + UINT32_MAX);
        goto fail;
    }
    for (size_t i = 0; i < n_parts; i++) {
        const struct codec_part *p = &part[i];

        if (p->first < end || p->first > n_floats ||
            p->n > n_floats - p->first) {
            err_set(err, ERR_BUG, "part %zu of the vector is out of order", i);
            goto fail;
        }
        end = p->first + p->n;
        c->part[i] = *p;
        if (p->n > c->max_part)
            c->max_part = p->n;
    }
    return c;
fail:
    codec_free(c);
    return NULL;
}

void
codec_free(struct codec *c)
{
    if (!c)
        return;
    mem_free(c->part);
    mem_free(c);
}

struct codec_memory *
codec_memory_new(const struct codec *c, struct err *err)
{
    struct codec_memory *m = mem_alloc(1, sizeof *m);
    bool owes = is_sparse(c) || c->spec.kind == CODEC_SIGN;

    if (!m)
        goto fail;
    m->n_floats = c->n_floats;
    if (owes && c->spec.feedback &&
        !(m->owed = mem_alloc_aligned(c->n_floats * sizeof *m->owed)))
        goto fail;
    if (c->spec.kind == CODEC_TOPK &&
        !(m->room = mem_alloc(2 * c->max_part, sizeof *m->room)))
        goto fail;
    return m;
fail:
    codec_memory_free(m);
    err_nomem(err);
    return NULL;
}

void
codec_memory_free(struct codec_memory *m)
{
    if (!m)
        return;
    mem_free(m->owed);
    mem_free(m->room);
    mem_free(m);
}

void
codec_memory_clear(struct codec_memory *m)
{
    if (m->owed)
        memset(m->owed, 0, m->n_floats * sizeof *m->owed);
}

const float *
codec_memory_get(const struct codec_memory *m)
{
    return m->owed;
}

/* The next piece of [first, end), from part *i on; false: there is none. */
static bool
next_piece(const struct codec *c, size_t *i, size_t first, size_t end,
           struct piece *p)
{
    for (; *i < c->n_parts && c->part[*i].first < end; ++*i) {
        const struct codec_part *part = &c->part[*i];
        size_t part_end = part->first + part->n;

        p->at = part->first > first ? part->first : first;
        if (p->at >= part_end)
            continue;
        p->n = (part_end < end ? part_end : end) - p->at;
        p->exact = part->exact;
        ++*i;
        return true;
    }
    return false;
}

static enum codec_kind
kind_of(const struct codec *c, const struct piece *p)
{
    return p->exact ? CODEC_NONE : c->spec.kind;
}

static size_t
piece_bound(const struct codec *c, const struct piece *p)
{
    switch (kind_of(c, p)) {
    case CODEC_FP16:
    case CODEC_BF16:
        return p->n * sizeof(uint16_t);
    case CODEC_INT8:
        return int8_size(p->n);
    case CODEC_TOPK:
        return topk_bound(codec_keep(&c->spec, p->n));
    case CODEC_RANDOMK:
        return codec_keep(&c->spec, p->n) * sizeof(float);
    case CODEC_SIGN:
        return sign_size(p->n);
    case CODEC_NONE:
        break;
    }
    return p->n * sizeof(float);
}

/* Frames want it, and sums are faster. */
static size_t
padded(size_t n_bytes)
{
    return (n_bytes + 3) & ~(size_t)3;
}

size_t
codec_bound(const struct codec *c, size_t first, size_t n)
{
    struct piece p;
    size_t sum = 0;

    for (size_t i = 0; next_piece(c, &i, first, first + n, &p);)
        sum += piece_bound(c, &p);
    return padded(sum);
}

static size_t
encode(const struct codec *c, struct codec_memory *m, uint64_t key,
       const struct piece *p, const float *v, uint8_t *out)
{
    float *owed = m->owed ? m->owed + p->at : NULL;

    switch (kind_of(c, p)) {
    case CODEC_NONE:
        memcpy(out, v, p->n * sizeof *v);
        break;
    case CODEC_FP16:
        fp16_encode(v, p->n, out);
        break;
    case CODEC_BF16:
        bf16_encode(v, p->n, out);
        break;
    case CODEC_INT8:
        int8_encode(v, p->n, out);
        break;
    case CODEC_TOPK:
        return topk_encode(v, p->n, codec_keep(&c->spec, p->n), owed, m->room,
                           out);
    case CODEC_RANDOMK:
        randomk_encode(v, p->n, codec_keep(&c->spec, p->n), key, p->at, owed,
                       out);
        break;
    case CODEC_SIGN:
        sign_encode(v, p->n, owed, out);
        break;
    }
    return piece_bound(c, p);
}

size_t
codec_encode(const struct codec *c, struct codec_memory *m, uint64_t key,
             size_t first, size_t n, const float *v, void *out)
{
    uint8_t *to = out;
    struct piece p;
    size_t used;

    for (size_t i = 0; next_piece(c, &i, first, first + n, &p);)
        to += encode(c, m, key, &p, v + (p.at - first), to);
    used = (size_t)(to - (uint8_t *)out);
    memset(to, 0, padded(used) - used);
    return padded(used);
}

/* Bytes that the piece has, 0 when they are wrong. */
static size_t
decode(const struct codec *c, uint64_t key, const struct piece *p,
       const uint8_t *in, size_t n_bytes, float *v)
{
    size_t need = piece_bound(c, p);

    if (kind_of(c, p) == CODEC_TOPK)
        return topk_decode(in, n_bytes, p->n, codec_keep(&c->spec, p->n), v);
    if (n_bytes < need)
        return 0;
    switch (kind_of(c, p)) {
    case CODEC_FP16:
        fp16_decode(in, p->n, v);
        break;
    case CODEC_BF16:
        bf16_decode(in, p->n, v);
        break;
    case CODEC_INT8:
        int8_decode(in, p->n, v);
        break;
    case CODEC_RANDOMK:
        randomk_decode(in, p->n, codec_keep(&c->spec, p->n), key, p->at, v);
        break;
    case CODEC_SIGN:
        sign_decode(in, p->n, v);
        break;
    case CODEC_TOPK:
    case CODEC_NONE:
        memcpy(v, in, need);
        break;
    }
    return need;
}

int
codec_decode(const struct codec *c, uint64_t key, size_t first, size_t n,
             const void *in, size_t n_bytes, float *v, struct err *err)
{
    static const uint8_t padding[3] = {0};
    const uint8_t *from = in;
    size_t done = 0, left = n_bytes;
    struct piece p;

    for (size_t i = 0; next_piece(c, &i, first, first + n, &p);) {
        size_t gap = p.at - first - done;
        size_t used;

        memset(v + done, 0, gap * sizeof *v);
        used = decode(c, key, &p, from, left, v + done + gap);
        if (used == 0)
            return err_set(err, ERR_PROTO,
                           "compressed numbers from %zu on are damaged", p.at);
        from += used;
        left -= used;
        done = p.at - first + p.n;
    }
    memset(v + done, 0, (n - done) * sizeof *v);
    if (left != padded(n_bytes - left) - (n_bytes - left) ||
        memcmp(from, padding, left) != 0)
        return err_set(err, ERR_PROTO,
                       "compressed numbers take %zu bytes, not %zu",
                       padded(n_bytes - left), n_bytes);
    return 0;
}
