/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/watermark.h"

#include "base/err.h"
#include "base/mem.h"

#include <string.h>

int
watermark_init(struct watermark *m, const struct segtab *t, struct err *err)
{
    m->t = t;
    m->next = t->n;
    m->final = mem_alloc(t->n, sizeof *m->final);
    return m->final ? 0 : err_nomem(err);
}

void
watermark_release(struct watermark *m)
{
    mem_free(m->final);
    m->final = NULL;
}

void
watermark_clear(struct watermark *m)
{
    memset(m->final, 0, m->t->n * sizeof *m->final);
    m->next = m->t->n;
}

/* The gap behind a segment is zero from the beginning, so it is final with
 * it. */
size_t
watermark_rise(struct watermark *m, size_t segment)
{
    m->final[segment] = true;
    while (m->next > 0 && m->final[m->next - 1])
        m->next--;
    return m->next == m->t->n ? 0 : m->t->n_floats - m->t->seg[m->next].offset;
}
