/* SPDX-License-Identifier: Apache-2.0 */
#include "io/link.h"

#include "base/err.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

#define NS_PER_MS    1e6
#define NS_PER_S     1e9
#define BUCKET       (10 * LINK_SEGMENT)
#define FAST_BEHIND  (3 * LINK_SEGMENT) /* three duplicate ACKs */
#define MIN_RTO_NS   INT64_C(200000000)
#define MAX_LOSSES   4 /* of one segment */
#define MAX_DELAY_MS 2000
#define MIN_RATE     1e3 /* bytes/s: a segment in 1.5 s */
#define MAX_RATE     1.25e11
#define MAX_LOSS     50 /* percent */

/* ---- text ---------------------------------------------------------------- */

/* A number that ends the text, or is followed by `unit`. */
static bool
read_number(const char *text, const char *unit, double *v)
{
    char *end;

    *v = strtod(text, &end);
    return end != text && (!*end || !strcmp(end, unit));
}

/* Bytes per second. */
static bool
read_rate(const char *text, double *v)
{
    static const struct {
        const char *name;
        double bytes_per_s;
    } units[] = {{"kbit", 125}, {"mbit", 125e3}, {"gbit", 125e6}, {"", 125e3}};
    char *end;

    *v = strtod(text, &end);
    if (end == text)
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t n = strlen(units[i].name);

        if (!strncmp(end, units[i].name, n) &&
            (!end[n] || (n && !strcmp(end + n, "/s")))) {
            *v *= units[i].bytes_per_s;
            return true;
        }
    }
    return false;
}

static int
read_key(struct link_spec *to, const char *key, const char *value,
         struct err *err)
{
    double v = 0;

    if (!strcmp(key, "delay")) {
        if (!read_number(value, "ms", &v) || !(v >= 0 && v <= MAX_DELAY_MS))
            return err_set(err, ERR_USAGE,
                           "delay=%.40s: expected 0 to %d milliseconds", value,
                           MAX_DELAY_MS);
        to->delay_ns = (int64_t)(v * NS_PER_MS);
        return 0;
    }
    if (!strcmp(key, "rate")) {
        if (!read_rate(value, &v) || !(v >= MIN_RATE && v <= MAX_RATE))
            return err_set(err, ERR_USAGE,
                           "rate=%.40s: expected 8kbit to 1000gbit, for "
                           "example 100mbit",
                           value);
        to->bytes_per_s = v;
        return 0;
    }
    if (!strcmp(key, "loss")) {
        if (!read_number(value, "%", &v) || !(v >= 0 && v <= MAX_LOSS))
            return err_set(err, ERR_USAGE,
                           "loss=%.40s: expected 0 to %d percent", value,
                           MAX_LOSS);
        to->loss = v / 100;
        return 0;
    }
    return err_set(err, ERR_USAGE,
                   "\"%.40s\": expected delay=MS, rate=MBIT or loss=PERCENT",
                   key);
}

int
link_parse(struct link_spec *to, const char *text, struct err *err)
{
    *to = (struct link_spec){0};
    if (!strcmp(text, "none"))
        return 0;
    for (;;) {
        size_t n = strcspn(text, ",");
        char one[64], *eq;

        if (!str_printf(one, sizeof one, "%.*s", (int)(n < 64 ? n : 64), text))
            return err_set(err, ERR_USAGE, "\"%.40s\" is too long", text);
        eq = strchr(one, '=');
        if (!eq)
            return err_set(err, ERR_USAGE,
                           "\"%s\": expected delay=MS, rate=MBIT, loss=PERCENT "
                           "or none",
                           one);
        *eq = '\0';
        if (read_key(to, one, eq + 1, err) != 0)
            return -1;
        if (!text[n])
            return 0;
        text += n + 1;
    }
}

bool
link_is_none(const struct link_spec *s)
{
    return !s->delay_ns && !(s->bytes_per_s > 0) && !(s->loss > 0);
}

/* ---- time ---------------------------------------------------------------- */

void
link_init(struct link *l, const struct link_spec *s, uint64_t seed,
          uint64_t stream)
{
    *l = (struct link){.spec = *s};
    rng_init_key(&l->rng, seed, RNG_LINK, stream, 0);
}

/* The bucket is emptied by n bytes; when do they leave?  It holds what fits in
 * `depth` of time, so it is told by when it would be full. */
static int64_t
leave(struct link *l, size_t n, int64_t now_ns)
{
    double per_byte = NS_PER_S / l->spec.bytes_per_s;
    int64_t depth = (int64_t)((double)BUCKET * per_byte);

    if (l->full_ns < now_ns)
        l->full_ns = now_ns;
    l->full_ns += (int64_t)((double)n * per_byte);
    return l->full_ns - depth > now_ns ? l->full_ns - depth : now_ns;
}

/* How much later a segment arrives for being lost now and then. */
static int64_t
send_again(struct link *l, size_t behind)
{
    int64_t trip = 2 * l->spec.delay_ns, rto = MIN_RTO_NS + trip, late = 0;

    for (int i = 0; i < MAX_LOSSES && rng_unit(&l->rng) < l->spec.loss; i++) {
        if (i == 0 && behind >= FAST_BEHIND) {
            late += trip;
        } else {
            late += rto;
            rto *= 2;
        }
    }
    return late;
}

int64_t
link_pass(struct link *l, size_t n, size_t behind, int64_t now_ns)
{
    int64_t t = now_ns;

    if (l->spec.bytes_per_s > 0)
        t = leave(l, n, now_ns);
    t += l->spec.delay_ns;
    if (l->spec.loss > 0)
        t += send_again(l, behind);
    if (t < l->last_ns)
        t = l->last_ns;
    l->last_ns = t;
    return t;
}
