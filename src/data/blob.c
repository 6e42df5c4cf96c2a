/* SPDX-License-Identifier: Apache-2.0 */
#include "data/blob.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/rd.h"
#include "data/kind.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VERSION     1
#define SUM_AT      24
#define DIMS        3
#define MAX_NUMBERS ((int64_t)1 << 36) /* of a sample */

static const char magic[8] = "EBSPDATA";

/* ---- writing ------------------------------------------------------------- */

static uint8_t *
put(uint8_t *to, uint64_t v, int n)
{
    for (int i = 0; i < n; i++)
        *to++ = (uint8_t)(v >> (8 * i));
    return to;
}

static uint64_t
sum_of(const uint8_t head[BLOB_HEAD_BYTES], const struct dataset *d)
{
    uint8_t bare[BLOB_HEAD_BYTES];

    memcpy(bare, head, sizeof bare);
    memset(bare + SUM_AT, 0, 8);
    return data_hash_bytes(data_hash_bytes(0, bare, sizeof bare), d->memory,
                           d->n_bytes);
}

void
blob_make_head(const struct dataset *d, uint8_t head[BLOB_HEAD_BYTES])
{
    uint8_t *to = head + sizeof magic;

    memset(head, 0, BLOB_HEAD_BYTES);
    memcpy(head, magic, sizeof magic);
    to = put(to, VERSION, 4);
    to = put(to, d->type, 4);
    to = put(to, d->hash, 8);
    to = put(to, 0, 8);
    to = put(to, d->n_bytes, 8);
    to = put(to, (uint64_t)d->n_classes, 8);
    to = put(to, (uint64_t)d->n_targets, 8);
    to = put(to, d->train.n, 8);
    to = put(to, d->test.n, 8);
    to = put(to, (uint64_t)d->shape.n_dims, 4);
    to = put(to, 0, 4);
    for (int i = 0; i < d->shape.n_dims; i++)
        to = put(to, (uint64_t)d->shape.dim[i], 8);
    put(head + SUM_AT, sum_of(head, d), 8);
}

/* ---- reading ------------------------------------------------------------- */

struct head {
    uint64_t hash, sum, n_bytes, n_train, n_test;
};

static bool
shape_is_sane(const struct shape *s)
{
    int64_t n = 1;

    if (s->n_dims != 1 && s->n_dims != DIMS)
        return false;
    for (int i = 0; i < s->n_dims; i++) {
        if (s->dim[i] < 1 || s->dim[i] > MAX_NUMBERS / n)
            return false;
        n *= s->dim[i];
    }
    return true;
}

/* Every number is small enough for data_alloc to compute with. */
static int
read_head(struct dataset *d, struct head *h, const uint8_t *raw,
          struct err *err)
{
    uint32_t version, type;
    struct rd r;

    rd_init(&r, raw, BLOB_HEAD_BYTES);
    if (memcmp(rd_skip(&r, sizeof magic), magic, sizeof magic) != 0)
        return err_set(err, ERR_CONFIG, "not a data set of ebsp's cache");
    version = rd_u32(&r);
    if (version != VERSION)
        return err_set(err, ERR_CONFIG, "version %u of the format, not %d",
                       version, VERSION);
    type = rd_u32(&r);
    h->hash = rd_u64(&r);
    h->sum = rd_u64(&r);
    h->n_bytes = rd_u64(&r);
    d->type = type ? DATA_F32 : DATA_U8;
    d->n_classes = rd_i64(&r);
    d->n_targets = rd_i64(&r);
    h->n_train = rd_u64(&r);
    h->n_test = rd_u64(&r);
    d->shape.n_dims = (int)rd_u32(&r);
    (void)rd_u32(&r);
    for (int i = 0; i < DIMS; i++)
        d->shape.dim[i] = rd_i64(&r);
    if (type > 1 || d->n_classes < 0 || d->n_classes > DATA_MAX_CLASSES ||
        d->n_targets < 0 || d->n_targets > 1 << 20 ||
        !d->n_classes == !d->n_targets || h->n_train > DATA_MAX_SAMPLES ||
        h->n_test > DATA_MAX_SAMPLES || h->n_bytes > DATA_MAX_BYTES ||
        !shape_is_sane(&d->shape))
        return err_set(err, ERR_CONFIG, "damaged head");
    return 0;
}

static int
read_all(int fd, void *to, size_t n, struct err *err)
{
    char *p = to;

    while (n > 0) {
        ssize_t got = read(fd, p, n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_errno(err, "read");
        if (got == 0)
            return err_set(err, ERR_CONFIG, "%zu bytes are missing", n);
        p += got;
        n -= (size_t)got;
    }
    return 0;
}

static bool
labels_fit(const struct data_split *s, int64_t n_classes)
{
    for (size_t i = 0; s->label && i < s->n; i++)
        if (s->label[i] < 0 || s->label[i] >= n_classes)
            return false;
    return true;
}

/* What the head says is believed only as far as the file goes: else a flipped
 * bit would ask for all memory. */
static bool
head_fits(const struct dataset *d, const struct head *h, uint64_t size)
{
    uint64_t each = data_sample_bytes(d);

    return size > BLOB_HEAD_BYTES && size - BLOB_HEAD_BYTES == h->n_bytes &&
           each > 0 && h->n_train <= h->n_bytes / each &&
           h->n_test <= h->n_bytes / each;
}

/* The head, once it is known to be believed. */
static int
take_head(struct dataset *d, struct head *h, const uint8_t *raw, uint64_t size,
          uint64_t hash, struct err *err)
{
    if (read_head(d, h, raw, err) != 0)
        return -1;
    if (h->hash != hash)
        return err_set(err, ERR_CONFIG, "data set %016llx, expected %016llx",
                       (unsigned long long)h->hash, (unsigned long long)hash);
    if (!head_fits(d, h, size))
        return err_set(err, ERR_CONFIG, "damaged, or not as long as it says");
    d->hash = hash;
    return 0;
}

static int
check_labels(const struct dataset *d, struct err *err)
{
    return labels_fit(&d->train, d->n_classes) &&
                   labels_fit(&d->test, d->n_classes)
               ? 0
               : err_set(err, ERR_CONFIG, "a label beyond the classes");
}

static int
read_blob(struct dataset *d, int fd, uint64_t hash, struct err *err)
{
    uint8_t raw[BLOB_HEAD_BYTES], more;
    struct data_room to[2];
    struct head h = {0};
    struct stat st;

    if (fstat(fd, &st) != 0)
        return err_errno(err, "read");
    if (read_all(fd, raw, sizeof raw, err) != 0 ||
        take_head(d, &h, raw, (uint64_t)st.st_size, hash, err) != 0)
        return -1;
    if (data_alloc(d, (size_t)h.n_train, (size_t)h.n_test, to, err) != 0)
        return -1;
    if (h.n_bytes != d->n_bytes)
        return err_set(err, ERR_CONFIG, "damaged head");
    if (read_all(fd, d->memory, d->n_bytes, err) != 0)
        return -1;
    if (read(fd, &more, 1) != 0)
        return err_set(err, ERR_CONFIG, "bytes behind its end");
    if (sum_of(raw, d) != h.sum)
        return err_set(err, ERR_CONFIG, "damaged: its sum is wrong");
    return check_labels(d, err);
}

struct dataset *
blob_open(const char *path, uint64_t hash, struct err *err)
{
    struct dataset *d = mem_alloc(1, sizeof *d);
    struct err why = ERR_INIT;
    int fd = -1, r = -1;

    if (d) {
        d->shared = SHM_NONE;
        d->source = mem_strdup(path);
    }
    if (!d || !d->source) {
        err_nomem(&why);
    } else if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0) {
        err_errno(&why, "open");
    } else {
        d->kind = "cached";
        r = read_blob(d, fd, hash, &why);
    }
    if (fd >= 0)
        close(fd);
    if (r == 0)
        return d;
    err_set(err, why.code, "%s: %s", path, why.text);
    dataset_free(d);
    return NULL;
}

/* ---- shared memory ------------------------------------------------------- */

static const void *
moved(const void *p, const struct dataset *d, const char *to)
{
    return p ? to + ((const char *)p - (const char *)d->memory) : NULL;
}

static void
move_split(struct data_split *s, const struct dataset *d, const char *to)
{
    s->x = moved(s->x, d, to);
    s->label = moved(s->label, d, to);
    s->target = moved(s->target, d, to);
}

int
blob_share(struct dataset *d, struct err *err)
{
    struct shm m;
    char *to;

    if (d->shared.base)
        return 0;
    if (shm_new(&m, "ebsp-data", BLOB_HEAD_BYTES + d->n_bytes, SHM_PEERS_READ,
                err) != 0)
        return -1;
    to = m.base + BLOB_HEAD_BYTES;
    blob_make_head(d, (uint8_t *)m.base);
    memcpy(to, d->memory, d->n_bytes);
    move_split(&d->train, d, to);
    move_split(&d->test, d, to);
    mem_free(d->memory);
    d->memory = to;
    d->shared = m;
    return 0;
}

static int
attach(struct dataset *d, int fd, uint64_t hash, struct err *err)
{
    struct head h = {0};

    if (shm_attach(&d->shared, fd, SHM_PEERS_READ, err) != 0)
        return -1;
    if (d->shared.n_bytes <= BLOB_HEAD_BYTES)
        return err_set(err, ERR_CONFIG, "too short");
    if (take_head(d, &h, (const uint8_t *)d->shared.base, d->shared.n_bytes,
                  hash, err) != 0 ||
        data_place(d, (size_t)h.n_train, (size_t)h.n_test,
                   d->shared.base + BLOB_HEAD_BYTES, (size_t)h.n_bytes,
                   err) != 0)
        return -1;
    return check_labels(d, err);
}

struct dataset *
blob_attach(int fd, uint64_t hash, struct err *err)
{
    struct dataset *d = mem_alloc(1, sizeof *d);

    if (!d) {
        err_nomem(err);
        return NULL;
    }
    d->shared = SHM_NONE;
    d->kind = "shared";
    d->source = mem_strdup("shared memory");
    if (!d->source)
        err_nomem(err);
    else if (attach(d, fd, hash, err) == 0)
        return d;
    dataset_free(d);
    err_wrap(err, "data set in shared memory");
    return NULL;
}
