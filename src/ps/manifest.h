/* SPDX-License-Identifier: Apache-2.0 */
/* manifest.json of a checkpoint: names, sizes and checksums (XXH3-64) of its
 * files.  It is written last, so a folder whose manifest holds is whole. */
#ifndef EBSP_PS_MANIFEST_H
#define EBSP_PS_MANIFEST_H

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

struct err;
struct fs_part;

#define MANIFEST_NAME "manifest.json"

struct manifest {
    struct buf files; /* their JSON so far */
};

void manifest_init(struct manifest *m);
void manifest_release(struct manifest *m);
/* Writes dir/name from its parts, synced.  The checksum is that of the memory:
 * what a disk or a file system makes of it is found out by reading. */
int manifest_add_file(struct manifest *m, const char *dir, const char *name,
                      const struct fs_part *part, size_t n, struct err *err);
/* Writes dir/manifest.json, synced with its folder. */
int manifest_write(const struct manifest *m, const char *dir, uint64_t version,
                   struct err *err);

/* Reads everything that dir/manifest.json names: the files in `must` are among
 * them, and sizes and checksums are theirs.  The first difference is told,
 * damage as ERR_CONFIG.  Bytes are hostile. */
int manifest_check(const char *dir, const char *const *must, size_t n_must,
                   uint64_t *version, struct err *err);

#endif
