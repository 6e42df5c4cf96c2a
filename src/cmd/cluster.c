/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cluster.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/str.h"
#include "launch/ssh.h"

#include <string.h>

/* ---- options ------------------------------------------------------------- */

enum {
    OPT_HOSTS = 0x300, /* not those of the subcommands */
    OPT_SSH,
    OPT_REMOTE_PATH,
    OPT_FANOUT,
    OPT_LISTEN,
    OPT_INSECURE,
    OPT_TLS,
    OPT_REMOTE_DATA_DIR,
    OPT_PUSH_DATA
};

static const struct argp_option options[] = {
    {"hosts", OPT_HOSTS, "FILE|HOST[:N],...", 0,
     "where workers run, N of them on a host; a file has lines \"HOST "
     "slots=N\"; \"local\" is this machine without ssh (job: hosts)",
     0},
    {"listen", OPT_LISTEN, "ADDRESS[:PORT]", 0,
     "address of this machine that workers on other hosts connect to; default "
     "the one that the way to them begins with",
     0},
    {"remote-path", OPT_REMOTE_PATH, "PATH", 0,
     "ebsp on the hosts; default ebsp, as found in PATH there", 0},
    {"remote-data-dir", OPT_REMOTE_DATA_DIR, "DIR", 0,
     "folder of the data sets on the hosts; default as here", 0},
    {"push-data", OPT_PUSH_DATA, NULL, 0,
     "send the data set to hosts that do not have it in their cache", 0},
    {"ssh", OPT_SSH, "COMMAND", 0,
     "how to reach hosts, for example \"ssh -p 2222\"; default ssh", 0},
    {"fanout", OPT_FANOUT, "N", 0,
     "start at most N workers at the same time; default 16", 0},
    {"tls", OPT_TLS, "WHEN", 0,
     "auto (between machines) or always (on this one, too); default auto", 0},
    {"insecure", OPT_INSECURE, NULL, 0,
     "no encryption between machines: everybody on the way can read and "
     "change everything",
     0},
    {NULL, 0, NULL, 0, NULL, 0},
};

static int
parse_fanout(struct cluster_options *o, const char *arg,
             struct argp_state *state)
{
    uint64_t n;

    if (!str_u64(arg, &n) || n < 1 || n > LAUNCH_MAX_FANOUT)
        argp_error(state, "--fanout: expected 1 to %d, got \"%s\"",
                   LAUNCH_MAX_FANOUT, arg);
    o->fanout = (uint32_t)n;
    return 0;
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
    struct cluster_options *o = state->input;

    switch (key) {
    case OPT_HOSTS:
        o->hosts = arg;
        return 0;
    case OPT_SSH:
        o->ssh = arg;
        return 0;
    case OPT_REMOTE_PATH:
        o->remote_path = arg;
        return 0;
    case OPT_FANOUT:
        return parse_fanout(o, arg, state);
    case OPT_LISTEN:
        o->listen = arg;
        return 0;
    case OPT_INSECURE:
        o->insecure = true;
        return 0;
    case OPT_TLS:
        o->tls_always = strcmp(arg, "always") == 0;
        if (!o->tls_always && strcmp(arg, "auto") != 0)
            argp_error(state, "--tls: expected auto or always, got \"%s\"",
                       arg);
        return 0;
    case OPT_REMOTE_DATA_DIR:
        o->remote_data_dir = arg;
        return 0;
    case OPT_PUSH_DATA:
        o->push_data = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp cluster_argp = {.options = options, .parser = parse};

/* ---- hosts and the job --------------------------------------------------- */

static bool
has_override(const struct overrides *o, const char *path)
{
    for (size_t i = 0; i < o->n; i++)
        if (strcmp(o->v[i].path, path) == 0)
            return true;
    return false;
}

static int
override_with(const struct hosts *h, struct overrides *to, struct err *err)
{
    struct buf text = BUF_INIT(JSON_MAX_BYTES);
    char slots[16];
    int r;

    for (size_t i = 0; i < h->n; i++) /* names need no escapes */
        buf_addf(&text, "%s\"%s:%u\"", i ? ", " : "[", h->v[i].name,
                 h->v[i].slots);
    buf_adds(&text, "]");
    snprintf(slots, sizeof slots, "%u", h->n_slots);
    r = buf_ok(&text, err);
    if (r == 0 && (overrides_flag(to, "hosts", "hosts", text.data) != 0 ||
                   (!has_override(to, "workers") &&
                    overrides_flag(to, "workers", "hosts", slots) != 0)))
        r = err_nomem(err);
    buf_release(&text);
    return r;
}

int
cluster_override(const struct cluster_options *o, struct overrides *to,
                 struct err *err)
{
    struct hosts h = HOSTS_INIT;
    int r;

    if (!o->hosts)
        return 0;
    r = hosts_parse(&h, o->hosts, err);
    if (r == 0)
        r = override_with(&h, to, err);
    else
        err_wrap(err, "--hosts");
    hosts_release(&h);
    return r;
}

/* "host:2" or {"host": "host", "slots": 2} */
static int
read_host(struct hosts *h, const struct jcur *at, struct err *err)
{
    static const char *const keys[] = {"host", "slots", NULL};
    const char *name = NULL;
    struct err why = ERR_INIT;
    int64_t slots = 1;
    int r;

    if (json_is_string(at->v)) {
        r = hosts_add(h, json_string_value(at->v), &why);
    } else {
        if (jcur_object(at, keys, err) != 0 ||
            jcur_str(at, "host", &name, err) != 0 ||
            jcur_int_or(at, "slots", 1, HOSTS_MAX_SLOTS, &slots, err) != 0)
            return -1;
        r = hosts_add_slots(h, name, (uint32_t)slots, &why);
    }
    return r == 0 ? 0 : jcur_fail(at, err, "%s", why.text);
}

static int
read_hosts(struct hosts *h, const struct job *j, struct err *err)
{
    struct jcur root = jcur_root(&j->doc), all = jcur_key(&root, "hosts");
    size_t n;

    if (!jcur_has(&root, "hosts"))
        return 0;
    if (jcur_array(&all, 1, &n, err) != 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        struct jcur at = jcur_at(&all, i);

        if (read_host(h, &at, err) != 0)
            return -1;
    }
    return 0;
}

static int
fit_workers(struct job *j, const struct hosts *h, struct err *err)
{
    struct jcur root = jcur_root(&j->doc), at = jcur_key(&root, "workers");
    const char *origin = json_doc_origin(&j->doc, "workers");
    char slots[16];

    if (h->n == 0)
        return 0;
    if (origin && strcmp(origin, "default") == 0) {
        snprintf(slots, sizeof slots, "%u", h->n_slots);
        j->workers = h->n_slots;
        return json_doc_set(&j->doc, "workers", slots, "hosts", err);
    }
    if (j->workers <= h->n_slots)
        return 0;
    return jcur_fail(&at, err,
                     "%u workers, but the hosts have %u slot%s: give a host "
                     "more, as in HOST:4, or start fewer",
                     j->workers, h->n_slots, h->n_slots == 1 ? "" : "s");
}

/* ---- addresses ----------------------------------------------------------- */

static int
ask_for_listen(struct err *err, const char *host, const struct err *why)
{
    return err_set(err, why->code,
                   "host \"%s\": %s; which address of this machine are its "
                   "workers to connect to: --listen ADDRESS",
                   host, why->text);
}

/* source: the address of ours that the host sees; "" when it is one of this
 * machine's loopback addresses, which has a listener of its own. */
static int
find_source(const char *host, char source[ROUTE_CAP], struct err *err)
{
    char address[HOST_MAX_NAME + 1];
    bool is_loopback;

    host_address(address, host);
    if (route_source(address, source, &is_loopback, err) != 0)
        return -1;
    if (is_loopback)
        source[0] = '\0';
    return 0;
}

/* c->remote becomes the address that all hosts see, if any need one. */
static int
find_address(struct cluster *c, struct err *err)
{
    char source[ROUTE_CAP];
    const char *first = NULL;

    for (size_t i = 0; i < c->hosts.n; i++) {
        const char *name = c->hosts.v[i].name;
        struct err why = ERR_INIT;

        if (host_is_local(name))
            continue;
        if (c->options->listen) { /* whatever ssh makes of the name */
            c->is_remote[i] = true;
            continue;
        }
        if (find_source(name, source, &why) != 0)
            return ask_for_listen(err, name, &why);
        c->is_remote[i] = source[0] != '\0';
        if (c->is_remote[i] && !first) {
            first = name;
            memcpy(c->remote, source, sizeof c->remote);
        } else if (c->is_remote[i] && strcmp(c->remote, source) != 0) {
            err_set(&why, ERR_CONFIG,
                    "the way there begins at %s, the one to %s at %s", source,
                    first, c->remote);
            return ask_for_listen(err, name, &why);
        }
    }
    return 0;
}

int
cluster_init(struct cluster *c, const struct cluster_options *o, struct job *j,
             struct err *err)
{
    unsigned port = 0;

    memset(c, 0, sizeof *c);
    c->options = o;
    c->ssh = ssh_new(o->ssh, o->remote_path, err);
    c->launch = (struct launch_options){.ssh = c->ssh, .fanout = o->fanout};
    if (!c->ssh || read_hosts(&c->hosts, j, err) != 0 ||
        fit_workers(j, &c->hosts, err) != 0)
        goto fail;
    c->is_remote = mem_alloc(c->hosts.n, sizeof *c->is_remote);
    if (!c->is_remote) {
        err_nomem(err);
        goto fail;
    }
    if ((o->listen && route_parse(o->listen, c->remote, &port, err) != 0) ||
        find_address(c, err) != 0)
        goto fail;
    c->remote_port = (uint16_t)port;
    return 0;
fail:
    cluster_release(c);
    return -1;
}

void
cluster_release(struct cluster *c)
{
    hosts_release(&c->hosts);
    mem_free(c->is_remote);
    ssh_free(c->ssh);
    memset(c, 0, sizeof *c);
}

int
cluster_try_listen(const struct cluster *c, struct err *err)
{
    if (!*c->remote || route_try_listen(c->remote, c->remote_port, err) == 0)
        return 0;
    return c->options->listen ? err_wrap(err, "--listen") : -1;
}

/* Three pipes, a connection and shared memory each; our own are 16, and the
 * start of a process takes a few for a moment. */
#define FILES_EACH 5
#define FILES_OWN  32
/* Strangers, ctl, checkpoints. */
#define FILES_MORE 512

int
cluster_make_room(uint32_t n, uint32_t most, struct err *err)
{
    uint64_t need = (uint64_t)n * FILES_EACH + FILES_OWN;
    uint64_t want = (uint64_t)most * FILES_EACH + FILES_OWN + FILES_MORE;

    if (limits_raise_files(need, want, err) == 0)
        return 0;
    return err_wrap(err, "%u worker%s", n, n == 1 ? "" : "s");
}

int
cluster_find(const struct cluster *c, const char *host, bool *is_remote,
             struct err *err)
{
    char source[ROUTE_CAP];
    struct err why = ERR_INIT;

    *is_remote = false;
    if (host_is_local(host))
        return 0;
    if (!c->options->listen) {
        if (find_source(host, source, &why) != 0)
            return err_set(err, why.code, "host \"%s\": %s", host, why.text);
        if (source[0] == '\0')
            return 0;
        if (strcmp(source, c->remote) != 0)
            return err_set(err, ERR_CONFIG,
                           "host \"%s\": the way there begins at %s, where "
                           "this run does not listen: start it with --listen "
                           "%s",
                           host, source, source);
    }
    *is_remote = true;
    return 0;
}
