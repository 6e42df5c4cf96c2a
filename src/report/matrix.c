/* SPDX-License-Identifier: Apache-2.0 */
#include "report/matrix.h"

#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "report/draft.h"
#include "report/gnuplot.h"
#include "report/matrix_impl.h"

#include <math.h>
#include <string.h>

#define FILE_NAME "bench.json"
#define FORMAT    1

bool
matrix_is(const char *dir)
{
    char *path = fs_join(dir, FILE_NAME);
    bool is = path && fs_exists(path);

    mem_free(path);
    return is;
}

int
matrix_read(struct matrix *m, const char *dir, struct err *err)
{
    char *path = fs_join(dir, FILE_NAME);
    struct jcur root;
    int64_t format = 0;
    int r;

    memset(m, 0, sizeof *m);
    m->dir = mem_strdup(dir);
    r = path && m->dir ? json_doc_load(&m->doc, path, err) : err_nomem(err);
    if (r == 0) {
        root = jcur_root(&m->doc);
        if (!json_is_object(root.v))
            r = err_set(err, ERR_CONFIG, "%s: expected an object", path);
        else
            r = jcur_int(&root, "format", FORMAT, FORMAT, &format, err);
    }
    mem_free(path);
    if (r != 0)
        matrix_release(m);
    return r;
}

void
matrix_release(struct matrix *m)
{
    json_doc_release(&m->doc);
    mem_free(m->dir);
    memset(m, 0, sizeof *m);
}

/* ---- access -------------------------------------------------------------- */

size_t
matrix_count(const struct matrix *m, const char *axis)
{
    return json_array_size(json_object_get(m->doc.root, axis));
}

const char *
matrix_policy(const struct matrix *m, size_t i)
{
    const char *s = json_string_value(
        json_array_get(json_object_get(m->doc.root, "policies"), i));

    return s ? s : "";
}

bool
matrix_get_setting(const struct matrix *m, size_t i, struct matrix_setting *s)
{
    size_t per = matrix_count(m, "conventions");
    const char *convention;

    if (per == 0 || i >= matrix_count(m, "scenarios") * per)
        return false;
    s->about =
        json_array_get(json_object_get(m->doc.root, "scenarios"), i / per);
    s->scenario = matrix_text(s->about, "name");
    convention = json_string_value(
        json_array_get(json_object_get(m->doc.root, "conventions"), i % per));
    s->convention = convention ? convention : "";
    return true;
}

bool
matrix_has_cell(const json_t *cell, const struct matrix_setting *s,
                const char *policy)
{
    return !strcmp(matrix_text(cell, "scenario"), s->scenario) &&
           !strcmp(matrix_text(cell, "convention"), s->convention) &&
           !strcmp(matrix_text(cell, "policy"), policy);
}

const json_t *
matrix_group(const struct matrix *m, const struct matrix_setting *s,
             const char *policy)
{
    const json_t *v;
    size_t i;

    json_array_foreach(json_object_get(m->doc.root, "groups"), i, v)
    {
        if (matrix_has_cell(v, s, policy))
            return v;
    }
    return NULL;
}

double
matrix_number(const json_t *v, const char *key)
{
    const json_t *at = json_object_get(v, key);

    return json_is_number(at) ? json_number_value(at) : NAN;
}

double
matrix_number_of(const json_t *v, const char *key, const char *member)
{
    return matrix_number(json_object_get(v, key), member);
}

const char *
matrix_text(const json_t *v, const char *key)
{
    const char *s = json_string_value(json_object_get(v, key));

    return s ? s : "";
}

/* ---- page ---------------------------------------------------------------- */

static void
count(struct page *p, size_t n, const char *one, const char *many)
{
    fprintf(p->f, "%zu %s", n, n == 1 ? one : many);
}

static void
head(struct page *p, const struct matrix *m)
{
    struct matrix_setting s;

    fputs("<header>\n<p class=\"kicker\">ebsp benchmark</p>\n<h1>", p->f);
    html_text(p, matrix_text(m->doc.root, "job"));
    fputs("</h1>\n<p>", p->f);
    count(p, matrix_count(m, "policies"), "policy", "policies");
    fputs(", ", p->f);
    count(p, matrix_count(m, "seeds"), "seed", "seeds");
    fputs(", ", p->f);
    count(p, matrix_count(m, "scenarios"), "scenario", "scenarios");
    fputs("; ", p->f);
    html_text(p, matrix_text(m->doc.root, "mode"));
    fputs(" time \xc2\xb7 ", p->f);
    html_text(p, m->dir);
    fputs("</p>\n<nav aria-label=\"Contents\"><ul>", p->f);
    for (size_t i = 0; matrix_get_setting(m, i, &s); i++) {
        fprintf(p->f, "<li><a href=\"#s%zu\">", i);
        html_text(p, s.scenario);
        if (matrix_count(m, "conventions") > 1) {
            fputs(", ", p->f);
            html_text(p, s.convention);
        }
        fputs("</a></li>", p->f);
    }
    fputs("</ul></nav>\n</header>\n<main>\n", p->f);
}

void
matrix_write(const struct matrix *m, FILE *f, struct err *why)
{
    struct page p = {.f = f, .can_plot = gnuplot_is_there()};
    char title[200];

    snprintf(title, sizeof title, "%.150s \xc2\xb7 ebsp benchmark",
             matrix_text(m->doc.root, "job"));
    html_begin(&p, title);
    head(&p, m);
    html_missing_plots(&p);
    figures_matrix(&p, m);
    fputs("</main>\n", f);
    html_end(&p);
    html_why(&p, why);
}

/* ---- text ---------------------------------------------------------------- */

static void
text_number(FILE *f, double v, double scale, int decimals)
{
    if (isfinite(v))
        fprintf(f, " %10.*f", decimals, v * scale);
    else
        fprintf(f, " %10s", "-");
}

void
matrix_write_text(const struct matrix *m, FILE *f)
{
    struct matrix_setting s;
    char text[160];

    for (size_t i = 0; matrix_get_setting(m, i, &s); i++) {
        str_escape(text, sizeof text, s.scenario, strlen(s.scenario));
        fprintf(f, "%s%s", i ? "\n" : "", text);
        str_escape(text, sizeof text, s.convention, strlen(s.convention));
        fprintf(f, ", %s\n%-32s %10s %10s %10s %10s %10s\n", text, "policy",
                "target, s", "speedup", "final", "samples/s", "waiting");
        for (size_t k = 0; k < matrix_count(m, "policies"); k++) {
            const char *policy = matrix_policy(m, k);
            const json_t *g = matrix_group(m, &s, policy);

            str_escape(text, sizeof text, policy, strlen(policy));
            fprintf(f, "%-32.32s", text);
            text_number(f, matrix_number_of(g, "target_seconds", "mean"), 1, 2);
            text_number(f,
                        matrix_number_of(json_object_get(g, "against"),
                                         "speedup", "mean"),
                        1, 2);
            text_number(f, matrix_number_of(g, "final_accuracy", "mean"), 100,
                        2);
            text_number(f, matrix_number_of(g, "samples_per_second", "mean"), 1,
                        1);
            text_number(f, matrix_number_of(g, "waiting_share", "mean"), 100,
                        1);
            fputc('\n', f);
        }
    }
}

/* ---- data ---------------------------------------------------------------- */

static void
put_cell(FILE *f, const json_t *cell)
{
    static const char *const names[] = {"scenario", "convention", "policy"};
    static const char *const numbers[] = {"seconds", "samples", "loss",
                                          "accuracy"};
    const json_t *point;
    size_t i;

    json_array_foreach(json_object_get(cell, "curve"), i, point)
    {
        for (size_t k = 0; k < ARRAY_LEN(names); k++) {
            draft_put_cell(f, matrix_text(cell, names[k]));
            fputc(',', f);
        }
        fprintf(f, "%.0f", matrix_number(cell, "seed"));
        for (size_t k = 0; k < ARRAY_LEN(numbers); k++) {
            double v = matrix_number(point, numbers[k]);

            if (isfinite(v))
                fprintf(f, ",%.10g", v);
            else
                fputc(',', f);
        }
        fputc('\n', f);
    }
}

int
matrix_write_csv(const struct matrix *m, const char *dir, struct err *err)
{
    char *path = fs_join(dir, "curves.csv");
    const json_t *cell;
    struct draft d;
    size_t i;
    int r;

    if (!path)
        return err_nomem(err);
    r = fs_mkdir(dir, true, err);
    if (r == 0)
        r = draft_open(&d, path, err);
    mem_free(path);
    if (r != 0)
        return -1;
    fputs("scenario,convention,policy,seed,seconds,samples,loss,accuracy\n",
          d.f);
    json_array_foreach(json_object_get(m->doc.root, "cells"), i, cell)
    {
        put_cell(d.f, cell);
    }
    return draft_keep(&d, err);
}
