/* SPDX-License-Identifier: Apache-2.0 */
/* A scenario: unequal machines, slow links, machines that are lost; a JSON file
 * that ebsp-bench(1) documents. */
#ifndef EBSP_STUDY_SCENARIO_H
#define EBSP_STUDY_SCENARIO_H

#include "base/json.h"
#include "job/emulation.h"

#include <stddef.h>
#include <stdint.h>

struct err;
struct sim_config;
struct sim_loss;
struct sim_path;
struct speeds;

struct scenario_kill {
    uint32_t rank;
    double at; /* share of all samples that are done: 0..1 */
};

struct scenario {
    struct json_doc doc; /* everything, and traces within it */
    const char *name;    /* of doc */
    const char *description;
    uint32_t workers; /* 0: the job's */
    struct emulation emulation;
    struct scenario_kill *kill;
    size_t n_kills;
    double latency_ms, gbit_per_s, apply_ms; /* of the simulator */
    uint64_t bytes;                          /* 0: the job's parameters */
};

#define SCENARIO_PACE_MS 100.0 /* in virtual time, when nobody says */

/* A file, or the name of an installed scenario. */
int scenario_load(struct scenario *s, const char *path, struct err *err);
/* Nothing is emulated; its name is "plain". */
int scenario_init_plain(struct scenario *s, struct err *err);
int scenario_parse(struct scenario *s, const char *name, const char *dir,
                   const char *text, size_t len, struct err *err);
void scenario_release(struct scenario *s);

/* It is about workers below n, and one is left. */
int scenario_check(const struct scenario *s, uint32_t n, struct err *err);
/* And virtual time knows all that it emulates. */
int scenario_check_virtual(const struct scenario *s, uint32_t n,
                           struct err *err);

/* The scenario in the simulator's terms. */
struct scenario_model {
    struct speeds *speeds;
    struct sim_path *path;
    struct sim_loss *loss;
};
/* For n workers, of a job with so many samples in all and so many bytes of
 * parameters.  pace_ms: 0: the scenario's.  c->speeds and what follows from the
 * scenario is set in *c and lives as long as *m. */
int scenario_model(const struct scenario *s, struct scenario_model *m,
                   struct sim_config *c, double pace_ms, uint64_t samples,
                   uint64_t bytes, struct err *err);
void scenario_model_release(struct scenario_model *m);

#endif
