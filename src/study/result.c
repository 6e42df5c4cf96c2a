/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "study/study.h"

#include <math.h>
#include <string.h>

json_t *
result_number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

json_t *
result_point(double seconds, uint64_t samples, double loss, double accuracy)
{
    return json_pack("{s:o, s:I, s:o, s:o}", "seconds", result_number(seconds),
                     "samples", (json_int_t)samples, "loss",
                     result_number(loss), "accuracy", result_number(accuracy));
}

double
result_get(const json_t *result, const char *key)
{
    const json_t *v = json_object_get(result, key);

    return json_is_number(v) ? json_number_value(v) : NAN;
}

bool
result_is(const json_t *result, const char *status)
{
    const char *s = json_string_value(json_object_get(result, "status"));

    return s && !strcmp(s, status);
}

int
result_take_curve(json_t *result, json_t *curve)
{
    double best = NAN, last = NAN, loss = NAN;
    size_t i;
    json_t *point;
    int r = 0;

    json_array_foreach(curve, i, point)
    {
        double accuracy = result_get(point, "accuracy");

        best = fmax(best, accuracy); /* the other one when one is NAN */
        last = accuracy;
        loss = result_get(point, "loss");
    }
    r |= json_object_set_new(result, "final_accuracy", result_number(last));
    r |= json_object_set_new(result, "final_loss", result_number(loss));
    r |= json_object_set_new(result, "best_accuracy", result_number(best));
    r |= json_object_set_new(result, "curve", curve);
    return r;
}

json_t *
result_failed(const struct err *why, json_t *curve)
{
    json_t *v = json_pack("{s:s, s:o}", "status",
                          why->code == ERR_DIVERGED ? "diverged" : "failed",
                          "failure", json_text(why->text));

    if (!v) {
        json_decref(curve);
        return NULL;
    }
    /* what it would have reached is not known */
    if (result_take_curve(v, curve ? curve : json_array()) == 0 &&
        json_object_set_new(v, "final_accuracy", json_null()) == 0 &&
        json_object_set_new(v, "final_loss", json_null()) == 0)
        return v;
    json_decref(v);
    return NULL;
}

double
result_time_to(const json_t *result, double accuracy)
{
    double before = NAN, at = NAN; /* of the evaluation before */
    size_t i;
    json_t *point;

    if (!(accuracy > 0))
        return NAN;
    json_array_foreach(json_object_get(result, "curve"), i, point)
    {
        double a = result_get(point, "accuracy");
        double t = result_get(point, "seconds");

        if (a >= accuracy)
            return before < accuracy
                       ? at + (t - at) * (accuracy - before) / (a - before)
                       : t;
        before = a;
        at = t;
    }
    return NAN;
}
