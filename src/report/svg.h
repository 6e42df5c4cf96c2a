/* SPDX-License-Identifier: Apache-2.0 */
/* A drawing of gnuplot made fit for a page that holds several.
 *
 * Only elements and attributes that drawings need get through, so that nothing
 * in it can run or load anything; it has no identifiers, so that drawings do
 * not get into each other's way.  Colours become classes, which the style of
 * the page gives a colour in light and dark: rgb(0, 0, N) is class "sN" for
 * lines and "fN" for areas and text.  Everything else is black to gnuplot and
 * the colour of text here. */
#ifndef EBSP_REPORT_SVG_H
#define EBSP_REPORT_SVG_H

#include <stddef.h>

struct buf;
struct err;

#define SVG_MAX_COLOURS 64

/* `attributes` (of the svg element, with a space in front) and `inside` (what
 * comes first in it) are the caller's, as they are.  ERR_FAIL when there is no
 * whole drawing. */
int svg_adopt(const char *svg, size_t n, const char *attributes,
              const char *inside, struct buf *to, struct err *err);

#endif
