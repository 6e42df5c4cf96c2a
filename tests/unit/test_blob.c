/* SPDX-License-Identifier: Apache-2.0 */
/* A data set as a file: what comes back is the same, or it is refused. */
#include "tap.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "data/blob.h"

#include <unistd.h>

#include <fcntl.h>
#include <unistd.h>

static char path[] = "/tmp/ebsp-blob-XXXXXX";

static struct dataset *
open_json(const char *text)
{
    struct json_doc doc;
    struct jcur root;
    struct dataset *d;
    struct err e = ERR_INIT;

    if (json_doc_parse(&doc, "data", text, strlen(text), &e) != 0)
        return NULL;
    root = jcur_root(&doc);
    d = dataset_open(&root, NULL, "", 1, &e);
    if (!d)
        printf("# %s\n", e.text);
    json_doc_release(&doc);
    return d;
}

static void
write_blob(const struct dataset *d, struct buf *to)
{
    uint8_t head[BLOB_HEAD_BYTES];

    blob_make_head(d, head);
    buf_clear(to);
    buf_add(to, head, sizeof head);
    buf_add(to, d->memory, d->n_bytes);
    fs_write(path, to->data, to->len, NULL);
}

static bool
same_split(const struct dataset *a, const struct data_split *s,
           const struct data_split *t)
{
    size_t n = shape_count(&a->shape) * (a->type == DATA_U8 ? 1 : 4);

    return s->n == t->n && memcmp(s->x, t->x, s->n * n) == 0 &&
           !s->label == !t->label && !s->target == !t->target &&
           (!s->label || memcmp(s->label, t->label, s->n * 4) == 0) &&
           (!s->target ||
            memcmp(s->target, t->target, s->n * (size_t)a->n_targets * 4) == 0);
}

static void
is_same(const struct dataset *d, const struct dataset *e)
{
    ok(e->hash == d->hash && e->type == d->type &&
           e->n_classes == d->n_classes && e->n_targets == d->n_targets &&
           e->shape.n_dims == d->shape.n_dims &&
           !memcmp(e->shape.dim, d->shape.dim,
                   (size_t)e->shape.n_dims * sizeof *e->shape.dim),
       "as what it was");
    ok(same_split(d, &d->train, &e->train) && same_split(d, &d->test, &e->test),
       "byte for byte");
}

/* What a process that has inherited it sees, beside a copy of what it was. */
static void
test_shared(struct dataset *d, const struct dataset *copy)
{
    struct err err = ERR_INIT;
    struct dataset *e;
    int fd;

    is_int(blob_share(d, &err), 0, "moved into shared memory");
    is_same(copy, d);
    is_int(blob_share(d, &err), 0, "once");
    e = blob_attach(dup(d->shared.fd), d->hash, &err);
    if (ok(e, "attached: %s", err.text)) {
        is_same(copy, e);
        ok(e->memory != d->memory, "seen from elsewhere");
    }
    dataset_free(e);
    ok(!blob_attach(dup(d->shared.fd), d->hash + 1, &err), "%s", err.text);
    fd = open("/dev/null", O_RDONLY);
    err_clear(&err);
    ok(!blob_attach(fd, d->hash, &err) && err.code == ERR_PROTO, "%s",
       err.text);
    err_clear(&err);
    d->shared.base[32] ^= 1; /* bytes behind the head */
    ok(!blob_attach(dup(d->shared.fd), d->hash, &err), "%s", err.text);
}

static void
test_same(const char *json, const char *what)
{
    struct dataset *d = open_json(json), *e;
    struct buf b = BUF_INIT((size_t)64 << 20);
    struct err err = ERR_INIT;

    if (!ok(d, "%s", what))
        return;
    write_blob(d, &b);
    e = blob_open(path, d->hash, &err);
    if (ok(e, "comes back: %s", err.text)) {
        is_same(d, e);
        test_shared(d, e);
    }
    dataset_free(e);
    ok(!blob_open(path, d->hash + 1, &err) && err.code == ERR_CONFIG,
       "another data set was wanted");
    dataset_free(d);
    buf_release(&b);
}

/* Each byte of the head, and some of the rest. */
static void
test_damaged(void)
{
    struct dataset *d = open_json("{\"type\": \"blobs\", \"classes\": 3, "
                                  "\"features\": 5, \"train\": 40, "
                                  "\"test\": 20}");
    struct buf b = BUF_INIT((size_t)1 << 20);
    int refused = 0, tried = 0;
    struct err err = ERR_INIT;

    if (!ok(d, "a small data set"))
        return;
    write_blob(d, &b);
    for (size_t i = 0; i < b.len; i += i < BLOB_HEAD_BYTES ? 1 : 37) {
        for (int bit = 0; bit < 8; bit += i < BLOB_HEAD_BYTES ? 1 : 5) {
            struct dataset *e;

            b.data[i] = (char)(b.data[i] ^ 1 << bit);
            fs_write(path, b.data, b.len, NULL);
            err_clear(&err);
            e = blob_open(path, d->hash, &err);
            refused += !e && (err.code == ERR_CONFIG || err.code == ERR_NOMEM);
            tried++;
            dataset_free(e);
            b.data[i] = (char)(b.data[i] ^ 1 << bit);
        }
    }
    is_int(refused, tried, "each flipped bit is noticed");
    refused = 0;
    for (size_t n = 0; n < b.len; n += n < 200 ? 1 : 97) {
        fs_write(path, b.data, n, NULL);
        refused += !blob_open(path, d->hash, NULL);
    }
    ok(refused >= 200, "so is one that is cut short");
    buf_u8(&b, 0);
    fs_write(path, b.data, b.len, NULL);
    ok(!blob_open(path, d->hash, NULL), "and a byte too many");
    err_clear(&err);
    ok(!blob_open("/no/such/file", d->hash, &err) && err.code == ERR_SYS,
       "none at all is another matter");
    dataset_free(d);
    buf_release(&b);
}

int
main(void)
{
    int fd = mkstemp(path);

    if (fd >= 0)
        close(fd);
    test_same("{\"type\": \"blobs\", \"classes\": 3, \"features\": 5, "
              "\"train\": 41, \"test\": 19}",
              "floats with classes");
    test_same("{\"type\": \"digits\", \"train\": 30, \"test\": 10}",
              "bytes with classes");
    test_damaged();
    unlink(path);
    return done();
}
