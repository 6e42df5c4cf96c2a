/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/err.h"
#include "cmd/advise.h"

#include <inttypes.h>

/* What the figures do not contain. */
static const char *const unknown[] = {
    "accuracy: nothing is trained here; staleness costs some, how much depends "
    "on the network and its learning rate (ebsp bench measures it)",
    "what an update costs the coordinator: what is told is a bound, far from "
    "what is reached where an iteration takes less than some milliseconds",
};
static const char unknown_scatter[] =
    "how much the times of an iteration scatter, and whether they change: a "
    "scatter of 5 % is assumed (--trace takes those of a run)";
static const char unknown_crowd[] =
    "how much workers that share processors hinder each other: they are taken "
    "to share them equally";
static const char unknown_foreign[] =
    "how long an iteration of this job takes: the run is of another one, whose "
    "input, layers, batch or threads differ; its times are taken as they are";

static const char unknown_emulation[] =
    "what the job emulates: machines are measured as they are (--trace takes "
    "the times of a run that emulates)";

#define N_UNKNOWN 5

/* NULL: it is known. */
static const char *
get_unknown(const struct advise *a, size_t i)
{
    switch (i) {
    case 0:
    case 1:
        return unknown[i];
    case 2:
        if (!a->source)
            return unknown_scatter;
        return a->foreign ? unknown_foreign : NULL;
    case 3:
        return !a->source && a->crowded ? unknown_crowd : NULL;
    default:
        return !a->source && json_object_get(a->job.doc.root, "emulate")
                   ? unknown_emulation
                   : NULL;
    }
}

static const struct candidate *
get_best(const struct advise *a)
{
    return &a->advice.candidate[a->advice.best];
}

/* ---- for people ---------------------------------------------------------- */

static void
print_table(FILE *to, const struct advise *a)
{
    fprintf(to, "  %-40s %10s %9s %10s %5s  %s\n", "policy", "samples/s",
            "waiting", "staleness", "max", "warnings");
    for (size_t i = 0; i < a->advice.n; i++) {
        const struct candidate *c = &a->advice.candidate[i];
        bool first = true;

        fprintf(to, "%c %-40s %10.1f %8.1f%% %10.2f %5" PRIu64 "  ",
                i == a->advice.best ? '*' : ' ', c->spec, c->rate,
                100 * c->r.waiting_share, c->r.mean_staleness,
                c->r.max_staleness);
        for (unsigned w = 0; w < N_ADVICE_WARNINGS; w++)
            if (c->warnings & 1u << w) {
                fprintf(to, "%s%s", first ? "" : ", ",
                        advice_warning_name((enum advice_warning)w));
                first = false;
            }
        fputc('\n', to);
    }
}

static void
print_workers(FILE *to, const struct advise *a)
{
    const struct profile *p = &a->profile;
    uint32_t shown = p->n < 8 ? p->n : 8;

    fprintf(to, "%s, %" PRIu32 " worker%s, iterations from %s:", a->job.name,
            p->n, p->n == 1 ? "" : "s", a->source ? a->source : "a probe");
    for (uint32_t i = 0; i < shown; i++)
        fprintf(to, " %.4g", profile_get_ms(p, i));
    fprintf(to, "%s ms\n\n", shown < p->n ? " ..." : "");
}

void
advise_print(FILE *to, const struct advise *a)
{
    const struct candidate *best = get_best(a);
    unsigned all = 0;
    const char *text;

    print_workers(to, a);
    print_table(to, a);
    fprintf(to,
            "\nrecommended: --policy %s\n"
            "  the youngest contributions among those with at least %.0f %% of "
            "the highest throughput;\n  predicted: %.1f samples/s, %.1f %% "
            "waiting, "
            "staleness %.2f (at most %" PRIu64 ")\n",
            best->spec, 100 * ADVICE_AS_FAST, best->rate,
            100 * best->r.waiting_share, best->r.mean_staleness,
            best->r.max_staleness);
    for (size_t i = 0; i < a->advice.n; i++)
        all |= a->advice.candidate[i].warnings;
    if (all)
        fprintf(to, "\nwarnings:\n");
    for (unsigned w = 0; w < N_ADVICE_WARNINGS; w++)
        if (all & 1u << w)
            fprintf(to, "  %s: %s\n",
                    advice_warning_name((enum advice_warning)w),
                    advice_warning_text((enum advice_warning)w));
    fprintf(to, "\nnot known:\n");
    for (size_t i = 0; i < N_UNKNOWN; i++)
        if ((text = get_unknown(a, i)))
            fprintf(to, "  %s\n", text);
}

/* ---- for programs -------------------------------------------------------- */

static json_t *
candidate_json(const struct candidate *c)
{
    json_t *names = json_array();

    for (unsigned w = 0; w < N_ADVICE_WARNINGS; w++)
        if (c->warnings & 1u << w)
            (void)json_array_append_new(names, json_string(advice_warning_name(
                                                   (enum advice_warning)w)));
    return json_pack("{s:s, s:f, s:f, s:f, s:I, s:f, s:f, s:f, s:o}", "policy",
                     c->spec, "samples_per_second", c->rate, "waiting_share",
                     c->r.waiting_share, "mean_staleness", c->r.mean_staleness,
                     "max_staleness", (json_int_t)c->r.max_staleness, "age",
                     advice_get_age(c), "superstep_ms", c->r.superstep_ms,
                     "superstep_iterations", c->r.superstep_iterations,
                     "warnings", names);
}

static json_t *
everything(const struct advise *a)
{
    json_t *candidates = json_array(), *times = json_array();
    json_t *warnings = json_object(), *missing = json_array();
    const char *text;

    for (size_t i = 0; i < a->advice.n; i++)
        (void)json_array_append_new(candidates,
                                    candidate_json(&a->advice.candidate[i]));
    for (uint32_t i = 0; i < a->profile.n; i++)
        (void)json_array_append_new(times,
                                    json_real(profile_get_ms(&a->profile, i)));
    for (unsigned w = 0; w < N_ADVICE_WARNINGS; w++)
        (void)json_object_set_new(
            warnings, advice_warning_name((enum advice_warning)w),
            json_string(advice_warning_text((enum advice_warning)w)));
    for (size_t i = 0; i < N_UNKNOWN; i++)
        if ((text = get_unknown(a, i)))
            (void)json_array_append_new(missing, json_string(text));
    return json_pack("{s:s, s:I, s:o, s:o, s:f, s:s, s:o, s:o, s:o}", "job",
                     a->job.name, "workers", (json_int_t)a->profile.n, "source",
                     a->source ? json_text(a->source) : json_null(),
                     "iteration_ms", times, "spread",
                     profile_get_spread(&a->profile), "recommended",
                     get_best(a)->spec, "candidates", candidates, "warnings",
                     warnings, "not_known", missing);
}

int
advise_print_json(FILE *to, const struct advise *a, struct err *err)
{
    struct buf out = BUF_INIT((size_t)64 << 20);
    json_t *v = everything(a);
    int r = v ? json_dump(v, 2, &out, err) : err_nomem(err);

    json_decref(v);
    if (r == 0)
        fprintf(to, "%s\n", out.data);
    buf_release(&out);
    return r;
}
