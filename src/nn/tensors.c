/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/tensors.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "nn/tensors_header.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Tensors are written and read as they lie in memory. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && sizeof(float) == 4,
               "safetensors are little-endian 32-bit floats");

int
tensors_image_init(struct tensors_image *f, const struct segtab *t,
                   const float *v, const struct tensors_meta *meta,
                   size_t n_meta, struct err *err)
{
    *f = (struct tensors_image){
        .header = BUF_INIT(TENSORS_PREFIX + JSON_MAX_BYTES),
        .part = mem_alloc(t->n + 1, sizeof *f->part),
        .n_parts = t->n + 1,
    };
    if (!f->part ||
        tensors_header_write(t, meta, n_meta, &f->header, err) != 0) {
        err_nomem(err);
        tensors_image_release(f);
        return -1;
    }
    f->part[0] = (struct fs_part){f->header.data, f->header.len};
    for (size_t i = 0; i < t->n; i++)
        f->part[i + 1] = (struct fs_part){v + t->seg[i].offset,
                                          t->seg[i].count * sizeof(float)};
    return 0;
}

void
tensors_image_release(struct tensors_image *f)
{
    buf_release(&f->header);
    mem_free(f->part);
    f->part = NULL;
}

int
tensors_save(const char *path, const struct segtab *t, const float *v,
             const struct tensors_meta *meta, size_t n_meta, struct err *err)
{
    struct tensors_image f;
    int r;

    if (tensors_image_init(&f, t, v, meta, n_meta, err) != 0)
        return -1;
    r = fs_write_parts(path, f.part, f.n_parts, err);
    tensors_image_release(&f);
    return r;
}

/* ---- reading ---- */

/* An open file whose header was read. */
struct source {
    int fd;
    char *header;
    size_t len;
    uint64_t n_data; /* bytes after the header */
};

static void
source_release(struct source *s)
{
    if (s->fd >= 0)
        close(s->fd);
    mem_free(s->header);
}

static int
read_at(const struct source *s, const char *path, void *to, size_t n,
        uint64_t at, struct err *err)
{
    char *p = to;

    while (n > 0) {
        ssize_t k = pread(s->fd, p, n, (off_t)at);

        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return err_errno(err, "%s", path);
        if (k == 0) /* shorter than it said a moment ago */
            return err_set(err, ERR_CONFIG, "%s: ends at byte %llu", path,
                           (unsigned long long)at);
        p += k;
        n -= (size_t)k;
        at += (uint64_t)k;
    }
    return 0;
}

static int
source_open(struct source *s, const char *path, struct err *err)
{
    unsigned char prefix[TENSORS_PREFIX];
    struct stat st;

    *s = (struct source){.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (s->fd < 0 || fstat(s->fd, &st) != 0)
        return err_errno(err, "%s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_CONFIG, "%s: not a file", path);
    if (st.st_size < TENSORS_PREFIX)
        return err_set(err, ERR_CONFIG, "%s: %lld bytes, no safetensors file",
                       path, (long long)st.st_size);
    if (read_at(s, path, prefix, sizeof prefix, 0, err) != 0 ||
        tensors_header_length(path, prefix, (uint64_t)st.st_size, &s->len,
                              err) != 0)
        return -1;
    s->n_data = (uint64_t)st.st_size - TENSORS_PREFIX - s->len;
    s->header = mem_alloc(s->len, 1);
    if (!s->header)
        return err_nomem(err);
    return read_at(s, path, s->header, s->len, TENSORS_PREFIX, err);
}

int
tensors_load(const char *path, const struct segtab *t, float *v,
             struct err *err)
{
    struct source s;
    uint64_t *at = mem_alloc(t->n, sizeof *at);
    int r = source_open(&s, path, err);

    if (!at)
        r = err_nomem(err);
    if (r == 0)
        r = tensors_header_parse(path, s.header, s.len, s.n_data, t, at, err);
    if (r == 0)
        memset(v, 0, t->n_floats * sizeof *v); /* gaps */
    for (size_t i = 0; r == 0 && i < t->n; i++)
        r = read_at(&s, path, v + t->seg[i].offset, t->seg[i].count * sizeof *v,
                    TENSORS_PREFIX + s.len + at[i], err);
    source_release(&s);
    mem_free(at);
    return r;
}

char *
tensors_load_meta(const char *path, const char *key, struct err *err)
{
    struct source s;
    char *text = NULL;

    if (source_open(&s, path, err) == 0)
        text = tensors_header_meta(path, s.header, s.len, key, err);
    source_release(&s);
    return text;
}
