/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of a benchmark (ebsp-bench(1)): its bench.json, as a page, as text
 * and as data.  What is missing in it is not known; nothing in it is trusted.
 */
#ifndef EBSP_REPORT_MATRIX_H
#define EBSP_REPORT_MATRIX_H

#include "base/json.h"

#include <stdbool.h>
#include <stdio.h>

struct err;

struct matrix {
    char *dir;
    struct json_doc doc;
};

/* Is this a folder of a benchmark? */
bool matrix_is(const char *dir);
int matrix_read(struct matrix *m, const char *dir, struct err *err);
void matrix_release(struct matrix *m);

/* As report_write. */
void matrix_write(const struct matrix *m, FILE *f, struct err *why);
void matrix_write_text(const struct matrix *m, FILE *f);
/* curves.csv in `dir`: the evaluations of all cells; the rest is in the
 * benchmark's own bench.csv. */
int matrix_write_csv(const struct matrix *m, const char *dir, struct err *err);

#endif
