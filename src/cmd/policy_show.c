/* SPDX-License-Identifier: Apache-2.0 */
/* ebsp policy list, ebsp policy show */
#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"
#include "cmd/policy.h"
#include "policy/host.h"
#include "policy/lib.h"

#include <stdio.h>
#include <string.h>

/* Promises may depend on the number of workers; these are shown. */
#define SHOWN_WORKERS 4

static json_t *
option_json(const struct policy_lib *lib, size_t i)
{
    static const char *const types[] = {
        [EBSP_OPTION_INTEGER] = "integer",
        [EBSP_OPTION_NUMBER] = "number",
        [EBSP_OPTION_WORD] = "word",
    };
    const struct ebsp_option *o = &lib->options[i];
    json_t *v = json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", o->name, "type",
                          types[o->type], "default", o->fallback, "value",
                          lib->texts[i], "help", o->help);

    if (v && o->type == EBSP_OPTION_WORD)
        json_object_set_new(v, "words", json_string(o->words));
    if (v && o->type != EBSP_OPTION_WORD) {
        json_object_set_new(v, "minimum", json_real(o->minimum));
        json_object_set_new(v, "maximum", json_real(o->maximum));
    }
    return v;
}

static json_t *
lib_json(const struct policy_lib *lib)
{
    json_t *options = json_array();
    char path[1024];

    str_escape(path, sizeof path, lib->path, strlen(lib->path));
    for (size_t i = 0; i < lib->p.n_options; i++)
        json_array_append_new(options, option_json(lib, i));
    return json_pack("{s:s, s:s, s:s, s:s, s:[i, i], s:o}", "name", lib->p.name,
                     "version", lib->p.version, "summary", lib->p.summary,
                     "path", path, "abi", (int)lib->p.abi_major,
                     (int)lib->p.abi_minor, "options", options);
}

/* Prints and drops the value. */
static int
print_json(json_t *v, struct err *err)
{
    struct buf b = BUF_INIT((size_t)1 << 24);
    int r = v ? json_dump(v, 2, &b, err) : err_nomem(err);

    if (r == 0)
        puts(b.data);
    json_decref(v);
    buf_release(&b);
    return r;
}

/* A plugin that cannot be loaded does not keep the others from being seen. */
int
policy_list(const struct policy_args *args, struct err *err)
{
    json_t *all = json_array();
    char **paths;
    size_t n;

    if (policy_lib_list(&paths, &n, err) != 0) {
        json_decref(all);
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        struct policy_lib lib;
        struct err why = ERR_INIT;

        if (policy_lib_open(&lib, paths[i], &why) != 0) {
            fprintf(stderr, "ebsp policy: %s\n", why.text);
            json_array_append_new(all, json_pack("{s:s, s:s}", "path", paths[i],
                                                 "error", why.text));
            continue;
        }
        if (args->json)
            json_array_append_new(all, lib_json(&lib));
        else
            printf("%-12s %s\n", lib.p.name, lib.p.summary);
        policy_lib_close(&lib);
    }
    fs_names_free(paths, n);
    if (args->json)
        return print_json(all, err);
    json_decref(all);
    return 0;
}

static void
print_option(const struct policy_lib *lib, size_t i)
{
    const struct ebsp_option *o = &lib->options[i];

    printf("  %s=", o->name);
    if (o->type == EBSP_OPTION_WORD)
        printf("%s", o->words);
    else
        printf("%s from %.15g to %.15g",
               o->type == EBSP_OPTION_INTEGER ? "integer" : "number",
               o->minimum, o->maximum);
    printf(" (default %s", o->fallback);
    if (strcmp(lib->texts[i], o->fallback) != 0)
        printf(", here %s", lib->texts[i]);
    printf(")\n      %s\n", o->help);
}

static void
print_bounds(const struct ebsp_bounds *b)
{
    if (!(b->flags & (EBSP_BOUND_STALENESS | EBSP_BOUND_GAP)))
        return;
    printf("promises, with %d workers:", SHOWN_WORKERS);
    if (b->flags & EBSP_BOUND_STALENESS)
        printf(" staleness at most %llu", (unsigned long long)b->max_staleness);
    if (b->flags & EBSP_BOUND_GAP)
        printf("%s clock gap at most %llu",
               b->flags & EBSP_BOUND_STALENESS ? "," : "",
               (unsigned long long)b->max_gap);
    putchar('\n');
}

static int
show_lib(const struct policy_args *args, const struct policy_lib *lib,
         struct err *err)
{
    struct host_config config = {.lib = lib, .max_workers = SHOWN_WORKERS};
    struct host *host;
    int r = 0;

    if (args->json)
        return print_json(lib_json(lib), err);
    host = host_new(&config, err);
    if (!host)
        return -1;
    printf("%s %s: %s\n", lib->p.name, lib->p.version, lib->p.summary);
    printf("file: %s (ABI %u.%u)\n", lib->path, lib->p.abi_major,
           lib->p.abi_minor);
    for (uint32_t i = 0; r == 0 && i < SHOWN_WORKERS; i++)
        r = host_join(host, 0, i, err);
    if (r == 0)
        print_bounds(host_get_bounds(host));
    host_free(host);
    if (r != 0)
        return -1;
    if (lib->p.n_options > 0)
        puts("options:");
    for (size_t i = 0; i < lib->p.n_options; i++)
        print_option(lib, i);
    return 0;
}

int
policy_show(const struct policy_args *args, struct err *err)
{
    struct policy_lib lib;
    int r;

    if (policy_lib_open(&lib, args->name, err) != 0)
        return -1;
    r = show_lib(args, &lib, err);
    policy_lib_close(&lib);
    return r;
}
