/* SPDX-License-Identifier: Apache-2.0 */
#include "job/emulation.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "io/link.h"
#include "job/ranked.h"
#include "job/speed.h"

#include <string.h>

#define MAX_TEXT     ((size_t)16 << 20)
#define MEAN_OF      1000
#define MEAN_UNIT_NS 1e8

void
emulation_release(struct emulation *e)
{
    mem_free(e->slow);
    mem_free(e->net);
    *e = (struct emulation){0};
}

/* ---- what one entry says ------------------------------------------------- */

static int
check_speed(const char *what, struct err *err)
{
    struct speeds s;
    int r = speeds_parse_one(&s, 0, what, 0, err);

    if (r == 0 && s.worker[0].kind == SPEED_CONSTANT &&
        !(s.worker[0].arg[0] >= 1 &&
          s.worker[0].arg[0] <= EMULATION_MAX_FACTOR))
        r = err_set(err, ERR_USAGE,
                    "\"%.40s\": expected a factor from 1 to %g, or a "
                    "distribution",
                    what, EMULATION_MAX_FACTOR);
    speeds_release(&s);
    return r;
}

static int
check_link(const char *what, struct err *err)
{
    struct link_spec s;

    return link_parse(&s, what, err);
}

/* Every entry has its WHO and says something. */
static int
check_spec(const char *spec, bool slow, struct err *err)
{
    struct ranked entry;
    int r;

    while ((r = ranked_next(&spec, &entry, err)) == 1) {
        char *what;

        if (!entry.has_who)
            return err_set(err, ERR_USAGE, "\"%.40s\": expected %s", entry.what,
                           slow ? "RANK:FACTOR" : "RANK:LINK");
        what = mem_printf("%.*s", (int)entry.len, entry.what);
        if (!what)
            return err_nomem(err);
        r = slow ? check_speed(what, err) : check_link(what, err);
        mem_free(what);
        if (r != 0)
            return -1;
    }
    return r;
}

/* ---- setting ------------------------------------------------------------- */

/* Entries of `old` about workers that `entry` is not about, too. */
static void
put_others(struct buf *to, const char *old, const struct ranked *entry)
{
    const char *begin = old;
    struct ranked r;

    while (old && ranked_next(&old, &r, NULL) == 1) {
        if (r.first < entry->first || r.last > entry->last)
            buf_addf(to, "%s%.*s", to->len ? ";" : "",
                     (int)(r.what + r.len - begin), begin);
        begin = old;
    }
}

/* `spec` behind what is left of *text. */
static int
append(char **text, const char *spec, struct err *err)
{
    const char *at = spec, *begin = spec;
    struct ranked entry;

    while (ranked_next(&at, &entry, NULL) == 1) {
        struct buf b = BUF_INIT(MAX_TEXT);

        put_others(&b, *text, &entry);
        buf_addf(&b, "%s%.*s", b.len ? ";" : "",
                 (int)(entry.what + entry.len - begin), begin);
        if (buf_ok(&b, err) != 0) {
            buf_release(&b);
            return -1;
        }
        mem_free(*text);
        *text = buf_take(&b, NULL);
        begin = at;
    }
    return 0;
}

static int
set_spec(char **to, const char *text, bool slow, bool behind, const char *dir,
         struct err *err)
{
    struct buf b = BUF_INIT(MAX_TEXT);
    char *new = NULL;
    int r = 0;

    if (*text)
        r = slow ? speeds_inline(&b, text, dir, err)
                 : (buf_adds(&b, text), buf_ok(&b, err));
    if (r == 0 && b.len)
        r = check_spec(b.data, slow, err);
    if (r == 0 && behind)
        r = b.len ? append(to, b.data, err) : 0;
    else if (r == 0) {
        if (b.len)
            r = append(&new, b.data, err);
        if (r == 0) {
            mem_free(*to);
            *to = new;
        } else {
            mem_free(new);
        }
    }
    buf_release(&b);
    return r;
}

static int
set_pace(double *to, const char *text, struct err *err)
{
    double v = 0;

    if (*text && (!str_f64(text, &v) || !(v >= 0) || v > EMULATION_MAX_PACE_MS))
        return err_set(err, ERR_USAGE,
                       "expected 0 to %g milliseconds, got \"%.40s\"",
                       EMULATION_MAX_PACE_MS, text);
    *to = v;
    return 0;
}

static int
set(struct emulation *e, enum emulation_key key, const char *text, bool behind,
    const char *dir, struct err *err)
{
    struct err why = ERR_INIT;
    int r = 0;

    switch (key) {
    case EMULATE_SLOW:
        r = set_spec(&e->slow, text, true, behind, dir, &why);
        break;
    case EMULATE_PACE:
        r = set_pace(&e->pace_ms, text, &why);
        break;
    case EMULATE_NET:
        r = set_spec(&e->net, text, false, behind, dir, &why);
        break;
    }
    return r == 0 ? 0 : err_set(err, why.code, "%s", why.text);
}

int
emulation_set(struct emulation *e, enum emulation_key key, const char *text,
              const char *dir, struct err *err)
{
    return set(e, key, text, false, dir, err);
}

int
emulation_change(struct emulation *e, enum emulation_key key, const char *text,
                 const char *dir, struct err *err)
{
    return set(e, key, text, true, dir, err);
}

static int
read_text(struct emulation *e, enum emulation_key key, const char *name,
          const struct jcur *object, const char *dir, struct err *err)
{
    struct jcur at = jcur_key(object, name);
    const char *text = "";
    struct err why = ERR_INIT;

    if (jcur_str_or(object, name, &text, err) != 0)
        return -1;
    if (emulation_set(e, key, text, dir, &why) == 0)
        return 0;
    return why.code == ERR_USAGE || why.code == ERR_CONFIG
               ? jcur_fail(&at, err, "%s", why.text)
               : err_set(err, why.code, "%s", why.text);
}

int
emulation_parse(struct emulation *e, const struct jcur *object, const char *dir,
                struct err *err)
{
    *e = (struct emulation){0};
    if (!object->v)
        return 0;
    if (jcur_num_or(object, "pace", 0, EMULATION_MAX_PACE_MS, &e->pace_ms,
                    err) == 0 &&
        read_text(e, EMULATE_SLOW, "slow", object, dir, err) == 0 &&
        read_text(e, EMULATE_NET, "net", object, dir, err) == 0)
        return 0;
    emulation_release(e);
    return -1;
}

/* ---- asking -------------------------------------------------------------- */

static int
check_ranks(const char *spec, uint32_t n, struct err *err)
{
    struct ranked r;

    while (spec && ranked_next(&spec, &r, NULL) == 1)
        if (r.last != UINT32_MAX && r.last >= n)
            return err_set(err, ERR_USAGE, "no worker %u among %u", r.last, n);
    return 0;
}

int
emulation_check_ranks(const struct emulation *e, uint32_t n, struct err *err)
{
    return check_ranks(e->slow, n, err) == 0 ? check_ranks(e->net, n, err) : -1;
}

int
emulation_get(const struct emulation *e, uint32_t rank, char **slow, char **net,
              struct err *err)
{
    struct err why = ERR_INIT;

    *slow = ranked_find(e->slow, rank, &why);
    *net = ranked_find(e->net, rank, &why);
    if (why.code == ERR_OK)
        return 0;
    mem_free(*slow);
    mem_free(*net);
    return err_set(err, why.code, "%s", why.text);
}

int
emulation_mean_factor(const struct emulation *e, uint32_t rank, uint64_t seed,
                      double *factor, struct err *err)
{
    struct err why = ERR_INIT;
    char *what = ranked_find(e->slow, rank, &why);
    struct speeds s;
    double now_ns = 0;
    int r = 0;

    *factor = 1;
    if (why.code != ERR_OK)
        return err_set(err, why.code, "%s", why.text);
    if (!what)
        return 0;
    r = speeds_parse_one(&s, rank, what, seed, err);
    mem_free(what);
    if (r != 0)
        return -1;
    for (uint64_t k = 0; k < MEAN_OF; k++)
        now_ns +=
            (double)speed_time(s.worker, k, speed_clamp(now_ns), MEAN_UNIT_NS);
    speeds_release(&s);
    *factor = now_ns / MEAN_OF / MEAN_UNIT_NS;
    return 0;
}
