/* SPDX-License-Identifier: Apache-2.0 */
#include "base/shm.h"

#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE      ((size_t)4096)
#define HUGE_PAGE ((size_t)1 << 21)
#define FIXED     (F_SEAL_SHRINK | F_SEAL_GROW)

size_t
shm_stride(size_t n_bytes)
{
    size_t page = n_bytes < HUGE_PAGE ? PAGE : HUGE_PAGE;

    return (n_bytes + page - 1) / page * page;
}

static int
map(struct shm *m, bool write)
{
    int prot = write ? PROT_READ | PROT_WRITE : PROT_READ;
    void *p = mmap(NULL, m->n_bytes, prot, MAP_SHARED, m->fd, 0);

    if (p == MAP_FAILED)
        return -1;
    m->base = p;
    return 0;
}

static void
drop(struct shm *m)
{
    if (m->base)
        munmap(m->base, m->n_bytes);
    if (m->fd >= 0)
        close(m->fd);
    *m = SHM_NONE;
}

int
shm_new(struct shm *m, const char *name, size_t n_bytes, enum shm_peers peers,
        struct err *err)
{
    int seals = FIXED | F_SEAL_SEAL;

    *m = (struct shm){.n_bytes = n_bytes};
    m->fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (m->fd < 0 || ftruncate(m->fd, (off_t)n_bytes) != 0 || map(m, true) != 0)
        goto fail;
    if (peers == SHM_PEERS_READ) /* our own mapping stays as it is */
        seals |= F_SEAL_FUTURE_WRITE;
    if (fcntl(m->fd, F_ADD_SEALS, seals) != 0)
        goto fail;
    return 0;
fail:
    err_set(err, ERR_SYS, "shared memory of %zu bytes: %s", n_bytes,
            strerror(errno));
    drop(m);
    return -1;
}

int
shm_attach(struct shm *m, int fd, enum shm_peers peers, struct err *err)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);

    *m = (struct shm){.fd = fd};
    if (seals < 0 || (seals & FIXED) != FIXED || fstat(fd, &st) != 0 ||
        st.st_size <= 0) {
        err_set(err, ERR_PROTO, "descriptor %d is no shared memory of ours",
                fd);
    } else {
        m->n_bytes = (size_t)st.st_size;
        if (map(m, peers == SHM_PEERS_WRITE) == 0) {
            close(fd); /* the mapping is enough */
            m->fd = -1;
            return 0;
        }
        err_set(err, ERR_SYS, "shared memory: %s", strerror(errno));
    }
    drop(m);
    return -1;
}

void
shm_release(struct shm *m)
{
    if (m->base)
        drop(m);
}
