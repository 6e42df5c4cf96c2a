/* SPDX-License-Identifier: Apache-2.0 */
/* Events of the trace event format. */
#include "report/chrome_impl.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

void
chrome_put_string(FILE *f, const char *s)
{
    fputc('"', f);
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            fprintf(f, "\\%c", *s);
        else if ((unsigned char)*s < ' ')
            fprintf(f, "\\u%04x", (unsigned)*s);
        else
            fputc(*s, f);
    }
    fputc('"', f);
}

void
chrome_put_number(FILE *f, double v)
{
    if (isfinite(v))
        fprintf(f, "%.9g", v);
    else
        fputs("null", f);
}

/* Begins an event: phase, track, name. */
static void
begin(struct chrome *c, char phase, uint32_t track, const char *name)
{
    fprintf(c->f, "%s\n{\"ph\":\"%c\",\"pid\":1,\"tid\":%" PRIu32 ",\"name\":",
            c->n++ ? "," : "", phase, track);
    chrome_put_string(c->f, name);
}

static void
at(struct chrome *c, double at_s)
{
    fprintf(c->f, ",\"ts\":%.3f", at_s * 1e6);
}

/* Both ends are rounded, not the length, so that spans which meet do not
 * overlap. */
void
chrome_begin_span(struct chrome *c, uint32_t track, const char *name,
                  double begin_s, double length_s)
{
    begin(c, 'X', track, name);
    at(c, begin_s);
    fprintf(c->f, ",\"dur\":%.3f",
            fmax(round((begin_s + length_s) * 1e9) - round(begin_s * 1e9), 0) /
                1e3);
}

void
chrome_begin_instant(struct chrome *c, uint32_t track, const char *name,
                     double at_s)
{
    begin(c, 'i', track, name);
    at(c, at_s);
    fputs(",\"s\":\"t\"", c->f);
}

void
chrome_end(struct chrome *c)
{
    fputc('}', c->f);
}

void
chrome_counter(struct chrome *c, const char *name, double at_s, double v)
{
    if (!isfinite(v))
        return;
    begin(c, 'C', SERVER, name);
    at(c, at_s);
    fputs(",\"args\":{\"value\":", c->f);
    chrome_put_number(c->f, v);
    fputs("}", c->f);
    chrome_end(c);
}

void
chrome_arrow(struct chrome *c, char phase, uint32_t track, uint64_t id,
             double at_s)
{
    begin(c, phase, track, "push");
    at(c, at_s);
    fprintf(c->f, ",\"cat\":\"push\",\"id\":%" PRIu64 "%s", id,
            phase == 'f' ? ",\"bp\":\"e\"" : "");
    chrome_end(c);
}

void
chrome_put_args(struct chrome *c, const struct jcur *event)
{
    const char *key, *comma = "";
    json_t *v;

    fputs(",\"args\":{", c->f);
    json_object_foreach(event->v, key, v)
    {
        if (!strcmp(key, "t") || !strcmp(key, "event") ||
            !(json_is_string(v) || json_is_number(v)))
            continue;
        fputs(comma, c->f);
        chrome_put_string(c->f, key);
        fputc(':', c->f);
        if (json_is_string(v))
            chrome_put_string(c->f, json_string_value(v));
        else
            chrome_put_number(c->f, json_number_value(v));
        comma = ",";
    }
    fputs("}", c->f);
}

void
chrome_name_track(struct chrome *c, uint32_t track, const char *name,
                  uint32_t order)
{
    begin(c, 'M', track, "thread_name");
    fputs(",\"args\":{\"name\":", c->f);
    chrome_put_string(c->f, name);
    fputs("}", c->f);
    chrome_end(c);
    begin(c, 'M', track, "thread_sort_index");
    fprintf(c->f, ",\"args\":{\"sort_index\":%" PRIu32 "}", order);
    chrome_end(c);
}
