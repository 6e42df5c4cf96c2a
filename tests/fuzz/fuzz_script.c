/* SPDX-License-Identifier: Apache-2.0 */
/* Schedules of ebsp chaos: whatever is in them, what comes out can be done. */
#include "base/err.h"
#include "base/mem.h"
#include "chaos/script.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);

static void
check(const struct fault *f)
{
    bool coordinator = chaos_is_coordinator(f->state);

    if (f->state >= CHAOS_STATES || f->action >= CHAOS_ACTIONS || f->step < 1 ||
        f->line < 1 || !(f->stop_s >= 0 && f->stop_s <= CHAOS_MAX_STOP))
        abort();
    if (f->action != CHAOS_STOP && f->stop_s > 0)
        abort();
    if (f->action == CHAOS_CUT && (coordinator || f->state == CHAOS_STARTING))
        abort();
    if (coordinator && f->action == CHAOS_STOP && f->stop_s <= 0)
        abort();
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
    struct err err = ERR_INIT;
    struct script s;

    if (script_parse(&s, "schedule", (const char *)data, n, &err) == 0)
        for (size_t i = 0; i < s.n; i++)
            check(&s.v[i]);
    else if (s.n > 0 || strncmp(err.text, "schedule:", 9) != 0)
        abort();
    script_release(&s);
    return 0;
}
