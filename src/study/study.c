/* SPDX-License-Identifier: Apache-2.0 */
#include "study/study.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "policy/lib.h"

#include <inttypes.h>
#include <string.h>

#define MAX_PLUGIN ((size_t)256 << 20) /* bytes of its file */

const char *const convention_names[] = {"job", "samples", "updates", NULL};

void
study_release(struct study *s)
{
    for (size_t i = 0; i < s->n_cells; i++) {
        mem_free(s->cell[i].id);
        mem_free(s->cell[i].settings);
        json_decref(s->cell[i].result);
    }
    for (size_t i = 0; i < s->n_policies; i++) {
        mem_free(s->policy[i].given);
        mem_free(s->policy[i].spec);
        mem_free(s->policy[i].version);
    }
    for (size_t i = 0; i < s->n_scenarios; i++)
        scenario_release(&s->scenario[i]);
    mem_free(s->cell);
    mem_free(s->policy);
    mem_free(s->scenario);
    job_release(&s->job);
    memset(s, 0, sizeof *s);
}

/* ---- the axes ------------------------------------------------------------ */

static int
add_spec(char ***specs, size_t *n, const char *text, size_t len,
         struct err *err)
{
    char **more = mem_resize(*specs, *n, *n + 1, sizeof *more);
    char *one = mem_printf("%.*s", (int)len, text);

    if (more)
        *specs = more;
    if (!more || !one) {
        mem_free(one);
        return err_nomem(err);
    }
    more[(*n)++] = one;
    return 0;
}

/* Is a comma followed by an option of the policy before it?  "low=3" is one,
 * "ssp:staleness=3" and "./a=b/c.so" are policies. */
static bool
is_option(const char *p)
{
    size_t n = strcspn(p, ",:=/");

    return n > 0 && p[n] == '=';
}

int
study_split_policies(const char *text, char ***specs, size_t *n,
                     struct err *err)
{
    const char *begin = text;

    for (const char *p = text;; p++) {
        if (*p && (*p != ',' || (p > begin && is_option(p + 1))))
            continue;
        if (p == begin)
            return err_set(err, ERR_USAGE,
                           "policies \"%s\": expected a policy at \"%s\"", text,
                           begin);
        if (add_spec(specs, n, begin, (size_t)(p - begin), err) != 0)
            return -1;
        if (!*p)
            return 0;
        begin = p + 1;
    }
}

int
study_read_conventions(struct study *s, const char *text, struct err *err)
{
    const char *p = text;
    bool seen[ARRAY_LEN(s->convention)] = {false};

    s->n_conventions = 0;
    for (;;) {
        size_t len = strcspn(p, ","), i = 0;

        while (convention_names[i] &&
               (strlen(convention_names[i]) != len ||
                strncmp(convention_names[i], p, len) != 0))
            i++;
        if (!convention_names[i])
            return err_set(err, ERR_USAGE,
                           "convention \"%.*s\": expected job, samples or "
                           "updates",
                           (int)len, p);
        if (seen[i])
            return err_set(err, ERR_USAGE, "convention \"%s\" is there twice",
                           convention_names[i]);
        seen[i] = true;
        s->convention[s->n_conventions++] = (enum convention)i;
        if (!p[len])
            return 0;
        p += len + 1;
    }
}

/* What its results depend on.  A file of somebody's own changes without a new
 * version: its sum is a part. */
static char *
version_of(const struct policy_lib *lib, const char *spec)
{
    const char *version = lib->p.version ? lib->p.version : "";
    struct buf b = BUF_INIT(MAX_PLUGIN);
    char *v = NULL;

    if (!policy_lib_is_path(spec))
        return mem_strdup(version);
    if (fs_read(lib->path, &b, NULL) == 0)
        v = mem_printf("%s %016" PRIx64, version, settings_hash(b.data, b.len));
    buf_release(&b);
    return v;
}

int
study_add_policy(struct study *s, const char *spec, struct err *err)
{
    struct study_policy *more =
        mem_resize(s->policy, s->n_policies, s->n_policies + 1, sizeof *more);
    struct study_policy new = {NULL, NULL, NULL};
    struct policy_lib lib;

    if (!more)
        return err_nomem(err);
    s->policy = more;
    if (policy_lib_open(&lib, spec, err) != 0)
        return -1;
    new.given = mem_strdup(spec);
    new.spec = mem_strdup(lib.spec);
    new.version = version_of(&lib, spec);
    policy_lib_close(&lib);
    if (!new.given || !new.spec || !new.version) {
        err_nomem(err);
        goto fail;
    }
    for (size_t i = 0; i < s->n_policies; i++)
        if (!strcmp(more[i].spec, new.spec)) {
            err_set(err, ERR_USAGE, "policy \"%s\" is there twice", new.spec);
            goto fail;
        }
    more[s->n_policies++] = new;
    return 0;
fail:
    mem_free(new.given);
    mem_free(new.spec);
    mem_free(new.version);
    return -1;
}

int
study_add_scenario(struct study *s, const char *path, struct err *err)
{
    struct scenario *more = mem_resize(s->scenario, s->n_scenarios,
                                       s->n_scenarios + 1, sizeof *more);
    struct scenario *new;

    if (!more)
        return err_nomem(err);
    s->scenario = more;
    new = &more[s->n_scenarios];
    if ((path ? scenario_load(new, path, err)
              : scenario_init_plain(new, err)) != 0)
        return -1;
    s->n_scenarios++;
    for (size_t i = 0; i + 1 < s->n_scenarios; i++)
        if (!strcmp(more[i].name, new->name))
            return err_set(err, ERR_USAGE, "scenario \"%s\" is there twice",
                           new->name);
    if (s->is_virtual &&
        scenario_check_virtual(new, study_get_workers(s, new), err) != 0)
        return -1;
    return scenario_check(new, study_get_workers(s, new), err);
}

/* ---- cells --------------------------------------------------------------- */

uint32_t
study_get_workers(const struct study *s, const struct scenario *scenario)
{
    if (s->workers)
        return s->workers;
    return scenario->workers ? scenario->workers : s->job.workers;
}

/* What is not fit for a file name becomes '_'. */
static void
make_fit(char *id)
{
    for (; *id; id++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                    "0123456789-_.,=",
                    *id))
            *id = '_';
}

static int
init_cell(const struct study *s, struct cell *c, struct err *err)
{
    c->id = mem_printf("%s,%s,%s,%" PRIu64, s->scenario[c->scenario].name,
                       convention_names[s->convention[c->convention]],
                       s->policy[c->policy].spec, c->seed);
    if (!c->id)
        return err_nomem(err);
    make_fit(c->id);
    if (strlen(c->id) > 200)
        return err_set(err, ERR_USAGE,
                       "scenario and policy have names that are too long: %s",
                       c->id);
    return 0;
}

static int
check_unique(const struct study *s, struct err *err)
{
    for (size_t i = 0; i < s->n_policies; i++)
        for (size_t k = 0; k < i; k++)
            if (!strcmp(s->cell[i * s->n_seeds].id, s->cell[k * s->n_seeds].id))
                return err_set(err, ERR_USAGE,
                               "policies \"%s\" and \"%s\" would be kept under "
                               "the same name",
                               s->policy[k].spec, s->policy[i].spec);
    return 0;
}

int
study_make_cells(struct study *s, struct err *err)
{
    size_t n = s->n_scenarios * s->n_conventions * s->n_policies * s->n_seeds;
    json_t *settings = NULL;
    int r = 0;

    s->cell = mem_alloc(n, sizeof *s->cell);
    if (!s->cell)
        return err_nomem(err);
    s->n_cells = n;
    settings = settings_make(s, err);
    if (!settings)
        return -1;
    for (size_t i = 0; r == 0 && i < n; i++) {
        struct cell *c = &s->cell[i];
        size_t k = i / s->n_seeds;

        c->seed = s->first_seed + i % s->n_seeds;
        c->policy = (uint32_t)(k % s->n_policies);
        k /= s->n_policies;
        c->convention = (uint32_t)(k % s->n_conventions);
        c->scenario = (uint32_t)(k / s->n_conventions);
        r = init_cell(s, c, err);
        if (r == 0) {
            c->settings = settings_checksum(settings, s, c, err);
            r = c->settings ? 0 : -1;
        }
    }
    json_decref(settings);
    return r == 0 ? check_unique(s, err) : -1;
}

struct cell *
study_get_cells(const struct study *s, size_t scenario, size_t convention,
                size_t policy)
{
    return &s->cell[((scenario * s->n_conventions + convention) *
                         s->n_policies +
                     policy) *
                    s->n_seeds];
}

/* ---- the job of a cell --------------------------------------------------- */

static int
put(struct job_override *to, size_t *n, const char *path, char *value,
    struct err *err)
{
    to[*n] = (struct job_override){.path = mem_strdup(path),
                                   .value = value,
                                   .origin = mem_strdup("ebsp bench")};
    (*n)++;
    return to[*n - 1].path && value && to[*n - 1].origin ? 0 : err_nomem(err);
}

int
study_get_overrides(const struct study *s, const struct cell *c,
                    struct job_override to[STUDY_OVERRIDES], size_t *n,
                    struct err *err)
{
    const struct scenario *scenario = &s->scenario[c->scenario];
    enum convention how = s->convention[c->convention];
    int r = 0;

    *n = 0;
    r |= put(to, n, "policy", mem_strdup(s->policy[c->policy].given), err);
    r |= put(to, n, "seed", mem_printf("%" PRIu64, c->seed), err);
    r |= put(to, n, "workers",
             mem_printf("%" PRIu32, study_get_workers(s, scenario)), err);
    /* to the end, whatever is reached on the way */
    r |= put(to, n, "target_accuracy", mem_strdup("0"), err);
    if (how != CONVENTION_JOB) {
        bool samples = how == CONVENTION_SAMPLES;

        r |= put(to, n, "progress", mem_strdup(convention_names[how]), err);
        r |= put(to, n, "lr_scaling", mem_strdup(samples ? "linear" : "none"),
                 err);
    }
    /* scenarios say what is emulated, and nothing else does */
    if (json_object_get(s->job.doc.root, "emulate"))
        r |= put(to, n, "emulate", mem_strdup("{}"), err);
    if (scenario->n_kills)
        r |= put(to, n, "faults.on_worker_loss", mem_strdup("drop"), err);
    if (r != 0)
        study_free_overrides(to, *n);
    return r;
}

void
study_free_overrides(struct job_override *o, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        mem_free(o[i].path);
        mem_free(o[i].value);
        mem_free(o[i].origin);
    }
}

int
study_load_job(const struct study *s, const struct cell *c, struct job *job,
               struct err *err)
{
    struct job_override more[STUDY_OVERRIDES];
    struct job_override *all =
        mem_alloc(s->n_overrides + STUDY_OVERRIDES, sizeof *all);
    size_t n = 0;
    int r;

    if (!all)
        return err_nomem(err);
    r = study_get_overrides(s, c, more, &n, err);
    if (r == 0) {
        if (s->n_overrides > 0) /* else there is no array */
            memcpy(all, s->override, s->n_overrides * sizeof *all);
        memcpy(all + s->n_overrides, more, n * sizeof *all);
        r = job_load(job, s->job_path, all, s->n_overrides + n, err);
        study_free_overrides(more, n);
    }
    mem_free(all);
    if (r == 0 && job_set_data_dir(job, s->data_dir, err) != 0) {
        job_release(job);
        r = -1;
    }
    return r;
}

int
study_count_samples(const struct study *s, uint64_t *samples, struct err *err)
{
    struct augment_config augment;
    struct dataset *data;

    if (job_open_data(&s->job, s->data_dir, &data, &augment, err) != 0)
        return -1;
    *samples = (uint64_t)data->train.n * s->job.epochs;
    dataset_free(data);
    return 0;
}
