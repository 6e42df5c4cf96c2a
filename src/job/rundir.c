/* SPDX-License-Identifier: Apache-2.0 */
#include "job/rundir.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX  "checkpoint-"
#define SUMMARY "summary.json"

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

void
rundir_safe_name(const char *job_name, char *to, size_t cap)
{
    size_t len = 0;

    for (; job_name[len] && len + 1 < cap; len++) {
        unsigned char c = (unsigned char)job_name[len];

        to[len] = isalnum(c) || c == '-' || c == '_' || (c == '.' && len > 0)
                      ? (char)c
                      : '_';
    }
    to[len] = '\0';
}

char *
rundir_new(const char *wanted, const char *job_name, struct err *err)
{
    char stamp[32], safe[64];

    if (wanted) {
        char *path = rundir_named(wanted, err);

        if (!path)
            err_nomem(err);
        return path;
    }
    rundir_safe_name(job_name, safe, sizeof safe);
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

int
rundir_check(const char *run, struct err *err)
{
    static const char *const files[] = {"job.json", "events.jsonl"};

    if (!fs_exists(run))
        return errno == EACCES
                   ? err_errno(err, "%s", run)
                   : err_set(err, ERR_CONFIG, "%s: no such run directory", run);
    if (!fs_is_dir(run))
        return err_set(err, ERR_CONFIG,
                       "%s: not a folder; expected a run directory", run);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        char *path = fs_join(run, files[i]);
        bool there = path && fs_exists(path);
        int r =
            path && !there && errno == EACCES ? err_errno(err, "%s", path) : 0;

        mem_free(path);
        if (!path)
            return err_nomem(err);
        if (r != 0)
            return r;
        if (!there)
            return err_set(err, ERR_CONFIG,
                           "%s: not the directory of a run that has begun: "
                           "there is no %s in it",
                           run, files[i]);
    }
    return 0;
}

/* ---- checkpoints ---- */

char *
rundir_checkpoint(const char *run, uint64_t version)
{
    return mem_printf("%s/" PREFIX "%012" PRIu64, run, version);
}

char *
rundir_checkpoint_draft(const char *run, uint64_t version)
{
    return mem_printf("%s/." PREFIX "%012" PRIu64 ".new", run, version);
}

bool
rundir_version_of(const char *name, uint64_t *version)
{
    const char *slash = strrchr(name, '/');
    const char *own = slash ? slash + 1 : name;
    const char *digits = own + strlen(PREFIX);

    return strncmp(own, PREFIX, strlen(PREFIX)) == 0 && strlen(digits) >= 12 &&
           (digits[0] != '0' || strlen(digits) == 12) &&
           strspn(digits, "0123456789") == strlen(digits) &&
           str_u64(digits, version);
}

static int
by_version(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

int
rundir_list_checkpoints(const char *run, uint64_t **version, size_t *n,
                        struct err *err)
{
    char **names;
    size_t n_names;

    *version = NULL;
    *n = 0;
    if (fs_list(run, &names, &n_names, err) != 0)
        return -1;
    *version = mem_alloc(n_names, sizeof **version);
    for (size_t i = 0; *version && i < n_names; i++)
        if (rundir_version_of(names[i], &(*version)[*n]))
            ++*n;
    fs_names_free(names, n_names);
    if (!*version)
        return err_nomem(err);
    qsort(*version, *n, sizeof **version, by_version);
    return 0;
}

/* Under its own name a checkpoint is there or not, never in part, also when the
 * power goes: hence the sync before anything in it is removed. */
int
rundir_remove_checkpoint(const char *run, uint64_t version, struct err *err)
{
    char *path = rundir_checkpoint(run, version);
    char *old = mem_printf("%s/." PREFIX "%012" PRIu64 ".old", run, version);
    int r = -1;

    if (!path || !old) {
        err_nomem(err);
    } else if (fs_remove(old, err) == 0) { /* of a removal that was cut off */
        if (rename(path, old) == 0)
            r = fs_sync_dir(run, err) == 0 ? fs_remove(old, err) : -1;
        else
            r = errno == ENOENT ? 0 : err_errno(err, "%s", path);
    }
    mem_free(path);
    mem_free(old);
    return r;
}

/* ".checkpoint-*", "*.tmp-PID" (fs_write) */
static bool
is_leftover(const char *name)
{
    const char *tmp = strstr(name, ".tmp-");

    if (strncmp(name, "." PREFIX, strlen("." PREFIX)) == 0)
        return true;
    return tmp && tmp[5] && strspn(tmp + 5, "0123456789") == strlen(tmp + 5);
}

bool
rundir_has_ended(const char *run)
{
    char *path = fs_join(run, SUMMARY);
    bool there = path && fs_exists(path);

    mem_free(path);
    return there;
}

static void
remove_entry(const char *run, const char *name, struct log *log)
{
    char *path = fs_join(run, name);
    struct err err = ERR_INIT;

    if (!path)
        err_nomem(&err);
    if (!path || fs_remove(path, &err) != 0)
        log_warn(log, "run", "cannot be removed: %s", err.text);
    else if (is_leftover(name))
        log_warn(log, "run", "%s: unfinished when the run was cut off: removed",
                 path);
    mem_free(path);
}

void
rundir_reopen(const char *run, struct log *log)
{
    struct err err = ERR_INIT;
    char **names;
    size_t n;

    if (fs_list(run, &names, &n, &err) != 0) {
        log_warn(log, "run", "leftovers: %s", err.text);
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (is_leftover(names[i]) || !strcmp(names[i], SUMMARY))
            remove_entry(run, names[i], log);
    fs_names_free(names, n);
}
