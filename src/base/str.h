/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EBSP_BASE_STR_H
#define EBSP_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The candidate (array ended by NULL) nearest to `word` by edit distance with
 * transpositions, or NULL when none is near enough to be meant. */
const char *str_nearest(const char *word, const char *const *candidates);
/* Copies text of a stranger so that a terminal is safe from it: control and
 * non-ASCII bytes become \xHH.  Always terminated; cut short when too long. */
void str_escape(char *to, size_t cap, const char *text, size_t n);
/* Whole string as a number; false for anything else, also overflow. */
bool str_u64(const char *s, uint64_t *v);
bool str_i64(const char *s, int64_t *v);
bool str_f64(const char *s, double *v); /* finite only */
/* "431.1k", "1.7 MB", "1m32s": for people. `to` holds at least 32 bytes. */
const char *str_count(char *to, double v);
const char *str_bytes(char *to, double v);
const char *str_duration(char *to, double seconds);
/* snprintf that says whether everything fit. */
bool str_printf(char *to, size_t cap, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
