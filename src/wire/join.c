/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/join.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "wire/frame.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_CONFIG_H
#    include "config.h"
#endif

#define HEAD     "ebsp-join 1 "
#define GREETING "ebsp-worker "
#define HASH_CAP 17 /* hexadecimal */

/* ---- greeting ------------------------------------------------------------ */

const char *
join_version(void)
{
    return PACKAGE_VERSION;
}

void
join_greeting(char to[JOIN_GREETING_CAP])
{
    snprintf(to, JOIN_GREETING_CAP, "\n" GREETING "%d %.*s\n", WIRE_VERSION,
             JOIN_VERSION_CAP - 1, join_version());
}

static bool
is_version(const char *s)
{
    size_t n = strlen(s);

    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)s[i]) && !strchr(".+~-_", s[i]))
            return false;
    return n > 0 && n < JOIN_VERSION_CAP;
}

bool
join_is_greeting(const char *line, uint32_t *protocol,
                 char version[JOIN_VERSION_CAP])
{
    char number[12];
    const char *space;
    uint64_t n;

    if (strncmp(line, GREETING, strlen(GREETING)) != 0)
        return false;
    line += strlen(GREETING);
    space = strchr(line, ' ');
    if (!space ||
        !str_printf(number, sizeof number, "%.*s", (int)(space - line), line) ||
        !str_u64(number, &n) || n > UINT32_MAX || !is_version(space + 1))
        return false;
    *protocol = (uint32_t)n;
    memcpy(version, space + 1, strlen(space + 1) + 1);
    return true;
}

static const char *const tasks[] = {"train", "probe", "serve", NULL};

/* ---- what to join -------------------------------------------------------- */

static void
key_to_hex(char to[2 * JOIN_KEY_BYTES + 1], const uint8_t *key)
{
    for (size_t i = 0; i < JOIN_KEY_BYTES; i++)
        snprintf(to + 2 * i, 3, "%02x", key[i]);
}

static int
hex_to_key(uint8_t *key, const char *hex)
{
    static const char digits[] = "0123456789abcdef";

    if (strlen(hex) != 2 * JOIN_KEY_BYTES)
        return -1;
    for (size_t i = 0; i < JOIN_KEY_BYTES; i++) {
        const char *a = strchr(digits, hex[2 * i]);
        const char *b = strchr(digits, hex[2 * i + 1]);

        if (!a || !b)
            return -1;
        key[i] = (uint8_t)((a - digits) << 4 | (b - digits));
    }
    return 0;
}

int
join_encode(const struct join *j, struct buf *to, struct err *err)
{
    struct buf text = BUF_INIT(JOIN_MAX_BYTES);
    char hex[2 * JOIN_KEY_BYTES + 1], data[HASH_CAP];
    json_t *v;
    int r;

    key_to_hex(hex, j->key);
    snprintf(data, sizeof data, "%016" PRIx64, j->data_hash);
    v = json_pack(
        "{s:s, s:s, s:i, s:I, s:I, s:b, s:s, s:I, s:s, s:s, s:f,"
        " s:f, s:b, s:b, s:b, s:I, s:b, s:s*, s:s*, s:s*, s:s*}",
        "task", tasks[j->task], "host", j->host, "port", (int)j->port, "rank",
        (json_int_t)j->rank, "life", (json_int_t)j->life, "tls", (int)j->tls,
        "key", hex, "threads", (json_int_t)j->threads, "job_dir", j->job_dir,
        "job", j->job, "pace_ms", j->pace_ms, "age_ms", j->age_ms, "shared",
        (int)j->shared, "served", (int)j->served, "echo", (int)j->echo, "seed",
        (json_int_t)j->seed, "push_data", (int)j->push_data, "slow", j->slow,
        "net", j->net, "data_dir", j->data_dir, "data_hash",
        j->push_data || j->shared ? data : NULL);
    explicit_bzero(hex, sizeof hex);
    r = v ? json_dump(v, 0, &text, err) : err_nomem(err);
    json_decref(v);
    if (r == 0) {
        buf_addf(to, HEAD "%zu\n", text.len);
        buf_add(to, text.data, text.len);
        r = buf_ok(to, err);
    }
    buf_release(&text);
    return r;
}

int
join_decode_head(const char *line, size_t *n_bytes, struct err *err)
{
    uint64_t n;

    if (strncmp(line, HEAD, strlen(HEAD)) != 0 ||
        !str_u64(line + strlen(HEAD), &n) || n == 0 || n > JOIN_MAX_BYTES)
        return err_set(err, ERR_PROTO,
                       "stdin: expected \"" HEAD
                       "LENGTH\"; a worker is started by ebsp train");
    *n_bytes = (size_t)n;
    return 0;
}

/* "data_hash": of the data set that is sent or shared. */
static int
read_hash(struct join *j, const struct jcur *root, struct err *err)
{
    const char *hex = "";
    char *end;

    if (!j->push_data && !j->shared)
        return 0;
    if (jcur_str(root, "data_hash", &hex, err) != 0)
        return -1;
    j->data_hash = strtoull(hex, &end, 16);
    if (strlen(hex) != HASH_CAP - 1 || *end ||
        strspn(hex, "0123456789abcdef") != HASH_CAP - 1)
        return err_set(err, ERR_PROTO, "stdin: malformed hash");
    return 0;
}

static int
copy(const struct jcur *root, const char *key, char **to, struct err *err)
{
    const char *s = NULL;

    if (jcur_str(root, key, &s, err) != 0)
        return -1;
    *to = mem_strdup(s);
    return *to ? 0 : err_nomem(err);
}

static int
read_emulation(struct join *j, const struct jcur *root, struct err *err)
{
    int64_t seed = 0;

    if ((jcur_has(root, "slow") && copy(root, "slow", &j->slow, err) != 0) ||
        (jcur_has(root, "net") && copy(root, "net", &j->net, err) != 0) ||
        jcur_num(root, "pace_ms", 0, INFINITY, &j->pace_ms, err) != 0 ||
        jcur_num(root, "age_ms", 0, INFINITY, &j->age_ms, err) != 0 ||
        jcur_int(root, "seed", 0, INT64_MAX, &seed, err) != 0)
        return -1;
    j->seed = (uint64_t)seed;
    return 0;
}

static int
read_fields(struct join *j, const struct jcur *root, struct err *err)
{
    int64_t port = 0, rank = 0, life = 0, threads = 0;
    const char *hex = "";
    int task = JOIN_TRAIN;

    if (jcur_enum_or(root, "task", tasks, &task, err) != 0 ||
        copy(root, "host", &j->host, err) != 0 ||
        jcur_int(root, "port", task != JOIN_PROBE, 65535, &port, err) != 0 ||
        jcur_int(root, "rank", 0, UINT32_MAX - 1, &rank, err) != 0 ||
        jcur_int(root, "life", 0, UINT32_MAX, &life, err) != 0 ||
        jcur_bool_or(root, "tls", &j->tls, err) != 0 ||
        jcur_int(root, "threads", 1, 1024, &threads, err) != 0 ||
        jcur_str(root, "key", &hex, err) != 0 ||
        copy(root, "job_dir", &j->job_dir, err) != 0 ||
        copy(root, "job", &j->job, err) != 0 ||
        (jcur_has(root, "data_dir") &&
         copy(root, "data_dir", &j->data_dir, err) != 0) ||
        jcur_bool_or(root, "push_data", &j->push_data, err) != 0 ||
        jcur_bool_or(root, "shared", &j->shared, err) != 0 ||
        jcur_bool_or(root, "served", &j->served, err) != 0 ||
        read_hash(j, root, err) != 0 ||
        jcur_bool_or(root, "echo", &j->echo, err) != 0 ||
        read_emulation(j, root, err) != 0)
        return -1;
    if (hex_to_key(j->key, hex) != 0)
        return err_set(err, ERR_PROTO, "stdin: malformed key");
    j->task = (enum join_task)task;
    j->port = (uint16_t)port;
    j->rank = (uint32_t)rank;
    j->life = (uint32_t)life;
    j->threads = (uint32_t)threads;
    return 0;
}

int
join_decode(struct join *j, const char *text, size_t n, struct err *err)
{
    struct json_doc d;
    struct jcur root;
    int r;

    memset(j, 0, sizeof *j);
    if (json_doc_parse(&d, "stdin", text, n, err) != 0)
        return -1;
    root = jcur_root(&d);
    r = read_fields(j, &root, err);
    json_doc_release(&d);
    if (r != 0)
        join_release(j);
    return r;
}

void
join_release(struct join *j)
{
    explicit_bzero(j->key, sizeof j->key);
    mem_free(j->host);
    mem_free(j->data_dir);
    mem_free(j->job_dir);
    mem_free(j->job);
    mem_free(j->slow);
    mem_free(j->net);
    memset(j, 0, sizeof *j);
}
