/* SPDX-License-Identifier: Apache-2.0 */
/* The IDX format of MNIST (LeCun, Cortes, Burges): a magic number 00 00 TYPE
 * DIMS, then DIMS sizes of 32 bits and the elements, all big-endian; plain or
 * .gz.  Bytes only (type 8): images n x H x W, n x C x H x W or n x K, and
 * labels n. */
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "data/archive.h"
#include "data/kind.h"

#define TYPE_BYTE 8
#define MAX_DIMS  4
#define MAX_DIM   (1 << 20)

enum { TRAIN_X, TRAIN_LABEL, TEST_X, TEST_LABEL, N_FILES };

static const char *const keys[N_FILES] = {"train_images", "train_labels",
                                          "test_images", "test_labels"};
static const char *const usual[N_FILES] = {
    "train-images-idx3-ubyte", "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};

struct idx_config {
    const char *folder;
    const char *file[N_FILES]; /* NULL: the usual name */
    int64_t n_classes;
};

static int
parse(struct idx_config *c, const struct jcur *data, struct err *err)
{
    static const char *const known[] = {
        DATA_KEYS,      "path",        "classes",     "train_images",
        "train_labels", "test_images", "test_labels", NULL};

    *c = (struct idx_config){.folder = "mnist", .n_classes = 10};
    if (jcur_object(data, known, err) != 0 ||
        jcur_str_or(data, "path", &c->folder, err) != 0 ||
        jcur_int_or(data, "classes", 2, 256, &c->n_classes, err) != 0)
        return -1;
    for (int i = 0; i < N_FILES; i++)
        if (jcur_str_or(data, keys[i], &c->file[i], err) != 0)
            return -1;
    return 0;
}

static int
idx_check(const struct jcur *data, struct err *err)
{
    struct idx_config c;

    return parse(&c, data, err);
}

/* The file or, when there is none of that name, the same with ".gz". */
static struct input *
open_file(const struct idx_config *c, int which, const struct data_request *r,
          struct err *err)
{
    const char *name = c->file[which] ? c->file[which] : usual[which];
    const char *key = c->file[which] ? keys[which] : "path";
    char *in_folder = fs_join(c->folder, name), *packed = NULL, *path = NULL;
    struct input *in = NULL;

    packed = in_folder ? mem_printf("%s.gz", in_folder) : NULL;
    if (!packed) {
        err_nomem(err);
        goto out;
    }
    path = data_find(r, in_folder, err);
    if (!path && err->code == ERR_OK)
        path = data_find(r, packed, err);
    if (path)
        in = input_open(path, INPUT_GZIP, err);
    else
        data_missing(r, key, in_folder, err);
out:
    mem_free(path);
    mem_free(packed);
    mem_free(in_folder);
    return in;
}

/* Magic number and sizes; the rest of the file has to be what they say. */
static int
read_header(struct input *in, int min_dims, int max_dims, int64_t *dim,
            int *n_dims, struct err *err)
{
    unsigned char b[4 + 4 * MAX_DIMS];
    uint64_t total = 1;

    if (input_read(in, b, 4, err) != 0)
        return -1;
    if (b[0] || b[1] || b[2] != TYPE_BYTE || b[3] < min_dims || b[3] > max_dims)
        return err_set(err, ERR_CONFIG,
                       "%s: magic number %02x%02x%02x%02x at byte 0, expected "
                       "00000801 for labels, 00000803 for images",
                       input_name(in), b[0], b[1], b[2], b[3]);
    *n_dims = b[3];
    if (input_read(in, b + 4, 4 * (size_t)*n_dims, err) != 0)
        return -1;
    for (int i = 0; i < *n_dims; i++) {
        const unsigned char *p = b + 4 + 4 * i;
        int64_t max = i == 0 ? DATA_MAX_SAMPLES : MAX_DIM;

        dim[i] = (int64_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
        if (dim[i] < 1 || dim[i] > max)
            return err_set(err, ERR_CONFIG,
                           "%s: size %lld of dimension %d at byte %d, expected "
                           "1 to %lld",
                           input_name(in), (long long)dim[i], i, 4 + 4 * i,
                           (long long)max);
        if ((uint64_t)dim[i] > DATA_MAX_BYTES / total)
            return err_set(err, ERR_CONFIG, "%s: too large: at most %d GiB",
                           input_name(in), (int)(DATA_MAX_BYTES >> 30));
        total *= (uint64_t)dim[i];
    }
    return input_expect(in, input_tell(in) + total, err);
}

static bool
same_shape(const struct shape *a, const struct shape *b)
{
    bool same = a->n_dims == b->n_dims;

    for (int i = 0; same && i < a->n_dims; i++)
        same = a->dim[i] == b->dim[i];
    return same;
}

static int
read_headers(struct input *const in[N_FILES], struct shape shape[2],
             size_t n[2], struct err *err)
{
    for (int s = 0; s < 2; s++) {
        struct input *x = in[2 * s], *label = in[2 * s + 1];
        int64_t dim[MAX_DIMS] = {0}, n_labels = 0;
        int n_dims = 0;

        if (read_header(x, 2, MAX_DIMS, dim, &n_dims, err) != 0)
            return -1;
        n[s] = (size_t)dim[0];
        shape[s] = (struct shape){1, {dim[1], 0, 0}};
        if (n_dims == 3)
            shape[s] = (struct shape){3, {1, dim[1], dim[2]}};
        if (n_dims == 4)
            shape[s] = (struct shape){3, {dim[1], dim[2], dim[3]}};
        if (read_header(label, 1, 1, &n_labels, &n_dims, err) != 0)
            return -1;
        if (n_labels != dim[0])
            return err_set(err, ERR_CONFIG,
                           "%s: %lld labels, expected %lld for the images of "
                           "%s",
                           input_name(label), (long long)n_labels,
                           (long long)dim[0], input_name(x));
    }
    if (!same_shape(&shape[0], &shape[1])) {
        char a[64], b[64];

        return err_set(err, ERR_CONFIG,
                       "%s: images of %s, expected %s as in %s",
                       input_name(in[TEST_X]), shape_text(&shape[1], a),
                       shape_text(&shape[0], b), input_name(in[TRAIN_X]));
    }
    return 0;
}

static int
read_labels(struct input *in, int32_t *label, size_t n, int64_t n_classes,
            struct err *err)
{
    unsigned char part[4096];

    for (size_t done = 0, m; done < n; done += m) {
        uint64_t at = input_tell(in);

        m = data_min(n - done, sizeof part);
        if (input_read(in, part, m, err) != 0)
            return -1;
        for (size_t i = 0; i < m; i++) {
            if (part[i] >= n_classes)
                return err_set(err, ERR_CONFIG,
                               "%s: label %d at byte %llu, expected 0 to %d",
                               input_name(in), part[i],
                               (unsigned long long)(at + i),
                               (int)n_classes - 1);
            label[done + i] = part[i];
        }
    }
    return 0;
}

static int
idx_open(struct dataset *d, const struct data_request *r, struct err *err)
{
    struct input *in[N_FILES] = {NULL};
    struct data_room to[2];
    struct shape shape[2];
    struct idx_config c;
    size_t n[2];
    int result = -1;

    if (parse(&c, r->data, err) != 0)
        return -1;
    for (int i = 0; i < N_FILES; i++)
        if (!(in[i] = open_file(&c, i, r, err)))
            goto out;
    if (read_headers(in, shape, n, err) != 0)
        goto out;
    d->source = mem_strdup(input_name(in[TRAIN_X]));
    if (!d->source) {
        err_nomem(err);
        goto out;
    }
    d->type = DATA_U8;
    d->shape = shape[0];
    d->n_classes = c.n_classes;
    if (data_alloc(d, data_min(n[0], r->limit[0]), data_min(n[1], r->limit[1]),
                   to, err) != 0)
        goto out;
    for (int s = 0; s < 2; s++) {
        size_t use = s ? d->test.n : d->train.n;
        struct input *x = in[2 * s], *label = in[2 * s + 1];

        if (input_read(x, to[s].x, use * data_sample_bytes(d), err) != 0 ||
            read_labels(label, to[s].label, use, c.n_classes, err) != 0)
            goto out;
        /* With a limit the rest is not looked at. */
        if (use == n[s] &&
            (input_end(x, err) != 0 || input_end(label, err) != 0))
            goto out;
    }
    result = 0;
out:
    for (int i = 0; i < N_FILES; i++)
        input_close(in[i]);
    return result;
}

const struct data_kind data_idx = {"idx", idx_check, idx_open};
