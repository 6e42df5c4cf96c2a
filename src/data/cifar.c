/* SPDX-License-Identifier: Apache-2.0 */
/* CIFAR-10 and CIFAR-100 (Krizhevsky 2009) in their binary format: records of
 * the label bytes and 3x32x32 pixels, in the files of a folder or of a .tar.gz
 * as it is downloaded.  However many training batches there are are used. */
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "data/archive.h"
#include "data/kind.h"

#include <string.h>

#define PIXELS      3072
#define MAX_BATCHES 100
#define TEST        0 /* number of the test batch; training ones follow */

struct variant {
    const char *folder, *archive; /* looked for when there is no "path" */
    int label_at, label_bytes;
    int n_classes;
    const char *train; /* a name, or with a number and ".bin" behind it */
    bool numbered;
    const char *test;
};

static const struct variant cifar10 = {
    .folder = "cifar-10-batches-bin",
    .archive = "cifar-10-binary.tar.gz",
    .label_at = 0,
    .label_bytes = 1,
    .n_classes = 10,
    .train = "data_batch_",
    .numbered = true,
    .test = "test_batch.bin",
};
/* A coarse label comes first; the fine one is used. */
static const struct variant cifar100 = {
    .folder = "cifar-100-binary",
    .archive = "cifar-100-binary.tar.gz",
    .label_at = 1,
    .label_bytes = 2,
    .n_classes = 100,
    .train = "train.bin",
    .test = "test.bin",
};

/* One file, whole: the number of samples is known only after the last. */
struct batch {
    char *name; /* for messages */
    unsigned char *record;
    size_t n;
};

struct reading {
    const struct variant *v;
    size_t record_bytes;
    struct batch batch[MAX_BATCHES + 1]; /* by number */
};

static int
parse(const struct jcur *data, const char **path, struct err *err)
{
    static const char *const known[] = {DATA_KEYS, "path", NULL};

    *path = NULL;
    if (jcur_object(data, known, err) != 0)
        return -1;
    return jcur_str_or(data, "path", path, err);
}

static int
cifar_check(const struct jcur *data, struct err *err)
{
    const char *path;

    return parse(data, &path, err);
}

/* TEST, the number of a training batch, or -1 for files of no interest. */
static int
batch_number(const struct variant *v, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    int number = 0;

    if (!strcmp(name, v->test))
        return TEST;
    if (!v->numbered)
        return !strcmp(name, v->train) ? 1 : -1;
    if (strncmp(name, v->train, strlen(v->train)) != 0)
        return -1;
    name += strlen(v->train);
    for (; *name >= '0' && *name <= '9' && number <= MAX_BATCHES; name++)
        number = number * 10 + (*name - '0');
    return !strcmp(name, ".bin") && number >= 1 && number <= MAX_BATCHES
               ? number
               : -1;
}

static int
read_batch(struct reading *rd, int number, struct input *in, uint64_t n_bytes,
           struct err *err)
{
    struct batch *b = &rd->batch[number];

    if (b->name)
        return err_set(err, ERR_CONFIG, "%s: a second file of this name",
                       input_name(in));
    if (n_bytes == 0 || n_bytes % rd->record_bytes != 0)
        return err_set(
            err, ERR_CONFIG, "%s: %llu bytes, expected a multiple of %zu",
            input_name(in), (unsigned long long)n_bytes, rd->record_bytes);
    b->name = mem_strdup(input_name(in));
    b->record = mem_alloc((size_t)n_bytes, 1);
    b->n = (size_t)n_bytes / rd->record_bytes;
    if (!b->name || !b->record)
        return err_nomem(err);
    return input_read(in, b->record, (size_t)n_bytes, err);
}

static int
read_folder(struct reading *rd, const char *path, struct err *err)
{
    struct err why = ERR_INIT;
    char **names = NULL;
    size_t n = 0;
    int result = -1;

    if (fs_list(path, &names, &n, &why) != 0)
        return err_set(err, why.code == ERR_NOMEM ? ERR_NOMEM : ERR_CONFIG,
                       "%s", why.text);
    for (size_t i = 0; i < n; i++) {
        int number = batch_number(rd->v, names[i]);
        struct input *in;
        char *file;
        int r;

        if (number < 0)
            continue;
        file = fs_join(path, names[i]);
        if (!file) {
            err_nomem(err);
            goto out;
        }
        in = input_open(file, INPUT_PLAIN, err);
        r = in ? read_batch(rd, number, in, input_size(in), err) : -1;
        input_close(in);
        mem_free(file);
        if (r != 0)
            goto out;
    }
    result = 0;
out:
    fs_names_free(names, n);
    return result;
}

static int
read_archive(struct reading *rd, const char *path, struct err *err)
{
    struct input *in = input_open(path, INPUT_TAR, err);
    const char *member;
    uint64_t n_bytes;
    int r = -1;

    while (in && (r = input_next(in, &member, &n_bytes, err)) > 0) {
        int number = batch_number(rd->v, member);

        if (number < 0)
            continue;
        r = read_batch(rd, number, in, n_bytes, err);
        if (r != 0)
            break;
    }
    input_close(in);
    return r;
}

/* Labels and pixels of a batch, at most `room` samples; frees the batch. */
static int
unpack(const struct reading *rd, struct batch *b, struct data_room *to,
       size_t room, struct err *err)
{
    const struct variant *v = rd->v;
    size_t n = data_min(b->n, room);
    unsigned char *pixels = to->x;

    for (size_t i = 0; i < n; i++) {
        size_t at = i * rd->record_bytes;
        const unsigned char *record = b->record + at;
        int label = record[v->label_at];

        if (label >= v->n_classes)
            return err_set(
                err, ERR_CONFIG, "%s: label %d at byte %zu, expected 0 to %d",
                b->name, label, at + (size_t)v->label_at, v->n_classes - 1);
        to->label[i] = label;
        memcpy(pixels + i * PIXELS, record + v->label_bytes, PIXELS);
    }
    to->x = pixels + n * PIXELS;
    to->label += n;
    mem_free(b->record);
    b->record = NULL;
    return 0;
}

static int
assemble(struct reading *rd, struct dataset *d, const struct data_request *r,
         struct err *err)
{
    const struct variant *v = rd->v;
    struct data_room to[2];
    size_t n_train = 0, left;

    for (int i = 1; i <= MAX_BATCHES; i++)
        n_train += rd->batch[i].n;
    if (n_train == 0 || rd->batch[TEST].n == 0)
        return err_set(err, ERR_CONFIG, "%s: no \"%s%s\" in it", d->source,
                       n_train ? v->test : v->train,
                       n_train || !v->numbered ? "" : "1.bin");
    d->type = DATA_U8;
    d->shape = (struct shape){3, {3, 32, 32}};
    d->n_classes = v->n_classes;
    n_train = data_min(n_train, r->limit[0]);
    if (data_alloc(d, n_train, data_min(rd->batch[TEST].n, r->limit[1]), to,
                   err) != 0)
        return -1;
    left = n_train;
    for (int i = 1; i <= MAX_BATCHES && left > 0; i++) {
        size_t n = data_min(rd->batch[i].n, left);

        if (n > 0 && unpack(rd, &rd->batch[i], &to[0], n, err) != 0)
            return -1;
        left -= n;
    }
    return unpack(rd, &rd->batch[TEST], &to[1], d->test.n, err);
}

static char *
locate(const struct variant *v, const struct data_request *r, struct err *err)
{
    const char *path, *name;
    char *found = NULL, *both;

    if (parse(r->data, &path, err) != 0)
        return NULL;
    name = path ? path : v->folder;
    found = data_find(r, name, err);
    if (!found && !path && err->code == ERR_OK)
        found = data_find(r, v->archive, err);
    if (found)
        return found;
    both = path ? mem_strdup(path)
                : mem_printf("%s\" or \"%s", v->folder, v->archive);
    if (both)
        data_missing(r, "path", both, err);
    else
        err_nomem(err);
    mem_free(both);
    return NULL;
}

static int
cifar_open(const struct variant *v, struct dataset *d,
           const struct data_request *r, struct err *err)
{
    struct reading *rd = mem_alloc(1, sizeof *rd);
    int result = -1;

    if (!rd)
        return err_nomem(err);
    rd->v = v;
    rd->record_bytes = (size_t)v->label_bytes + PIXELS;
    d->source = locate(v, r, err);
    if (d->source)
        result = fs_is_dir(d->source) ? read_folder(rd, d->source, err)
                                      : read_archive(rd, d->source, err);
    if (result == 0)
        result = assemble(rd, d, r, err);
    for (int i = 0; i <= MAX_BATCHES; i++) {
        mem_free(rd->batch[i].name);
        mem_free(rd->batch[i].record);
    }
    mem_free(rd);
    return result;
}

static int
cifar10_open(struct dataset *d, const struct data_request *r, struct err *err)
{
    return cifar_open(&cifar10, d, r, err);
}

static int
cifar100_open(struct dataset *d, const struct data_request *r, struct err *err)
{
    return cifar_open(&cifar100, d, r, err);
}

const struct data_kind data_cifar10 = {"cifar10", cifar_check, cifar10_open};
const struct data_kind data_cifar100 = {"cifar100", cifar_check, cifar100_open};
