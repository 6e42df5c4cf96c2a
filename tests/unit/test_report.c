/* SPDX-License-Identifier: Apache-2.0 */
/* Runs read back: story, timeline, account, page, CSV. */
#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "report/account.h"
#include "report/chrome.h"
#include "report/csv.h"
#include "report/gnuplot.h"
#include "report/html.h"
#include "report/matrix.h"
#include "report/report.h"
#include "report/story.h"
#include "report/svg.h"
#include "tap.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE(text) text "\n"

/* clang-format off */
/* Two workers, two updates; worker 1's second push is one update old, and its
 * third order is never answered. */
static const char two_workers[] =
    LINE("{\"t\":0,\"event\":\"run\",\"name\":\"t\",\"seed\":1,\"resumed\":0}")
    LINE("{\"t\":0.5,\"event\":\"ready\",\"rank\":0,\"host\":\"a\"}")
    LINE("{\"t\":0.5,\"event\":\"ready\",\"rank\":1,\"host\":\"<b>&\\\"'\"}")
    LINE("{\"t\":1,\"event\":\"start\",\"policy\":\"x\",\"workers\":2,"
         "\"version\":0,\"samples\":0}")
    LINE("{\"t\":1,\"event\":\"release\",\"rank\":0,\"iteration\":1,"
         "\"version\":0,\"held\":0}")
    LINE("{\"t\":1,\"event\":\"release\",\"rank\":1,\"iteration\":1,"
         "\"version\":0,\"held\":0}")
    LINE("{\"t\":2,\"event\":\"push\",\"rank\":0,\"iteration\":1,\"base\":0,"
         "\"version\":0,\"samples\":10,\"loss\":4,\"norm\":1,\"data\":0.25,"
         "\"compute\":0.5,\"pull\":0.125}")
    LINE("{\"t\":2,\"event\":\"add\",\"rank\":0,\"iteration\":1,\"weight\":1}")
    LINE("{\"t\":2,\"event\":\"commit\",\"version\":1,\"lr\":0.1,"
         "\"pushes\":1,\"samples\":10}")
    LINE("{\"t\":2.5,\"event\":\"release\",\"rank\":0,\"iteration\":2,"
         "\"version\":1,\"held\":0.5}")
    LINE("{\"t\":3,\"event\":\"push\",\"rank\":1,\"iteration\":1,\"base\":0,"
         "\"version\":1,\"samples\":10,\"loss\":null,\"norm\":1,\"data\":0,"
         "\"compute\":2}")
    LINE("{\"t\":3.25,\"event\":\"push\",\"rank\":0,\"iteration\":2,"
         "\"base\":1,\"version\":1,\"samples\":10,\"loss\":2,\"norm\":1,"
         "\"data\":0,\"compute\":0.5}")
    LINE("{\"t\":3.25,\"event\":\"add\",\"rank\":1,\"iteration\":1}")
    LINE("{\"t\":3.25,\"event\":\"add\",\"rank\":0,\"iteration\":2}")
    LINE("{\"t\":3.25,\"event\":\"commit\",\"version\":2,\"lr\":0.1,"
         "\"pushes\":2,\"samples\":20}")
    LINE("{\"t\":3.5,\"event\":\"release\",\"rank\":1,\"iteration\":2,"
         "\"version\":2,\"held\":0.5}")
    LINE("{\"t\":4,\"event\":\"eval\",\"samples\":30,\"at\":2.25,\"loss\":1,"
         "\"accuracy\":0.75,\"took\":0.5}")
    "{\"t\":5,\"event\":\"pu"; /* torn */

/* The same run goes on from a checkpoint at version 1. */
static const char resumed[] =
    LINE("{\"t\":0,\"event\":\"run\",\"name\":\"t\",\"seed\":1,\"resumed\":0}")
    LINE("{\"t\":1,\"event\":\"start\",\"version\":0,\"samples\":0}")
    LINE("{\"t\":3,\"event\":\"snapshot\",\"of\":\"checkpoint\","
         "\"version\":1}")
    LINE("{\"t\":4,\"event\":\"eval\",\"samples\":10,\"at\":2,\"loss\":1,"
         "\"accuracy\":0.5,\"took\":0.5}")
    LINE("{\"t\":5,\"event\":\"eval\",\"samples\":20,\"at\":3,\"loss\":1,"
         "\"accuracy\":0.9,\"took\":0.5}")
    LINE("{\"t\":0,\"event\":\"run\",\"name\":\"t\",\"seed\":1,\"resumed\":1}")
    LINE("{\"t\":2,\"event\":\"start\",\"version\":1,\"samples\":10}")
    LINE("{\"t\":6,\"event\":\"eval\",\"samples\":20,\"at\":1,\"loss\":1,"
         "\"accuracy\":0.6,\"took\":0.5}");

static const char plans[] =
    LINE("{\"t\":0,\"event\":\"start\",\"version\":0,\"samples\":0}")
    LINE("{\"t\":1,\"event\":\"commit\",\"version\":1,\"pushes\":2}")
    LINE("{\"t\":1,\"event\":\"note\",\"name\":\"plan\",\"number\":1}")
    LINE("{\"t\":3,\"event\":\"commit\",\"version\":2,\"pushes\":2}")
    LINE("{\"t\":3,\"event\":\"note\",\"name\":\"superstep\","
         "\"length_ms\":2000,\"predicted_barrier_ms\":1500}");

/* The second push is 300 updates old. */
static const char stale[] =
    LINE("{\"t\":0,\"event\":\"start\",\"version\":0,\"samples\":0}")
    LINE("{\"t\":1,\"event\":\"push\",\"rank\":0,\"base\":0}")
    LINE("{\"t\":1,\"event\":\"add\",\"rank\":0}")
    LINE("{\"t\":1,\"event\":\"commit\",\"version\":300,\"pushes\":1}")
    LINE("{\"t\":2,\"event\":\"push\",\"rank\":0,\"base\":0}")
    LINE("{\"t\":2,\"event\":\"add\",\"rank\":0}")
    LINE("{\"t\":2,\"event\":\"commit\",\"version\":301,\"pushes\":1}");

/* It ended a superstep after the checkpoint that is continued. */
static const char resumed_plans[] =
    LINE("{\"t\":0,\"event\":\"start\",\"version\":0}")
    LINE("{\"t\":2,\"event\":\"note\",\"name\":\"superstep\","
         "\"length_ms\":2e3}")
    LINE("{\"t\":3,\"event\":\"snapshot\",\"version\":1}")
    LINE("{\"t\":4,\"event\":\"note\",\"name\":\"superstep\","
         "\"length_ms\":2e3}")
    LINE("{\"t\":0,\"event\":\"run\",\"name\":\"t\",\"seed\":1,\"resumed\":1}")
    LINE("{\"t\":1,\"event\":\"start\",\"version\":1}")
    LINE("{\"t\":2,\"event\":\"note\",\"name\":\"superstep\","
         "\"length_ms\":1e3}");
/* clang-format on */

static char dir[] = "/tmp/test_report.XXXXXX";

static void
make_run(const char *events, const char *summary)
{
    static const char job[] = "{\"name\": \"<i>t\", \"policy\": \"x<y\", "
                              "\"emulate\": {\"slow\": \"0:2\"}, "
                              "\"layers\": [1], \"batch\": 10}";
    const char *const names[] = {"job.json", "events.jsonl", "summary.json"};
    const char *const texts[] = {job, events, summary};

    for (int i = 0; i < 3; i++) {
        char *path = fs_join(dir, names[i]);

        if (texts[i])
            (void)fs_write(path, texts[i], strlen(texts[i]), NULL);
        else
            (void)fs_remove(path, NULL);
        mem_free(path);
    }
}

/* ---- story --------------------------------------------------------------- */

struct seen {
    int works, unanswered, waits, updates;
    double push_s, wait_s, unanswered_s;
    int64_t staleness[8];
    int n_staleness;
};

static int
see_work(void *ctx, const struct story_work *v, struct err *err)
{
    struct seen *s = ctx;

    (void)err;
    if (v->id == 0) {
        s->unanswered++;
        s->unanswered_s = v->end_s - v->begin_s;
        return 0;
    }
    if (s->works++ == 0)
        s->push_s = v->push_s;
    return 0;
}

static int
see_wait(void *ctx, const struct story_wait *v, struct err *err)
{
    struct seen *s = ctx;

    (void)err;
    s->waits++;
    s->wait_s += v->end_s - v->begin_s;
    return 0;
}

static int
see_update(void *ctx, const struct story_update *v, struct err *err)
{
    struct seen *s = ctx;

    (void)err;
    s->updates++;
    for (size_t i = 0; i < v->n && s->n_staleness < 8; i++)
        s->staleness[s->n_staleness++] = v->part[i].staleness;
    return 0;
}

static int
refuse(void *ctx, const struct story_wait *v, struct err *err)
{
    (void)ctx;
    (void)v;
    return err_set(err, ERR_FAIL, "enough");
}

static void
test_story(void)
{
    static const struct story_handlers h = {
        .on_work = see_work, .on_wait = see_wait, .on_update = see_update};
    static const struct story_handlers stop = {.on_wait = refuse};
    struct err e = ERR_INIT;
    struct seen s = {0};
    double end_s = 0;

    make_run(two_workers, NULL);
    is_int(story_read(dir, &h, &s, &end_s, &e), 0,
           "story: a torn last line is the end");
    is_int(s.works, 3, "story: a span of work for each push");
    ok(s.push_s == 0.125, "story: what the parts leave over is the push");
    ok(s.waits == 2 && s.wait_s == 1, "story: waits are what was held");
    ok(s.unanswered == 1 && s.unanswered_s == 0.5,
       "story: an order without a push lasts until the end");
    ok(s.n_staleness == 3 && s.staleness[0] == 0 && s.staleness[1] == 1 &&
           s.staleness[2] == 0,
       "story: staleness counts the updates in between");
    ok(end_s == 4, "story: the end is the last event");
    ok(story_read(dir, &stop, &s, NULL, &e) != 0 && !strcmp(e.text, "enough"),
       "story: a handler can end it");
}

static void
test_bad_streams(void)
{
    static const struct {
        const char *name, *events;
    } bad[] = {
        {"a line that is no JSON", "nonsense\n"},
        {"a line without an event", "{\"t\":1}\n"},
        {"an event without a time", "{\"event\":\"x\"}\n"},
        {"a rank beyond all bounds",
         "{\"t\":1,\"event\":\"release\",\"rank\":4000000000}\n"},
        {"a negative time", "{\"t\":-1,\"event\":\"x\"}\n"},
        {"a rank that is text",
         "{\"t\":1,\"event\":\"push\",\"rank\":\"x\"}\n"},
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err e = ERR_INIT;
        struct account a;

        make_run(bad[i].events, NULL);
        if (!ok(account_read(&a, dir, &e) != 0 && e.code == ERR_CONFIG &&
                    strstr(e.text, "events.jsonl:1"),
                "story: refused with file and line: %s", bad[i].name))
            printf("# %s\n", e.text);
    }
}

/* ---- curves -------------------------------------------------------------- */

static void
test_curve(void)
{
    struct curve c = {.n = 0}, thin = {.n = 0};
    double least = INFINITY, most = -INFINITY;
    uint64_t n = 0;

    for (int i = 0; i < 123457; i++)
        (void)curve_add(&c, i, 2.0 * i,
                        i == 77777 ? -5
                        : i == 99  ? 9
                                   : 1,
                        NULL);
    ok(c.n <= CURVE_POINTS && c.n > CURVE_POINTS / 4,
       "curve: 123457 values in %zu points", c.n);
    for (size_t i = 0; i < c.n; i++) {
        least = fmin(least, c.point[i].min);
        most = fmax(most, c.point[i].max);
        n += c.point[i].n;
    }
    ok(least == -5 && most == 9 && n == 123457, "curve: keeps every peak");
    ok(c.point[c.n - 1].x[0] == 123456 && c.point[c.n - 1].x[1] == 246912,
       "curve: ends where the values end");
    ok(curve_thin(&c, 10, &thin, NULL) == 0 && thin.n <= 10 &&
           thin.point[thin.n - 1].x[0] == 123456,
       "curve: thinned to the same end");
    curve_cut(&c, 1, 1000);
    ok(c.n > 0 && c.point[c.n - 1].x[1] <= 1000, "curve: cut");
    n = c.n;
    (void)curve_add(&c, 1, 1, NAN, NULL);
    ok(c.n == n, "curve: what is not finite is left out");
    curve_release(&c);
    curve_release(&thin);
}

static void
test_gauge(void)
{
    struct gauge g = {0};
    double sum = 0;

    gauge_add(&g, 0.0005, 0.0015);
    ok(fabs(g.sum_s[0] - 0.0005) < 1e-12 && fabs(g.sum_s[1] - 0.0005) < 1e-12,
       "gauge: a span is divided between its slots");
    gauge_add(&g, 90, 100);
    for (int i = 0; i < GAUGE_SLOTS; i++)
        sum += g.sum_s[i];
    ok(fabs(sum - 10.001) < 1e-9 && g.slot_s * GAUGE_SLOTS >= 100,
       "gauge: slots double, the sum stays");
    memset(&g, 0, sizeof g);
    gauge_reach(&g, 100);
    ok(g.slot_s * GAUGE_SLOTS >= 100 && g.sum_s[0] == 0,
       "gauge: reaches to the end when there is nothing to add");
    gauge_add(&g, 0, 100);
    gauge_cut(&g, 50);
    sum = 0;
    for (int i = 0; i < GAUGE_SLOTS; i++)
        sum += g.sum_s[i];
    ok(fabs(sum - 50) < 1e-9, "gauge: cut");
}

/* ---- account ------------------------------------------------------------- */

static void
test_account(void)
{
    struct err e = ERR_INIT;
    struct account a;

    make_run(two_workers, NULL);
    is_int(account_read(&a, dir, &e), 0, "account: of a run without summary");
    is_str(a.facts.status, "unfinished", "account: says so");
    ok(a.n_used == 2 && a.worker[0].iterations == 2 &&
           a.worker[1].iterations == 1,
       "account: iterations");
    ok(a.worker[0].part_s[PART_COMPUTE] == 1 &&
           a.worker[0].part_s[PART_WAIT] == 0.5 &&
           a.worker[0].part_s[PART_PUSH] == 0.375,
       "account: parts of a worker's time");
    ok(a.staleness[0] == 2 && a.staleness[1] == 1, "account: staleness");
    ok(a.facts.accuracy == 0.75 && a.facts.samples == 30 &&
           a.facts.updates == 2,
       "account: facts from the events");
    ok(a.n_supersteps == 1 && a.superstep.point[0].sum == 2.25,
       "account: an update of two pushes ends a superstep");
    account_release(&a);

    make_run(two_workers,
             "{\"status\": \"done\", \"wall_seconds\": 7, \"samples\": 40, "
             "\"staleness_histogram\": [4, 5, 6], \"test_accuracy\": null, "
             "\"per_worker\": [{\"rank\": 1, \"seconds\": {\"compute\": 3, "
             "\"wait\": 4}}, {\"rank\": 99999, \"seconds\": {}}]}");
    is_int(account_read(&a, dir, &e), 0, "account: with a summary");
    ok(a.facts.seconds == 7 && a.facts.samples == 40 &&
           isnan(a.facts.accuracy) && a.staleness[2] == 6 &&
           a.worker[1].part_s[PART_WAIT] == 4,
       "account: the summary is taken before what was added up");
    ok(!a.facts.why, "account: nothing went wrong");
    account_release(&a);

    make_run(two_workers, "{\"status\": \"failed\", \"failure\": "
                          "{\"exit_status\": 9, \"text\": \"NaN\"}}");
    is_int(account_read(&a, dir, &e), 0, "account: of a run that failed");
    is_str(a.facts.why, "NaN", "account: why it did");
    account_release(&a);

    make_run(plans, NULL);
    is_int(account_read(&a, dir, &e), 0, "account: of a policy with plans");
    ok(a.n_supersteps == 1 && a.last[0].begin_s == 1 && a.last[0].end_s == 3 &&
           a.last[0].predicted_s == 2.5,
       "account: the policy's word on supersteps counts");
    account_release(&a);

    make_run(stale, NULL);
    is_int(account_read(&a, dir, &e), 0, "account: of a run with old pushes");
    ok(a.staleness[ACCOUNT_BINS - 1] == 1 && a.facts.max_staleness == 300 &&
           a.facts.mean_staleness == 150,
       "account: staleness beyond the histogram is not cut off");
    account_release(&a);
}

static void
test_units(void)
{
    double unit = 0;

    is_str(plot_sample_unit(1920, &unit), "samples", "unit: of few samples");
    ok(unit == 1, "unit: each of them");
    is_str(plot_sample_unit(60000, &unit), "thousand samples", "unit: of many");
    ok(unit == 1e3, "unit: thousands");
    is_str(plot_sample_unit(1.2e7, &unit), "million samples", "unit: of more");
}

static void
test_resumed(void)
{
    struct err e = ERR_INIT;
    struct account a;

    make_run(resumed, NULL);
    is_int(account_read(&a, dir, &e), 0, "resumed: is read");
    if (!ok(a.accuracy.n == 2 && a.accuracy.point[1].sum == 0.6,
            "resumed: what the checkpoint did not hold is gone"))
        printf("# %zu\n", a.accuracy.n);
    ok(a.accuracy.point[1].x[0] == 3,
       "resumed: time goes on from the checkpoint");
    ok(a.end_s == 11, "resumed: the sessions follow each other");
    account_release(&a);

    make_run(resumed_plans, NULL);
    is_int(account_read(&a, dir, &e), 0, "resumed: of a policy with plans");
    ok(a.superstep.n == 2 && a.superstep.point[1].x[0] == 4 &&
           a.superstep.point[1].sum == 1 && a.n_supersteps == 2,
       "resumed: nor are supersteps shown twice");
    account_release(&a);
}

static void
test_labels(void)
{
    struct err e = ERR_INIT;
    struct account a[2];

    make_run(two_workers, NULL);
    (void)account_read(&a[0], dir, &e);
    (void)account_read(&a[1], dir, &e);
    ok(account_label(a, 1, &e) == 0 && !strcmp(a[0].label, "x<y"),
       "labels: the policy");
    ok(account_label(a, 2, &e) == 0 && !strcmp(a[0].label, dir),
       "labels: where it does not tell, the directory");
    account_release(&a[0]);
    account_release(&a[1]);
}

/* ---- timeline ------------------------------------------------------------ */

static size_t
count(const json_t *events, const char *phase, const char *name)
{
    const json_t *v;
    size_t i, n = 0;

    json_array_foreach(events, i, v)
    {
        n += !strcmp(json_string_value(json_object_get(v, "ph")), phase) &&
             !strcmp(json_string_value(json_object_get(v, "name")), name);
    }
    return n;
}

static void
test_chrome(void)
{
    struct json_doc d = {.root = NULL};
    struct err e = ERR_INIT;
    const json_t *events;
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);

    make_run(two_workers, NULL);
    is_int(chrome_write(dir, f, NULL, &e), 0, "timeline: written");
    fclose(f);
    is_int(json_doc_parse(&d, "trace", text, len, &e), 0,
           "timeline: it is JSON");
    events = json_object_get(d.root, "traceEvents");
    is_int(count(events, "X", "compute"), 3, "timeline: compute");
    is_int(count(events, "X", "push"), 3, "timeline: push");
    is_int(count(events, "X", "pull"), 1, "timeline: pull");
    is_int(count(events, "X", "wait"), 2, "timeline: wait");
    is_int(count(events, "X", "apply"), 2, "timeline: apply");
    is_int(count(events, "i", "barrier"), 1, "timeline: barrier");
    is_int(count(events, "s", "push"), 3, "timeline: arrows begin");
    is_int(count(events, "f", "push"), 3, "timeline: arrows end");
    is_int(count(events, "C", "loss"), 2, "timeline: loss, where it is finite");
    is_int(count(events, "C", "staleness"), 2, "timeline: staleness");
    is_int(count(events, "M", "thread_name"), 5, "timeline: tracks");
    json_doc_release(&d);
    free(text);
}

/* ---- drawings ------------------------------------------------------------ */

static char *
adopt(const char *svg, int *r)
{
    struct buf b = BUF_INIT(1 << 16);
    struct err e = ERR_INIT;

    *r = svg_adopt(svg, strlen(svg), " class=\"plot\"", "", &b, &e);
    return buf_take(&b, NULL);
}

static void
test_svg(void)
{
    int r;
    char *s = adopt(
        "<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY x 'y'>]>"
        "<svg onload='alert(1)'><title>t</title><script>alert(1)</script>"
        "<style>*{}</style><image href='http://x'/><a href='http://x'>q</a>"
        "<foreignObject><body onload='x'/></foreignObject>"
        "<g id='gnuplot' fill='none' stroke='currentColor' onclick='x()'>"
        "<path stroke='rgb(  0,   0,  16)' style='x' d='M1,2 L3,4'/></g>"
        "<g></g><g fill='rgb(0,0,1)'><text>a &lt; b</text></g>"
        "<path d='M1 url(\"javascript:x\")'/>"
        "<use xlink:href='#gpPt6' transform='translate(1,2)' "
        "color='rgb(0,0,17)'/></svg>",
        &r);

    is_int(r, 0, "svg: adopted");
    is_str(s,
           "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\">"
           "<g fill=\"none\"><path d=\"M1,2 L3,4\" class=\"s16\"/></g>"
           "<g class=\"f1\"><text>a &lt; b</text></g><path/>"
           "<circle r=\"1\" transform=\"translate(1,2)\" class=\"f17\"/>"
           "</svg>\n",
           "svg: only what drawings need gets through");
    mem_free(s);
    s = adopt("<svg><g><path d='M1,1'/></g>", &r);
    ok(r != 0, "svg: half of a drawing is refused");
    mem_free(s);
    s = adopt("", &r);
    ok(r != 0, "svg: nothing is refused");
    mem_free(s);
}

static void
test_svg_damaged(void)
{
    static const char whole[] =
        "<svg a='b'><defs><g id='x'/></defs><g fill='none'><text>x</text>"
        "<path stroke='rgb(0,0,3)' d='M1,2'/></g></svg>";
    struct buf b = BUF_INIT(1 << 16);

    for (size_t i = 0; i < sizeof whole; i++)
        for (int c = 0; c < 256; c += 3) {
            char text[sizeof whole];

            memcpy(text, whole, sizeof whole);
            text[i] = (char)c;
            buf_clear(&b);
            (void)svg_adopt(text, i % 2 ? i : sizeof whole - 1, "", "", &b,
                            NULL);
        }
    ok(!b.bad, "svg: survives damaged drawings");
    buf_release(&b);
}

static void
test_gnuplot(void)
{
    static const char loop[] = "while (1) { x = 1 }\n";
    static const char wrong[] = "plot nonsense(\n";
    static const char right[] = "set terminal svg\nplot 1\n";
    struct buf b = BUF_INIT(1 << 20);
    struct err e = ERR_INIT;
    char *path = mem_strdup(getenv("PATH"));

    if (!gnuplot_is_there()) {
        skip("gnuplot is not in PATH");
    } else {
        is_int(gnuplot_draw(right, strlen(right), 30, &b, &e), 0,
               "gnuplot: draws");
        ok(b.len && strstr(b.data, "</svg>"), "gnuplot: a whole drawing");
        buf_clear(&b);
        ok(gnuplot_draw(wrong, strlen(wrong), 30, &b, &e) != 0 &&
               strstr(e.text, "gnuplot failed: "),
           "gnuplot: a complaint is told");
        err_clear(&e);
        ok(gnuplot_draw(loop, strlen(loop), 1, &b, &e) != 0 &&
               !strcmp(e.text, "gnuplot took too long"),
           "gnuplot: is stopped when it takes too long");
    }
    setenv("PATH", "/nonexistent", 1);
    err_clear(&e);
    ok(!gnuplot_is_there(), "gnuplot: is missed");
    ok(gnuplot_draw(right, strlen(right), 30, &b, &e) != 0,
       "gnuplot: cannot be started");
    setenv("PATH", path, 1);
    mem_free(path);
    buf_release(&b);
}

/* ---- page ---------------------------------------------------------------- */

static int
count_text(const char *in, const char *what)
{
    int n = 0;

    for (; (in = strstr(in, what)); in += strlen(what))
        n++;
    return n;
}

static char *
make_page(struct err *why)
{
    struct err e = ERR_INIT;
    struct account a;
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);

    make_run(two_workers, NULL);
    (void)account_read(&a, dir, &e);
    (void)account_label(&a, 1, &e);
    report_write(&a, 1, f, why);
    account_release(&a);
    fclose(f);
    return text;
}

static void
test_page(void)
{
    struct err why = ERR_INIT;
    char *path = mem_strdup(getenv("PATH")), *page;

    setenv("PATH", "/nonexistent", 1);
    page = make_page(&why);
    setenv("PATH", path, 1);
    mem_free(path);
    ok(why.code != ERR_OK, "page: says that gnuplot is missing");
    ok(strstr(page, "</html>"), "page: is whole all the same");
    is_int(count_text(page, "class=\"plot\""), 0, "page: no drawing");
    ok(count_text(page, "<table") >= 8, "page: tables");
    is_int(count_text(page, "<details open>"), count_text(page, "<details"),
           "page: which are open");
    ok(strstr(page, "&lt;i&gt;t") && strstr(page, "x&lt;y") &&
           strstr(page, "&lt;b&gt;&amp;&quot;&#39;") && !strstr(page, "<i>t") &&
           !strstr(page, "<b>"),
       "page: text of files is escaped");
    ok(!strstr(page, "<script") && !strstr(page, "http:") &&
           !strstr(page, "https:"),
       "page: nothing runs, nothing is loaded");
    ok(strstr(page, "emulate.slow"), "page: the scenario");
    free(page);
    if (!gnuplot_is_there()) {
        skip("gnuplot is not in PATH");
        return;
    }
    err_clear(&why);
    page = make_page(&why);
    if (!ok(why.code == ERR_OK, "page: drawn"))
        printf("# %s\n", why.text);
    is_int(count_text(page, "class=\"plot\""), count_text(page, "<details"),
           "page: a table behind each drawing");
    is_int(count_text(page, "class=\"plot\""), 9, "page: all drawings");
    is_int(count_text(page, "<details open>"), 0, "page: tables are closed");
    free(page);
}

static void
test_csv(void)
{
    struct buf b = BUF_INIT(1 << 16);
    struct err e = ERR_INIT;
    char *out = fs_join(dir, "csv"), *pushes, *workers;
    struct account a;

    make_run(two_workers, NULL);
    (void)account_read(&a, dir, &e);
    (void)account_label(&a, 1, &e);
    is_int(csv_write(out, &a, 1, &e), 0, "csv: written");
    pushes = fs_join(out, "pushes.csv");
    workers = fs_join(out, "workers.csv");
    (void)fs_read(pushes, &b, &e);
    ok(strstr(b.data, "\nx<y,0,1,0,1,0.125,0.25,0.5,0.125,10,4,1\n"),
       "csv: a push");
    ok(strstr(b.data, "\nx<y,1,1,0,2,0,0,2,0,10,,1\n"),
       "csv: what is not known is empty");
    buf_clear(&b);
    (void)fs_read(workers, &b, &e);
    ok(strstr(b.data, ",\"<b>&\"\"'\","), "csv: quotes are doubled");
    mem_free(out);
    mem_free(pushes);
    mem_free(workers);
    buf_release(&b);
    account_release(&a);
}

/* ---- benchmark ----------------------------------------------------------- */

static const char bench[] =
    "{\"format\": 1, \"job\": \"<j>\", \"mode\": \"virtual\", "
    "\"baseline\": \"a'b\\nplot\", \"target_accuracy\": 0.5, "
    "\"policies\": [\"a'b\\nplot\", \"c\"], \"seeds\": [1], "
    "\"conventions\": [\"job\"], \"scenarios\": [{\"name\": \"<s>\"}], "
    "\"cells\": [{\"scenario\": \"<s>\", \"convention\": \"job\", "
    "\"policy\": \"a'b\\nplot\", \"seed\": 1, \"status\": \"done\", "
    "\"curve\": [{\"seconds\": 1, \"samples\": 10, \"loss\": null, "
    "\"accuracy\": 0.5}, {\"seconds\": 2, \"samples\": 20, \"loss\": 1, "
    "\"accuracy\": 0.75}]}, 7], "
    "\"groups\": [{\"scenario\": \"<s>\", \"convention\": \"job\", "
    "\"policy\": \"a'b\\nplot\", \"runs\": 1, \"reached\": 1, "
    "\"target_seconds\": {\"n\": 1, \"mean\": 1, \"low\": null, "
    "\"high\": null}, \"samples_per_second\": {\"mean\": 10, \"low\": 9, "
    "\"high\": 11}, \"against\": {\"speedup\": {\"mean\": 2, "
    "\"verdict\": \"<v>\"}}}, \"nonsense\"]}";

static void
put_bench(const char *text)
{
    char *path = fs_join(dir, "bench.json");

    (void)fs_write(path, text, strlen(text), NULL);
    mem_free(path);
}

static void
test_bench(void)
{
    struct err e = ERR_INIT, why = ERR_INIT;
    struct buf b = BUF_INIT(1 << 16);
    char *page = NULL, *text = NULL, *out = fs_join(dir, "csv"), *curves;
    struct matrix m;
    size_t len;
    FILE *f;

    put_bench(bench);
    ok(matrix_is(dir), "benchmark: is told from a run");
    is_int(matrix_read(&m, dir, &e), 0, "benchmark: is read");
    f = open_memstream(&page, &len);
    matrix_write(&m, f, &why);
    fclose(f);
    ok(strstr(page, "&lt;j&gt;") && strstr(page, "&lt;s&gt;") &&
           strstr(page, "&lt;v&gt;") && strstr(page, "2.00\xc3\x97") &&
           !strstr(page, "<s>") && !strstr(page, "<script"),
       "benchmark: a page, its text escaped");
    if (gnuplot_is_there()) {
        ok(why.code == ERR_OK, "benchmark: a policy's name draws nothing");
        is_int(count_text(page, "class=\"plot\""), 4, "benchmark: drawings");
    }
    f = open_memstream(&text, &len);
    matrix_write_text(&m, f);
    fclose(f);
    ok(strstr(text, "2.00") && strstr(text, "a'b\\x0aplot"),
       "benchmark: as text");
    is_int(matrix_write_csv(&m, out, &e), 0, "benchmark: data");
    curves = fs_join(out, "curves.csv");
    (void)fs_read(curves, &b, &e);
    ok(strstr(b.data, "\n<s>,job,\"a'b\nplot\",1,1,10,,0.5\n"),
       "benchmark: an evaluation");
    matrix_release(&m);
    put_bench("{\"format\": 2}");
    ok(matrix_read(&m, dir, &e) != 0 && e.code == ERR_CONFIG,
       "benchmark: another format is refused");
    err_clear(&e);
    put_bench("{\"format\": 1, \"groups\": 3, \"policies\": {}}");
    is_int(matrix_read(&m, dir, &e), 0, "benchmark: one without content");
    f = fopen("/dev/null", "w");
    matrix_write(&m, f, NULL);
    fclose(f);
    matrix_release(&m);
    free(page);
    free(text);
    mem_free(out);
    mem_free(curves);
    buf_release(&b);
}

int
main(void)
{
    if (!mkdtemp(dir))
        return 1;
    test_story();
    test_bad_streams();
    test_curve();
    test_gauge();
    test_account();
    test_units();
    test_resumed();
    test_labels();
    test_chrome();
    test_svg();
    test_svg_damaged();
    test_gnuplot();
    test_page();
    test_csv();
    test_bench();
    (void)fs_remove(dir, NULL);
    return done();
}
