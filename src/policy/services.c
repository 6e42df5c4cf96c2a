/* SPDX-License-Identifier: Apache-2.0 */
/* What a host lends to a plugin besides act(). */
#include "policy/host_impl.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "policy/abi.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#define MAX_VALUES   ((uint64_t)1 << 20)
#define ABI_MAX_SIZE 4096

static bool
is_note_name(const char *s)
{
    size_t n = 0;

    if (!s)
        return false;
    for (; n < 64 && (isalnum((unsigned char)s[n]) || s[n] == '_'); n++)
        ;
    return n > 0 && s[n] == '\0';
}

static int
reserve_values(struct host *h, size_t n)
{
    struct host_value *v;

    if (n <= h->cap_values)
        return 0;
    v = mem_resize(h->values, h->cap_values, n, sizeof *v);
    if (!v)
        return err_nomem(&h->err);
    h->values = v;
    h->cap_values = n;
    return 0;
}

static int
take_note(struct host *h, const struct ebsp_note *note)
{
    const char *at;

    if (!note || note->struct_size < ABI_1_0_NOTE)
        return host_fail(h, "note that is too short");
    if (!is_note_name(note->name))
        return host_fail(h, "note without a proper name");
    if (note->n_values > MAX_VALUES ||
        (note->n_values > 0 &&
         (!note->values || note->value_stride < ABI_1_0_VALUE ||
          note->value_stride > ABI_MAX_SIZE ||
          note->value_stride % _Alignof(struct ebsp_value) != 0)))
        return host_fail(h, "note \"%s\" with a bad array of values",
                         note->name);
    if (reserve_values(h, (size_t)note->n_values) != 0)
        return -1;
    at = (const char *)note->values;
    for (size_t i = 0; i < note->n_values; i++, at += note->value_stride) {
        const struct ebsp_value *v = (const void *)at;

        if (!is_note_name(v->name) || !isfinite(v->value))
            return host_fail(h,
                             "note \"%s\": value %zu has no proper name or "
                             "is not finite",
                             note->name, i);
        h->values[i] = (struct host_value){v->name, v->value};
    }
    return 0;
}

static void
lent_note(void *ctx, const struct ebsp_note *note)
{
    struct host *h = ctx;

    if (h->err.code != ERR_OK)
        return;
    if (!h->in_event) {
        host_fail(h, "note outside of on_event");
        return;
    }
    if (take_note(h, note) != 0 || !h->config.driver->note)
        return;
    watchdog_leave();
    h->config.driver->note(h->config.ctx, note->name, h->values,
                           (size_t)note->n_values);
    watchdog_return();
}

static void
lent_log(void *ctx, uint32_t level, const char *text)
{
    const struct host *h = ctx;
    char safe[512];

    if (!h->config.log || !text)
        return;
    str_escape(safe, sizeof safe, text, strlen(text));
    watchdog_leave();
    log_line(h->config.log,
             level < EBSP_LOG_DEBUG ? (enum log_level)level : LOG_DEBUG,
             host_get_policy(h), "%s", safe);
    watchdog_return();
}

static void
lent_fail(void *ctx, const char *reason)
{
    char safe[400];

    if (!reason)
        reason = "failed without giving a reason";
    str_escape(safe, sizeof safe, reason, strlen(reason));
    host_fail(ctx, "%s", safe);
}

static uint64_t
lent_random(void *ctx)
{
    struct host *h = ctx;

    return rng_u64(&h->rng);
}

/* Index of an option, or n_options. */
static uint64_t
find_option(const struct policy_lib *lib, const char *name)
{
    uint64_t i = 0;

    while (i < lib->p.n_options &&
           (!name || strcmp(lib->options[i].name, name)))
        i++;
    return i;
}

static const char *
lent_option_text(void *ctx, const char *name)
{
    const struct policy_lib *lib = ((struct host *)ctx)->config.lib;
    uint64_t i = find_option(lib, name);

    return i < lib->p.n_options ? lib->texts[i] : NULL;
}

static double
lent_option_number(void *ctx, const char *name)
{
    const struct policy_lib *lib = ((struct host *)ctx)->config.lib;
    uint64_t i = find_option(lib, name);

    return i < lib->p.n_options ? lib->numbers[i] : 0;
}

void
host_lend(struct host *h)
{
    memset(h->lent.tail, 0xa5, sizeof h->lent.tail);
    memset(h->sent.tail, 0xa5, sizeof h->sent.tail);
    h->lent.table = (struct ebsp_host){
        .struct_size = (uint32_t)(h->config.future ? sizeof h->lent
                                                   : sizeof h->lent.table),
        .max_workers = h->config.max_workers,
        .ctx = h,
        .can = ABI_CAN & ~h->config.lacks,
        .act = host_act,
        .note = lent_note,
        .log = lent_log,
        .fail = lent_fail,
        .random = lent_random,
        .option_text = lent_option_text,
        .option_number = lent_option_number,
    };
}
