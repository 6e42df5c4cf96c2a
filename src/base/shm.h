/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that processes of this machine share: anonymous, so that nothing is
 * left behind however they end, and of a size that nobody can change, so that
 * no access to it can fail later (memfd_create(2), fcntl(2) F_ADD_SEALS).
 *
 * Pages come into being when they are first written. */
#ifndef EBSP_BASE_SHM_H
#define EBSP_BASE_SHM_H

#include <stddef.h>
#include <stdint.h>

struct err;

enum shm_peers {
    SHM_PEERS_READ, /* others can map it for reading only, from now on */
    SHM_PEERS_WRITE
};

struct shm {
    char *base; /* NULL: none */
    size_t n_bytes;
    int fd; /* close-on-exec; of whoever made it */
};
#define SHM_NONE ((struct shm){.fd = -1})

/* Bytes from one vector of n_bytes to the next where there are many: whole
 * pages, huge ones where they are long enough. */
size_t shm_stride(size_t n_bytes);

/* n_bytes > 0 zeros, mapped for writing.  `name` is shown in /proc only. */
int shm_new(struct shm *m, const char *name, size_t n_bytes,
            enum shm_peers peers, struct err *err);
/* What somebody else has made, through a descriptor that was inherited; it is
 * closed.  Refused when its size is not fixed. */
int shm_attach(struct shm *m, int fd, enum shm_peers peers, struct err *err);
void shm_release(struct shm *m); /* one that is all zero is none */

#endif
