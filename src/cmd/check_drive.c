/* SPDX-License-Identifier: Apache-2.0 */
/* Computing, of which one machine does one thing at a time, and links, of which
 * it has one at a time: also when it has several names. */
#include "base/str.h"
#include "cmd/check_impl.h"

#include <string.h>

/* ---- computing ----------------------------------------------------------- */

static bool
is_same_machine(const struct check_node *a, const struct check_node *b)
{
    return a == b || (*a->facts.machine &&
                      strcmp(a->facts.machine, b->facts.machine) == 0);
}

/* One machine under two names is busy under both, as it is with its part of a
 * link before it is asked. */
static bool
is_free(const struct check *c, const struct check_node *n)
{
    if (n->state != CHECK_IDLE)
        return false;
    for (size_t i = 0; i < c->n_nodes; i++)
        if (c->node[i].state == CHECK_ASKED && is_same_machine(&c->node[i], n))
            return false;
    for (size_t i = 0; i < c->n_links; i++) {
        const struct check_link *l = &c->link[i];

        if ((l->state == CHECK_LINK_LISTENS || l->state == CHECK_LINK_RUNS) &&
            (is_same_machine(&c->node[l->from], n) ||
             is_same_machine(&c->node[l->to], n)))
            return false;
    }
    return true;
}

static bool
can_compute(const struct check_node *n)
{
    return n->state == CHECK_IDLE && !n->computed &&
           n->facts.setup_s >= 0; /* no NAN */
}

bool
drive_computing(struct running *r)
{
    bool more = false;

    for (size_t i = 0; i < r->c->n_nodes; i++) {
        struct check_node *n = &r->c->node[i];

        if (can_compute(n) && is_free(r->c, n)) {
            n->computed = true;
            running_ask(r, n, "compute", 60);
        }
        more = more || n->state == CHECK_ASKED || can_compute(n);
    }
    return more;
}

/* ---- links --------------------------------------------------------------- */

static void
end_link(struct check_link *l, const char *why)
{
    l->state = CHECK_LINK_DONE;
    if (why)
        (void)str_printf(l->error, sizeof l->error, "%.*s",
                         (int)sizeof l->error - 1, why);
}

/* A host that cannot be connected to asks, one that can listens. */
static void
turn_round(const struct check *c, struct check_link *l)
{
    size_t from = l->from;

    if (l->to != 0 && c->node[from].is_remote && !c->node[l->to].is_remote) {
        l->from = l->to;
        l->to = from;
    }
}

static void
begin_link(struct running *r, struct check_link *l)
{
    struct check *c = r->c;
    struct check_node *to;
    char question[160];

    turn_round(c, l);
    to = &c->node[l->to];
    if (l->to != 0 && !*to->address) {
        end_link(l, "its address is not known");
        return;
    }
    check_links_ask_to(c, l, question);
    l->encrypted = strstr(question, " tls") != NULL;
    l->state = CHECK_LINK_LISTENS;
    running_ask(r, to, question, 10);
}

bool
drive_links(struct running *r)
{
    struct check *c = r->c;
    bool more = false;

    for (size_t i = 0; i < c->n_links; i++) {
        struct check_link *l = &c->link[i];
        const struct check_node *from = &c->node[l->from];
        const struct check_node *to = &c->node[l->to];

        if (l->state != CHECK_LINK_DONE &&
            (from->state == CHECK_GONE || to->state == CHECK_GONE)) {
            l->absent = true;
            end_link(l, "one of them is not there");
        } else if (l->state == CHECK_LINK_WAITS && is_free(c, from) &&
                   is_free(c, to)) {
            begin_link(r, l);
        }
        more = more || l->state != CHECK_LINK_DONE;
    }
    return more;
}

static struct check_link *
find_link(struct check *c, const struct check_node *n)
{
    for (size_t i = 0; i < c->n_links; i++) {
        struct check_link *l = &c->link[i];

        if ((l->state == CHECK_LINK_LISTENS && n == &c->node[l->to]) ||
            (l->state == CHECK_LINK_RUNS && n == &c->node[l->from]))
            return l;
    }
    return NULL;
}

static void
take_link(struct check *c, struct check_link *l)
{
    struct check_node *from = &c->node[l->from];
    const struct check_facts *f = &from->facts;
    unsigned port;

    l->rtt_s = f->rtt_s;
    l->rtt_min_s = f->rtt_min_s;
    l->up_bytes_per_s = f->up_bytes_per_s;
    l->down_bytes_per_s = f->down_bytes_per_s;
    l->measured = true;
    if (l->to == 0 && route_parse(f->seen_as, from->address, &port, NULL) != 0)
        *from->address = '\0';
    end_link(l, NULL);
}

void
drive_after_link(struct running *r, struct check_node *n, const char *why)
{
    struct check_link *l = find_link(r->c, n);
    char question[160];

    n->state = CHECK_IDLE;
    if (!l)
        return;
    if (why) {
        end_link(l, why);
    } else if (l->state == CHECK_LINK_RUNS) {
        take_link(r->c, l);
    } else {
        l->state = CHECK_LINK_RUNS;
        check_links_ask_from(r->c, l, question);
        running_ask(r, &r->c->node[l->from], question, 20);
    }
}
