/* SPDX-License-Identifier: Apache-2.0 */
/* What is found out from the files of a run that has ended. */
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "chaos/impl.h"
#include "job/job.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void
chaos_judge(struct chaos_result *r, int which, enum chaos_verdict v,
            const char *fmt, ...)
{
    struct chaos_check *c = &r->check[which];
    va_list ap;

    c->verdict = v;
    va_start(ap, fmt);
    (void)vsnprintf(c->text, sizeof c->text, fmt, ap);
    va_end(ap);
}

int
chaos_read_summary(const char *run, struct chaos_summary *to, struct err *err)
{
    char *path = fs_join(run, "summary.json");
    const char *status = "", *stopped = NULL;
    struct json_doc doc;
    struct jcur root;
    int r;

    *to = (struct chaos_summary){.accuracy = NAN};
    r = path ? json_doc_load(&doc, path, err) : err_nomem(err);
    mem_free(path);
    if (r != 0)
        return -1;
    root = jcur_root(&doc);
    if (!json_is_object(doc.root))
        r = jcur_fail(&root, err, "expected an object");
    if (r == 0)
        r = jcur_str(&root, "status", &status, err);
    if (r == 0) {
        const json_t *a = json_object_get(doc.root, "test_accuracy");

        stopped = json_string_value(json_object_get(doc.root, "stopped"));
        to->is_done = !strcmp(status, "done") && !stopped;
        (void)str_printf(to->status, sizeof to->status, "%s", status);
        if (json_is_number(a))
            to->accuracy = json_number_value(a);
    }
    json_doc_release(&doc);
    return r;
}

/* ---- samples ------------------------------------------------------------- */

/* How many there are is asked of the data, not of the run. */
static int
count_samples(const char *run, uint64_t *n, uint32_t *epochs, struct err *err)
{
    char *path = fs_join(run, "job.json");
    struct augment_config augment;
    struct dataset *data = NULL;
    struct job job;
    int r;

    if (!path)
        return err_nomem(err);
    r = job_load(&job, path, NULL, 0, err);
    mem_free(path);
    if (r != 0)
        return -1;
    r = job_open_data(&job, NULL, &data, &augment, err);
    if (r == 0) {
        *n = data->train.n;
        *epochs = job.epochs;
    }
    dataset_free(data);
    job_release(&job);
    return r;
}

void
chaos_check_samples(struct chaos_result *r, const char *run, struct once *once,
                    const struct err *contradiction,
                    const struct chaos_summary *s)
{
    struct err why = *contradiction;
    uint32_t epochs = 0;
    uint64_t n = 0;
    size_t applied = 0;

    if (why.code == ERR_OK && count_samples(run, &n, &epochs, &why) == 0)
        (void)once_check(once, n, epochs, s->is_done, &applied, &why);
    if (why.code != ERR_OK)
        chaos_judge(r, CHAOS_CHECK_SAMPLES, CHAOS_FAILED, "%s", why.text);
    else
        chaos_judge(r, CHAOS_CHECK_SAMPLES, CHAOS_OK,
                    "%zu mini-batches, each sample of %u epochs %s once",
                    applied, epochs, s->is_done ? "exactly" : "at most");
}

/* ---- accuracy ------------------------------------------------------------ */

int
chaos_compare(struct chaos_result *r, const char *const *argv, const char *run,
              double tolerance, struct err *err)
{
    struct child_run child = CHILD_RUN_INIT;
    struct err why = ERR_INIT;
    struct chaos_summary s;
    int started;

    if (isnan(r->accuracy)) {
        chaos_judge(r, CHAOS_CHECK_ACCURACY, CHAOS_FAILED,
                    "the run has not told its test accuracy");
        return 0;
    }
    started = child_start(&child, argv, false, err);

    if (started == 0) {
        child_wait(&child);
        if (r->signum == 0)
            r->signum = child.signum;
        if (child.status != 0)
            chaos_judge(r, CHAOS_CHECK_ACCURACY, CHAOS_FAILED,
                        "the run without faults ended with exit status %d",
                        child.status);
        else if (chaos_read_summary(run, &s, &why) != 0)
            chaos_judge(r, CHAOS_CHECK_ACCURACY, CHAOS_FAILED, "%s", why.text);
        else
            chaos_judge(r, CHAOS_CHECK_ACCURACY,
                        r->accuracy >= s.accuracy - tolerance ? CHAOS_OK
                                                              : CHAOS_FAILED,
                        "%.4f, without faults %.4f (may be %g worse)",
                        r->accuracy, s.accuracy, tolerance);
    }
    child_release(&child);
    return started;
}

/* ---- a run of the past --------------------------------------------------- */

static int
take_all(const char *run, struct once *once, struct chaos_result *r,
         struct err *contradiction, struct err *err)
{
    struct follow f;
    const char *event;
    struct jcur root;
    int x = follow_init(&f, run, err);

    while (x == 0 && (x = follow_next(&f, &event, &root, err)) == 1) {
        r->begun = true;
        x = once_take(once, event, &root, contradiction);
        if (x != 0) /* the first one tells it all */
            break;
    }
    follow_release(&f);
    return contradiction->code != ERR_OK ? 0 : x;
}

int
chaos_check(const char *run, struct chaos_result *to, struct err *err)
{
    struct err contradiction = ERR_INIT;
    struct once *once = once_new(err);
    struct chaos_summary s;
    int r = once ? chaos_read_summary(run, &s, err) : -1;

    *to = (struct chaos_result){.accuracy = NAN};
    for (int i = 0; i < CHAOS_CHECKS; i++)
        chaos_judge(to, i, CHAOS_SKIPPED, "only told while a run lasts");
    if (r == 0)
        r = take_all(run, once, to, &contradiction, err);
    if (r == 0 && !to->begun)
        r = err_set(err, ERR_CONFIG, "%s: there are no events", run);
    if (r == 0) {
        to->accuracy = s.accuracy;
        chaos_judge(to, CHAOS_CHECK_END,
                    strcmp(s.status, "failed") == 0 ? CHAOS_FAILED : CHAOS_OK,
                    "status \"%s\"", s.status);
        chaos_check_samples(to, run, once, &contradiction, &s);
    }
    once_free(once);
    return r;
}
