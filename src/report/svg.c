/* SPDX-License-Identifier: Apache-2.0 */
/* Not a parser of XML: of what gnuplot's svg terminal writes.  What it does not
 * know is left out, so the worst that strange input can do is a strange
 * drawing. */
#include "report/svg.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MAX_DEPTH 64

struct word {
    const char *s;
    size_t n;
};

struct svg {
    const char *at, *end;
    struct buf *to;
    struct buf tag; /* an opening tag that waits for content */
    int depth;
    bool done; /* the root was closed */
};

static bool
is(const struct word *w, const char *s)
{
    return w->n == strlen(s) && !memcmp(w->s, s, w->n);
}

static bool
is_one_of(const struct word *w, const char *const *names)
{
    for (; *names; names++)
        if (is(w, *names))
            return true;
    return false;
}

static bool
is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static bool
is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '-' || c == ':' || c == '_';
}

static void
skip_space(struct svg *s)
{
    while (s->at < s->end && is_space(*s->at))
        s->at++;
}

static struct word
take_name(struct svg *s)
{
    struct word w = {s->at, 0};

    while (s->at < s->end && is_name(*s->at))
        s->at++;
    w.n = (size_t)(s->at - w.s);
    return w;
}

/* key = "value" or 'value'; false at the end of the tag. */
static bool
take_attribute(struct svg *s, struct word *key, struct word *value)
{
    const char *quote;

    skip_space(s);
    *key = take_name(s);
    if (key->n == 0)
        return false;
    skip_space(s);
    if (s->at == s->end || *s->at != '=')
        return false;
    s->at++;
    skip_space(s);
    if (s->at == s->end || (*s->at != '"' && *s->at != '\''))
        return false;
    quote = memchr(s->at + 1, *s->at, (size_t)(s->end - s->at - 1));
    if (!quote)
        return false;
    value->s = s->at + 1;
    value->n = (size_t)(quote - value->s);
    s->at = quote + 1;
    return true;
}

/* Numbers, and the names of transformations and of what text may be. */
static bool
is_plain(const struct word *v)
{
    for (size_t i = 0; i < v->n; i++)
        if (!v->s[i] || (!is_name(v->s[i]) && !strchr(" \t\n.,+()%#", v->s[i])))
            return false;
    return true;
}

/* N of rgb(0, 0, N); -1 for other colours. */
static int
colour_of(const struct word *v)
{
    char text[32];
    int r, g, b;

    if (v->n >= sizeof text)
        return -1;
    memcpy(text, v->s, v->n);
    text[v->n] = '\0';
    if (sscanf(text, "rgb(%d,%d,%d)", &r, &g, &b) != 3 || r || g || b < 0 ||
        b >= SVG_MAX_COLOURS)
        return -1;
    return b;
}

/* The tag behind its name.  A colour of a point (`use`) is that of its area. */
static void
take_attributes(struct svg *s, bool is_point, struct buf *b)
{
    static const char *const kept[] = {"transform",
                                       "text-anchor",
                                       "stroke-width",
                                       "stroke-dasharray",
                                       "d",
                                       "points",
                                       "x",
                                       "y",
                                       "width",
                                       "height",
                                       "cx",
                                       "cy",
                                       "r",
                                       "fill-opacity",
                                       "stroke-linecap",
                                       "stroke-linejoin",
                                       NULL};
    struct word key, value;
    char class[32] = "";
    size_t n = 0;

    while (take_attribute(s, &key, &value)) {
        bool is_stroke = is(&key, "stroke");

        if (is_stroke || is(&key, "fill") || (is_point && is(&key, "color"))) {
            int c = colour_of(&value);

            if (c >= 0 && n + 8 < sizeof class)
                n += (size_t)snprintf(class + n, sizeof class - n, "%s%c%d",
                                      n ? " " : "", is_stroke ? 's' : 'f', c);
            else if (is(&value, "none"))
                buf_addf(b, " %.*s=\"none\"", (int)key.n, key.s);
        } else if (is_one_of(&key, kept) && is_plain(&value)) {
            buf_addf(b, " %.*s=\"", (int)key.n, key.s);
            buf_add(b, value.s, value.n);
            buf_adds(b, "\"");
        }
    }
    if (n)
        buf_addf(b, " class=\"%s\"", class);
}

/* Behind the tag that began before. */
static void
skip_tag(struct svg *s)
{
    const char *end =
        s->at < s->end ? memchr(s->at, '>', (size_t)(s->end - s->at)) : NULL;

    s->at = end ? end + 1 : s->end;
}

/* Behind the end of an element whose content does not matter. */
static void
skip_element(struct svg *s, const struct word *name)
{
    while (s->at < s->end) {
        const char *lt = memchr(s->at, '<', (size_t)(s->end - s->at));

        if (!lt || s->end - lt < 2) {
            s->at = s->end;
            return;
        }
        s->at = lt + 1;
        if (*s->at == '/') {
            struct word closed;

            s->at++;
            closed = take_name(s);
            if (closed.n == name->n && !memcmp(closed.s, name->s, name->n)) {
                skip_tag(s);
                return;
            }
        }
    }
}

static void
flush_tag(struct svg *s)
{
    buf_add(s->to, s->tag.data, s->tag.len);
    buf_clear(&s->tag);
}

static void
open_element(struct svg *s, const struct word *name)
{
    static const char *const groups[] = {"g", "text", NULL};
    static const char *const shapes[] = {"path",     "rect",   "polygon",
                                         "polyline", "circle", NULL};
    bool is_point = is(name, "use"), is_closed;
    struct buf *b = s->to;

    if (is(name, "svg")) { /* the caller's */
        skip_tag(s);
        return;
    }
    if (!is_one_of(name, groups) && !is_one_of(name, shapes) && !is_point) {
        const char *begin = s->at;

        skip_tag(s);
        if (s->at - begin < 2 || s->at[-2] != '/')
            skip_element(s, name);
        return;
    }
    flush_tag(s);
    if (is_one_of(name, groups))
        b = &s->tag;
    if (is_point)
        buf_adds(b, "<circle r=\"1\"");
    else
        buf_addf(b, "<%.*s", (int)name->n, name->s);
    take_attributes(s, is_point, b);
    is_closed = s->at < s->end && *s->at == '/';
    skip_tag(s);
    if (b == &s->tag && !is_closed && s->depth < MAX_DEPTH) {
        buf_adds(b, ">");
        s->depth++;
        return;
    }
    buf_adds(b, "/>");
}

/* A group without content leaves nothing. */
static void
close_element(struct svg *s)
{
    struct word name = take_name(s);

    skip_tag(s);
    if (is(&name, "svg"))
        s->done = true;
    if ((!is(&name, "g") && !is(&name, "text")) || s->depth == 0)
        return;
    s->depth--;
    if (s->tag.len)
        buf_clear(&s->tag);
    else
        buf_addf(s->to, "</%.*s>", (int)name.n, name.s);
}

/* Text, which is escaped already: entities stay what they are. */
static void
take_text(struct svg *s)
{
    const char *lt = memchr(s->at, '<', (size_t)(s->end - s->at));
    const char *stop = lt ? lt : s->end;

    skip_space(s);
    if (s->at < stop && s->depth > 0) {
        flush_tag(s);
        buf_add(s->to, s->at, (size_t)(stop - s->at));
    }
    s->at = stop;
}

int
svg_adopt(const char *svg, size_t n, const char *attributes, const char *inside,
          struct buf *to, struct err *err)
{
    struct svg s = {
        .at = svg, .end = svg + n, .to = to, .tag = BUF_INIT(1 << 16)};
    int r;

    buf_addf(to, "<svg xmlns=\"http://www.w3.org/2000/svg\"%s>%s", attributes,
             inside);
    while (s.at < s.end && !s.done) {
        if (*s.at != '<') {
            take_text(&s);
            continue;
        }
        s.at++;
        if (s.at < s.end && *s.at == '/') {
            s.at++;
            close_element(&s);
        } else if (s.at < s.end && is_name(*s.at)) {
            struct word name = take_name(&s);

            open_element(&s, &name);
        } else { /* declaration, comment */
            skip_tag(&s);
        }
    }
    r = s.done && s.depth == 0
            ? buf_ok(to, err)
            : err_set(err, ERR_FAIL, "gnuplot's drawing is not whole");
    if (s.tag.bad)
        r = err_nomem(err);
    buf_adds(to, "</svg>\n");
    buf_release(&s.tag);
    return r;
}
