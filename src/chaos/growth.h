/* SPDX-License-Identifier: Apache-2.0 */
/* Does the coordinator use more and more?  Samples of one session are compared,
 * those with the most workers connected: from the second quarter to the third
 * there must be growth, and again to the last one.  What is grown once, for the
 * first evaluation, is no trend. */
#ifndef EBSP_CHAOS_GROWTH_H
#define EBSP_CHAOS_GROWTH_H

#include <stddef.h>
#include <stdint.h>

struct err;

/* What does not count as growth, in both steps together. */
#define GROWTH_FILES        2
#define GROWTH_MEMORY       ((uint64_t)4 << 20)
#define GROWTH_MEMORY_SHARE 0.05
#define GROWTH_FEW          24 /* samples of a session are too few to say */

struct growth_sample {
    uint32_t session, connected;
    uint64_t memory, files; /* bytes, descriptors */
};

struct growth {
    struct growth_sample *v;
    size_t n, cap;
};

enum growth_verdict { GROWTH_NONE, GROWTH_FOUND, GROWTH_UNKNOWN };

int growth_add(struct growth *g, const struct growth_sample *s,
               struct err *err);
void growth_release(struct growth *g);
/* Of the session in which it is worst; text tells people. */
enum growth_verdict growth_files(const struct growth *g, char *text, size_t cap,
                                 struct err *err);
enum growth_verdict growth_memory(const struct growth *g, char *text,
                                  size_t cap, struct err *err);

#endif
