/* SPDX-License-Identifier: Apache-2.0 */
/* The text of a policy spec, and option tables of strange plugins.
 * Input: "SPEC \0 WORDS \0 FALLBACK". */
#include "base/err.h"
#include "base/mem.h"
#include "policy/lib.h"
#include "policy/spec.h"
#include "policy/table.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *
create(const struct ebsp_host *host)
{
    (void)host;
    return NULL;
}

static void
destroy(void *self)
{
    (void)self;
}

static int32_t
on_event(void *self, const struct ebsp_event *e)
{
    (void)self;
    (void)e;
    return 0;
}

static void
expect(int holds)
{
    if (!holds)
        abort();
}

/* A value that was taken is within the range that the table gives. */
static void
check_values(const struct policy_lib *lib)
{
    for (size_t i = 0; i < lib->p.n_options; i++) {
        const struct ebsp_option *o = &lib->options[i];

        expect(lib->texts[i] != NULL);
        if (o->type == EBSP_OPTION_WORD)
            expect(strstr(o->words, lib->texts[i]) && lib->numbers[i] == 0);
        else
            expect(lib->numbers[i] >= o->minimum &&
                   lib->numbers[i] <= o->maximum);
    }
}

/* The canonical spec means the same as the one it was made from. */
static void
check_canonical(const struct ebsp_policy *p, const struct policy_lib *lib)
{
    struct policy_lib again = {0};
    struct err err = ERR_INIT;
    const char *options;

    expect(spec_split(lib->spec, &options) == strlen(p->name));
    expect(table_take(&again, p, &err) == 0);
    expect(spec_apply(&again, options, &err) == 0);
    expect(!strcmp(lib->spec, again.spec));
    for (size_t i = 0; i < lib->p.n_options; i++)
        expect(lib->numbers[i] == again.numbers[i] &&
               !strcmp(lib->texts[i], again.texts[i]));
    policy_lib_close(&again);
}

static void
run(const char *spec, const char *words, const char *fallback)
{
    const struct ebsp_option table[] = {
        {"staleness", "3", "an integer", NULL, 0, 1000, EBSP_OPTION_INTEGER, 0},
        {"rate", "0.5", "a number", NULL, -1, 1, EBSP_OPTION_NUMBER, 0},
        {"mode", fallback, "a word", words, 0, 0, EBSP_OPTION_WORD, 0},
    };
    const struct ebsp_policy p = {
        EBSP_POLICY_HEAD,     .name = "p",
        .version = "1",       .summary = "of a fuzzer",
        .options = table,     .n_options = ARRAY_LEN(table),
        .create = create,     .destroy = destroy,
        .on_event = on_event,
    };
    struct policy_lib lib = {0};
    struct err err = ERR_INIT;
    const char *options;
    size_t n = spec_split(spec, &options);

    expect(n <= strlen(spec) && (!options || options == spec + n + 1));
    if (table_take(&lib, &p, &err) == 0 &&
        spec_apply(&lib, options, &err) == 0) {
        check_values(&lib);
        check_canonical(&p, &lib);
    } else {
        expect(err.code != ERR_OK);
    }
    policy_lib_close(&lib);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *parts[3] = {"", "last|ewma|median", "last"};
    char *copy = malloc(size + 1), *at = copy;

    if (!copy)
        return 0;
    if (size > 0)
        memcpy(copy, data, size);
    copy[size] = '\0';
    for (size_t i = 0; i < 3 && at <= copy + size; i++) {
        parts[i] = at;
        at += strlen(at) + 1;
    }
    run(parts[0], parts[1], parts[2]);
    free(copy);
    return 0;
}
