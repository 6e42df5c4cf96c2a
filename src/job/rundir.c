/* SPDX-License-Identifier: Apache-2.0 */
#include "job/rundir.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "checkpoint-"

static char *
rundir_named(const char *wanted, struct err *err)
{
    char **names;
    size_t n;

    if (fs_mkdir(wanted, true, err) != 0 ||
        fs_list(wanted, &names, &n, err) != 0) {
        err_wrap(err, "run directory");
        return NULL;
    }
    fs_names_free(names, n);
    if (n > 0) {
        err_set(err, ERR_SYS,
                "run directory %s is not empty; choose another one, or "
                "continue it with --resume",
                wanted);
        return NULL;
    }
    if (access(wanted, W_OK | X_OK) != 0) {
        err_errno(err, "run directory %s", wanted);
        return NULL;
    }
    return mem_strdup(wanted);
}

char *
rundir_new(const char *wanted, const char *job_name, struct err *err)
{
    char stamp[32], safe[64];
    size_t len = 0;

    if (wanted) {
        char *path = rundir_named(wanted, err);

        if (!path)
            err_nomem(err);
        return path;
    }
    for (; job_name[len] && len + 1 < sizeof safe; len++) {
        unsigned char c = (unsigned char)job_name[len];

        safe[len] = isalnum(c) || c == '-' || c == '_' || (c == '.' && len > 0)
                        ? (char)c
                        : '_';
    }
    safe[len] = '\0';
    clock_stamp(stamp);
    if (fs_mkdir("runs", false, err) != 0) {
        err_wrap(err, "run directory");
        return NULL;
    }
    for (int i = 0; i < 1000; i++) {
        char *path = i ? mem_printf("runs/%s-%s-%d", safe, stamp, i)
                       : mem_printf("runs/%s-%s", safe, stamp);

        if (!path) {
            err_nomem(err);
            return NULL;
        }
        if (mkdir(path, 0777) == 0)
            return path;
        if (errno != EEXIST) {
            err_errno(err, "run directory %s", path);
            mem_free(path);
            return NULL;
        }
        mem_free(path);
    }
    err_set(err, ERR_SYS, "run directory: 1000 runs of this second exist");
    return NULL;
}

static bool
is_checkpoint(const char *run, const char *name)
{
    const char *digits = name + strlen(PREFIX);
    char *state;
    bool whole;

    if (strncmp(name, PREFIX, strlen(PREFIX)) != 0 ||
        strspn(digits, "0123456789") != strlen(digits) || !*digits)
        return false;
    state = mem_printf("%s/%s/state.json", run, name);
    whole = state && fs_exists(state);
    mem_free(state);
    return whole;
}

int
rundir_list_checkpoints(const char *run, char ***names, size_t *n,
                        struct err *err)
{
    size_t kept = 0;

    if (fs_list(run, names, n, err) != 0)
        return -1;
    for (size_t i = 0; i < *n; i++) {
        if (is_checkpoint(run, (*names)[i]))
            (*names)[kept++] = (*names)[i];
        else
            mem_free((*names)[i]);
    }
    *n = kept;
    return 0;
}

char *
rundir_find_checkpoint(const char *run, struct err *err)
{
    char **names, *path = NULL;
    size_t n;

    if (rundir_list_checkpoints(run, &names, &n, err) != 0)
        return NULL;
    if (n == 0)
        err_set(err, ERR_SYS, "%s: no checkpoint in this run directory", run);
    else if (!(path = fs_join(run, names[n - 1])))
        err_nomem(err);
    fs_names_free(names, n);
    return path;
}
