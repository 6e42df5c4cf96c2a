/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzz targets of data sets share: files that live in memory, and a
 * data set opened from them. */
#ifndef EBSP_FUZZ_DATA_H
#define EBSP_FUZZ_DATA_H

#include "base/err.h"
#include "base/json.h"
#include "data/dataset.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FUZZ_PATH 32

/* A file with these bytes: its descriptor and a path to open it by. */
static inline int
fuzz_file(char path[FUZZ_PATH], const void *data, size_t n)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    if (fd < 0 || write(fd, data, n) != (ssize_t)n)
        abort();
    snprintf(path, FUZZ_PATH, "/proc/self/fd/%d", fd);
    return fd;
}

/* Opens the data set.  What is wrong must be said as ERR_CONFIG; what opens is
 * looked at from its first to its last byte. */
static inline void
fuzz_open(const char *json)
{
    struct err e = ERR_INIT;
    struct json_doc doc;
    struct dataset *d;
    struct jcur root;

    if (json_doc_parse(&doc, "job.json", json, strlen(json), &e) != 0)
        abort();
    root = jcur_root(&doc);
    d = dataset_open(&root, NULL, "", 1, &e);
    if (!d && (e.code != ERR_CONFIG || !*e.text))
        abort();
    for (int s = 0; d && s < 2; s++) {
        const struct data_split *split = s ? &d->test : &d->train;

        if (split->n == 0)
            abort();
        for (size_t i = 0; split->label && i < split->n; i++)
            if (split->label[i] < 0 || split->label[i] >= d->n_classes)
                abort();
    }
    dataset_free(d);
    json_doc_release(&doc);
}

#endif
