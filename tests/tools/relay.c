/* SPDX-License-Identifier: Apache-2.0 */
/* A bad network in one process: a TCP relay that delays, cuts, stalls,
 * corrupts and replays, the same way each time.
 *
 *   relay [-s SEED] [-t PORT] [-r FOLDER] [-e RULE]... LINK...
 *
 * Each LINK is a port of its own on 127.0.0.1, told on standard output as
 * "port LINK NUMBER"; every connection to it is relayed to the target:
 * 127.0.0.1 at PORT, or what the command "target ADDRESS PORT" says; until then
 * connections wait.  Rules (relay_rule.h) come from -e and, at any time, one a
 * line, from standard input; its end is the end of the relay.  Everything that
 * is done is told on standard output.  -r keeps the first MiB of each
 * connection, as its sides have sent it, in FOLDER/LINK.CONNECTION.up and
 * .down. */
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "relay_conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void
die(const char *what)
{
    perror(what);
    exit(5);
}

/* ---- rules --------------------------------------------------------------- */

static void
set_link(struct link *l, const struct rule *q)
{
    if (q->act == RULE_REFUSE || q->act == RULE_ACCEPT)
        l->refuses = q->act == RULE_REFUSE;
    for (int d = 0; d < 2; d++) {
        struct settings *s = &l->set[d];

        if (!q->direction[d])
            continue;
        if (q->act == RULE_DELAY) {
            s->delay_ms = q->number[0];
            s->jitter_ms = q->number[1];
        } else if (q->act == RULE_RATE) {
            s->rate = q->number[0];
        } else if (q->act == RULE_LOSS) {
            s->loss = q->number[0];
            s->loss_ms = q->number[1];
        } else if (q->act == RULE_NOISE) {
            s->noise = q->number[0];
        }
    }
}

static void
do_now(struct relay *r, const struct rule *q, int64_t now)
{
    for (size_t i = r->n_conns; i-- > 0;) {
        struct conn *c = r->conn[i];

        for (int d = 0; d < 2; d++)
            if (conn_is_meant(c, d, q) &&
                !conn_follow(r, c, d, pipe_do(&c->pipe[d], q, now), now))
                break;
    }
}

static int
add_rule(struct relay *r, const struct rule *q, struct err *err)
{
    if (r->n_rules == PIPE_MAX_RULES)
        return err_set(err, ERR_USAGE, "more than %d events", PIPE_MAX_RULES);
    r->rule[r->n_rules] = mem_alloc(1, sizeof *q);
    if (!r->rule[r->n_rules])
        return err_nomem(err);
    *r->rule[r->n_rules++] = *q;
    return 0;
}

static int
take_rule(struct relay *r, const struct rule *q, struct err *err)
{
    bool known = false;

    for (size_t i = 0; i < r->n_links; i++)
        if (strcmp(q->link, r->link[i].name) == 0 ||
            strcmp(q->link, "all") == 0) {
            known = true;
            if (!rule_is_event(q))
                set_link(&r->link[i], q);
        }
    if (!known)
        return err_set(err, ERR_USAGE, "no link \"%s\"", q->link);
    if (q->act ==
        RULE_CLEAR) /* they stay where they are: queues refer to them */
        for (size_t i = 0; i < r->n_rules; i++)
            if (strcmp(q->link, r->rule[i]->link) == 0 ||
                strcmp(q->link, "all") == 0)
                r->rule[i]->direction[0] = r->rule[i]->direction[1] = false;
    if (!rule_is_event(q))
        return 0;
    if (q->when != RULE_NOW)
        return add_rule(r, q, err);
    do_now(r, q, clock_now_ns());
    return 0;
}

static int
set_target(struct relay *r, const char *address, uint64_t port, struct err *err)
{
    if (port == 0 || port > 65535 ||
        inet_pton(AF_INET, address, &r->target.sin_addr) != 1)
        return err_set(err, ERR_USAGE, "target %s %llu: expected ADDRESS PORT",
                       address, (unsigned long long)port);
    r->target.sin_family = AF_INET;
    r->target.sin_port = htons((uint16_t)port);
    for (size_t i = 0; i < r->n_conns; i++)
        if (r->conn[i]->fd[1] < 0)
            conn_start(r, r->conn[i]);
    return 0;
}

static int
command(struct relay *r, const char *line, struct err *err)
{
    char address[INET_ADDRSTRLEN];
    unsigned port;
    struct rule q;

    if (*line == '\0' || *line == '#')
        return 0;
    if (sscanf(line, "target %15s %5u", address, &port) == 2)
        return set_target(r, address, port, err);
    if (rule_parse(&q, line, err) != 0)
        return -1;
    return take_rule(r, &q, err);
}

/* Commands from standard input; a wrong one is told and forgotten. */
static void
read_commands(struct relay *r)
{
    ssize_t n =
        read(STDIN_FILENO, r->line + r->n_line, sizeof r->line - 1 - r->n_line);
    char *end, *from = r->line;

    if (n <= 0) {
        r->over = n == 0 || errno != EINTR;
        return;
    }
    r->n_line += (size_t)n;
    r->line[r->n_line] = '\0';
    while ((end = strchr(from, '\n'))) {
        struct err err = ERR_INIT;

        *end = '\0';
        if (command(r, from, &err) != 0)
            printf("error: %s\n", err.text);
        else
            printf("done: %s\n", from);
        from = end + 1;
    }
    r->n_line = strlen(from);
    if (r->n_line == sizeof r->line - 1)
        r->n_line = 0; /* no command is that long */
    memmove(r->line, from, r->n_line);
}

/* ---- the loop ------------------------------------------------------------ */

static void
turn(struct relay *r)
{
    struct pollfd p[1 + MAX_LINKS + 2 * MAX_CONNS];
    struct conn *conn[MAX_CONNS];
    int64_t now = clock_now_ns(), next = now + NS_PER_S, ms;
    size_t n = 0, n_conns;

    for (size_t i = r->n_conns; i-- > 0;)
        (void)conn_do_timed(r, r->conn[i], now, &next);
    p[n++] = (struct pollfd){STDIN_FILENO, POLLIN, 0};
    for (size_t i = 0; i < r->n_links; i++)
        p[n++] = (struct pollfd){r->link[i].fd, POLLIN, 0};
    n_conns = r->n_conns;
    for (size_t i = 0; i < n_conns; i++) {
        struct conn *c = conn[i] = r->conn[i];

        for (int s = 0; s < 2; s++) {
            int64_t t = pipe_next(&c->pipe[s]);

            p[n++] = conn_poll(c, s, now);
            if (c->connected && t > now && t < next)
                next = t;
        }
    }
    fflush(stdout);
    ms = (next - now + 999999) / 1000000;
    if (poll(p, n, (int)ms) < 0 && errno != EINTR)
        die("poll");
    now = clock_now_ns();
    for (size_t i = 0; i < n_conns; i++) {
        const struct pollfd *q = &p[1 + r->n_links + 2 * i];

        conn_turn(r, conn[i], (short[2]){q[0].revents, q[1].revents}, now);
    }
    for (size_t i = 0; i < r->n_links; i++)
        if (p[1 + i].revents)
            conn_accept(r, &r->link[i], now);
    if (p[0].revents)
        read_commands(r);
}

static void
add_link(struct relay *r, const char *name)
{
    struct link *l = &r->link[r->n_links++];
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof a;

    if (r->n_links > MAX_LINKS ||
        !str_printf(l->name, sizeof l->name, "%s", name)) {
        fprintf(stderr, "relay: too many links, or too long a name\n");
        exit(2);
    }
    l->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0)
        die("socket");
    relay_narrow(l->fd); /* what is accepted inherits it */
    if (bind(l->fd, (struct sockaddr *)&a, sizeof a) < 0 ||
        listen(l->fd, 128) < 0 ||
        getsockname(l->fd, (struct sockaddr *)&a, &len) < 0)
        die("listen");
    printf("port %s %u\n", name, ntohs(a.sin_port));
}

int
main(int argc, char **argv)
{
    static struct relay r = {.seed = 1};
    const char *rules[PIPE_MAX_RULES];
    size_t n_rules = 0;
    struct err err = ERR_INIT;
    uint64_t port = 0;
    int o;

    while ((o = getopt(argc, argv, "s:t:r:e:")) != -1) {
        if ((o == 's' && !str_u64(optarg, &r.seed)) ||
            (o == 't' && !str_u64(optarg, &port)) || o == '?' ||
            (o == 'e' && n_rules == ARRAY_LEN(rules)))
            return 2;
        if (o == 'r')
            r.record = optarg;
        if (o == 'e')
            rules[n_rules++] = optarg;
    }
    while (optind < argc)
        add_link(&r, argv[optind++]);
    for (size_t i = 0; i < n_rules && err.code == ERR_OK; i++)
        (void)command(&r, rules[i], &err);
    if (port)
        (void)set_target(&r, "127.0.0.1", port, &err);
    if (err.code != ERR_OK) {
        fprintf(stderr, "relay: %s\n", err.text);
        return 2;
    }
    while (!r.over)
        turn(&r);
    while (r.n_conns > 0)
        conn_end(&r, r.conn[0], true);
    for (size_t i = 0; i < r.n_rules; i++)
        mem_free(r.rule[i]);
    return 0;
}
