/* SPDX-License-Identifier: Apache-2.0 */
#include "data/augment.h"

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/vec.h"

#include <string.h>

/* ---- configuration ---- */

/* A number for all channels or an array with one for each. */
static int
parse_channels(const struct jcur *normalize, const char *key, int channels,
               double min, float *out, int *n, struct err *err)
{
    struct jcur at = jcur_key(normalize, key);
    size_t len;
    double v = 0;

    if (json_is_number(at.v)) {
        if (jcur_num(normalize, key, min, 1e6, &v, err) != 0)
            return -1;
        out[0] = (float)v;
        *n = 1;
        return 0;
    }
    if (!json_is_array(at.v))
        return jcur_fail(&at, err,
                         "expected a number, or one for each channel");
    if (jcur_array(&at, 1, &len, err) != 0)
        return -1;
    if (len != (size_t)channels && len != 1)
        return jcur_fail(&at, err, "expected %d number%s, got %zu", channels,
                         channels == 1 ? "" : "s, one for each channel", len);
    if (len > AUGMENT_CHANNELS)
        return jcur_fail(&at, err, "expected at most %d numbers",
                         AUGMENT_CHANNELS);
    for (size_t i = 0; i < len; i++) {
        struct jcur e = jcur_at(&at, i);

        v = json_number_value(e.v);
        if (!json_is_number(e.v) || !(v >= min && v <= 1e6))
            return jcur_fail(&e, err, "expected a number from %g to 1e+06",
                             min);
        out[i] = (float)v;
    }
    *n = (int)len;
    return 0;
}

static int
parse_normalize(struct augment_config *c, const struct jcur *normalize,
                int channels, struct err *err)
{
    static const char *const known[] = {"mean", "std", NULL};
    int n_mean = 0, n_std = 0;

    if (jcur_object(normalize, known, err) != 0 ||
        parse_channels(normalize, "mean", channels, -1e6, c->mean, &n_mean,
                       err) != 0 ||
        parse_channels(normalize, "std", channels, 1e-6, c->deviation, &n_std,
                       err) != 0)
        return -1;
    c->n_norm = n_mean > n_std ? n_mean : n_std;
    for (int i = 1; i < c->n_norm; i++) {
        if (n_mean == 1)
            c->mean[i] = c->mean[0];
        if (n_std == 1)
            c->deviation[i] = c->deviation[0];
    }
    return 0;
}

int
augment_config_parse(struct augment_config *c, const struct jcur *augment,
                     const struct shape *shape, struct err *err)
{
    static const char *const known[] = {"pad_crop", "flip", "normalize", NULL};
    struct jcur normalize;
    int64_t pad = 0, side = 1;

    memset(c, 0, sizeof *c);
    if (!augment->v)
        return 0;
    if (jcur_object(augment, known, err) != 0)
        return -1;
    if (shape->n_dims == 3)
        side = shape->dim[1] < shape->dim[2] ? shape->dim[1] : shape->dim[2];
    for (int i = 0; i < 2 && shape->n_dims != 3; i++) {
        struct jcur at = jcur_key(augment, known[i]);

        if (at.v)
            return jcur_fail(&at, err,
                             "only images can be augmented, not %lld "
                             "numbers",
                             (long long)shape->dim[0]);
    }
    if (jcur_int_or(augment, "pad_crop", 0, side, &pad, err) != 0 ||
        jcur_bool_or(augment, "flip", &c->flip, err) != 0)
        return -1;
    c->pad = (int)pad;
    normalize = jcur_key(augment, "normalize");
    if (!normalize.v)
        return 0;
    return parse_normalize(c, &normalize,
                           shape->n_dims == 3 ? (int)shape->dim[0] : 1, err);
}

struct view
augment_draw(const struct augment_config *a, uint64_t key)
{
    struct view v = {0, 0, false};
    struct rng r;

    if (a->pad == 0 && !a->flip)
        return v;
    rng_init_key(&r, key, RNG_AUGMENT, 0, 0);
    if (a->pad > 0) {
        uint64_t n = 2 * (uint64_t)a->pad + 1;

        v.dy = (int)rng_below(&r, n) - a->pad;
        v.dx = (int)rng_below(&r, n) - a->pad;
    }
    v.flip = a->flip && rng_u64(&r) >> 63;
    return v;
}

/* ---- pixels ---- */

int
pixel_map_init(struct pixel_map *m, const struct dataset *d,
               const struct augment_config *a, struct err *err)
{
    bool image = d->shape.n_dims == 3;

    memset(m, 0, sizeof *m);
    m->channels = image ? (int)d->shape.dim[0] : 1;
    m->height = image ? (int)d->shape.dim[1] : 1;
    m->width = (int)d->shape.dim[image ? 2 : 0];
    m->identity = d->type == DATA_F32 && a->n_norm == 0;
    m->scale = mem_alloc(2 * (size_t)m->channels, sizeof *m->scale);
    if (!m->scale)
        return err_nomem(err);
    m->offset = m->scale + m->channels;
    for (int i = 0; i < m->channels; i++) {
        int from = a->n_norm > 1 ? i : 0;
        double mean = a->n_norm ? (double)a->mean[from] : 0.0;
        double deviation = a->n_norm ? (double)a->deviation[from] : 1.0;

        m->scale[i] =
            (float)(1.0 / (deviation * (d->type == DATA_U8 ? 255.0 : 1.0)));
        m->offset[i] = (float)(-mean / deviation);
    }
    return 0;
}

void
pixel_map_release(struct pixel_map *m)
{
    mem_free(m->scale);
    memset(m, 0, sizeof *m);
}

VEC_CLONES static void
map_u8(float *restrict to, const uint8_t *restrict x, size_t n, float scale,
       float offset)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (float)x[i] * scale + offset;
}

VEC_CLONES static void
map_f32(float *restrict to, const float *restrict x, size_t n, float scale,
        float offset)
{
    for (size_t i = 0; i < n; i++)
        to[i] = x[i] * scale + offset;
}

VEC_CLONES static void
fill(float *to, size_t n, float v)
{
    for (size_t i = 0; i < n; i++)
        to[i] = v;
}

/* n pixels of channel c, from pixel `at` of the image on. */
static void
map(const struct pixel_map *m, enum data_type type, const void *image,
    size_t at, int c, float *to, size_t n)
{
    const uint8_t *u8 = image;
    const float *f32 = image;

    if (type == DATA_U8)
        map_u8(to, u8 + at, n, m->scale[c], m->offset[c]);
    else if (m->identity)
        memcpy(to, f32 + at, n * sizeof *to);
    else
        map_f32(to, f32 + at, n, m->scale[c], m->offset[c]);
}

static void
mirror(float *row, int n)
{
    for (int i = 0, j = n - 1; i < j; i++, j--) {
        float t = row[i];

        row[i] = row[j];
        row[j] = t;
    }
}

/* One channel: rows of `left` times zero, pixels, `right` times zero. */
static void
map_plane(const struct pixel_map *m, enum data_type type, const void *image,
          const struct view *v, int c, float *to)
{
    int h = m->height, w = m->width;
    int left = v->dx < 0 ? -v->dx : 0, right = v->dx > 0 ? v->dx : 0;
    int n = w - left - right;

    for (int y = 0; y < h; y++, to += w) {
        int from = y + v->dy;

        if (from < 0 || from >= h) {
            fill(to, (size_t)w, m->offset[c]);
            continue;
        }
        fill(to, (size_t)left, m->offset[c]);
        map(m, type, image,
            ((size_t)c * (size_t)h + (size_t)from) * (size_t)w + (size_t)right,
            c, to + left, (size_t)n);
        fill(to + w - right, (size_t)right, m->offset[c]);
        if (v->flip)
            mirror(to, w);
    }
}

void
pixel_map_image(const struct pixel_map *m, enum data_type type,
                const void *image, const struct view *v, float *to)
{
    size_t plane = (size_t)m->height * (size_t)m->width;
    bool whole = v->dy == 0 && v->dx == 0 && !v->flip;

    for (int c = 0; c < m->channels; c++, to += plane) {
        if (whole)
            map(m, type, image, (size_t)c * plane, c, to, plane);
        else
            map_plane(m, type, image, v, c, to);
    }
}
