/* SPDX-License-Identifier: Apache-2.0 */
#include "data/dataset.h"

#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "data/kind.h"

#include <string.h>
#include <sys/stat.h>

#define ALIGN 64

static const struct data_kind *const kinds[] = {
    &data_idx,    &data_cifar10, &data_cifar100,
    &data_digits, &data_raw,     &data_blobs,
};

static const struct data_kind *
find_kind(const struct jcur *data, struct err *err)
{
    const char *names[ARRAY_LEN(kinds) + 1] = {NULL};
    int which = -1;

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        names[i] = kinds[i]->name;
    if (jcur_enum_or(data, "type", names, &which, err) != 0)
        return NULL;
    if (which < 0) {
        const char *none;

        jcur_str(data, "type", &none, err); /* says what it expects */
        return NULL;
    }
    return kinds[which];
}

static int
read_limits(const struct jcur *data, size_t limit[2], struct err *err)
{
    int64_t train = DATA_MAX_SAMPLES, test = DATA_MAX_SAMPLES;

    if (jcur_int_or(data, "limit_train", 1, DATA_MAX_SAMPLES, &train, err) !=
            0 ||
        jcur_int_or(data, "limit_test", 1, DATA_MAX_SAMPLES, &test, err) != 0)
        return -1;
    limit[0] = (size_t)train;
    limit[1] = (size_t)test;
    return 0;
}

static const struct data_kind *
check(const struct jcur *data, size_t limit[2], struct err *err)
{
    const struct data_kind *kind;

    if (!json_is_object(data->v)) {
        jcur_fail(data, err, "expected an object with a \"type\"");
        return NULL;
    }
    kind = find_kind(data, err);
    if (!kind || read_limits(data, limit, err) != 0 ||
        kind->check(data, err) != 0)
        return NULL;
    return kind;
}

int
dataset_check(const struct jcur *data, struct err *err)
{
    size_t limit[2];

    return check(data, limit, err) ? 0 : -1;
}

/* ---- memory ---- */

size_t
data_sample_bytes(const struct dataset *d)
{
    return shape_count(&d->shape) * (d->type == DATA_U8 ? 1 : sizeof(float));
}

/* A part of n * size bytes at *at, which moves behind it; false when that is
 * too much.  No factor is above 2^36, so nothing here overflows. */
static bool
place(uint64_t *at, uint64_t n, uint64_t size, uint64_t *offset)
{
    if (size > 0 && n > (DATA_MAX_BYTES - *at) / size)
        return false;
    *offset = *at;
    *at = (*at + n * size + ALIGN - 1) / ALIGN * ALIGN;
    return *at <= DATA_MAX_BYTES;
}

/* Where in a data set's memory what belongs. */
struct layout {
    size_t n[2];
    uint64_t x[2], label[2], target[2];
};

/* Sets d->n_bytes. */
static int
lay_out(struct dataset *d, struct layout *l, struct err *err)
{
    uint64_t at = 0;

    for (int i = 0; i < 2; i++) {
        size_t n = l->n[i];

        if (n == 0)
            return err_set(err, ERR_CONFIG, "%s: no samples for %s", d->source,
                           i ? "testing" : "training");
        if (n > DATA_MAX_SAMPLES ||
            !place(&at, n, data_sample_bytes(d), &l->x[i]) ||
            !place(&at, d->n_classes ? n : 0, sizeof(int32_t), &l->label[i]) ||
            !place(&at, n, (uint64_t)d->n_targets * sizeof(float),
                   &l->target[i]))
            return err_set(
                err, ERR_CONFIG, "%s: too large: at most %d samples and %d GiB",
                d->source, DATA_MAX_SAMPLES, (int)(DATA_MAX_BYTES >> 30));
    }
    d->n_bytes = (size_t)at;
    return 0;
}

static void
point_into(struct dataset *d, const struct layout *l, char *base,
           struct data_room to[2])
{
    struct data_split *split[2] = {&d->train, &d->test};

    for (int i = 0; i < 2; i++) {
        to[i].x = base + l->x[i];
        to[i].label = d->n_classes ? (void *)(base + l->label[i]) : NULL;
        to[i].target = d->n_targets ? (void *)(base + l->target[i]) : NULL;
        *split[i] =
            (struct data_split){l->n[i], to[i].x, to[i].label, to[i].target};
    }
    d->memory = base;
}

int
data_alloc(struct dataset *d, size_t n_train, size_t n_test,
           struct data_room to[2], struct err *err)
{
    struct layout l = {.n = {n_train, n_test}};
    char *base;

    if (lay_out(d, &l, err) != 0)
        return -1;
    base = mem_alloc_aligned(d->n_bytes);
    if (!base)
        return err_nomem(err);
    point_into(d, &l, base, to);
    return 0;
}

int
data_place(struct dataset *d, size_t n_train, size_t n_test, void *base,
           size_t n_bytes, struct err *err)
{
    struct layout l = {.n = {n_train, n_test}};
    struct data_room unused[2];

    if (lay_out(d, &l, err) != 0)
        return -1;
    if (d->n_bytes != n_bytes)
        return err_set(err, ERR_CONFIG, "damaged head");
    point_into(d, &l, base, unused);
    return 0;
}

void
dataset_free(struct dataset *d)
{
    if (!d)
        return;
    if (!d->shared.base)
        mem_free(d->memory);
    shm_release(&d->shared);
    mem_free(d->source);
    mem_free(d);
}

/* ---- files ---- */

char *
data_find(const struct data_request *r, const char *name, struct err *err)
{
    const char *dirs[] = {r->data_dir, r->job_dir};

    for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
        char *path;

        if (!dirs[i])
            continue;
        path = fs_join(dirs[i], name);
        if (!path) {
            err_nomem(err);
            return NULL;
        }
        if (fs_exists(path))
            return path;
        mem_free(path);
    }
    return NULL;
}

static bool
same_folder(const char *a, const char *b)
{
    struct stat x, y;

    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

int
data_missing(const struct data_request *r, const char *key, const char *name,
             struct err *err)
{
    struct jcur at = jcur_key(r->data, key);
    const char *job_dir = *r->job_dir ? r->job_dir : ".";

    if (err->code != ERR_OK)
        return -1; /* it was memory that was missing */
    if (name[0] == '/')
        return jcur_fail(&at, err, "no \"%s\"", name);
    if (!r->data_dir || same_folder(r->data_dir, job_dir))
        return jcur_fail(&at, err, "no \"%s\" in \"%s\" (see --data-dir)", name,
                         job_dir);
    return jcur_fail(&at, err, "no \"%s\" in \"%s\" or \"%s\"", name,
                     r->data_dir, job_dir);
}

/* ---- fingerprint ---- */

/* Four independent lanes of multiply and rotate, 8 bytes each, as fast as
 * memory; rng_hash mixes them in the end.  It tells data sets apart; it does
 * not defend against somebody who wants two to look alike. */
#define LANES 4
#define MIX   UINT64_C(0x9e3779b97f4a7c15)

static uint64_t
word(const unsigned char *p, size_t n)
{
    uint64_t v = 0;

    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

uint64_t
data_hash_bytes(uint64_t h, const void *data, size_t n)
{
    uint64_t lane[LANES] = {1, 2, 3, 4};
    const unsigned char *p = data;
    size_t rest = n;

    for (; rest >= 8 * LANES; rest -= 8 * LANES, p += 8 * LANES) {
        for (int i = 0; i < LANES; i++) {
            lane[i] = (lane[i] ^ word(p + 8 * i, 8)) * MIX;
            lane[i] = lane[i] << 31 | lane[i] >> 33;
        }
    }
    for (int i = 0; i < LANES; i++)
        h = rng_hash(h, lane[i], n);
    for (; rest > 0; rest -= data_min(rest, 8), p += 8)
        h = rng_hash(h, word(p, data_min(rest, 8)), rest);
    return h;
}

static uint64_t
hash_split(uint64_t h, const struct dataset *d, const struct data_split *s)
{
    h = data_hash_bytes(h, s->x, s->n * data_sample_bytes(d));
    if (s->label)
        h = data_hash_bytes(h, s->label, s->n * sizeof *s->label);
    if (s->target)
        h = data_hash_bytes(h, s->target,
                            s->n * (size_t)d->n_targets * sizeof *s->target);
    return h;
}

static uint64_t
fingerprint(const struct dataset *d)
{
    uint64_t h = rng_hash((uint64_t)d->type, (uint64_t)d->n_classes,
                          (uint64_t)d->n_targets);

    for (int i = 0; i < d->shape.n_dims; i++)
        h = rng_hash(h, (uint64_t)d->shape.dim[i], (uint64_t)i);
    h = rng_hash(h, d->train.n, d->test.n);
    return hash_split(hash_split(h, d, &d->train), d, &d->test);
}

struct dataset *
dataset_open(const struct jcur *data, const char *data_dir, const char *job_dir,
             uint64_t seed, struct err *err)
{
    struct data_request r = {data, data_dir, job_dir ? job_dir : "", seed, {0}};
    struct err why = ERR_INIT; /* data_missing asks it, and err may be NULL */
    const struct data_kind *kind = check(data, r.limit, &why);
    struct dataset *d = NULL;

    if (!kind)
        goto fail;
    d = mem_alloc(1, sizeof *d);
    if (!d) {
        err_nomem(&why);
        goto fail;
    }
    d->kind = kind->name;
    if (kind->open(d, &r, &why) != 0)
        goto fail;
    d->hash = fingerprint(d);
    return d;
fail:
    err_set(err, why.code, "%s", why.text);
    dataset_free(d);
    return NULL;
}
