/* SPDX-License-Identifier: Apache-2.0 */
/* Optimizers on flat vectors, learning-rate schedules, gradient clipping. */
#ifndef EBSP_NN_OPTIM_H
#define EBSP_NN_OPTIM_H

#include "nn/optim_kernels.h"
#include "nn/segment.h"

#include <stdbool.h>
#include <stdint.h>

struct err;
struct jcur;

enum optim_kind { OPTIM_SGD, OPTIM_ADAM, OPTIM_ADAMW };

/* "optimizer" of a job; ERR_CONFIG with position and path.  Formulas and
 * defaults are PyTorch's, but for weight decay: it applies to SEGMENT_WEIGHT
 * only. */
struct optim_config {
    enum optim_kind kind;
    double lr;
    double momentum; /* sgd */
    bool nesterov;   /* sgd */
    double weight_decay;
    double beta1, beta2, epsilon; /* adam, adamw */
    double clip_value;            /* each element; 0: off, as for clip_norm */
    double clip_norm; /* L2 over all trained numbers; after clip_value */
};
int optim_config_parse(struct optim_config *c, const struct jcur *optimizer,
                       struct err *err);

/* "schedule" of a job: a factor of the learning rate, a function of samples
 * consumed, never of updates (policies.md, common ground). */
enum schedule_kind { SCHEDULE_CONSTANT, SCHEDULE_STEP, SCHEDULE_COSINE };
#define SCHEDULE_STEPS 16
struct schedule {
    enum schedule_kind kind;
    double warmup_epochs;              /* linear from 0 (exclusive) to 1 */
    double milestones[SCHEDULE_STEPS]; /* epochs */
    int n_milestones;
    double gamma;      /* factor at each milestone */
    double min_factor; /* cosine: at the end */
};
/* An absent "schedule" is constant. */
int schedule_parse(struct schedule *s, const struct jcur *schedule,
                   struct err *err);
/* epochs_done counts the samples of the update that the factor is for, too: a
 * warm-up begins above 0, a milestone is the end of its epoch, and the cosine
 * runs from the end of the warm-up to min_factor at the last update. */
double schedule_factor(const struct schedule *s, double epochs_done,
                       double epochs_total);

/* State: `n_planes` flat vectors beside the parameters (momentum; m and v),
 * and the number of updates. */
struct optim;
/* The segments of the table are borrowed. */
struct optim *optim_new(const struct optim_config *c, const struct segtab *t,
                        struct err *err);
void optim_free(struct optim *o);
/* params moves by one update with gradient grad (overwritten by clip_value) at
 * learning rate lr.  SEGMENT_STAT: p += momentum * (g - p).  Elements are
 * independent of each other but for the norm of clipping; gaps stay zero; the
 * same input gives the same bits on every machine. */
void optim_update(struct optim *o, float *params, float *grad, double lr);

/* The same in pieces, which may be taken by several threads: every element is
 * for itself.  The gradient is what clip_value has left, and clip_norm is the
 * caller's, who tells the factor that it takes (optim_clip_factor); where
 * nothing is clipped it is 1. */
struct optim_step {
    struct sgd_factors sgd;
    struct adam_factors adam;
    double lr;
};
bool optim_is_clipping_norm(const struct optim *o);
/* From the norm of the whole gradient. */
double optim_clip_factor(const struct optim *o, double norm);
/* Counts the update. */
void optim_begin(struct optim *o, double lr, double clip_factor,
                 struct optim_step *step);
/* Elements first .. first + n - 1 of one segment: p and g point at them; g is
 * overwritten by clip_value. */
void optim_move(struct optim *o, const struct optim_step *step,
                const struct segment *seg, size_t first, size_t n, float *p,
                float *g);
void optim_clip_value(const struct optim *o, const struct segment *seg,
                      float *g, size_t n);

int optim_planes(const struct optim *o);
/* "momentum"; "first_moment", "second_moment" */
const char *optim_plane_name(const struct optim *o, int plane);
float *optim_plane(struct optim *o, int plane);
uint64_t optim_get_count(const struct optim *o);
void optim_set_count(struct optim *o, uint64_t n_updates);
/* L2 norm over trained segments. */
double optim_norm(const struct segtab *t, const float *grad);

#endif
