/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "data/dataset.h"
#include "tap.h"

#include <archive.h>
#include <archive_entry.h>
#include <math.h>
#include <unistd.h>
#include <zlib.h>

static char dir[] = "/tmp/ebsp-test-XXXXXX";

/* ---- helpers ---- */

static void
make_folder(const char *name)
{
    char *path = fs_join(dir, name);

    if (!path || fs_mkdir(path, true, NULL) != 0) {
        printf("Bail out! cannot make %s\n", name);
        exit(1);
    }
    mem_free(path);
}

static void
put(const char *name, const void *data, size_t n)
{
    char *path = fs_join(dir, name);
    struct err e = ERR_INIT;

    if (!path || fs_write(path, data, n, &e) != 0) {
        printf("Bail out! cannot write %s: %s\n", name, e.text);
        exit(1);
    }
    mem_free(path);
}

static void
put_gz(const char *name, const void *data, size_t n)
{
    char *path = fs_join(dir, name);
    gzFile f = path ? gzopen(path, "wb") : NULL;

    if (!f || gzwrite(f, data, (unsigned)n) != (int)n || gzclose(f) != Z_OK) {
        printf("Bail out! cannot write %s\n", name);
        exit(1);
    }
    mem_free(path);
}

/* The file's bytes, to be damaged and written again. */
static struct buf
get(const char *name)
{
    struct buf b = BUF_INIT(1 << 24);
    char *path = fs_join(dir, name);

    if (!path || fs_read(path, &b, NULL) != 0) {
        printf("Bail out! cannot read %s\n", name);
        exit(1);
    }
    mem_free(path);
    return b;
}

static struct dataset *
open_in(const char *data_dir, const char *json, struct err *e)
{
    struct json_doc doc;
    struct dataset *d = NULL;
    struct jcur root;

    err_clear(e);
    if (json_doc_parse(&doc, "job.json", json, strlen(json), e) != 0)
        return NULL;
    root = jcur_root(&doc);
    d = dataset_open(&root, data_dir, "/nonexistent", 7, e);
    if ((dataset_check(&root, NULL) != 0) && d)
        ok(0, "what opens passes the check of its keys");
    json_doc_release(&doc);
    return d;
}

static struct dataset *
opens(const char *json)
{
    struct err e = ERR_INIT;
    struct dataset *d = open_in(dir, json, &e);

    if (!ok(d != NULL, "%s", json))
        printf("# %s\n", e.text);
    return d;
}

/* `want` is the message with DIR for the folder; a trailing * stands for
 * anything. */
static void
refused(const char *json, const char *want)
{
    struct err e = ERR_INIT;
    struct dataset *d = open_in(dir, json, &e);
    struct buf full = BUF_INIT(2000);
    size_t n;

    for (const char *p = want; *p; p++) {
        if (!strncmp(p, "DIR", 3)) {
            buf_adds(&full, dir);
            p += 2;
        } else {
            buf_add(&full, p, 1);
        }
    }
    n = full.len;
    if (n && full.data[n - 1] == '*')
        full.data[n - 1] = e.text[n - 1 < strlen(e.text) ? n - 1 : 0] = '\0';
    if (!ok(!d && e.code == ERR_CONFIG && !strcmp(e.text, full.data), "%s",
            want))
        printf("# code %d, got \"%s\"\n", (int)e.code, e.text);
    buf_release(&full);
    dataset_free(d);
}

/* ---- idx ---- */

#define IDX_N 40

static size_t
idx_images(uint8_t *to, uint32_t n, uint32_t h, uint32_t w)
{
    uint8_t head[] = {0, 0, 8, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};

    for (int i = 0; i < 4; i++) {
        head[4 + i] = (uint8_t)(n >> (24 - 8 * i));
        head[8 + i] = (uint8_t)(h >> (24 - 8 * i));
        head[12 + i] = (uint8_t)(w >> (24 - 8 * i));
    }
    memcpy(to, head, sizeof head);
    for (uint32_t i = 0; i < n * h * w; i++)
        to[16 + i] = (uint8_t)(i * 7 + (i >> 5));
    return 16 + (size_t)n * h * w;
}

static size_t
idx_labels(uint8_t *to, uint32_t n)
{
    uint8_t head[] = {0, 0, 8, 1, 0, 0, (uint8_t)(n >> 8), (uint8_t)n};

    memcpy(to, head, sizeof head);
    for (uint32_t i = 0; i < n; i++)
        to[8 + i] = (uint8_t)(i % 10);
    return 8 + n;
}

static void
idx_is_read(void)
{
    static uint8_t x[16 + IDX_N * 6], y[8 + IDX_N];
    size_t nx = idx_images(x, IDX_N, 2, 3), ny = idx_labels(y, IDX_N);
    struct dataset *d;
    uint64_t hash;

    put_gz("mnist/train-images-idx3-ubyte.gz", x, nx);
    put_gz("mnist/train-labels-idx1-ubyte.gz", y, ny);
    put("mnist/t10k-images-idx3-ubyte", x, nx);
    put("mnist/t10k-labels-idx1-ubyte", y, ny);
    d = opens("{\"type\": \"idx\"}");
    if (!d)
        return;
    ok(d->type == DATA_U8 && d->shape.n_dims == 3 && d->shape.dim[0] == 1 &&
           d->shape.dim[1] == 2 && d->shape.dim[2] == 3 && d->n_classes == 10,
       "shape and classes");
    ok(d->train.n == IDX_N && d->test.n == IDX_N, "sizes");
    ok(!memcmp(d->train.x, x + 16, nx - 16) &&
           !memcmp(d->test.x, x + 16, nx - 16),
       "pixels, from .gz and plain");
    ok(d->train.label[13] == 3 && d->test.label[39] == 9, "labels");
    ok((uintptr_t)d->train.x % 64 == 0 && (uintptr_t)d->test.x % 64 == 0,
       "x is aligned");
    hash = d->hash;
    dataset_free(d);
    d = opens("{\"type\": \"idx\"}");
    ok(d && d->hash == hash, "the same data have the same hash");
    dataset_free(d);
    d = opens("{\"type\": \"idx\", \"limit_train\": 5, \"limit_test\": 99}");
    ok(d && d->train.n == 5 && d->test.n == IDX_N, "limits");
    ok(d && d->hash != hash, "other data have another hash");
    dataset_free(d);
    y[8 + 20] = 8;
    put("labels", y, ny);
    d = opens("{\"type\": \"idx\", \"train_labels\": \"../labels\"}");
    ok(d && d->train.label[20] == 8 && d->hash != hash,
       "files can be named; one label changes the hash");
    dataset_free(d);
}

#define IDX_TRAIN "{\"type\": \"idx\", \"train_images\": \"../x\"}"
#define IDX_LABEL "{\"type\": \"idx\", \"train_labels\": \"../y\"}"

static void
bad_idx_is_refused(void)
{
    static uint8_t x[16 + IDX_N * 6], y[8 + IDX_N + 1];
    size_t nx = idx_images(x, IDX_N, 2, 3), ny = idx_labels(y, IDX_N);
    struct buf b;

    put("x", x, nx - 1);
    refused(IDX_TRAIN, "DIR/mnist/../x: 255 bytes, expected 256");
    put("x", x, 10);
    refused(IDX_TRAIN, "DIR/mnist/../x: ends at byte 10, expected 6 more");
    put("x", x, 0);
    refused(IDX_TRAIN, "DIR/mnist/../x: ends at byte 0, expected 4 more");
    put_gz("x", x, nx - 1);
    refused(IDX_TRAIN, "DIR/mnist/../x: ends at byte 255, expected 1 more");
    put_gz("x", x, nx);
    b = get("x");
    put("x", b.data, b.len - 30);
    refused(IDX_TRAIN, "DIR/mnist/../x: truncated: the gzip data break off at "
                       "byte*");
    put("x", b.data, b.len - 3);
    refused(IDX_TRAIN, "DIR/mnist/../x: truncated: the gzip data break off at "
                       "byte*");
    b.data[b.len - 6] ^= 1; /* the check sum */
    put("x", b.data, b.len);
    refused(IDX_TRAIN, "DIR/mnist/../x: damaged gzip data near byte*");
    buf_release(&b);
    y[ny] = 0;
    put_gz("y", y, ny + 1);
    refused(IDX_LABEL, "DIR/mnist/../y: expected the end at byte 48");

    put("x", y, ny);
    refused(IDX_TRAIN, "DIR/mnist/../x: magic number 00000801 at byte 0, "
                       "expected 00000801 for labels, 00000803 for images");
    idx_images(x, 0, 2, 3);
    put("x", x, 16);
    refused(IDX_TRAIN, "DIR/mnist/../x: size 0 of dimension 0 at byte 4, "
                       "expected 1 to 2147483647");
    idx_images(x, 1, 2, 3);
    memset(x + 4, 0x7f, 12);
    put_gz("x", x, 22);
    refused(IDX_TRAIN, "DIR/mnist/../x: size 2139062143 of dimension 1 at byte "
                       "8, expected 1 to 1048576");
    memcpy(x + 4, "\x7f\xff\xff\xff\0\x0f\xff\xff\0\x0f\xff\xff", 12);
    put_gz("x", x, 22);
    refused(IDX_TRAIN, "DIR/mnist/../x: too large: at most 64 GiB");
    memcpy(x + 4, "\0\x0f\xff\xff\0\0\0\x40\0\0\0\x40", 12);
    put_gz("x", x, 22);
    refused(IDX_TRAIN,
            "DIR/mnist/../x: announces 4294963216 bytes, more than*");

    idx_labels(y, IDX_N);
    y[8 + 17] = 10;
    put("y", y, ny);
    refused(IDX_LABEL, "DIR/mnist/../y: label 10 at byte 25, expected 0 to 9");
    idx_labels(y, IDX_N - 1);
    put("y", y, ny - 1);
    refused(IDX_LABEL,
            "DIR/mnist/../y: 39 labels, expected 40 for the images of "
            "DIR/mnist/train-images-idx3-ubyte.gz");
    nx = idx_images(x, IDX_N, 3, 2);
    put("x", x, nx);
    refused(IDX_TRAIN, "DIR/mnist/t10k-images-idx3-ubyte: images of 1x2x3, "
                       "expected 1x3x2 as in DIR/mnist/../x");
    refused("{\"type\": \"idx\", \"path\": \"fashion\"}",
            "job.json:1:25: path: no \"fashion/train-images-idx3-ubyte\" in "
            "\"DIR\" or \"/nonexistent\"");
    refused("{\"type\": \"idx\", \"test_labels\": \"/none\"}",
            "job.json:1:32: test_labels: no \"/none\"");
    refused("{\"type\": \"idx\", \"test_labels\": \"..\"}",
            "DIR/mnist/..: not a regular file");
}

/* ---- cifar ---- */

#define CIFAR_N 3

static void
cifar_batch(uint8_t *to, int label_bytes, uint8_t salt)
{
    for (int i = 0; i < CIFAR_N; i++) {
        if (label_bytes == 2)
            *to++ = 19; /* the coarse label */
        *to++ = (uint8_t)((i + salt) % 10);
        for (int j = 0; j < 3072; j++)
            *to++ = (uint8_t)(j * 3 + i * 5 + salt);
    }
}

/* A tar.gz with one member per name, each with its own batch, the last one
 * cut to n_last bytes. */
static void
put_tar(const char *name, const char *const *members, int label_bytes,
        size_t n_last)
{
    static uint8_t b[CIFAR_N * 3074];
    char *path = fs_join(dir, name);
    struct archive *a = archive_write_new();

    archive_write_add_filter_gzip(a);
    archive_write_set_format_ustar(a);
    if (archive_write_open_filename(a, path) != ARCHIVE_OK) {
        printf("Bail out! cannot write %s\n", path);
        exit(1);
    }
    for (uint8_t i = 0; members[i]; i++) {
        struct archive_entry *e = archive_entry_new();
        size_t n = CIFAR_N * (size_t)(label_bytes + 3072);

        n = members[i + 1] ? n : n_last;
        cifar_batch(b, label_bytes, i);
        archive_entry_set_pathname(e, members[i]);
        archive_entry_set_size(e, (la_int64_t)n);
        archive_entry_set_filetype(e, AE_IFREG);
        archive_entry_set_perm(e, 0644);
        archive_write_header(a, e);
        archive_write_data(a, b, n);
        archive_entry_free(e);
    }
    archive_write_free(a);
    mem_free(path);
}

static void
cifar_is_read(void)
{
    static const char *const members[] = {
        "c/batches.meta.txt.bin", "c/test_batch.bin", "c/data_batch_2.bin",
        "c/data_batch_1.bin", NULL};
    static const char *const fine[] = {"c/train.bin", "c/test.bin", NULL};
    static uint8_t b[CIFAR_N * 3074];
    struct dataset *d;
    uint64_t hash = 0;

    put_tar("cifar-10-binary.tar.gz", members, 1, CIFAR_N * 3073);
    d = opens("{\"type\": \"cifar10\"}");
    if (d) {
        cifar_batch(b, 1, 3);
        ok(d->train.n == 2 * CIFAR_N && d->test.n == CIFAR_N, "sizes");
        ok(!memcmp(d->train.x, b + 1, 3072) && d->train.label[0] == 3,
           "batch 1 comes first");
        cifar_batch(b, 1, 2);
        ok(!memcmp((const uint8_t *)d->train.x + (CIFAR_N + 1) * 3072,
                   b + 3073 + 1, 3072) &&
               d->train.label[CIFAR_N + 1] == 3,
           "then batch 2");
        ok(d->shape.dim[0] == 3 && d->shape.dim[2] == 32 && d->n_classes == 10,
           "shape and classes");
        hash = d->hash;
    }
    dataset_free(d);
    make_folder("cifar-10-batches-bin");
    cifar_batch(b, 1, 3);
    put("cifar-10-batches-bin/data_batch_1.bin", b, CIFAR_N * 3073);
    cifar_batch(b, 1, 2);
    put("cifar-10-batches-bin/data_batch_2.bin", b, CIFAR_N * 3073);
    cifar_batch(b, 1, 1);
    put("cifar-10-batches-bin/test_batch.bin", b, CIFAR_N * 3073);
    d = opens("{\"type\": \"cifar10\", \"path\": \"cifar-10-batches-bin\"}");
    ok(d && d->hash == hash, "a folder is the same as the archive");
    dataset_free(d);
    d = opens("{\"type\": \"cifar10\", \"limit_train\": 4}");
    ok(d && d->train.n == 4 && d->train.label[3] == 2, "a limit");
    dataset_free(d);

    put_tar("cifar-100-binary.tar.gz", fine, 2, CIFAR_N * 3074);
    put_tar("fine.tar.gz", fine, 2, CIFAR_N * 3074);
    d = opens("{\"type\": \"cifar100\"}");
    ok(d && d->train.n == CIFAR_N && d->n_classes == 100 &&
           d->train.label[2] == 2,
       "cifar100");
    dataset_free(d);
}

#define CIFAR_BAD "{\"type\": \"cifar10\", \"path\": \"bad.tar.gz\"}"
#define CIFAR_DIR "{\"type\": \"cifar10\"}"

static void
bad_cifar_is_refused(void)
{
    static const char *const good[] = {"c/data_batch_1.bin", "c/test_batch.bin",
                                       NULL};
    static const char *const no_test[] = {"c/data_batch_1.bin", NULL};
    static const char *const no_train[] = {"c/data_batch_0.bin",
                                           "c/data_batch_1.bin.txt",
                                           "c/test_batch.bin", NULL};
    static const char *const twice[] = {"c/test_batch.bin", "d/test_batch.bin",
                                        NULL};
    static uint8_t b[CIFAR_N * 3073];
    struct buf t;

    put_tar("bad.tar.gz", no_test, 1, CIFAR_N * 3073);
    refused(CIFAR_BAD, "DIR/bad.tar.gz: no \"test_batch.bin\" in it");
    put_tar("bad.tar.gz", no_train, 1, CIFAR_N * 3073);
    refused(CIFAR_BAD, "DIR/bad.tar.gz: no \"data_batch_1.bin\" in it");
    put_tar("bad.tar.gz", twice, 1, CIFAR_N * 3073);
    refused(CIFAR_BAD,
            "DIR/bad.tar.gz: d/test_batch.bin: a second file of this name");
    put_tar("bad.tar.gz", good, 1, 3072);
    refused(CIFAR_BAD, "DIR/bad.tar.gz: c/test_batch.bin: 3072 bytes, expected "
                       "a multiple of 3073");
    put_tar("bad.tar.gz", good, 1, CIFAR_N * 3073);
    t = get("bad.tar.gz");
    put("bad.tar.gz", t.data, t.len / 2);
    refused(CIFAR_BAD, "DIR/bad.tar.gz: truncated: the gzip data break off at "
                       "byte*");
    put("bad.tar.gz", t.data, t.len - 4);
    refused(CIFAR_BAD, "DIR/bad.tar.gz: truncated: the gzip data break off at "
                       "byte*");
    t.data[t.len - 7] ^= 0x10;
    put("bad.tar.gz", t.data, t.len);
    refused(CIFAR_BAD, "DIR/bad.tar.gz: damaged gzip data near byte*");
    buf_release(&t);
    put("bad.tar.gz", "hello", 5);
    refused(CIFAR_BAD, "DIR/bad.tar.gz: damaged tar archive at byte*");
    put("bad.tar.gz", "", 0);
    refused(CIFAR_BAD, "DIR/bad.tar.gz: *");

    cifar_batch(b, 1, 0);
    b[3073] = 10;
    put("cifar-10-batches-bin/data_batch_2.bin", b, sizeof b);
    refused(CIFAR_DIR, "DIR/cifar-10-batches-bin/data_batch_2.bin: label 10 at "
                       "byte 3073, expected 0 to 9");
    put("cifar-10-batches-bin/data_batch_2.bin", b, 3000);
    refused(CIFAR_DIR, "DIR/cifar-10-batches-bin/data_batch_2.bin: 3000 bytes, "
                       "expected a multiple of 3073");
    fs_remove(dir, NULL);
    make_folder("");
    refused(CIFAR_DIR,
            "job.json:1:1: path: no \"cifar-10-batches-bin\" or "
            "\"cifar-10-binary.tar.gz\" in \"DIR\" or \"/nonexistent\"");
    refused(CIFAR_BAD, "job.json:1:29: path: no \"bad.tar.gz\" in \"DIR\" or "
                       "\"/nonexistent\"");
}

/* ---- raw ---- */

#define RAW "{\"type\": \"raw\", \"path\": \"raw/set.json\"}"

static void
put_raw(const char *header)
{
    put("raw/set.json", header, strlen(header));
}

static void
raw_is_read(void)
{
    static const float x[8] = {0.5f, -1, 2, 3, 4, 5, 6, 7};
    static const uint8_t y8[4] = {0, 2, 1, 2};
    static const uint8_t y32[16] = {2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1};
    struct dataset *d;

    put("raw/x", x, sizeof x);
    put("raw/y8", y8, sizeof y8);
    put("raw/y32", y32, sizeof y32);
    put_raw("{\"shape\": [2], \"classes\": 3,"
            " \"train\": {\"x\": \"x\", \"labels\": \"y8\"},"
            " \"test\": {\"x\": \"x\", \"labels\": \"y32\"}}");
    d = opens(RAW);
    if (d) {
        ok(d->type == DATA_F32 && d->shape.n_dims == 1 &&
               d->shape.dim[0] == 2 && d->n_classes == 3,
           "float32, 3 classes");
        ok(d->train.n == 4 && !memcmp(d->train.x, x, sizeof x), "numbers");
        ok(d->train.label[1] == 2 && d->test.label[0] == 2 &&
               d->test.label[3] == 1,
           "labels of 1 and of 4 bytes");
    }
    dataset_free(d);
    put_raw("{\"shape\": [1, 2, 2], \"type\": \"uint8\", \"n_targets\": 4,"
            " \"train\": {\"x\": \"y32\", \"targets\": \"t\"},"
            " \"test\": {\"x\": \"y8\", \"targets\": \"x4\"}}");
    put("raw/t", y32, 0);
    refused(RAW, "DIR/raw/t: 0 bytes, expected 64");
    put("raw/x4", x, 16);
    put("raw/t", (const float[16]){1, 2, 3, 4, 5}, 64);
    d = opens(RAW);
    ok(d && d->type == DATA_U8 && d->train.n == 4 && d->test.n == 1 &&
           !d->train.label && d->n_classes == 0 && d->n_targets == 4 &&
           d->train.target[4] == 5 && d->test.target[1] == -1,
       "uint8 with targets");
    dataset_free(d);
    d = opens("{\"type\": \"raw\", \"path\": \"raw/set.json\","
              " \"limit_train\": 2}");
    ok(d && d->train.n == 2 && d->train.target[4] == 5, "a limit");
    dataset_free(d);
}

#define RAW_HEAD                                                               \
    "{\"shape\": [2], \"classes\": 3, \"test\": {\"x\": \"x\", \"labels\": "   \
    "\"y8\"}, \"train\": {\"x\": \"x\", \"labels\": "

static void
bad_raw_is_refused(void)
{
    static const uint8_t y[12] = {1, 2, 0, 1, 255, 255, 255, 255};
    static const float nan_x[8] = {1, 2, NAN}, inf_x[8] = {[7] = -INFINITY};

    put_raw(RAW_HEAD "\"y\"}}");
    put("raw/y", y, 5);
    refused(RAW, "DIR/raw/y: 5 bytes, expected 4 (uint8) or 16 (int32) for the "
                 "samples of DIR/raw/x");
    put("raw/y", "\0\1\3", 4);
    refused(RAW, "DIR/raw/y: label 3 at byte 2, expected 0 to 2");
    put("raw/y", "\0\0\0\0\1\0\0\0\xff\xff\xff\xff\0\0\0", 16);
    refused(RAW, "DIR/raw/y: label -1 at byte 8, expected 0 to 2");
    put_raw(RAW_HEAD "\"nope\"}}");
    refused(RAW, "DIR/raw/set.json:1:96: train.labels: no \"DIR/raw/nope\"");
    put("raw/x", nan_x, 32);
    put_raw(RAW_HEAD "\"y8\"}}");
    refused(RAW, "DIR/raw/x: NaN at byte 8, expected finite numbers");
    put("raw/x", inf_x, 32);
    refused(RAW, "DIR/raw/x: infinity at byte 28, expected finite numbers");
    put("raw/x", inf_x, 28);
    refused(RAW, "DIR/raw/x: 28 bytes, expected a multiple of 8");
    put("raw/x", inf_x, 0);
    refused(RAW, "DIR/raw/x: 0 bytes, expected a multiple of 8");
    put_raw("{\"shape\": [2, 2], \"classes\": 3}");
    refused(RAW, "DIR/raw/set.json:1:11: shape: expected [K] or [C, H, W], got "
                 "2 numbers");
    put_raw("{\"shape\": [1048576, 1048576, 9], \"classes\": 3}");
    refused(RAW, "DIR/raw/set.json:1:11: shape: a sample larger than 64 GiB");
    put_raw("{\"shape\": [2], \"classes\": 3}");
    refused(RAW, "DIR/raw/set.json:1:1: train: expected an object, got "
                 "nothing");
    put_raw("{\"shape\": [2], \"classes\": 3, \"n_targets\": 1}");
    refused(RAW, "DIR/raw/set.json:1:27: classes: expected \"classes\" or "
                 "\"n_targets\"");
    put_raw("{");
    refused(RAW, "DIR/raw/set.json:1:*");
    refused("{\"type\": \"raw\", \"path\": \"none\"}",
            "job.json:1:25: path: no \"none\" in \"DIR\" or \"/nonexistent\"");
    refused("{\"type\": \"raw\"}",
            "job.json:1:1: path: expected a string, got nothing");
}

/* ---- generated ---- */

static void
generated_data(void)
{
    struct dataset *d, *small;
    size_t features = 0;

    /* Fails when a compiler or processor draws other images than others do, and
     * when somebody changes them: results with digits are then no longer
     * comparable with older ones, and NEWS has to say so. */
    d = opens("{\"type\": \"digits\", \"seed\": 1}");
    ok(d && d->hash == UINT64_C(0xd52cf849f3eb321f), "the known digits: %llx",
       d ? (unsigned long long)d->hash : 0);
    ok(d && d->train.n == 8000 && d->test.n == 2000, "their default number");
    small = opens("{\"type\": \"digits\", \"seed\": 1, \"train\": 30,"
                  " \"test\": 10}");
    ok(d && small && !memcmp(d->train.x, small->train.x, 30 * 784) &&
           !memcmp(d->test.label, small->test.label, 10 * 4),
       "fewer of them are the first ones");
    ok(small && memcmp(small->train.x, small->test.x, 10 * 784) != 0,
       "training and test images differ");
    dataset_free(small);
    dataset_free(d);
    d = opens("{\"type\": \"digits\", \"train\": 30, \"test\": 10}");
    small = opens("{\"type\": \"digits\", \"train\": 30, \"test\": 10,"
                  " \"seed\": 7}");
    ok(d && small && d->hash == small->hash, "the job's seed is the default");
    dataset_free(small);
    dataset_free(d);

    d = opens("{\"type\": \"blobs\", \"seed\": 1}");
    ok(d && d->hash == UINT64_C(0xe25cd59e255edaee), "the known blobs: %llx",
       d ? (unsigned long long)d->hash : 0);
    dataset_free(d);
    d = opens("{\"type\": \"blobs\", \"shape\": [2, 3, 4], \"classes\": 5,"
              " \"train\": 20, \"test\": 6, \"limit_test\": 2}");
    if (d)
        features = shape_count(&d->shape);
    ok(d && d->train.n == 20 && d->test.n == 2 && features == 24 &&
           d->n_classes == 5,
       "blobs of another shape");
    dataset_free(d);
}

static void
bad_keys_are_refused(void)
{
    refused("{\"type\": \"idx\", \"limit\": 1}",
            "job.json:1:26: limit: unknown key");
    refused("{\"type\": \"cifar10\", \"paht\": \"x\"}",
            "job.json:1:29: paht: unknown key, did you mean \"path\"?");
    refused("{\"type\": \"mnist\"}",
            "job.json:1:10: type: expected one of idx, cifar10, cifar100, "
            "digits, raw, blobs, got \"mnist\"");
    refused("{}", "job.json:1:1: type: expected a string, got nothing");
    refused("[]", "job.json:1:1: expected an object with a \"type\"");
    refused("{\"type\": \"idx\", \"limit_train\": 0}",
            "job.json:1:32: limit_train: expected an integer from 1 to "
            "2147483647, got 0");
    refused("{\"type\": \"digits\", \"train\": 0}",
            "job.json:1:29: train: expected an integer from 1 to 10000000, "
            "got 0");
    refused("{\"type\": \"digits\", \"noise\": 2}",
            "job.json:1:29: noise: expected a number from 0 to 1, got 2");
    refused("{\"type\": \"blobs\", \"shape\": [1,2,3], \"features\": 2}",
            "job.json:1:28: shape: expected \"features\" or \"shape\"");
}

/* Every allocation fails once: an error each time, and nothing leaks (which
 * the sanitizers and valgrind see). */
static void
no_memory(const char *json)
{
    struct dataset *d = NULL;
    struct err e = ERR_INIT;
    bool right = true;
    long n = 0;

    for (; !d && right && n < 1000; n++) {
        struct json_doc doc;
        struct jcur root;

        err_clear(&e);
        if (json_doc_parse(&doc, "job.json", json, strlen(json), &e) != 0)
            break;
        root = jcur_root(&doc);
        mem_fail_after(n);
        d = dataset_open(&root, dir, ".", 1, &e);
        mem_fail_after(-1);
        right = d || e.code == ERR_NOMEM;
        json_doc_release(&doc);
    }
    if (!ok(d && right && n > 3, "out of memory %ld times: %s", n - 1, json))
        printf("# %s\n", e.text);
    dataset_free(d);
}

/* ---- real data ---- */

static void
real_mnist(const char *shared)
{
    char *data = fs_join(shared, "data/mnist"), *root = fs_join(shared, "data");
    double sum = 0, squares = 0, n;
    struct err e = ERR_INIT;
    struct dataset *d;

    if (!data || !fs_is_dir(data)) {
        skip("no mnist in $EBSP_SHARED/data");
    } else {
        d = open_in(root, "{\"type\": \"idx\"}", &e);
        ok(d && d->train.n == 60000 && d->test.n == 10000, "MNIST %s", e.text);
        n = 60000.0 * 784;
        for (size_t i = 0; d && i < 60000u * 784; i++) {
            double v = ((const uint8_t *)d->train.x)[i] / 255.0;

            sum += v;
            squares += v * v;
        }
        ok(fabs(sum / n - 0.1307) < 1e-4 &&
               fabs(sqrt(squares / n - sum / n * (sum / n)) - 0.3081) < 1e-4,
           "mean and deviation of its pixels are the known ones");
        dataset_free(d);
    }
    mem_free(root);
    mem_free(data);
}

static void
real_cifar(const char *shared)
{
    char *root = fs_join(shared, "data");
    char *file = root ? fs_join(root, "cifar-10-binary.tar.gz") : NULL;
    size_t count[10] = {0};
    struct err e = ERR_INIT;
    struct dataset *d;
    bool even = true;

    if (!file || !fs_exists(file)) {
        skip("no cifar-10-binary.tar.gz in $EBSP_SHARED/data");
    } else {
        d = open_in(root, "{\"type\": \"cifar10\"}", &e);
        ok(d && d->train.n >= 10000 && d->test.n == 10000, "CIFAR-10 %s",
           e.text);
        for (size_t i = 0; d && i < d->test.n; i++)
            count[d->test.label[i]]++;
        for (int i = 0; i < 10; i++)
            even = even && count[i] == 1000;
        ok(even, "1000 test images of each class");
        dataset_free(d);
    }
    mem_free(root);
    mem_free(file);
}

int
main(void)
{
    const char *shared = getenv("EBSP_SHARED");

    if (!mkdtemp(dir)) {
        skip("no folder in /tmp");
        return done();
    }
    make_folder("mnist");
    idx_is_read();
    bad_idx_is_refused();
    no_memory("{\"type\": \"idx\"}");
    cifar_is_read();
    no_memory("{\"type\": \"cifar10\"}");
    no_memory("{\"type\": \"cifar10\", \"path\": \"cifar-10-binary.tar.gz\"}");
    bad_cifar_is_refused();
    make_folder("raw");
    raw_is_read();
    no_memory(RAW);
    bad_raw_is_refused();
    generated_data();
    no_memory("{\"type\": \"digits\", \"train\": 2, \"test\": 2}");
    no_memory("{\"type\": \"blobs\", \"train\": 2, \"test\": 2}");
    bad_keys_are_refused();
    real_mnist(shared ? shared : "");
    real_cifar(shared ? shared : "");
    fs_remove(dir, NULL);
    return done();
}
