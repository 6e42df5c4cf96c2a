/* SPDX-License-Identifier: Apache-2.0 */
#include "data/archive.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#define CHUNK     ((size_t)1 << 18)
#define MAX_CHUNK ((size_t)1 << 30) /* gzread counts in int */
#define NAME_CAP  512

/* Deflate cannot do better than 258 bytes in 2 bits. */
#define MAX_EXPANSION 1032

/* A tar archive is read to its end whatever is in it. */
#define MAX_TAR_GIB 8

struct input {
    char *path;
    char name[NAME_CAP];   /* path, or path and member */
    uint64_t size;         /* of the file */
    uint64_t at;           /* next byte of the file or member */
    uint64_t member_bytes; /* tar: size of the member */
    FILE *plain;
    gzFile gz;
    struct archive *tar;
    unsigned char *chunk; /* tar: what libarchive is given */
    struct err why;       /* tar: what went wrong below libarchive */
};

void
input_close(struct input *in)
{
    if (!in)
        return;
    if (in->tar)
        archive_read_free(in->tar);
    if (in->gz)
        gzclose_r(in->gz);
    if (in->plain)
        fclose(in->plain);
    mem_free(in->chunk);
    mem_free(in->path);
    mem_free(in);
}

const char *
input_name(const struct input *in)
{
    return in->name;
}

uint64_t
input_tell(const struct input *in)
{
    return in->at;
}

uint64_t
input_size(const struct input *in)
{
    return in->size;
}

/* ---- bytes of the file ---- */

/* zlib puts "path: " in front of its messages, and so do we. */
static int
damaged(const struct input *in, struct err *err)
{
    int code = Z_OK;
    const char *what = gzerror(in->gz, &code);
    size_t n = strlen(in->path);

    if (code == Z_ERRNO)
        return err_set(err, ERR_CONFIG, "%s: %s", in->path, strerror(errno));
    if (code == Z_MEM_ERROR)
        return err_nomem(err);
    if (!strncmp(what, in->path, n) && !strncmp(what + n, ": ", 2))
        what += n + 2;
    return err_set(err, ERR_CONFIG,
                   "%s: damaged gzip data near byte %lld of %llu: %s", in->path,
                   (long long)gzoffset(in->gz), (unsigned long long)in->size,
                   what);
}

/* gzread gives what there is of a stream that breaks off, without an error. */
static int
check_stream_end(const struct input *in, struct err *err)
{
    int code = Z_OK;

    gzerror(in->gz, &code);
    if (code != Z_BUF_ERROR)
        return 0;
    return err_set(err, ERR_CONFIG,
                   "%s: truncated: the gzip data break off at byte %llu "
                   "(%lld expanded)",
                   in->path, (unsigned long long)in->size,
                   (long long)gztell(in->gz));
}

/* Up to n bytes; *got < n at the end of the file only. */
static int
pull(struct input *in, void *to, size_t n, size_t *got, struct err *err)
{
    unsigned char *p = to;

    *got = 0;
    if (in->plain) {
        *got = fread(p, 1, n, in->plain);
        if (*got < n && ferror(in->plain))
            return err_set(err, ERR_CONFIG, "%s: %s", in->path,
                           strerror(errno));
        return 0;
    }
    while (*got < n) {
        size_t part = n - *got < MAX_CHUNK ? n - *got : MAX_CHUNK;
        int r = gzread(in->gz, p + *got, (unsigned)part);

        if (r < 0)
            return damaged(in, err);
        *got += (size_t)r;
        if ((size_t)r < part)
            return check_stream_end(in, err);
    }
    return 0;
}

static int
announces_too_much(const struct input *in, uint64_t n_bytes, struct err *err)
{
    return err_set(err, ERR_CONFIG,
                   "%s: announces %llu bytes, more than there can be in %llu",
                   in->name, (unsigned long long)n_bytes,
                   (unsigned long long)in->size);
}

/* ---- tar ---- */

static int
pull_chunk(struct input *in, size_t *got, struct err *err)
{
    if (pull(in, in->chunk, CHUNK, got, err) != 0)
        return -1;
    if (gztell(in->gz) >> 30 < MAX_TAR_GIB)
        return 0;
    return err_set(err, ERR_CONFIG, "%s: expands to more than %d GiB", in->path,
                   MAX_TAR_GIB);
}

/* libarchive expands gzip too, but does not look at the check sum; so it gets
 * the expanded bytes, and no filter of its own. */
static la_ssize_t
feed(struct archive *a, void *ctx, const void **block)
{
    struct input *in = ctx;
    size_t got;

    if (pull_chunk(in, &got, &in->why) != 0) {
        archive_set_error(a, EIO, "unreadable");
        return -1;
    }
    *block = in->chunk;
    return (la_ssize_t)got;
}

static int
tar_failed(struct input *in, struct err *err)
{
    const char *what = archive_error_string(in->tar);

    if (in->why.code != ERR_OK)
        return err_set(err, in->why.code, "%s", in->why.text);
    return err_set(
        err, ERR_CONFIG, "%s: damaged tar archive at byte %lld%s: %s", in->name,
        (long long)gztell(in->gz), gzdirect(in->gz) ? "" : " (expanded)",
        what ? what : "unknown format");
}

static int
open_tar(struct input *in, struct err *err)
{
    in->chunk = mem_alloc(CHUNK, 1);
    in->tar = archive_read_new();
    if (!in->chunk || !in->tar)
        return err_nomem(err);
    if (archive_read_support_format_tar(in->tar) != ARCHIVE_OK ||
        archive_read_open(in->tar, in, NULL, feed, NULL) != ARCHIVE_OK)
        return tar_failed(in, err);
    return 0;
}

int
input_next(struct input *in, const char **member, uint64_t *n_bytes,
           struct err *err)
{
    struct archive_entry *e;
    char shown[NAME_CAP / 2];
    int r;

    do {
        str_printf(in->name, sizeof in->name, "%s", in->path);
        r = archive_read_next_header(in->tar, &e);
        if (r == ARCHIVE_EOF)
            return input_end(in, err);
        if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
            return tar_failed(in, err);
    } while (archive_entry_filetype(e) != AE_IFREG ||
             !archive_entry_pathname(e) || archive_entry_size(e) < 0);
    *member = archive_entry_pathname(e);
    *n_bytes = in->member_bytes = (uint64_t)archive_entry_size(e);
    in->at = 0;
    str_escape(shown, sizeof shown, *member, strlen(*member));
    str_printf(in->name, sizeof in->name, "%s: %s", in->path, shown);
    if (*n_bytes / (gzdirect(in->gz) ? 1 : MAX_EXPANSION) > in->size)
        return announces_too_much(in, *n_bytes, err);
    return 1;
}

static int
tar_read(struct input *in, void *to, size_t n, size_t *got, struct err *err)
{
    char *p = to;

    for (*got = 0; *got < n;) {
        la_ssize_t r = archive_read_data(in->tar, p + *got, n - *got);

        if (r < 0)
            return tar_failed(in, err);
        if (r == 0)
            break;
        *got += (size_t)r;
    }
    return 0;
}

/* ---- all ---- */

struct input *
input_open(const char *path, enum input_form form, struct err *err)
{
    struct input *in = mem_alloc(1, sizeof *in);
    struct stat st;

    if (!in || !(in->path = mem_strdup(path))) {
        err_nomem(err);
        goto fail;
    }
    str_printf(in->name, sizeof in->name, "%s", path);
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) { /* a pipe blocks */
        err_set(err, ERR_CONFIG, "%s: not a regular file", path);
        goto fail;
    }
    if (form == INPUT_PLAIN)
        in->plain = fopen(path, "rbe");
    else
        in->gz = gzopen(path, "rbe");
    if ((!in->plain && !in->gz) || stat(path, &st) != 0) {
        err_set(err, ERR_CONFIG, "%s: %s", path, strerror(errno));
        goto fail;
    }
    in->size = (uint64_t)st.st_size;
    if (in->gz)
        gzbuffer(in->gz, (unsigned)CHUNK);
    if (form == INPUT_TAR && open_tar(in, err) != 0)
        goto fail;
    return in;
fail:
    input_close(in);
    return NULL;
}

int
input_read(struct input *in, void *to, size_t n, struct err *err)
{
    size_t got;
    int r =
        in->tar ? tar_read(in, to, n, &got, err) : pull(in, to, n, &got, err);

    if (r != 0)
        return -1;
    in->at += got;
    if (got == n)
        return 0;
    return err_set(err, ERR_CONFIG, "%s: ends at byte %llu, expected %zu more",
                   in->name, (unsigned long long)in->at, n - got);
}

int
input_expect(struct input *in, uint64_t n_bytes, struct err *err)
{
    uint64_t real = in->tar ? in->member_bytes : in->size;

    if (in->tar || in->plain || gzdirect(in->gz)) {
        if (n_bytes == real)
            return 0;
        return err_set(err, ERR_CONFIG, "%s: %llu bytes, expected %llu",
                       in->name, (unsigned long long)real,
                       (unsigned long long)n_bytes);
    }
    if (n_bytes / MAX_EXPANSION <= real)
        return 0;
    return announces_too_much(in, n_bytes, err);
}

/* Behind the last member of a tar archive there is padding without meaning,
 * but the check sum comes after it. */
int
input_end(struct input *in, struct err *err)
{
    unsigned char one[1];
    size_t got;

    if (in->tar) {
        do {
            if (pull_chunk(in, &got, err) != 0)
                return -1;
        } while (got == CHUNK);
        return 0;
    }
    if (pull(in, one, 1, &got, err) != 0)
        return -1;
    if (got == 0)
        return 0;
    return err_set(err, ERR_CONFIG, "%s: expected the end at byte %llu",
                   in->name, (unsigned long long)in->at);
}
