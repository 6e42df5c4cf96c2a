/* SPDX-License-Identifier: Apache-2.0 */
#include "base/exact.h"
#include "base/json.h"
#include "nn/optim.h"

#include <math.h>
#include <string.h>

#define MAX_EPOCHS 1e9

static const char *const kind_names[] = {"constant", "step", "cosine", NULL};

static const char *const constant_keys[] = {"type", "warmup", NULL};
static const char *const step_keys[] = {"type", "warmup", "milestones", "gamma",
                                        NULL};
static const char *const cosine_keys[] = {"type", "warmup", "min_factor", NULL};

static int
milestones_parse(struct schedule *s, const struct jcur *schedule,
                 struct err *err)
{
    struct jcur list = jcur_key(schedule, "milestones");
    double before = 0;
    size_t n;

    if (jcur_array(&list, 1, &n, err) != 0)
        return -1;
    if (n > SCHEDULE_STEPS)
        return jcur_fail(&list, err, "expected at most %d milestones, got %zu",
                         SCHEDULE_STEPS, n);
    for (size_t i = 0; i < n; i++) {
        struct jcur at = jcur_at(&list, i);
        double epoch = json_number_value(at.v);

        /* "not above" catches a NaN and what is no number (0) as well */
        if (!(epoch > before) || epoch > MAX_EPOCHS)
            return jcur_fail(&at, err, "expected a number of epochs above %g",
                             before);
        s->milestones[i] = before = epoch;
    }
    s->n_milestones = (int)n;
    return 0;
}

int
schedule_parse(struct schedule *s, const struct jcur *schedule, struct err *err)
{
    static const char *const *const keys[] = {constant_keys, step_keys,
                                              cosine_keys};
    int kind = SCHEDULE_CONSTANT;

    memset(s, 0, sizeof *s);
    s->gamma = 0.1;
    if (!schedule->v)
        return 0;
    if (jcur_enum_or(schedule, "type", kind_names, &kind, err) != 0 ||
        jcur_object(schedule, keys[kind], err) != 0)
        return -1;
    s->kind = (enum schedule_kind)kind;
    if (jcur_num_or(schedule, "warmup", 0, MAX_EPOCHS, &s->warmup_epochs,
                    err) != 0)
        return -1;
    if (s->kind == SCHEDULE_STEP &&
        (milestones_parse(s, schedule, err) != 0 ||
         jcur_num_or(schedule, "gamma", 0, 1, &s->gamma, err) != 0))
        return -1;
    return jcur_num_or(schedule, "min_factor", 0, 1, &s->min_factor, err);
}

static double
step_factor(const struct schedule *s, double done)
{
    double factor = 1;

    for (int i = 0; i < s->n_milestones && done > s->milestones[i]; i++)
        factor *= s->gamma;
    return factor;
}

/* Half a cosine from the end of the warm-up to the end of training (Loshchilov
 * and Hutter 2017). */
static double
cosine_factor(const struct schedule *s, double done, double total)
{
    double span = total - s->warmup_epochs, at;

    if (!(span > 0))
        return 1;
    at = fmin(fmax((done - s->warmup_epochs) / span, 0), 1);
    return s->min_factor +
           (1 - s->min_factor) * (0.5 + 0.5 * exact_cos_turns(at / 2));
}

double
schedule_factor(const struct schedule *s, double epochs_done,
                double epochs_total)
{
    double warm = 1;

    if (epochs_done < s->warmup_epochs)
        warm = fmax(epochs_done, 0) / s->warmup_epochs;
    switch (s->kind) {
    case SCHEDULE_STEP:
        return warm * step_factor(s, epochs_done);
    case SCHEDULE_COSINE:
        return warm * cosine_factor(s, epochs_done, epochs_total);
    case SCHEDULE_CONSTANT:
        break;
    }
    return warm;
}
