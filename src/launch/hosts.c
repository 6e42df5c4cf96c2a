/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/hosts.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

#include <ctype.h>
#include <string.h>

/* ---- names --------------------------------------------------------------- */

static bool
all_of(const char *s, size_t n, const char *more)
{
    for (size_t i = 0; i < n; i++)
        if (!isascii((unsigned char)s[i]) ||
            (!isalnum((unsigned char)s[i]) && (!s[i] || !strchr(more, s[i]))))
            return false;
    return n > 0;
}

/* Addresses are told apart by ssh; here it is about what can do harm. */
static bool
is_name(const char *s)
{
    const char *at = strchr(s, '@');
    size_t n;

    if (strlen(s) > HOST_MAX_NAME)
        return false;
    if (at) {
        if (*s == '-' || !all_of(s, (size_t)(at - s), "._+-"))
            return false;
        s = at + 1;
    }
    n = strlen(s);
    if (*s == '[') /* "%eth0" is the zone of a link-local address */
        return n > 2 && s[n - 1] == ']' && strchr(s, ':') && s[1] != '-' &&
               all_of(s + 1, n - 2, ":.%_-");
    return *s != '-' && all_of(s, n, "._-");
}

int
hosts_check_name(const char *name, struct err *err)
{
    char shown[80];

    if (is_name(name))
        return 0;
    str_escape(shown, sizeof shown, name, strlen(name));
    return err_set(err, ERR_CONFIG,
                   "expected [USER@]HOST, of letters, digits and ._- or an "
                   "IPv6 address in brackets, got \"%s\"",
                   shown);
}

bool
host_is_local(const char *name)
{
    return strcmp(name, HOST_LOCAL) == 0;
}

void
host_address(char *to, const char *name)
{
    const char *at = strchr(name, '@');
    size_t n;

    if (at)
        name = at + 1;
    n = strlen(name);
    if (*name == '[') {
        name++;
        n -= 2;
    }
    memcpy(to, name, n);
    to[n] = '\0';
}

/* ---- collecting ---------------------------------------------------------- */

int
hosts_add_slots(struct hosts *h, const char *name, uint32_t slots,
                struct err *err)
{
    struct host *more;

    if (hosts_check_name(name, err) != 0)
        return -1;
    if (slots < 1 || slots > HOSTS_MAX_SLOTS ||
        h->n_slots + slots > HOSTS_MAX_SLOTS)
        return err_set(err, ERR_CONFIG,
                       "%s: expected 1 to %d slots, of all hosts together, "
                       "got %u",
                       name, HOSTS_MAX_SLOTS, h->n_slots + slots);
    more = mem_resize(h->v, h->n, h->n + 1, sizeof *h->v);
    if (!more)
        return err_nomem(err);
    h->v = more;
    h->v[h->n].name = mem_strdup(name);
    if (!h->v[h->n].name)
        return err_nomem(err);
    h->v[h->n++].slots = slots;
    h->n_slots += slots;
    return 0;
}

/* Where ":SLOTS" begins, or NULL. */
static const char *
find_slots(const char *spec)
{
    const char *bracket = strrchr(spec, ']');

    return strchr(bracket ? bracket : spec, ':');
}

static int
parse_slots(const char *text, uint32_t *slots, struct err *err)
{
    char shown[40];
    uint64_t n;

    if (!str_u64(text, &n) || n < 1 || n > HOSTS_MAX_SLOTS) {
        str_escape(shown, sizeof shown, text, strlen(text));
        return err_set(err, ERR_CONFIG, "expected 1 to %d slots, got \"%s\"",
                       HOSTS_MAX_SLOTS, shown);
    }
    *slots = (uint32_t)n;
    return 0;
}

/* "::1" or "ada@fe80::1%eth0": what looks like an address, and no name. */
static bool
lacks_brackets(const char *spec)
{
    const char *at = strchr(spec, '@'), *host = at ? at + 1 : spec;
    size_t n = strspn(host, "0123456789abcdefABCDEF:.");
    const char *colon = strchr(host, ':');

    return colon && strchr(colon + 1, ':') && (!host[n] || host[n] == '%') &&
           all_of(host, strlen(host), ":.%_-");
}

static int
refuse_spec(const char *spec, struct err *err)
{
    const char *at = strchr(spec, '@');
    int n = at ? (int)(at + 1 - spec) : 0;
    char shown[80];

    str_escape(shown, sizeof shown, spec, strlen(spec));
    if (lacks_brackets(spec) && (n == 0 || all_of(spec, (size_t)n, "@._+-")))
        return err_set(err, ERR_CONFIG,
                       "an IPv6 address needs brackets, as in \"%.*s[%.70s]\", "
                       "got \"%s\"",
                       n, spec, spec + n, shown);
    return err_set(err, ERR_CONFIG, "expected [USER@]HOST[:SLOTS], got \"%s\"",
                   shown);
}

int
hosts_add(struct hosts *h, const char *spec, struct err *err)
{
    const char *colon = find_slots(spec);
    char name[HOST_MAX_NAME + 2];
    uint32_t slots = 1;

    if (!colon)
        return hosts_add_slots(h, spec, 1, err);
    if (colon == spec || strchr(colon + 1, ':'))
        return refuse_spec(spec, err);
    /* One too long is cut, and still too long. */
    (void)str_printf(name, sizeof name, "%.*s", (int)(colon - spec), spec);
    if (hosts_check_name(name, err) != 0 ||
        parse_slots(colon + 1, &slots, err) != 0)
        return -1;
    return hosts_add_slots(h, name, slots, err);
}

int
hosts_parse_list(struct hosts *h, const char *list, struct err *err)
{
    char spec[HOST_MAX_NAME + 16];

    for (;;) {
        size_t n = strcspn(list, ",");

        if (!str_printf(spec, sizeof spec, "%.*s", (int)n, list))
            return err_set(err, ERR_CONFIG, "a name of %zu characters", n);
        if (hosts_add(h, spec, err) != 0)
            return -1;
        if (!list[n])
            return 0;
        list += n + 1;
    }
}

/* ---- files --------------------------------------------------------------- */

/* The next word of [*p, end), or false. */
static bool
next_word(const char **p, const char *end, const char **word, size_t *n)
{
    while (*p < end && (**p == ' ' || **p == '\t' || **p == '\r'))
        ++*p;
    *word = *p;
    while (*p < end && **p != ' ' && **p != '\t' && **p != '\r')
        ++*p;
    *n = (size_t)(*p - *word);
    return *n > 0;
}

static int
parse_line(struct hosts *h, const char *p, const char *end, struct err *err)
{
    char name[HOST_MAX_NAME + 2], option[32];
    const char *hash = memchr(p, '#', (size_t)(end - p)), *word;
    uint32_t slots = 1;
    size_t n;

    if (hash)
        end = hash;
    if (!next_word(&p, end, &word, &n))
        return 0;
    if (memchr(word, '\0', n))
        return err_set(err, ERR_CONFIG, "a zero byte");
    (void)str_printf(name, sizeof name, "%.*s", (int)n, word);
    if (hosts_check_name(name, err) != 0)
        return -1;
    if (next_word(&p, end, &word, &n)) {
        if (!str_printf(option, sizeof option, "%.*s", (int)n, word) ||
            strncmp(option, "slots=", 6) != 0)
            return err_set(err, ERR_CONFIG,
                           "expected \"HOST slots=N\" and no more");
        if (parse_slots(option + 6, &slots, err) != 0)
            return -1;
        if (next_word(&p, end, &word, &n))
            return err_set(err, ERR_CONFIG,
                           "expected \"HOST slots=N\" and no more");
    }
    return hosts_add_slots(h, name, slots, err);
}

int
hosts_parse_text(struct hosts *h, const char *file, const char *text,
                 size_t len, struct err *err)
{
    const char *p = text, *end = text + len;

    for (unsigned line = 1; p < end; line++) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *stop = newline ? newline : end;

        if (parse_line(h, p, stop, err) != 0)
            return err_wrap(err, "%s:%u", file, line);
        p = newline ? newline + 1 : end;
    }
    return h->n ? 0 : err_set(err, ERR_CONFIG, "%s: no host in it", file);
}

static int
parse_file(struct hosts *h, const char *path, struct err *err)
{
    struct buf text = BUF_INIT(HOSTS_MAX_FILE);
    struct err why = ERR_INIT;
    int r = fs_read(path, &text, &why);

    if (r != 0)
        err_set(err, ERR_CONFIG, "%s", why.text);
    else
        r = hosts_parse_text(h, path, text.data ? text.data : "", text.len,
                             err);
    buf_release(&text);
    return r;
}

int
hosts_parse(struct hosts *h, const char *arg, struct err *err)
{
    if (strchr(arg, '/') || (fs_exists(arg) && !fs_is_dir(arg)))
        return parse_file(h, arg, err);
    return hosts_parse_list(h, arg, err);
}

void
hosts_release(struct hosts *h)
{
    for (size_t i = 0; i < h->n; i++)
        mem_free(h->v[i].name);
    mem_free(h->v);
    memset(h, 0, sizeof *h);
}

int
hosts_deal(const struct hosts *h, uint32_t n, uint32_t *host_of_rank,
           struct err *err)
{
    uint32_t rank = 0;

    if (n > h->n_slots)
        return err_set(err, ERR_CONFIG,
                       "%u workers, but the hosts have %u slot%s: give a host "
                       "more, as in HOST:4, or start fewer",
                       n, h->n_slots, h->n_slots == 1 ? "" : "s");
    for (uint32_t round = 0; rank < n; round++)
        for (uint32_t i = 0; i < h->n && rank < n; i++)
            if (round < h->v[i].slots)
                host_of_rank[rank++] = i;
    return 0;
}
