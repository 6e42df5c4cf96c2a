/* SPDX-License-Identifier: Apache-2.0 */
#include "study/scenario.h"

#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "job/job.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define MAX_KILLS 4096
#define MAX_NAME  64

static const char *const keys[] = {
    "name", "description", "workers",   "pace",  "slow",  "net",
    "kill", "latency",     "bandwidth", "apply", "bytes", NULL,
};
static const char *const kill_keys[] = {"rank", "at", NULL};

/* A name is a part of file names. */
static bool
is_name(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz"
                         "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");

    return n > 0 && n <= MAX_NAME && !s[n] && *s != '.';
}

static int
read_kills(struct scenario *s, const struct jcur *list, struct err *err)
{
    size_t n;

    if (!list->v)
        return 0;
    if (jcur_array(list, 1, &n, err) != 0)
        return -1;
    if (n > MAX_KILLS)
        return jcur_fail(list, err, "expected at most %d", MAX_KILLS);
    s->kill = mem_alloc(n, sizeof *s->kill);
    if (!s->kill)
        return err_nomem(err);
    for (size_t i = 0; i < n; i++) {
        struct jcur one = jcur_at(list, i);
        int64_t rank = 0;

        if (jcur_object(&one, kill_keys, err) != 0 ||
            jcur_int(&one, "rank", 0, JOB_MAX_WORKERS - 1, &rank, err) != 0 ||
            jcur_num(&one, "at", 0, 1, &s->kill[i].at, err) != 0)
            return -1;
        s->kill[i].rank = (uint32_t)rank;
        s->n_kills++;
    }
    return 0;
}

/* Traces become a part of the document, so that it says everything. */
static int
keep_traces(struct scenario *s, struct err *err)
{
    if (s->emulation.slow &&
        json_object_set_new(s->doc.root, "slow",
                            json_string(s->emulation.slow)) != 0)
        return err_nomem(err);
    return 0;
}

static int
read_scenario(struct scenario *s, const char *dir, struct err *err)
{
    struct jcur root = jcur_root(&s->doc), name, kills;
    int64_t workers = 0, bytes = 0;

    if (jcur_object(&root, keys, err) != 0 ||
        jcur_str(&root, "name", &s->name, err) != 0 ||
        jcur_str_or(&root, "description", &s->description, err) != 0 ||
        jcur_int_or(&root, "workers", 1, JOB_MAX_WORKERS, &workers, err) != 0 ||
        jcur_num_or(&root, "latency", 0, 1e9, &s->latency_ms, err) != 0 ||
        jcur_num_or(&root, "bandwidth", 1e-9, 1e9, &s->gbit_per_s, err) != 0 ||
        jcur_num_or(&root, "apply", 0, 1e9, &s->apply_ms, err) != 0 ||
        jcur_int_or(&root, "bytes", 1, INT64_MAX, &bytes, err) != 0 ||
        emulation_parse(&s->emulation, &root, dir, err) != 0)
        return -1;
    name = jcur_key(&root, "name");
    if (!is_name(s->name))
        return jcur_fail(&name, err,
                         "expected at most %d letters, digits, '-', '_', '.', "
                         "got \"%s\"",
                         MAX_NAME, s->name);
    s->workers = (uint32_t)workers;
    s->bytes = (uint64_t)bytes;
    kills = jcur_key(&root, "kill");
    return read_kills(s, &kills, err) == 0 ? keep_traces(s, err) : -1;
}

static int
finish(struct scenario *s, const char *dir, struct err *err)
{
    s->description = "";
    if (read_scenario(s, dir, err) == 0)
        return 0;
    scenario_release(s);
    return -1;
}

int
scenario_parse(struct scenario *s, const char *name, const char *dir,
               const char *text, size_t len, struct err *err)
{
    memset(s, 0, sizeof *s);
    if (json_doc_parse(&s->doc, name, text, len, err) != 0)
        return -1;
    return finish(s, dir, err);
}

int
scenario_init_plain(struct scenario *s, struct err *err)
{
    static const char text[] =
        "{\"name\": \"plain\", \"description\": \"Nothing is emulated\"}";

    return scenario_parse(s, "plain", ".", text, sizeof text - 1, err);
}

/* Beside the program as it is installed, then where it was to be. */
static char *
find_installed(const char *name)
{
    char *exe = fs_exe_dir();
    char *found =
        mem_printf("%s/../share/ebsp/scenarios/%s.json", exe ? exe : "", name);

    mem_free(exe);
    if (found && fs_exists(found))
        return found;
    mem_free(found);
    found = mem_printf("%s/%s.json", EBSP_SCENARIO_DIR, name);
    if (found && fs_exists(found))
        return found;
    mem_free(found);
    return NULL;
}

int
scenario_load(struct scenario *s, const char *path, struct err *err)
{
    char *installed = NULL, *dir;
    const char *slash;
    int r = -1;

    memset(s, 0, sizeof *s);
    if (is_name(path) && !fs_exists(path)) {
        installed = find_installed(path);
        if (!installed)
            return err_set(err, ERR_CONFIG,
                           "scenario \"%s\": no such file, and none of this "
                           "name is installed",
                           path);
        path = installed;
    }
    slash = strrchr(path, '/');
    dir = slash ? mem_printf("%.*s", (int)(slash - path) + 1, path)
                : mem_strdup(".");
    if (!dir)
        err_nomem(err);
    else if (json_doc_load(&s->doc, path, err) == 0)
        r = finish(s, dir, err);
    mem_free(dir);
    mem_free(installed);
    return r;
}

void
scenario_release(struct scenario *s)
{
    emulation_release(&s->emulation);
    mem_free(s->kill);
    json_doc_release(&s->doc);
    memset(s, 0, sizeof *s);
}

int
scenario_check(const struct scenario *s, uint32_t n, struct err *err)
{
    struct err why = ERR_INIT;

    if (emulation_check_ranks(&s->emulation, n, &why) != 0)
        return err_set(err, ERR_CONFIG, "scenario %s: %s", s->name, why.text);
    for (size_t i = 0; i < s->n_kills; i++) {
        if (s->kill[i].rank >= n)
            return err_set(err, ERR_CONFIG,
                           "scenario %s: kill[%zu].rank: no worker %u among %u",
                           s->name, i, s->kill[i].rank, n);
        for (size_t k = 0; k < i; k++)
            if (s->kill[k].rank == s->kill[i].rank)
                return err_set(err, ERR_CONFIG,
                               "scenario %s: kill[%zu].rank: worker %u is "
                               "killed in kill[%zu] already",
                               s->name, i, s->kill[i].rank, k);
    }
    if (s->n_kills >= n)
        return err_set(err, ERR_CONFIG,
                       "scenario %s: kill: nobody would be left of %u", s->name,
                       n);
    return 0;
}
