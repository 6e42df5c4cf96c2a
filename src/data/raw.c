/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays as they lie in memory, described by a JSON file beside them:
 *
 *   {"shape": [3, 32, 32], "type": "uint8", "classes": 10,
 *    "train": {"x": "train.bin", "labels": "train-labels.bin"},
 *    "test": {"x": "test.bin", "labels": "test-labels.bin"}}
 *
 * x: n * shape elements, float32 or uint8; labels: n of uint8 or int32 (the
 * size of the file says which); or, with "n_targets": k instead of "classes",
 * "targets": n * k float32.  Little-endian, no header, no gaps; the number of
 * samples follows from the size of x. */
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/vec.h"
#include "data/archive.h"
#include "data/kind.h"

#include <string.h>

static const char *const split_keys[] = {"train", "test"};

/* What one split is read from. */
struct files {
    struct input *x, *y;
    size_t n;
    size_t label_bytes; /* 1 or 4 */
};

struct raw {
    struct json_doc doc;
    char *folder;
    struct files split[2];
};

static int
parse(const struct jcur *data, const char **path, struct err *err)
{
    static const char *const known[] = {DATA_KEYS, "path", NULL};

    if (jcur_object(data, known, err) != 0)
        return -1;
    return jcur_str(data, "path", path, err);
}

static int
raw_check(const struct jcur *data, struct err *err)
{
    const char *path;

    return parse(data, &path, err);
}

static int
parse_shape(struct shape *s, const struct jcur *header, struct err *err)
{
    struct jcur at = jcur_key(header, "shape");
    size_t n;

    if (jcur_array(&at, 1, &n, err) != 0)
        return -1;
    if (n != 1 && n != 3)
        return jcur_fail(&at, err, "expected [K] or [C, H, W], got %zu numbers",
                         n);
    s->n_dims = (int)n;
    return jcur_ints_or(header, "shape", n, 1, 1 << 20, s->dim, err);
}

static int
parse_header(struct dataset *d, const struct jcur *header, struct err *err)
{
    static const char *const known[] = {"shape", "type", "classes", "n_targets",
                                        "train", "test", NULL};
    static const char *const types[] = {"uint8", "float32", NULL};
    int type = DATA_F32;
    uint64_t bytes = 1;

    if (jcur_object(header, known, err) != 0 ||
        parse_shape(&d->shape, header, err) != 0 ||
        jcur_enum_or(header, "type", types, &type, err) != 0 ||
        jcur_int_or(header, "n_targets", 1, 1 << 20, &d->n_targets, err) != 0)
        return -1;
    if (d->n_targets && jcur_has(header, "classes")) {
        struct jcur at = jcur_key(header, "classes");

        return jcur_fail(&at, err, "expected \"classes\" or \"n_targets\"");
    }
    if (!d->n_targets && jcur_int(header, "classes", 2, DATA_MAX_CLASSES,
                                  &d->n_classes, err) != 0)
        return -1;
    d->type = (enum data_type)type;
    for (int i = 0; i < d->shape.n_dims; i++)
        bytes *= (uint64_t)d->shape.dim[i];
    if (bytes > DATA_MAX_BYTES / sizeof(float)) {
        struct jcur at = jcur_key(header, "shape");

        return jcur_fail(&at, err, "a sample larger than %d GiB",
                         (int)(DATA_MAX_BYTES >> 30));
    }
    return 0;
}

/* The file that a key of train or test names, beside the header. */
static struct input *
open_file(const struct raw *raw, const struct jcur *split, const char *key,
          struct err *err)
{
    const char *name;
    char *path;
    struct input *in;

    if (jcur_str(split, key, &name, err) != 0)
        return NULL;
    path = fs_join(raw->folder, name);
    if (!path) {
        err_nomem(err);
        return NULL;
    }
    if (!fs_exists(path)) {
        struct jcur at = jcur_key(split, key);

        jcur_fail(&at, err, "no \"%s\"", path);
        mem_free(path);
        return NULL;
    }
    in = input_open(path, INPUT_PLAIN, err);
    mem_free(path);
    return in;
}

static int
open_split(struct raw *raw, const struct dataset *d, const struct jcur *header,
           int which, struct err *err)
{
    const char *y_key = d->n_targets ? "targets" : "labels";
    const char *const known[] = {"x", y_key, NULL};
    struct jcur split = jcur_key(header, split_keys[which]);
    struct files *f = &raw->split[which];
    uint64_t sample = data_sample_bytes(d), size;

    if (jcur_object(&split, known, err) != 0)
        return -1;
    f->x = open_file(raw, &split, "x", err);
    f->y = f->x ? open_file(raw, &split, y_key, err) : NULL;
    if (!f->y)
        return -1;
    size = input_size(f->x);
    if (size == 0 || size % sample != 0)
        return err_set(err, ERR_CONFIG,
                       "%s: %llu bytes, expected a multiple of %llu",
                       input_name(f->x), (unsigned long long)size,
                       (unsigned long long)sample);
    f->n = (size_t)(size / sample);
    size = input_size(f->y);
    if (d->n_targets)
        return input_expect(f->y, f->n * (uint64_t)d->n_targets * sizeof(float),
                            err);
    f->label_bytes = size == f->n ? 1 : 4;
    if (size == f->n * f->label_bytes)
        return 0;
    return err_set(err, ERR_CONFIG,
                   "%s: %llu bytes, expected %zu (uint8) or %zu (int32) for "
                   "the samples of %s",
                   input_name(f->y), (unsigned long long)size, f->n, 4 * f->n,
                   input_name(f->x));
}

static int
read_labels(const struct files *f, int32_t *label, size_t n, int64_t n_classes,
            struct err *err)
{
    unsigned char part[4096];
    size_t step = sizeof part / f->label_bytes;

    for (size_t done = 0, m; done < n; done += m) {
        m = data_min(n - done, step);
        if (input_read(f->y, part, m * f->label_bytes, err) != 0)
            return -1;
        for (size_t i = 0; i < m; i++) {
            const unsigned char *p = part + i * f->label_bytes;
            uint32_t v = p[0];

            if (f->label_bytes == 4)
                v |= (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
                     (uint32_t)p[3] << 24;
            if (v >= n_classes)
                return err_set(err, ERR_CONFIG,
                               "%s: label %d at byte %zu, expected 0 to %lld",
                               input_name(f->y), (int32_t)v,
                               (done + i) * f->label_bytes,
                               (long long)n_classes - 1);
            label[done + i] = (int32_t)v;
        }
    }
    return 0;
}

static int
read_floats(struct input *in, float *to, size_t n, struct err *err)
{
    uint32_t bits;

    if (input_read(in, to, n * sizeof *to, err) != 0)
        return -1;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    for (size_t i = 0; i < n; i++) {
        memcpy(&bits, to + i, 4);
        bits = __builtin_bswap32(bits);
        memcpy(to + i, &bits, 4);
    }
#endif
    if (vec_all_finite(to, n))
        return 0;
    for (size_t i = 0; i < n; i++) {
        if (vec_all_finite(to + i, 1))
            continue;
        memcpy(&bits, to + i, 4);
        return err_set(err, ERR_CONFIG,
                       "%s: %s at byte %zu, expected finite numbers",
                       input_name(in), bits << 9 ? "NaN" : "infinity", 4 * i);
    }
    return 0;
}

static int
read_split(const struct files *f, const struct dataset *d, struct data_room *to,
           size_t n, struct err *err)
{
    size_t n_numbers = n * shape_count(&d->shape);
    int r = d->type == DATA_U8 ? input_read(f->x, to->x, n_numbers, err)
                               : read_floats(f->x, to->x, n_numbers, err);

    if (r != 0)
        return -1;
    if (d->n_targets)
        return read_floats(f->y, to->target, n * (size_t)d->n_targets, err);
    return read_labels(f, to->label, n, d->n_classes, err);
}

static int
open_header(struct raw *raw, struct dataset *d, const struct data_request *r,
            struct err *err)
{
    const char *path, *slash;

    if (parse(r->data, &path, err) != 0)
        return -1;
    d->source = data_find(r, path, err);
    if (!d->source)
        return data_missing(r, "path", path, err);
    slash = strrchr(d->source, '/');
    raw->folder =
        mem_printf("%.*s", slash ? (int)(slash + 1 - d->source) : 0, d->source);
    if (!raw->folder)
        return err_nomem(err);
    return json_doc_load(&raw->doc, d->source, err);
}

static int
raw_open(struct dataset *d, const struct data_request *r, struct err *err)
{
    struct data_room to[2];
    struct raw raw = {0};
    struct jcur header;
    int result = -1;

    if (open_header(&raw, d, r, err) != 0)
        goto out;
    header = jcur_root(&raw.doc);
    if (parse_header(d, &header, err) != 0 ||
        open_split(&raw, d, &header, 0, err) != 0 ||
        open_split(&raw, d, &header, 1, err) != 0 ||
        data_alloc(d, data_min(raw.split[0].n, r->limit[0]),
                   data_min(raw.split[1].n, r->limit[1]), to, err) != 0 ||
        read_split(&raw.split[0], d, &to[0], d->train.n, err) != 0 ||
        read_split(&raw.split[1], d, &to[1], d->test.n, err) != 0)
        goto out;
    result = 0;
out:
    for (int i = 0; i < 2; i++) {
        input_close(raw.split[i].x);
        input_close(raw.split[i].y);
    }
    json_doc_release(&raw.doc);
    mem_free(raw.folder);
    return result;
}

const struct data_kind data_raw = {"raw", raw_check, raw_open};
