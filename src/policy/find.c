/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/find.h"

#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "policy/lib.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SUFFIX ".so"

struct paths {
    char **v;
    size_t n;
};

/* Takes over `path`; NULL means that memory ran out. */
static int
add_path(struct paths *p, char *path, struct err *err)
{
    char **v = path ? mem_resize(p->v, p->n, p->n + 1, sizeof *v) : NULL;

    if (!v) {
        mem_free(path);
        return err_nomem(err);
    }
    p->v = v;
    v[p->n++] = path;
    return 0;
}

/* The folders of the search order, whether they exist or not. */
static int
get_folders(struct paths *to, struct err *err)
{
    const char *list = getenv("EBSP_POLICY_PATH");
    char *exe = fs_exe_dir();
    int r = 0;

    while (r == 0 && list && *list) {
        size_t n = strcspn(list, ":");

        if (n > 0)
            r = add_path(to, mem_printf("%.*s", (int)n, list), err);
        list += n + (list[n] == ':');
    }
    if (r == 0 && exe)
        r = add_path(to, fs_join(exe, "plugins"), err);
    if (r == 0 && exe)
        r = add_path(to, fs_join(exe, "../lib/ebsp/policies"), err);
    if (r == 0)
        r = add_path(to, mem_strdup(EBSP_POLICY_DIR), err);
    mem_free(exe);
    return r;
}

static const char *
get_base(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static bool
is_plugin_name(const char *name)
{
    size_t n = strlen(name);

    return n > strlen(SUFFIX) && !strcmp(name + n - strlen(SUFFIX), SUFFIX);
}

static bool
has_base(const struct paths *p, const char *base)
{
    for (size_t i = 0; i < p->n; i++)
        if (!strcmp(get_base(p->v[i]), base))
            return true;
    return false;
}

static int
by_base(const void *a, const void *b)
{
    return strcmp(get_base(*(char *const *)a), get_base(*(char *const *)b));
}

static int
add_folder(struct paths *found, const char *folder, struct err *err)
{
    char **names = NULL;
    size_t n = 0;
    int r = 0;

    if (!fs_is_dir(folder))
        return 0;
    if (fs_list(folder, &names, &n, err) != 0)
        return -1;
    for (size_t i = 0; i < n && r == 0; i++)
        if (is_plugin_name(names[i]) && !has_base(found, names[i]))
            r = add_path(found, fs_join(folder, names[i]), err);
    fs_names_free(names, n);
    return r;
}

int
policy_lib_list(char ***paths, size_t *n, struct err *err)
{
    struct paths folders = {0}, found = {0};
    int r = get_folders(&folders, err);

    for (size_t i = 0; i < folders.n && r == 0; i++)
        r = add_folder(&found, folders.v[i], err);
    fs_names_free(folders.v, folders.n);
    if (r != 0) {
        fs_names_free(found.v, found.n);
        found = (struct paths){0};
    } else if (found.n > 0) {
        qsort(found.v, found.n, sizeof *found.v, by_base);
    }
    *paths = found.v;
    *n = found.n;
    return r;
}

/* "no policy "sspp", did you mean "ssp"?" */
static void
report_unknown(const char *name, struct err *err)
{
    char **paths, **names;
    size_t n;
    const char *near = NULL;

    if (policy_lib_list(&paths, &n, err) != 0)
        return;
    names = mem_alloc(n + 1, sizeof *names);
    for (size_t i = 0; names && i < n; i++) {
        names[i] = paths[i] + (get_base(paths[i]) - paths[i]);
        names[i][strlen(names[i]) - strlen(SUFFIX)] = '\0';
    }
    if (names)
        near = str_nearest(name, (const char *const *)names);
    if (near)
        err_set(err, ERR_USAGE, "no policy \"%.100s\", did you mean \"%s\"?",
                name, near);
    else
        err_set(err, ERR_USAGE,
                "no policy \"%.100s\", see ebsp policy list (a name with a "
                "\"/\" is a path)",
                name);
    mem_free(names);
    fs_names_free(paths, n);
}

char *
find_plugin(const char *name, size_t n, struct err *err)
{
    struct paths folders = {0};
    char *file = mem_printf("%.*s" SUFFIX, (int)n, name), *path = NULL;

    if (!file) {
        err_nomem(err);
        return NULL;
    }
    if (get_folders(&folders, err) != 0)
        goto out;
    for (size_t i = 0; i < folders.n && !path; i++) {
        path = fs_join(folders.v[i], file);
        if (!path) {
            err_nomem(err);
            goto out;
        }
        if (!fs_exists(path)) {
            mem_free(path);
            path = NULL;
        }
    }
    if (!path) {
        file[n] = '\0';
        report_unknown(file, err);
    }
out:
    fs_names_free(folders.v, folders.n);
    mem_free(file);
    return path;
}
