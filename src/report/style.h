/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EBSP_REPORT_STYLE_H
#define EBSP_REPORT_STYLE_H

/* The style sheet of a report: light and dark, screen and paper. */
extern const char *const report_style[]; /* lines, ended by NULL */

#endif
