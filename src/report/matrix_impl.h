/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a matrix: matrix.c reads, fig_matrix.c draws. */
#ifndef EBSP_REPORT_MATRIX_IMPL_H
#define EBSP_REPORT_MATRIX_IMPL_H

#include "report/html.h"
#include "report/matrix.h"

/* A scenario with a convention: the policies are compared in it. */
struct matrix_setting {
    const char *scenario, *convention;
    const json_t *about; /* the scenario; may be NULL */
};

size_t matrix_count(const struct matrix *m, const char *axis);
/* "" when there is none. */
const char *matrix_policy(const struct matrix *m, size_t i);
/* The i-th setting; false: there are no more. */
bool matrix_get_setting(const struct matrix *m, size_t i,
                        struct matrix_setting *s);
/* The group of a policy in a setting, or NULL. */
const json_t *matrix_group(const struct matrix *m,
                           const struct matrix_setting *s, const char *policy);
/* Does the cell belong to the setting and the policy? */
bool matrix_has_cell(const json_t *cell, const struct matrix_setting *s,
                     const char *policy);
/* Members, and members of members; NAN and "" when they are not known. */
double matrix_number(const json_t *v, const char *key);
double matrix_number_of(const json_t *v, const char *key, const char *member);
const char *matrix_text(const json_t *v, const char *key);

/* A section for each setting. */
void figures_matrix(struct page *p, const struct matrix *m);

#endif
