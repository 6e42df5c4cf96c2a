/* SPDX-License-Identifier: Apache-2.0 */
/* Files: whole or not at all. */
#ifndef EBSP_BASE_FS_H
#define EBSP_BASE_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct buf;

/* Appends the file to `to`; larger than to->max is an error. */
int fs_read(const char *path, struct buf *to, struct err *err);
/* The same, but only of a regular file: never waits for whoever is at the other
 * end of a pipe. */
int fs_read_regular(const char *path, struct buf *to, struct err *err);
/* Replaces the file at once: temporary file beside it, fsync, rename, fsync of
 * the folder.  When it fails nothing of it is left. */
int fs_write(const char *path, const void *data, size_t n, struct err *err);
/* The same with n parts, one after the other. */
struct fs_part {
    const void *data;
    size_t n_bytes;
};
int fs_write_parts(const char *path, const struct fs_part *part, size_t n,
                   struct err *err);
/* All n bytes to a descriptor. */
int fs_write_all(int fd, const void *data, size_t n, struct err *err);
/* One folder or, with parents, the whole path; existing is fine. */
int fs_mkdir(const char *path, bool parents, struct err *err);
int fs_sync_dir(const char *path, struct err *err);
/* Removes a file or a folder with everything in it; links are not followed.
 * Absent is fine. */
int fs_remove(const char *path, struct err *err);
bool fs_exists(const char *path);
bool fs_is_dir(const char *path);
int fs_size(const char *path, uint64_t *n_bytes, struct err *err);
/* What an ordinary user can still write to this file system. */
int fs_space(const char *path, uint64_t *n_bytes, struct err *err);
/* "dir/name" (name alone when it is absolute or dir is ""); free with
 * mem_free.  NULL when out of memory. */
char *fs_join(const char *dir, const char *name);
/* The folder this program's executable lies in; free with mem_free. */
char *fs_exe_dir(void);
/* Names in a folder, sorted, without . and ..; free with fs_names_free. */
int fs_list(const char *path, char ***names, size_t *n, struct err *err);
void fs_names_free(char **names, size_t n);

#endif
