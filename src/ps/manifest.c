/* SPDX-License-Identifier: Apache-2.0 */
#include "ps/manifest.h"

#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "wire/frame.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT     1
#define MAX_FILES  64
#define READ_BYTES ((size_t)64 << 10)

/* ---- writing ---- */

void
manifest_init(struct manifest *m)
{
    *m = (struct manifest){.files = BUF_INIT((size_t)64 << 10)};
}

void
manifest_release(struct manifest *m)
{
    buf_release(&m->files);
}

int
manifest_add_file(struct manifest *m, const char *dir, const char *name,
                  const struct fs_part *part, size_t n, struct err *err)
{
    struct wire_sum *sum = wire_sum_new();
    char *path = fs_join(dir, name);
    uint64_t n_bytes = 0;
    int r = sum && path ? 0 : err_nomem(err);

    for (size_t i = 0; r == 0 && i < n; i++) {
        wire_sum_add(sum, part[i].data, part[i].n_bytes);
        n_bytes += part[i].n_bytes;
    }
    if (r == 0)
        r = fs_write_parts(path, part, n, err);
    if (r == 0) {
        buf_addf(&m->files,
                 "%s\n  {\"name\": \"%s\", \"bytes\": %" PRIu64
                 ", \"xxh3\": \"%016" PRIx64 "\"}",
                 m->files.len ? "," : "", name, n_bytes, wire_sum_get(sum));
        r = buf_ok(&m->files, err);
    }
    wire_sum_free(sum);
    mem_free(path);
    return r;
}

int
manifest_write(const struct manifest *m, const char *dir, uint64_t version,
               struct err *err)
{
    struct buf b = BUF_INIT((size_t)128 << 10);
    char *path = fs_join(dir, MANIFEST_NAME);
    int r;

    buf_addf(&b,
             "{\"format\": %d, \"version\": %" PRIu64 ", \"files\": [%s]}\n",
             FORMAT, version, m->files.data);
    r = path ? buf_ok(&b, err) : err_nomem(err);
    if (r == 0)
        r = fs_write(path, b.data, b.len, err);
    buf_release(&b);
    mem_free(path);
    return r;
}

/* ---- checking ---- */

static int
sum_file(int fd, struct wire_sum *sum, struct err *err)
{
    char *part = mem_alloc(READ_BYTES, 1);
    ssize_t n = -1;

    if (!part)
        return err_nomem(err);
    do {
        n = read(fd, part, READ_BYTES);
        if (n > 0)
            wire_sum_add(sum, part, (size_t)n);
    } while (n > 0 || (n < 0 && errno == EINTR));
    mem_free(part);
    return n == 0 ? 0 : err_errno(err, "read");
}

/* path: a regular file of n_bytes with this checksum. */
static int
check_content(const char *path, uint64_t n_bytes, const char *want,
              struct err *err)
{
    /* O_NONBLOCK: a pipe in the place of a file must not stop us. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r;
    struct wire_sum *sum;
    struct stat st;
    char have[20];

    if (fd < 0)
        return errno == ENOENT ? err_set(err, ERR_CONFIG, "absent")
                               : err_errno(err, "open");
    if (fstat(fd, &st) != 0) {
        err_errno(err, "stat");
        close(fd);
        return -1;
    }
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != n_bytes) {
        close(fd);
        return err_set(err, ERR_CONFIG,
                       "%lld bytes, expected a file of %" PRIu64,
                       (long long)st.st_size, n_bytes);
    }
    sum = wire_sum_new();
    r = sum ? sum_file(fd, sum, err) : err_nomem(err);
    if (r == 0) {
        snprintf(have, sizeof have, "%016" PRIx64, wire_sum_get(sum));
        if (strcmp(have, want) != 0)
            r = err_set(err, ERR_CONFIG, "checksum %s, expected %s", have,
                        want);
    }
    wire_sum_free(sum);
    close(fd);
    return r;
}

/* *name: the document's. */
static int
check_file(const char *dir, const struct jcur *at, const char **name,
           struct err *err)
{
    static const char *const known[] = {"name", "bytes", "xxh3", NULL};
    struct jcur name_at = jcur_key(at, "name"), sum_at = jcur_key(at, "xxh3");
    const char *sum = NULL;
    int64_t n_bytes = 0;
    char *path;
    int r;

    if (jcur_object(at, known, err) != 0 ||
        jcur_str(at, "name", name, err) != 0 ||
        jcur_int(at, "bytes", 0, INT64_MAX, &n_bytes, err) != 0 ||
        jcur_str(at, "xxh3", &sum, err) != 0)
        return -1;
    if (strchr(*name, '/') || **name == '.' || **name == '\0')
        return jcur_fail(&name_at, err, "expected the name of a file");
    if (strlen(sum) != 16 || strspn(sum, "0123456789abcdef") != 16)
        return jcur_fail(&sum_at, err, "expected 16 digits");
    path = fs_join(dir, *name);
    r = path ? check_content(path, (uint64_t)n_bytes, sum, err)
             : err_nomem(err);
    if (r != 0)
        err_wrap(err, "%s", path ? path : *name);
    mem_free(path);
    return r;
}

static int
check_doc(const struct json_doc *doc, const char *dir, const char *const *must,
          size_t n_must, uint64_t *version, struct err *err)
{
    static const char *const known[] = {"format", "version", "files", NULL};
    struct jcur root = jcur_root(doc), files = jcur_key(&root, "files");
    int64_t format = 0, v = 0;
    uint64_t seen = 0;
    size_t n = 0;

    if (jcur_object(&root, known, err) != 0 ||
        jcur_int(&root, "format", FORMAT, FORMAT, &format, err) != 0 ||
        jcur_int(&root, "version", 0, INT64_MAX, &v, err) != 0 ||
        jcur_array(&files, 1, &n, err) != 0)
        return -1;
    if (n > MAX_FILES)
        return jcur_fail(&files, err, "%zu files, expected at most %d", n,
                         MAX_FILES);
    for (size_t i = 0; i < n; i++) {
        struct jcur at = jcur_at(&files, i);
        const char *name = "";

        if (check_file(dir, &at, &name, err) != 0)
            return -1;
        for (size_t k = 0; k < n_must; k++)
            seen |= (uint64_t)!strcmp(name, must[k]) << k;
    }
    for (size_t k = 0; k < n_must; k++)
        if (!(seen >> k & 1))
            return jcur_fail(&files, err, "no \"%s\" among them", must[k]);
    *version = (uint64_t)v;
    return 0;
}

int
manifest_check(const char *dir, const char *const *must, size_t n_must,
               uint64_t *version, struct err *err)
{
    char *path = fs_join(dir, MANIFEST_NAME);
    struct json_doc doc = {0};
    struct stat st;
    int r;

    if (!path)
        r = err_nomem(err);
    else if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        r = err_set(err, ERR_CONFIG, "%s: not a file", path); /* a pipe? */
    else
        r = json_doc_load(&doc, path, err);
    if (r == 0)
        r = check_doc(&doc, dir, must, n_must, version, err);
    json_doc_release(&doc);
    mem_free(path);
    return r;
}
