/* SPDX-License-Identifier: Apache-2.0 */
/* What ebsp check makes of what it is told. */
#include "base/mem.h"
#include "base/rng.h"
#include "cmd/check.h"
#include "tap.h"
#include "wire/join.h"

#include <math.h>

#define GIB 1073741824.0

/* ---- statistics ---------------------------------------------------------- */

static void
median(void)
{
    double v[] = {5, 1, NAN, 3, 2, NAN};

    ok(isnan(check_median(v, 0)), "of nothing: not known");
    ok(isnan(check_median(v + 2, 1)), "of what is not known: not known");
    ok(check_median(v, 2) == 1, "of two the lower one: the faster host");
    ok(check_median(v, 6) == 2, "of four the second one");
    ok(v[0] == 5 && isnan(v[2]), "the values stay where they are");
}

static void
clock_offset(void)
{
    struct check_node n = {.clock_s = NAN};
    const int64_t s = 1000000000;

    check_clock(&n, 100 * s, 103 * s, 102 * s);
    ok(n.clock_s == 2 && n.clock_error_s == 1, "half way: ahead by 2 s +- 1");
    check_clock(&n, 200 * s, 190 * s, 204 * s);
    ok(n.clock_s == 2, "a slower answer says less");
    check_clock(&n, 300 * s, 301 * s + s / 10, 300 * s + s / 5);
    ok(fabs(n.clock_s - 1) < 1e-9 && fabs(n.clock_error_s - 0.1) < 1e-9,
       "a faster one says more");
    check_clock(&n, 400 * s, 0, 399 * s);
    ok(fabs(n.clock_s - 1) < 1e-9, "our clock was set back: says nothing");
}

/* ---- answers ------------------------------------------------------------- */

static enum check_answer
read_line(struct check_facts *f, const char *line, struct check_end *end)
{
    struct err err = ERR_INIT;
    enum check_answer a = check_read(f, line, end, &err);

    if ((a == CHECK_BAD) != (err.code == ERR_PROTO))
        return (enum check_answer) - 1;
    return a;
}

static void
answers(void)
{
    static const char *const bad[] = {
        "",
        "cpus",
        "cpus ",
        "cpus many",
        "cpus nan",
        "cpus -1",
        "cpus 1e19",
        "cpus 0x10 ",
        "cpu 1",
        "cpuss 1",
        "failed",
        "failed data",
        "ready x",
        "failed data ",
        "failed data 3",
        "failed data 0 x",
        "done aaaaaaaaaaaaaaaaaaaaaaa", /* longer than any question */
        "failed data 71 x",
        "failed data 3x x"};
    struct check_facts f;
    struct check_end end;
    char line[600];

    check_facts_init(&f);
    ok(isnan(f.cpus) && isnan(f.clock_ns) && !*f.kernel, "nothing is known");
    is_int(read_line(&f, "cpus 16", &end), CHECK_FACT, "a number");
    is_int(read_line(&f, "kernel Linux 6.1 x86_64", &end), CHECK_FACT,
           "a text");
    ok(f.cpus == 16 && isnan(f.load), "only that one is known now");
    is_str(f.kernel, "Linux 6.1 x86_64", "the whole text");
    is_int(read_line(&f, "ready", &end), CHECK_READY, "ready");
    is_int(read_line(&f, "done data", &end), CHECK_DONE, "done");
    is_str(end.question, "data", "with what");
    is_int(read_line(&f, "failed data 3 no such file", &end), CHECK_FAILED,
           "failed");
    ok(end.why.code == ERR_CONFIG &&
           strcmp(end.why.text, "no such file") == 0 &&
           strcmp(end.question, "data") == 0,
       "what, how and why");
    memset(line, 'x', sizeof line);
    memcpy(line, "kernel ", 7);
    line[sizeof line - 1] = '\0';
    is_int(read_line(&f, line, &end), CHECK_FACT, "a text that is too long");
    is_int(strlen(f.kernel), sizeof f.kernel - 1, "is cut");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ok(read_line(&f, bad[i], &end) == CHECK_BAD, "refused: \"%s\"", bad[i]);
    ok(f.cpus == 16, "and nothing of it is believed");
}

static void
any_bytes(void)
{
    static const char *const words[] = {"cpus",   "failed", "done", "ready",
                                        "kernel", "data",   " ",    "3"};
    unsigned long long seed = tap_seed(1);
    struct check_facts f;
    struct check_end end;
    struct rng r;
    int wrong = 0;

    rng_init(&r, seed);
    check_facts_init(&f);
    for (int i = 0; i < 20000; i++) {
        char line[400] = "";
        size_t n = 0, parts = rng_below(&r, 8);

        for (size_t k = 0; k < parts; k++) {
            if (rng_below(&r, 3) > 0)
                n += (size_t)snprintf(line + n, sizeof line - n, "%s%s",
                                      words[rng_below(&r, ARRAY_LEN(words))],
                                      rng_below(&r, 2) ? " " : "");
            else
                line[n++] = (char)(1 + rng_below(&r, 255));
            line[n] = '\0';
        }
        wrong += read_line(&f, line, &end) > CHECK_BAD;
    }
    is_int(wrong, 0, "any line: an answer, or refused with ERR_PROTO");
}

/* ---- links --------------------------------------------------------------- */

static size_t
count_links(size_t n_nodes)
{
    struct check c = {.n_nodes = n_nodes};
    struct err err = ERR_INIT;
    size_t n, wrong = 0;

    if (check_links_make(&c, &err) != 0)
        return 0;
    for (size_t i = 0; i < c.n_links; i++)
        for (size_t k = 0; k < i; k++)
            wrong += (c.link[i].from == c.link[k].from &&
                      c.link[i].to == c.link[k].to) ||
                     c.link[i].from == c.link[i].to;
    n = wrong ? 0 : c.n_links;
    mem_free(c.link);
    return n;
}

static void
links(void)
{
    is_int(count_links(2), 1, "two machines: one pair");
    is_int(count_links(8), 28, "8 machines: all pairs");
    is_int(count_links(9), 16, "more: each with the first, and a ring");
    is_int(count_links(1000), 1998, "as many as can be waited for");
}

/* ---- verdicts ------------------------------------------------------------ */

/* Three hosts with nothing wrong. */
static void
make_good(struct check *c, struct check_node *node, struct check_link *link)
{
    memset(c, 0, sizeof *c);
    c->node = node;
    c->n_nodes = 3;
    c->link = link;
    c->n_links = 2;
    c->job.threads = 2;
    c->job.checkpoint_keep = 3;
    c->data_hash = 0xabc;
    c->data_bytes = c->model_bytes = c->checkpoint_bytes = 1e6;
    for (size_t i = 0; i < 3; i++) {
        struct check_facts *f = &node[i].facts;

        node[i] = (struct check_node){
            .name = "node", .slots = 2, .workers = 2, .slowdown = NAN};
        check_facts_init(f);
        snprintf(f->version, sizeof f->version, "%s", join_version());
        snprintf(f->data_hash, sizeof f->data_hash, "0000000000000abc");
        f->cpus = 4;
        f->load = 0;
        f->memory_total = f->memory_available = GIB;
        f->disk_here = f->disk_cache = GIB;
        f->step_s = 0.1;
    }
    for (size_t i = 0; i < 2; i++)
        link[i] = (struct check_link){.from = i + 1,
                                      .state = CHECK_LINK_DONE,
                                      .measured = true,
                                      .rtt_s = 1e-4,
                                      .up_bytes_per_s = 1e9,
                                      .down_bytes_per_s = 1e9};
}

/* Judges; whether the second host has exactly this one finding, and the others
 * have none. */
static bool
is_only(struct check *c, enum check_verdict verdict, enum err_code code,
        const char *subject)
{
    const struct check_findings *f = &c->node[1].findings;
    struct err first = ERR_INIT;
    bool good;

    check_judge(c);
    check_first_error(c, &first);
    good = c->node[0].findings.n == 0 && c->node[2].findings.n == 0 &&
           first.code == code;
    if (verdict == CHECK_OK)
        good = good && f->n == 0;
    else
        good = good && f->n == 1 && f->v[0].verdict == verdict &&
               f->v[0].code == code && strcmp(f->v[0].subject, subject) == 0 &&
               check_worst(f) == verdict;
    for (size_t i = 0; i < c->n_nodes; i++)
        check_findings_release(&c->node[i].findings);
    return good;
}

static void
verdicts(void)
{
    struct check_node node[3];
    struct check_link link[2];
    struct check_facts *f = &node[1].facts;
    struct check c;

#define WHEN(change, verdict, code, subject, name)                             \
    do {                                                                       \
        make_good(&c, node, link);                                             \
        change;                                                                \
        ok(is_only(&c, verdict, code, subject), name);                         \
    } while (0)
    WHEN((void)0, CHECK_OK, ERR_OK, "", "nothing is wrong");
    WHEN(f->step_s = 0.129, CHECK_OK, ERR_OK, "", "1.29 times as slow is not");
    WHEN(f->step_s = 0.14, CHECK_WARNING, ERR_OK, "slow node", "1.4 times is");
    WHEN(f->data_hash[0] = 'f', CHECK_ERROR, ERR_CONFIG, "data", "other data");
    WHEN(f->version[0] = '9', CHECK_WARNING, ERR_OK, "version",
         "another version");
    WHEN(f->cpus = 3, CHECK_WARNING, ERR_OK, "processors",
         "too few processors");
    WHEN(f->load = 2, CHECK_WARNING, ERR_OK, "load", "others compute there");
    WHEN(f->memory_available = 5e6, CHECK_WARNING, ERR_OK, "memory",
         "little memory");
    WHEN((f->data_cached = 0, f->disk_cache = 9e5), CHECK_ERROR, ERR_SYS,
         "disk", "no room for data that is to be sent");
    WHEN(f->disk_cache = 9e5, CHECK_OK, ERR_OK, "", "none is sent: no matter");
    WHEN((node[1].clock_s = -1.6, node[1].clock_error_s = 0.5), CHECK_WARNING,
         ERR_OK, "clock", "a clock that is wrong for sure");
    WHEN((node[1].clock_s = -1.6, node[1].clock_error_s = 0.7), CHECK_OK,
         ERR_OK, "", "one that may be right");
    WHEN(link[0].measured = false, CHECK_ERROR, ERR_SYS, "network",
         "no way to the coordinator");
    WHEN((link[0].measured = false, link[0].to = 2), CHECK_WARNING, ERR_OK,
         "network", "no way to another worker");
    WHEN((link[0].measured = false, link[0].absent = true), CHECK_OK, ERR_OK,
         "", "of one that is absent its own finding tells");
    WHEN(link[0].up_bytes_per_s = 5e6, CHECK_WARNING, ERR_OK, "network",
         "an exchange that takes longer than computing");
#undef WHEN
    make_good(&c, node, link);
    node[0].facts.disk_here = 3.9e6; /* 3 are kept, one is written */
    check_judge(&c);
    ok(node[0].findings.n == 1 && node[0].findings.v[0].code == ERR_SYS,
       "no room for checkpoints here");
    check_findings_release(&node[0].findings);
    make_good(&c, node, link);
    for (size_t i = 0; i < 3; i++)
        check_facts_init(&node[i].facts);
    check_judge(&c);
    ok(check_worst(&node[0].findings) == CHECK_OK,
       "what is not known is not held against anybody");
    for (size_t i = 0; i < 3; i++)
        check_findings_release(&node[i].findings);
}

int
main(void)
{
    median();
    clock_offset();
    answers();
    any_bytes();
    links();
    verdicts();
    return done();
}
