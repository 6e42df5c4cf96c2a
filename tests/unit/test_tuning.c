/* SPDX-License-Identifier: Apache-2.0 */
/* The ways of a network: their text, what they compute, how they are chosen
 * and remembered. */
#include "base/buf.h"
#include "base/fs.h"
#include "job/tuning.h"
#include "net_fixture.h"
#include "nn/ways.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char convs[] =
    "{'type': 'conv2d', 'filters': 16, 'kernel': 3, 'padding': 1},"
    "{'type': 'batchnorm'}, {'type': 'relu'},"
    "{'type': 'conv2d', 'filters': 20, 'kernel': 5, 'padding': 2},"
    "{'type': 'relu'}, {'type': 'maxpool', 'kernel': 2},"
    "{'type': 'conv2d', 'filters': 24, 'kernel': 3, 'padding': 1},"
    "{'type': 'add', 'input': ['conv3', 'conv3']}, {'type': 'relu'},"
    "{'type': 'dense', 'units': 5}, {'type': 'softmax_cross_entropy'}";

static const char job_text[] =
    "{\"input\": [8, 12, 12], \"data\": {\"type\": \"blobs\"},"
    " \"batch\": %d, \"optimizer\": {\"lr\": 0.1}%s, \"layers\": ["
    "{\"type\": \"conv2d\", \"filters\": 16, \"kernel\": 3, \"padding\": 1},"
    "{\"type\": \"conv2d\", \"filters\": 16, \"kernel\": 3},"
    "{\"type\": \"dense\", \"units\": 4},"
    "{\"type\": \"softmax_cross_entropy\"}]}";

static struct job
new_job(int batch, const char *more)
{
    struct err e = ERR_INIT;
    char text[2048];
    struct job j;
    int n = snprintf(text, sizeof text, job_text, batch, more);

    if (job_parse(&j, "j", ".", text, (size_t)n, &e) != 0)
        die(e.text);
    return j;
}

static void
ways_of(const struct graph *g, char to[64])
{
    struct buf b = BUF_INIT(64);

    graph_get_ways(g, &b);
    snprintf(to, 64, "%s", b.data ? b.data : "");
    buf_release(&b);
}

static void
text_is_checked(void)
{
    static const char *const wrong[] = {
        "",         "nhwc",          "nhwc ddd",      "nhwc ddd dd",
        "nchw ddd", "nhwc ddd ddx ", "nhwc ddd dddd", "nhwc ddd ddd ddd",
    };
    struct job j = new_job(1, "");
    struct err e = ERR_INIT;
    char was[64], now[64];
    int bad = 0;

    ways_of(j.graph, was);
    is_str(was, "", "a graph begins by the rules");
    if (graph_set_ways(j.graph, "nhwc dwo odd", &(struct err)ERR_INIT) != 0)
        die("ways");
    ways_of(j.graph, was);
    is_str(was, "nhwc dwo odd", "ways are what was set");
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        err_clear(&e);
        bad +=
            graph_set_ways(j.graph, wrong[i], &e) == 0 || e.code != ERR_CONFIG;
        ways_of(j.graph, now);
        bad += strcmp(was, now) != 0;
    }
    is_int(bad, 0, "wrong texts are refused and change nothing");
    err_clear(&e);
    (void)graph_set_ways(j.graph, "nhwc ddd xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                         &e);
    ok(strstr(e.text, "got \"xxxxxxxx"), "long words are shown, not whole");
    job_release(&j);
}

/* In `ways`; the gradient is the caller's. */
static float *
gradient(const char *ways, int threads, double *loss, size_t *n)
{
    struct fixture f = fixture("[3, 13, 14]", convs, 6, threads);
    struct err e = ERR_INIT;
    float *g;

    net_free(f.net);
    if (graph_set_ways(f.graph, ways, &e) != 0)
        die(e.text);
    f.net = new_net(f.graph, threads);
    *loss = step(&f).loss;
    *n = f.t->n_floats;
    g = copy(f.grads, *n);
    release(&f);
    return g;
}

/* Rounding: 2e-5 of the largest gradient, for errors of a forward pass grow on
 * their way through the batch normalization (measured: below 1e-6). */
static void
ways_agree(void)
{
    static const char *const ways[] = {
        "blocked ddd ddd ddd", "nhwc ddd ddd ddd", "blocked ooo ooo ooo",
        "nhwc ooo ooo ooo",    "nhwc www www www", "nhwc ood dod ddo",
        "blocked oww wod dow",
    };
    double loss, other, top = 0, worst = 0;
    float *want, *got, *again;
    int unlike = 0;
    size_t n;

    want = gradient("rule ddd ddd ddd", 1, &loss, &n);
    for (size_t i = 0; i < n; i++)
        top = fmax(top, fabs((double)want[i]));
    for (size_t k = 0; k < ARRAY_LEN(ways); k++) {
        got = gradient(ways[k], 1 + (int)k % 2, &other, &n);
        again = gradient(ways[k], 1 + (int)k % 2, &other, &n);
        unlike += memcmp(got, again, n * sizeof *got) != 0;
        worst = fmax(worst, fabs(other / loss - 1));
        for (size_t i = 0; i < n; i++)
            if (!(fabs((double)got[i] - (double)want[i]) <= worst * top))
                worst = fabs((double)got[i] - (double)want[i]) / top;
        mem_free(got);
        mem_free(again);
    }
    ok(worst < 2e-5, "all ways compute the same (%.1e)", worst);
    is_int(unlike, 0, "and each the same bits again");
    mem_free(want);
}

static enum tuning_source
choose(struct job *j, enum tuning_effort effort, bool exact)
{
    const struct tuning t = {.effort = effort, .exact = exact};
    enum tuning_source source;
    struct err e = ERR_INIT;

    if (tuning_choose(j, &t, &source, &e) != 0)
        die(e.text);
    return source;
}

/* What a new job of the same text is given, and from where. */
static enum tuning_source
chosen(int batch, enum tuning_effort effort, bool exact, char ways[64])
{
    struct job j = new_job(batch, "");
    enum tuning_source source = choose(&j, effort, exact);

    ways_of(j.graph, ways);
    job_release(&j);
    return source;
}

static void
choice_is_recorded(void)
{
    struct buf text = BUF_INIT(1 << 16);
    struct job j = new_job(256, ""), copy;
    struct err e = ERR_INIT;
    char a[64], b[64];

    is_int(choose(&j, TUNING_QUICK, false), TUNING_MEASURED,
           "what nobody knows is measured");
    if (job_dump(&j, &text, &e) != 0 ||
        job_parse(&copy, "job.json", ".", text.data, text.len, &e) != 0)
        die(e.text);
    ways_of(j.graph, a);
    ways_of(copy.graph, b);
    ok(*a != '\0', "something was chosen");
    is_str(b, a, "who gets the effective job takes the same");
    is_int(choose(&copy, TUNING_FULL, true), TUNING_JOB, "and keeps it");
    if (tuning_forget(&copy, &e) != 0)
        die(e.text);
    is_int(choose(&copy, TUNING_QUICK, true), TUNING_MEASURED,
           "until it is forgotten");
    ways_of(copy.graph, b);
    ok(!strpbrk(strchr(b, ' '), "wo"), "exact is direct (%s)", b);
    buf_release(&text);
    job_release(&j);
    job_release(&copy);
}

static void
spoil(const char *folder, const char *with)
{
    struct err e = ERR_INIT;
    char **name, *path;
    size_t n;

    if (fs_list(folder, &name, &n, &e) != 0)
        die(e.text);
    for (size_t i = 0; i < n; i++) {
        path = fs_join(folder, name[i]);
        if (!path || fs_write(path, with, strlen(with), &e) != 0)
            die(e.text);
        mem_free(path);
    }
    fs_names_free(name, n);
}

/* Who opened it as a file would wait for a writer for ever. */
static void
pipe_is_no_memory(const char *folder)
{
    struct err e = ERR_INIT;
    char **name, ways[64];
    size_t n;

    if (fs_list(folder, &name, &n, &e) != 0)
        die(e.text);
    for (size_t i = 0; i < n; i++) {
        char *path = fs_join(folder, name[i]);

        if (!path || fs_remove(path, &e) != 0 || mkfifo(path, 0600) != 0)
            die("mkfifo");
        mem_free(path);
    }
    fs_names_free(name, n);
    alarm(60);
    is_int(chosen(256, TUNING_QUICK, false, ways), TUNING_MEASURED,
           "a pipe in the place of the memory is not waited for");
    alarm(0);
    is_int(chosen(256, TUNING_QUICK, false, ways), TUNING_CACHE,
           "and a file takes its place");
}

static void
choice_is_remembered(const char *folder)
{
    static const char *const damage[] = {
        "", "{", "[]", "{\"key\": \"x\", \"ways\": \"nhwc ddd ddd\"}",
        "{\"ways\": 7}"};
    char a[64], b[64];
    int bad = 0;

    is_int(chosen(256, TUNING_QUICK, false, a), TUNING_CACHE,
           "the next run remembers");
    is_int(chosen(300, TUNING_QUICK, false, b), TUNING_MEASURED,
           "but not for another mini-batch");
    for (size_t i = 0; i < ARRAY_LEN(damage); i++) {
        spoil(folder, damage[i]);
        bad += chosen(256, TUNING_QUICK, false, a) != TUNING_MEASURED;
        bad += chosen(256, TUNING_QUICK, false, b) != TUNING_CACHE;
        bad += strcmp(a, b) != 0;
    }
    is_int(bad, 0, "a damaged memory is measured and written anew");
    pipe_is_no_memory(folder);
    is_int(chosen(256, TUNING_OFF, false, a), TUNING_RULES, "off is off");
    is_str(a, "", "and leaves the rules");
    is_int(chosen(1, TUNING_QUICK, false, a), TUNING_RULES,
           "a small step is not worth it");
    setenv("XDG_CACHE_HOME", "/proc/none", 1);
    is_int(chosen(256, TUNING_QUICK, false, a), TUNING_MEASURED,
           "without a memory the run goes on");
}

int
main(void)
{
    char home[] = "/tmp/test-tuning-XXXXXX", folder[64];
    struct err e = ERR_INIT;

    if (!mkdtemp(home))
        die("mkdtemp");
    setenv("XDG_CACHE_HOME", home, 1);
    snprintf(folder, sizeof folder, "%s/ebsp", home);
    text_is_checked();
    ways_agree();
    choice_is_recorded();
    choice_is_remembered(folder);
    if (fs_remove(home, &e) != 0)
        die(e.text);
    return done();
}
