/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/table.h"

#include "base/err.h"
#include "base/mem.h"
#include "policy/abi.h"
#include "policy/lib.h"
#include "policy/spec.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define MAX_NAME    32
#define MAX_LINE    200
#define MAX_OPTIONS 256
/* Integers travel as doubles. */
#define MAX_INTEGER 9007199254740992.0

static bool
is_name(const char *s, const char *also)
{
    size_t n = 0;

    if (!s || s[0] < 'a' || s[0] > 'z')
        return false;
    for (; n <= MAX_NAME && s[n]; n++)
        if (!(s[n] >= 'a' && s[n] <= 'z') && !(s[n] >= '0' && s[n] <= '9') &&
            !strchr(also, s[n]))
            return false;
    return n <= MAX_NAME;
}

/* One line of printable ASCII: safe on a terminal and in JSON. */
static bool
is_line(const char *s)
{
    size_t n = 0;

    if (!s || !*s)
        return false;
    for (; n <= MAX_LINE && s[n]; n++)
        if (s[n] < 0x20 || s[n] > 0x7e)
            return false;
    return n <= MAX_LINE;
}

static bool
is_word_list(const char *words)
{
    return is_line(words) && words[0] != '|' &&
           words[strlen(words) - 1] != '|' && !strstr(words, "||") &&
           !strpbrk(words, ",=: ");
}

static bool
is_range(const struct ebsp_option *o)
{
    if (!isfinite(o->minimum) || !isfinite(o->maximum) ||
        o->minimum > o->maximum)
        return false;
    return o->type != EBSP_OPTION_INTEGER ||
           (o->minimum >= -MAX_INTEGER && o->maximum <= MAX_INTEGER);
}

static int
check_option(const struct ebsp_option *o, struct err *err)
{
    struct err why = ERR_INIT;
    double number;

    if (!is_line(o->help))
        return err_set(err, ERR_POLICY, "help is not a line of text");
    if (o->reserved != 0)
        return err_set(err, ERR_POLICY, "reserved is not 0");
    switch (o->type) {
    case EBSP_OPTION_WORD:
        if (!is_word_list(o->words))
            return err_set(err, ERR_POLICY, "words are not \"this|that\"");
        break;
    case EBSP_OPTION_INTEGER:
    case EBSP_OPTION_NUMBER:
        if (o->words)
            return err_set(err, ERR_POLICY, "a number has words");
        if (!is_range(o))
            return err_set(err, ERR_POLICY, "no proper range: %g to %g",
                           o->minimum, o->maximum);
        break;
    default:
        return err_set(err, ERR_POLICY, "unknown type %u", o->type);
    }
    if (!o->fallback)
        return err_set(err, ERR_POLICY, "no fallback");
    if (spec_parse_value(o, o->fallback, &number, &why) != 0)
        return err_set(err, ERR_POLICY, "fallback: %s", why.text);
    return 0;
}

static int
take_options(struct policy_lib *lib, uint32_t stride, struct err *err)
{
    const char *at = (const char *)lib->p.options;
    size_t n = (size_t)lib->p.n_options;
    size_t known =
        stride < sizeof *lib->options ? stride : sizeof *lib->options;

    if (n > MAX_OPTIONS || (n > 0 && !at))
        return err_set(err, ERR_POLICY, "bad option table");
    if (n > 0 && (stride < ABI_1_0_OPTION || stride > ABI_MAX_SIZE ||
                  stride % _Alignof(struct ebsp_option) != 0))
        return err_set(err, ERR_POLICY, "option_stride %u, expected %zu",
                       stride, sizeof(struct ebsp_option));
    lib->options = mem_alloc(n, sizeof *lib->options);
    if (!lib->options)
        return err_nomem(err);
    for (size_t i = 0; i < n; i++) {
        struct ebsp_option *o = &lib->options[i];

        memcpy(o, at + i * stride, known);
        if (!is_name(o->name, "_"))
            return err_set(err, ERR_POLICY,
                           "option %zu has no proper name (a-z, 0-9, _)", i);
        for (size_t j = 0; j < i; j++)
            if (!strcmp(lib->options[j].name, o->name))
                return err_set(err, ERR_POLICY, "option \"%s\" comes twice",
                               o->name);
        if (check_option(o, err) != 0)
            return err_wrap(err, "option \"%s\"", o->name);
    }
    lib->p.options = lib->options;
    return 0;
}

int
table_take(struct policy_lib *lib, const struct ebsp_policy *from,
           struct err *err)
{
    struct ebsp_policy *p = &lib->p;
    uint32_t size;

    if (!from)
        return err_set(err, ERR_POLICY, "its entry returns NULL");
    if (from->magic != EBSP_POLICY_MAGIC)
        return err_set(err, ERR_POLICY, "not an ebsp policy: magic 0x%08x",
                       from->magic);
    if (from->abi_major != EBSP_POLICY_ABI_MAJOR)
        return err_set(err, ERR_POLICY,
                       "built for policy ABI %u.%u, this ebsp has %d.%d",
                       from->abi_major, from->abi_minor, EBSP_POLICY_ABI_MAJOR,
                       EBSP_POLICY_ABI_MINOR);
    size = from->struct_size;
    if (size < ABI_1_0_POLICY || size > ABI_MAX_SIZE)
        return err_set(err, ERR_POLICY, "struct_size %u, expected %zu", size,
                       sizeof *p);
    memset(p, 0, sizeof *p);
    memcpy(p, from, size < sizeof *p ? size : sizeof *p);
    if (p->needs & ~ABI_CAN)
        return err_set(err, ERR_POLICY,
                       "needs what this ebsp cannot do (bits 0x%llx)",
                       (unsigned long long)(p->needs & ~ABI_CAN));
    if (!is_name(p->name, "-"))
        return err_set(err, ERR_POLICY,
                       "no proper name (a-z, 0-9, -; at most %d)", MAX_NAME);
    if (!is_line(p->version) || !is_line(p->summary))
        return err_set(err, ERR_POLICY, "no version or summary of one line");
    if (!p->create || !p->destroy || !p->on_event)
        return err_set(err, ERR_POLICY, "no %s callback",
                       !p->create    ? "create"
                       : !p->destroy ? "destroy"
                                     : "on_event");
    return take_options(lib, p->option_stride, err);
}
