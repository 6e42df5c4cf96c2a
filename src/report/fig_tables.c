/* SPDX-License-Identifier: Apache-2.0 */
/* What runs are called, what they have reached, and how they were set up. */
#include "report/figures.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

bool
figures_rank(const struct account *a, size_t k, size_t *rank)
{
    size_t shown = a->n_used < FIGURE_WORKERS ? a->n_used : FIGURE_WORKERS;
    size_t want, seen = 0;

    if (k >= shown)
        return false;
    want = shown > 1 ? k * (a->n_used - 1) / (shown - 1) : 0;
    for (size_t r = 0; r < a->n_workers; r++)
        if (a->worker[r].is_used && seen++ == want) {
            *rank = r;
            return true;
        }
    return false;
}

void
figures_legend(struct page *p, const struct account *a, size_t n)
{
    if (n < 2)
        return;
    html_legend(p);
    for (size_t i = 0; i < n; i++) {
        fputs("<li>", p->f);
        html_swatch(p, i);
        html_text(p, a[i].label);
        fputs("</li>", p->f);
    }
    html_legend_end(p);
}

void
figures_parts(struct page *p)
{
    static const char *const class[N_PARTS] = {"f32", "f33", "f34",
                                               "f35", "f36", "f37"};

    html_legend(p);
    for (int k = 0; k < N_PARTS; k++)
        html_legend_item(p, class[k], part_names[k]);
    html_legend_end(p);
}

/* ---- what was reached ---------------------------------------------------- */

typedef const char *show_fn(char *to, double v);

/* A number of a run; which of several is the best: 1 the greatest, -1 the
 * least, 0: there is no better. */
static const struct fact {
    const char *name;
    size_t offset;
    show_fn *show;
    int better;
} facts[] = {
#define FACT(name, member, show, better)                                       \
    {                                                                          \
        name, offsetof(struct account_facts, member), show, better             \
    }
    FACT("best accuracy", best_accuracy, html_percent, 1),
    FACT("final accuracy", accuracy, html_percent, 1),
    FACT("test loss", test_loss, html_fixed, -1),
    FACT("time", seconds, html_seconds, 0),
    FACT("samples/s", rate, html_count, 1),
    FACT("waiting", waiting_share, html_percent, -1),
    FACT("staleness, mean", mean_staleness, html_fixed, -1),
    FACT("staleness, max", max_staleness, html_count, -1),
    FACT("epochs", epochs, html_fixed, 0),
    FACT("updates", updates, html_count, 0),
    FACT("pushes", pushes, html_count, 0),
    FACT("sent", bytes_pulled, html_bytes, 0),
    FACT("received", bytes_pushed, html_bytes, 0),
#undef FACT
};

static double
get_fact(const struct account *a, const struct fact *f)
{
    double v;

    memcpy(&v, (const char *)&a->facts + f->offset, sizeof v);
    return v;
}

static double
best_of(const struct account *a, size_t n, const struct fact *f)
{
    double best = NAN;

    for (size_t i = 0; i < n; i++)
        best = f->better > 0 ? fmax(best, get_fact(&a[i], f))
                             : fmin(best, get_fact(&a[i], f));
    return f->better ? best : NAN;
}

static void
tiles(struct page *p, const struct account *a)
{
    char text[HTML_NUMBER];

    fputs("<dl class=\"tiles wide\">\n<div><dt>status</dt><dd>", p->f);
    html_text(p, a->facts.status);
    fputs("</dd></div>\n", p->f);
    for (size_t k = 0; k < ARRAY_LEN(facts); k++)
        fprintf(p->f, "<div><dt>%s</dt><dd>%s</dd></div>\n", facts[k].name,
                facts[k].show(text, get_fact(a, &facts[k])));
    fputs("</dl>\n", p->f);
}

static void
comparison(struct page *p, const struct account *a, size_t n)
{
    const char *heads[ARRAY_LEN(facts) + 4] = {"run", "workers", "status"};
    char text[HTML_NUMBER];

    for (size_t k = 0; k < ARRAY_LEN(facts); k++)
        heads[k + 3] = facts[k].name;
    fputs("<div class=\"wide\">", p->f);
    html_table(p, heads);
    for (size_t i = 0; i < n; i++) {
        html_row(p);
        fputs("<th scope=\"row\">", p->f);
        html_swatch(p, i);
        html_text(p, a[i].label);
        fputs("</th>", p->f);
        html_cell(p, html_count(text, a[i].facts.workers));
        html_cell(p, a[i].facts.status);
        for (size_t k = 0; k < ARRAY_LEN(facts); k++) {
            double v = get_fact(&a[i], &facts[k]);

            fprintf(p->f, "<td%s>%s</td>",
                    v == best_of(a, n, &facts[k]) ? " class=\"best\"" : "",
                    facts[k].show(text, v));
        }
    }
    html_table_end(p);
    fputs("</div>\n", p->f);
}

/* Why runs did not come to their end. */
static void
outcomes(struct page *p, const struct account *a, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!a[i].facts.why)
            continue;
        fputs("<p class=\"note wide\">", p->f);
        if (n > 1) {
            html_text(p, a[i].label);
            fputs(": ", p->f);
        }
        html_text(p, a[i].facts.why);
        fputs("</p>\n", p->f);
    }
}

void
figures_overview(struct page *p, const struct account *a, size_t n)
{
    html_section(p, "overview", "Overview");
    if (n == 1)
        tiles(p, a);
    else
        comparison(p, a, n);
    outcomes(p, a, n);
    html_section_end(p);
}

/* ---- how they were set up ------------------------------------------------ */

/* Members of all jobs, by their path, in the order in which they are met. */
struct keys {
    char **path;
    size_t n, cap;
};

static bool
add_key(struct keys *k, const char *path)
{
    for (size_t i = 0; i < k->n; i++)
        if (!strcmp(k->path[i], path))
            return true;
    if (k->n == k->cap) {
        size_t cap = k->cap ? k->cap * 2 : 64;
        char **more = mem_resize(k->path, k->cap, cap, sizeof *more);

        if (!more)
            return false;
        k->path = more;
        k->cap = cap;
    }
    k->path[k->n] = mem_strdup(path);
    return k->path[k->n] && ++k->n;
}

/* Layers are ebsp inspect's; origin tells where values came from. */
static bool
collect(struct keys *k, const char *prefix, const json_t *object)
{
    const char *key;
    json_t *v;
    bool fine = true;

    json_object_foreach((json_t *)(uintptr_t)object, key, v)
    {
        char *path;

        if (!*prefix && (!strcmp(key, "layers") || !strcmp(key, "origin")))
            continue;
        path = mem_printf("%s%s%s", prefix, *prefix ? "." : "", key);
        fine = path && fine &&
               (json_is_object(v) ? collect(k, path, v) : add_key(k, path));
        mem_free(path);
    }
    return fine;
}

static void
keys_release(struct keys *k)
{
    for (size_t i = 0; i < k->n; i++)
        mem_free(k->path[i]);
    mem_free(k->path);
}

static const json_t *
find(const json_t *v, const char *path)
{
    char key[128];

    while (v && *path) {
        size_t n = strcspn(path, ".");

        if (n >= sizeof key)
            return NULL;
        memcpy(key, path, n);
        key[n] = '\0';
        v = json_object_get(v, key);
        path += n + (path[n] == '.');
    }
    return v;
}

/* What two runs had for a key is the same. */
static bool
is_same(const struct account *a, size_t n, const char *path)
{
    const json_t *first = find(a->job.root, path);

    for (size_t i = 1; i < n; i++) {
        const json_t *v = find(a[i].job.root, path);

        if ((!v) != (!first) || (v && !json_equal((json_t *)(uintptr_t)v,
                                                  (json_t *)(uintptr_t)first)))
            return false;
    }
    return true;
}

static void
put_value(struct page *p, const json_t *v)
{
    struct buf b = BUF_INIT((size_t)1 << 20);
    char text[HTML_NUMBER];

    fputs("<td>", p->f);
    if (json_is_string(v)) {
        html_text(p, json_string_value(v));
    } else if (json_is_real(v)) {
        snprintf(text, sizeof text, "%g", json_real_value(v));
        fputs(text, p->f);
    } else if (v && json_dump(v, 0, &b, NULL) == 0) {
        html_text(p, b.data);
    } else {
        fputs("\xe2\x80\x93", p->f);
    }
    fputs("</td>", p->f);
    buf_release(&b);
}

/* What the run is put under, as opposed to what is trained. */
static bool
is_scenario(const char *path)
{
    static const char *const begins[] = {"workers", "hosts",  "threads",
                                         "emulate", "faults", "policy"};

    for (size_t i = 0; i < ARRAY_LEN(begins); i++) {
        size_t n = strlen(begins[i]);

        if (!strncmp(path, begins[i], n) && (!path[n] || path[n] == '.'))
            return true;
    }
    return false;
}

static void
settings(struct page *p, const struct account *a, size_t n,
         const struct keys *k, bool scenario)
{
    fprintf(p->f,
            "<figure%s>\n<figcaption>%s</figcaption>\n"
            "<div class=\"scroll\"><table class=\"text full\">\n"
            "<thead><tr><th scope=\"col\">key</th>",
            n > 2 ? " class=\"wide\"" : "", scenario ? "Scenario" : "Settings");
    for (size_t i = 0; i < n; i++) {
        fputs("<th scope=\"col\">", p->f);
        if (n > 1) {
            html_swatch(p, i);
            html_text(p, a[i].label);
        } else {
            fputs("value", p->f);
        }
        fputs("</th>", p->f);
    }
    fputs("</tr></thead>\n<tbody>", p->f);
    for (size_t i = 0; i < k->n; i++) {
        if (is_scenario(k->path[i]) != scenario)
            continue;
        fprintf(p->f, "\n<tr%s>",
                is_same(a, n, k->path[i]) ? "" : " class=\"differs\"");
        html_name(p, k->path[i]);
        for (size_t r = 0; r < n; r++)
            put_value(p, find(a[r].job.root, k->path[i]));
        fputs("</tr>", p->f);
    }
    fputs("\n</tbody></table></div>\n</figure>\n", p->f);
}

void
figures_settings(struct page *p, const struct account *a, size_t n)
{
    struct keys k = {.n = 0};

    html_section(p, "settings", "Scenario and settings");
    for (size_t i = 0; i < n; i++)
        if (!collect(&k, "", a[i].job.root))
            err_nomem(&p->why);
    settings(p, a, n, &k, true);
    settings(p, a, n, &k, false);
    keys_release(&k);
    html_section_end(p);
}
