/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/pieces.h"

#include "base/err.h"

#include <assert.h>

void
pieces_begin(struct pieces *p, size_t n, bool from_end)
{
    *p = (struct pieces){.n = n, .from_end = from_end};
}

bool
pieces_is_whole(const struct pieces *p)
{
    return p->n > 0 && p->done == p->n;
}

bool
pieces_next(const struct pieces *p, size_t ready, struct piece *next)
{
    size_t count = ready - p->done;

    assert(ready >= p->done && ready <= p->n);
    if (count == 0 || (count < PIECE_MIN && ready < p->n))
        return false;
    if (count > PIECE_MAX)
        count = PIECE_MAX;
    next->count = count;
    next->first = p->from_end ? p->n - p->done - count : p->done;
    return true;
}

int
pieces_check(const struct pieces *p, const struct piece *x, struct err *err)
{
    size_t left = p->n - p->done;
    size_t first = p->from_end ? left - x->count : p->done;

    if (left == 0)
        return err_set(err, ERR_PROTO, "a piece, expected none");
    if (x->count < 1 || x->count > left)
        return err_set(err, ERR_PROTO,
                       "a piece of %zu numbers, expected 1 to %zu", x->count,
                       left);
    if (x->first != first)
        return err_set(err, ERR_PROTO,
                       "a piece at %zu, expected the one at %zu", x->first,
                       first);
    return 0;
}

int
pieces_check_frame(const struct pieces *p, const struct piece *x,
                   uint64_t n_bytes, struct err *err)
{
    if (pieces_check(p, x, err) != 0)
        return -1;
    if (n_bytes != x->count * sizeof(float))
        return err_set(err, ERR_PROTO, "a piece of %zu numbers in %llu bytes",
                       x->count, (unsigned long long)n_bytes);
    return 0;
}

void
pieces_add(struct pieces *p, const struct piece *x)
{
    assert(x->count <= p->n - p->done);
    p->done += x->count;
}
