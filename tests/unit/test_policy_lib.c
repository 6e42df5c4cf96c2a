/* SPDX-License-Identifier: Apache-2.0 */
/* What a plugin says about itself, and the text of a policy spec.  (Loading
 * wrong files: tests/abi/abi.bats.) */
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "plugins.h"
#include "policy/lib.h"
#include "policy/spec.h"
#include "policy/table.h"
#include "tap.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

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
promise(void *self, struct ebsp_bounds *bounds)
{
    (void)self;
    (void)bounds;
}

/* Laid out as a later header would: longer structs. */
struct later_option {
    struct ebsp_option o;
    const char *unit;
};

struct later_policy {
    struct ebsp_policy p;
    void (*later)(void);
};

static const struct later_option good_options[] = {
    {{.name = "staleness",
      .fallback = "3",
      .help = "iterations",
      .minimum = 0,
      .maximum = 1000,
      .type = EBSP_OPTION_INTEGER},
     "n"},
    {{.name = "rate",
      .fallback = "0.5",
      .help = "a share",
      .minimum = 0,
      .maximum = 1,
      .type = EBSP_OPTION_NUMBER},
     "1"},
    {{.name = "predictor",
      .fallback = "last",
      .help = "how",
      .words = "last|ewma|median",
      .type = EBSP_OPTION_WORD},
     NULL},
};

static struct later_option options[3];
static struct later_policy policy;

/* A plugin from the future that is right in every way. */
static void
make_good(void)
{
    memcpy(options, good_options, sizeof options);
    policy = (struct later_policy){{
                                       .magic = EBSP_POLICY_MAGIC,
                                       .abi_major = EBSP_POLICY_ABI_MAJOR,
                                       .abi_minor = 9,
                                       .struct_size = sizeof policy,
                                       .option_stride = sizeof *options,
                                       .offers = UINT64_MAX,
                                       .name = "my-policy",
                                       .version = "1",
                                       .summary = "for the test",
                                       .options = &options[0].o,
                                       .n_options = 3,
                                       .create = create,
                                       .destroy = destroy,
                                       .on_event = on_event,
                                   },
                                   NULL};
}

static int
take(struct policy_lib *lib, struct err *err)
{
    *lib = (struct policy_lib){0};
    return table_take(lib, &policy.p, err);
}

static void
sizes_of_other_versions(void)
{
    struct policy_lib lib;
    struct err err = ERR_INIT;

    make_good();
    ok(take(&lib, &err) == 0, "a longer policy with longer options is taken");
    ok(lib.p.options == lib.options &&
           !strcmp(lib.options[2].words, "last|ewma|median"),
       "its options are found by the stride");
    policy_lib_close(&lib);

    make_good();
    policy.p.struct_size = offsetof(struct ebsp_policy, bounds);
    policy.p.bounds = promise;
    ok(take(&lib, &err) == 0 && !lib.p.bounds,
       "what a shorter policy lacks is zero, whatever lies behind it");
    policy_lib_close(&lib);
    is_str(err.text, "", "no error");
}

#define REFUSED(change, expected)                                              \
    do {                                                                       \
        struct policy_lib lib_;                                                \
        struct err err_ = ERR_INIT;                                            \
        make_good();                                                           \
        change;                                                                \
        take(&lib_, &err_);                                                    \
        is_str(err_.text, expected, "refused: " #change);                      \
        ok(err_.code == ERR_POLICY, "as the plugin's fault");                  \
        policy_lib_close(&lib_);                                               \
    } while (0)

static void
wrong_policies(void)
{
    REFUSED(policy.p.struct_size = offsetof(struct ebsp_policy, on_event),
            "struct_size 88, expected 104");
    REFUSED(policy.p.struct_size = 4097, "struct_size 4097, expected 104");
    REFUSED(policy.p.abi_major = 0,
            "built for policy ABI 0.9, this ebsp has 1.0");
    REFUSED(policy.p.needs = 4, "needs what this ebsp cannot do (bits 0x4)");
    REFUSED(policy.p.create = NULL, "no create callback");
    REFUSED(policy.p.destroy = NULL, "no destroy callback");
    REFUSED(policy.p.name = NULL, "no proper name (a-z, 0-9, -; at most 32)");
    REFUSED(policy.p.name = "", "no proper name (a-z, 0-9, -; at most 32)");
    REFUSED(policy.p.name = "a.b", "no proper name (a-z, 0-9, -; at most 32)");
    REFUSED(policy.p.name = "abcdefghijklmnopqrstuvwxyz0123456",
            "no proper name (a-z, 0-9, -; at most 32)");
    REFUSED(policy.p.summary = NULL, "no version or summary of one line");
    REFUSED(policy.p.version = "\xff", "no version or summary of one line");
    REFUSED(policy.p.options = NULL, "bad option table");
    REFUSED(policy.p.n_options = 257, "bad option table");
    REFUSED(policy.p.n_options = UINT64_MAX, "bad option table");
    REFUSED(policy.p.option_stride = 0, "option_stride 0, expected 56");
    REFUSED(policy.p.option_stride = 60, "option_stride 60, expected 56");
}

static void
wrong_options(void)
{
    struct ebsp_option *o = &options[0].o, *word = &options[2].o;

    REFUSED(o->name = NULL, "option 0 has no proper name (a-z, 0-9, _)");
    REFUSED(o->name = "Rate", "option 0 has no proper name (a-z, 0-9, _)");
    REFUSED(o->name = "rate", "option \"rate\" comes twice");
    REFUSED(o->help = NULL, "option \"staleness\": help is not a line of text");
    REFUSED(o->fallback = NULL, "option \"staleness\": no fallback");
    REFUSED(o->fallback = "3.5",
            "option \"staleness\": fallback: \"3.5\" is not an integer from 0 "
            "to 1000");
    REFUSED(o->fallback = "-1",
            "option \"staleness\": fallback: \"-1\" is not an integer from 0 "
            "to 1000");
    REFUSED(o->type = 0, "option \"staleness\": unknown type 0");
    REFUSED(o->type = 4, "option \"staleness\": unknown type 4");
    REFUSED(o->reserved = 1, "option \"staleness\": reserved is not 0");
    REFUSED(o->words = "a|b", "option \"staleness\": a number has words");
    REFUSED(o->minimum = 1001,
            "option \"staleness\": no proper range: 1001 to 1000");
    REFUSED(o->maximum = INFINITY,
            "option \"staleness\": no proper range: 0 to inf");
    REFUSED(o->maximum = 1e17,
            "option \"staleness\": no proper range: 0 to 1e+17");
    REFUSED(word->words = NULL,
            "option \"predictor\": words are not \"this|that\"");
    REFUSED(word->words = "last|",
            "option \"predictor\": words are not \"this|that\"");
    REFUSED(word->words = "last||ewma",
            "option \"predictor\": words are not \"this|that\"");
    REFUSED(word->words = "last,ewma",
            "option \"predictor\": words are not \"this|that\"");
    REFUSED(word->fallback = "las",
            "option \"predictor\": fallback: \"las\" is not one of "
            "last|ewma|median");
}

static void
a_spec_is_split(void)
{
    static const struct {
        const char *spec;
        size_t n;
        const char *options;
    } cases[] = {
        {"ssp", 3, NULL},
        {"ssp:", 3, ""},
        {"ssp:a=1,b=2", 3, "a=1,b=2"},
        {"./my.so", 7, NULL},
        {"./my.so:rate=1", 7, "rate=1"},
        {"./a:b/my.so:rate=1", 11, "rate=1"},
        {"/a:b/my.so", 10, NULL},
        {"ssp:mode=a/b", 3, "mode=a/b"},
        {"", 0, NULL},
        {":", 0, ""},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *rest;
        size_t n = spec_split(cases[i].spec, &rest);

        ok(n == cases[i].n && !rest == !cases[i].options &&
               (!rest || !strcmp(rest, cases[i].options)),
           "\"%s\" is split", cases[i].spec);
    }
}

static void
options_are_applied(void)
{
    struct policy_lib lib;
    struct err err = ERR_INIT;

    make_good();
    take(&lib, &err);
    ok(spec_apply(&lib, "predictor=ewma,staleness=07", &err) == 0,
       "options in any order");
    is_str(lib.spec, "my-policy:staleness=07,predictor=ewma",
           "the canonical spec has the order of the table");
    ok(lib.numbers[0] == 7 && lib.numbers[1] == 0.5 && lib.numbers[2] == 0,
       "numbers, given or not");
    ok(!strcmp(lib.texts[1], "0.5") && !strcmp(lib.texts[2], "ewma"), "texts");
    policy_lib_close(&lib);

    take(&lib, &err);
    ok(spec_apply(&lib, NULL, &err) == 0, "no options");
    is_str(lib.spec, "my-policy", "is just the name");
    policy_lib_close(&lib);
    is_str(err.text, "", "no error");
}

static void
wrong_specs_are_refused(void)
{
    static const struct {
        const char *options, *text; /* behind: policy "my-policy": */
    } cases[] = {
        {"", "\"\", expected option=value"},
        {"rate", "\"rate\", expected option=value"},
        {"=1", "\"=1\", expected option=value"},
        {"rate=1,", "\"\", expected option=value"},
        {"stalenes=1", "no option \"stalenes\", did you mean \"staleness\"?"},
        {"xyzzy=1", "no option \"xyzzy\", expected one of staleness, rate, "
                    "predictor"},
        {"rate=0.1,rate=0.2", "option \"rate\" is given twice"},
        {"rate=", "option \"rate\": \"\" is not a number from 0 to 1"},
        {"rate=nan", "option \"rate\": \"nan\" is not a number from 0 to 1"},
        {"rate=1.1", "option \"rate\": \"1.1\" is not a number from 0 to 1"},
        {"rate= 1", "option \"rate\": \" 1\" is not a number from 0 to 1"},
        {"staleness=1e2", "option \"staleness\": \"1e2\" is not an integer "
                          "from 0 to 1000"},
        {"predictor=", "option \"predictor\": \"\" is not one of "
                       "last|ewma|median"},
        {"predictor=last|ewma", "option \"predictor\": \"last|ewma\" is not "
                                "one of last|ewma|median"},
        {"predictor=med", "option \"predictor\": \"med\" is not one of "
                          "last|ewma|median"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct policy_lib lib;
        struct err err = ERR_INIT;
        char want[640];

        make_good();
        take(&lib, &err);
        spec_apply(&lib, cases[i].options, &err);
        str_printf(want, sizeof want, "policy \"my-policy\": %s",
                   cases[i].text);
        is_str(err.text, want, "refused with what was expected");
        ok(err.code == ERR_USAGE, "as a fault of the command line: %s",
           cases[i].options);
        policy_lib_close(&lib);
    }
}

static void
memory_runs_out(void)
{
    int failures = 0;

    for (long i = 0;; i++) {
        struct policy_lib lib;
        struct err err = ERR_INIT;
        int r;

        make_good();
        mem_fail_after(i);
        r = take(&lib, &err);
        if (r == 0)
            r = spec_apply(&lib, "rate=1", &err);
        mem_fail_after(-1);
        policy_lib_close(&lib);
        if (r == 0)
            break;
        failures += err.code == ERR_NOMEM;
    }
    ok(failures >= 5, "each failing allocation is ERR_NOMEM");
}

static void
plugins_are_found(void)
{
    struct policy_lib lib;
    struct err err = ERR_INIT;
    char folder[PLUGIN_SPEC_MAX], **paths;
    size_t n, asp = 0;
    const char *build = getenv("EBSP_BUILDDIR");

    if (!plugin_is_built("asp") || !plugin_is_built("bsp")) {
        skip("the plugins are not built");
        return;
    }
    str_printf(folder, sizeof folder, "/nonexistent::%s/plugins",
               build ? build : ".");
    setenv("EBSP_POLICY_PATH", folder, 1);
    ok(policy_lib_open(&lib, "asp", &err) == 0, "a short name is found");
    is_str(lib.p.name, "asp", "and is itself");
    policy_lib_close(&lib);
    ok(policy_lib_open(&lib, "aps", &err) != 0 && err.code == ERR_USAGE,
       "another is not");
    is_str(err.text, "no policy \"aps\", did you mean \"asp\"?",
           "and the nearest is suggested");
    err_clear(&err);
    ok(policy_lib_open(&lib, "", &err) != 0 && err.code == ERR_USAGE,
       "an empty name");
    err_clear(&err);
    ok(policy_lib_open(&lib, ":a=b", &err) != 0 && err.code == ERR_USAGE,
       "no name at all");
    err_clear(&err);
    ok(policy_lib_open(&lib, "./nix.so", &err) != 0 && err.code == ERR_POLICY,
       "a path that does not exist");
    err_clear(&err);
    ok(policy_lib_list(&paths, &n, &err) == 0 && n >= 2, "all are listed");
    for (size_t i = 0; i < n; i++)
        asp += strstr(paths[i], "/asp.so") != NULL;
    is_int(asp, 1, "the first of each name only");
    fs_names_free(paths, n);
}

int
main(void)
{
    sizes_of_other_versions();
    wrong_policies();
    wrong_options();
    a_spec_is_split();
    options_are_applied();
    wrong_specs_are_refused();
    memory_runs_out();
    plugins_are_found();
    return done();
}
