/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of ebsp check share: what has been found out about the
 * machines of a run, and what is to be said about it. */
#ifndef EBSP_CMD_CHECK_H
#define EBSP_CMD_CHECK_H

#include "base/err.h"
#include "cmd/cluster.h"
#include "cmd/emulate.h"
#include "cmd/overrides.h"
#include "job/job.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct check_options {
    const char *job, *data_dir;
    struct overrides overrides;
    struct emulate_options emulate;
    struct cluster_options cluster;
    bool json, verbose;
};

/* ---- what is said -------------------------------------------------------- */

enum check_verdict { CHECK_OK, CHECK_WARNING, CHECK_ERROR };

struct check_finding {
    enum check_verdict verdict;
    enum err_code code;  /* of an error: the exit status */
    const char *subject; /* "clock"; static */
    const char *advice;  /* how to put it right; static, may be "" */
    char *text;          /* what is so, and why */
};

struct check_findings {
    struct check_finding *v;
    size_t n;
    bool incomplete; /* out of memory */
};

/* subject and advice are borrowed. */
void check_note(struct check_findings *f, enum check_verdict verdict,
                enum err_code code, const char *subject, const char *advice,
                const char *fmt, ...) __attribute__((format(printf, 6, 7)));
enum check_verdict check_worst(const struct check_findings *f);
void check_findings_release(struct check_findings *f);

/* ---- what is known ------------------------------------------------------- */

/* What a probe has said.  Numbers are NAN, texts "" while they are not known.
 */
struct check_facts {
    char version[32], kernel[128], machine[64];
    char cpu_model[128], cpu_features[256], data_hash[17], no_speed[256];
    double cpus, load, memory_total, memory_available;
    double disk_here, disk_data, disk_cache; /* bytes that are free */
    double data_cached;                      /* 0: will be sent */
    double setup_s, steps, step_s;
    double clock_ns; /* real time there */
    /* of the link that was measured last */
    double port, rtt_s, rtt_min_s, up_bytes_per_s, down_bytes_per_s;
    char seen_as[64]; /* "192.0.2.7:4711" */
};
void check_facts_init(struct check_facts *f);

/* One line of a probe, without JOIN_ANSWER: a fact, or what it is the end of.
 * A fact that is malformed or unknown is an error (ERR_PROTO). */
enum check_answer {
    CHECK_FACT,
    CHECK_READY,
    CHECK_DONE,
    CHECK_FAILED,
    CHECK_BAD
};
/* DONE, FAILED: of which question; FAILED: why. */
struct check_end {
    char question[16];
    struct err why;
};
enum check_answer check_read(struct check_facts *f, const char *line,
                             struct check_end *end, struct err *err);

enum check_state {
    CHECK_STARTING, /* it has not said that it is ready */
    CHECK_ASKED,
    CHECK_IDLE, /* all questions of this phase are answered */
    CHECK_GONE
};

/* One for each host; the first is this machine. */
struct check_node {
    const char *name; /* borrowed */
    uint32_t slots;   /* 0: not among the hosts: only the coordinator */
    uint32_t workers; /* that would run there */
    bool is_remote;   /* not this machine, so encrypted */
    double slow;      /* emulated */
    char slow_text[32];

    enum check_state state;
    char question[16];
    int64_t deadline_ns; /* of the answer; 0: none yet */
    int64_t asked_ns;    /* real time */
    int n_clocks;        /* how often it was asked */
    double clock_s;      /* its clock minus ours; NAN: not known, ... */
    double clock_error_s;
    bool computed; /* was asked to */
    char address[ROUTE_CAP];
    struct check_facts facts;
    struct check_findings findings;
    double slowdown; /* its step by that of the median; NAN: not known */
};

enum check_link_state {
    CHECK_LINK_WAITS,
    CHECK_LINK_LISTENS,
    CHECK_LINK_RUNS,
    CHECK_LINK_DONE
};

struct check_link {
    size_t from, to; /* nodes: who connects, who listens */
    enum check_link_state state;
    bool encrypted, measured;
    double rtt_s, rtt_min_s, up_bytes_per_s, down_bytes_per_s;
    char error[200]; /* why not */
    bool absent;     /* not even tried: one of the two is not there */
};

struct check {
    const struct check_options *options;
    struct job job;
    struct cluster cluster;
    uint64_t data_hash;
    double data_bytes, model_bytes, checkpoint_bytes; /* of one */
    struct check_node *node;
    size_t n_nodes;
    struct check_link *link;
    size_t n_links;
    double median_step_s; /* NAN: not known */
    int signal;           /* interrupted by, or 0 */
};

/* ---- check.c ------------------------------------------------------------- */

/* Finds everything out.  -1 also when it was interrupted (c->signal).  *c is
 * to be released in any case. */
int check_look(struct check *c, const struct check_options *o, struct err *err);
void check_release(struct check *c);

/* ---- check_run.c: asks all of them --------------------------------------- */

/* Fills what is known; what hosts do wrong becomes a finding.  An error only
 * when nothing could be done. */
int check_run(struct check *c, struct err *err);

/* ---- check_links.c ------------------------------------------------------- */

/* Above so many machines not every pair is measured, but each with this one
 * and with the next. */
#define CHECK_ALL_PAIRS 8
int check_links_make(struct check *c, struct err *err);
/* The questions to both sides of a link: "listen ..." and "link ...". */
void check_links_ask_to(const struct check *c, const struct check_link *l,
                        char to[160]);
void check_links_ask_from(const struct check *c, const struct check_link *l,
                          char to[160]);

/* ---- check_judge.c: pure ------------------------------------------------- */

/* One more answer to "clock": sent, said there and received at these real
 * times.  The shortest way tells most. */
void check_clock(struct check_node *n, int64_t sent_ns, int64_t there_ns,
                 int64_t received_ns);
/* The lower one of two in the middle, NANs left out; NAN when none is left. */
double check_median(const double *v, size_t n);
/* From facts to findings. */
void check_judge(struct check *c);

/* ---- check_report.c, check_json.c ---------------------------------------- */

void check_print(FILE *to, const struct check *c);
int check_print_json(FILE *to, const struct check *c, struct err *err);
/* The first error, or ERR_OK. */
void check_first_error(const struct check *c, struct err *err);
extern const char *const check_verdicts[];

#endif
