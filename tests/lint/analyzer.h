/* SPDX-License-Identifier: Apache-2.0 */
/* For clang-tidy only (tidy.sh): the analyzer looks at one source file at a
 * time and cannot know that these always return -1. */
#ifndef EBSP_LINT_ANALYZER_H
#define EBSP_LINT_ANALYZER_H

#include "base/err.h"
#include "base/json.h"

#define err_errno(...) ((void)err_errno(__VA_ARGS__), -1)
#define err_nomem(...) ((void)err_nomem(__VA_ARGS__), -1)
#define err_set(...)   ((void)err_set(__VA_ARGS__), -1)
#define err_wrap(...)  ((void)err_wrap(__VA_ARGS__), -1)
#define jcur_fail(...) ((void)jcur_fail(__VA_ARGS__), -1)

#endif
