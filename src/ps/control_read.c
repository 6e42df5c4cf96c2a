/* SPDX-License-Identifier: Apache-2.0 */
/* Requests: bytes of a stranger -> struct control_request. */
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "ps/control.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Every verb with the keys that it takes, ended by NULL. */
static const struct {
    const char *name;
    const char *keys[4];
} verbs[] = {
    [CONTROL_STATUS] = {"status", {"do"}},
    [CONTROL_CHECKPOINT] = {"checkpoint", {"do", "wait"}},
    [CONTROL_STOP] = {"stop", {"do", "wait"}},
    [CONTROL_ADD_WORKER] = {"add-worker", {"do", "host", "slots"}},
    [CONTROL_REMOVE_WORKER] = {"remove-worker", {"do", "rank"}},
    [CONTROL_CUT] = {"cut", {"do", "rank"}},
    [CONTROL_SLOW] = {"slow", {"do", "what"}},
    [CONTROL_PACE] = {"pace", {"do", "what"}},
    [CONTROL_NET] = {"net", {"do", "what"}},
};

static int
read_verb(struct control_request *to, const struct jcur *c, struct err *err)
{
    const char *names[ARRAY_LEN(verbs) + 1] = {NULL}, *verb;
    int which = 0;

    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        names[i] = verbs[i].name;
    if (jcur_str(c, "do", &verb, err) != 0 || /* must be there */
        jcur_enum_or(c, "do", names, &which, err) != 0)
        return -1;
    to->verb = (enum control_verb)which;
    return jcur_object(c, verbs[which].keys, err);
}

/* What can be a name of a host at all.  It becomes an argument of ssh, so it
 * must not be taken for an option. */
static int
read_host(struct control_request *to, const struct jcur *c, struct err *err)
{
    const char *host, *p;

    if (jcur_str(c, "host", &host, err) != 0)
        return -1;
    for (p = host; isgraph((unsigned char)*p); p++)
        ;
    if (*p || *host == '-' || p - host >= (ptrdiff_t)sizeof to->host)
        return err_set(err, ERR_USAGE,
                       "host \"%.80s\": expected 1 to %zu characters, no "
                       "space among them and no dash before them",
                       host, sizeof to->host - 1);
    memcpy(to->host, host, strlen(host) + 1);
    return 0;
}

static int
read_text(struct control_request *to, const struct jcur *c, struct err *err)
{
    const char *text;

    if (jcur_str(c, "what", &text, err) != 0)
        return -1;
    to->text = mem_strdup(text);
    return to->text ? 0 : err_nomem(err);
}

int
control_read(struct control_request *to, const char *line, size_t n,
             struct err *err)
{
    int64_t slots = 1, rank = 0;
    struct err why = ERR_INIT;
    struct json_doc doc;
    struct jcur c;
    int rc;

    *to = (struct control_request){0};
    if (json_doc_parse(&doc, "request", line, n, &why) != 0)
        goto fail;
    c = jcur_root(&doc);
    rc = json_is_object(c.v) ? read_verb(to, &c, &why)
                             : jcur_fail(&c, &why, "expected an object");
    if (rc == 0)
        rc = jcur_num_or(&c, "wait", 0, CONTROL_MAX_WAIT, &to->wait_s, &why);
    if (rc == 0 && to->verb == CONTROL_ADD_WORKER) {
        rc = read_host(to, &c, &why);
        if (rc == 0)
            rc = jcur_int_or(&c, "slots", 1, CONTROL_MAX_SLOTS, &slots, &why);
    }
    if (rc == 0 &&
        (to->verb == CONTROL_REMOVE_WORKER || to->verb == CONTROL_CUT))
        rc = jcur_int(&c, "rank", 0, UINT32_MAX, &rank, &why);
    if (rc == 0 && to->verb >= CONTROL_SLOW)
        rc = read_text(to, &c, &why);
    to->slots = (uint32_t)slots;
    to->rank = (uint32_t)rank;
    json_doc_release(&doc);
    if (rc == 0)
        return 0;
fail:
    return err_set(err, why.code == ERR_CONFIG ? ERR_PROTO : why.code, "%s",
                   why.text);
}

void
control_request_release(struct control_request *q)
{
    mem_free(q->text);
    q->text = NULL;
}
