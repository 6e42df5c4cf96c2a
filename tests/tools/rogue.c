/* SPDX-License-Identifier: Apache-2.0 */
/* Workers that misbehave, in the place of an ssh:
 *
 *   ebsp train --hosts local,127.0.0.2,127.0.0.3 --ssh 'rogue DEED DEED'
 *
 * The first DEED is what the worker of 127.0.0.2 does, the second that of
 * 127.0.0.3, and so on:
 *
 *   WHAT[:VALUE[:VALUE]][@WHEN][,n=ORDER][,every=K][,lives=N][,seed=S]
 *
 * WHEN is `joined` (it knows the key, has not said READY), `ready` (it has),
 * `ordered` (there is an order), `pushed` (and its push is sent), `idle` (no
 * order came for half a second after that) or `stop` (it was told to stop).  It
 * happens at the first of its orders that is to be struck, number n (2), then
 * at every K-th after that, in the rank's first `lives` processes (1); else
 * the worker is honest.  WHAT is one of
 *
 *   garbage             random bytes
 *   frame:TYPE          a frame that is right in itself: READY, PUSH, ...
 *   error:CODE          an ERROR frame
 *   close reset         closes; does so with a reset
 *   silence deaf        says nothing more; reads nothing more
 *   exit:STATUS         ends
 *   again:RANK:LIFE     connects once more: "me" is its own rank
 *   flap                closes and comes back
 *   fetches             asks for the end of the data set, again and again
 *   network data        READY with a wrong hash
 *   short long order version samples steps twice half-close half-silence slow
 *                       a push that is wrong, or sent strangely
 *   pieces:HOW          a push in two pieces, which come `well`, `twice`,
 * `early` (the first one, which is due last), of another `order`, `beyond` the
 * end, too `long`, with other `bytes`, or one of them only: `few`, or then with
 * a `bulk` nan-loss nan-norm inf-norm norm:FACTOR time a push with such numbers
 *
 * Who has done what makes the other side close is there until it is killed or
 * stdin ends; a silent one until it is killed. */
#include "rogue.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "worker/greet.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#define IDLE_MS 500
#define GONE_MS 2000

void
rogue_die(const char *why)
{
    fprintf(stderr, "rogue: %s\n", why);
    exit(2);
}

static void
parse(struct deed *d, char *text)
{
    char *word, *rest = NULL;

    *d = (struct deed){.n = 2, .lives = 1, .seed = 1};
    word = strtok_r(text, ",", &rest);
    if (!word || sscanf(word, "%15[^:@]", d->what) != 1)
        rogue_die("no deed");
    if (strchr(word, '@'))
        (void)sscanf(strchr(word, '@'), "@%15s", d->when);
    if (strchr(word, ':'))
        (void)sscanf(strchr(word, ':'), ":%15[^:@]:%15[^:@]", d->value[0],
                     d->value[1]);
    while ((word = strtok_r(NULL, ",", &rest)))
        if (sscanf(word, "n=%u", &d->n) != 1 &&
            sscanf(word, "every=%u", &d->every) != 1 &&
            sscanf(word, "lives=%u", &d->lives) != 1 &&
            sscanf(word, "seed=%u", &d->seed) != 1)
            rogue_die(word);
}

bool
rogue_does(const struct rogue *r, const char *what)
{
    return strcmp(r->deed.what, what) == 0;
}

/* Is it this order's turn?  Before the first one there is one turn. */
bool
rogue_is_due(const struct rogue *r)
{
    const struct deed *d = &r->deed;
    unsigned at = r->orders;

    if (r->join.life >= d->lives)
        return false;
    if (at == 0 || at == d->n || strcmp(d->when, "stop") == 0 ||
        strcmp(d->when, "idle") == 0)
        return true;
    return d->every && at > d->n && (at - d->n) % d->every == 0;
}

/* Not even the end of the run is a reason to go. */
void
rogue_linger(void)
{
    for (;;)
        pause();
}

void
rogue_end(struct rogue *r)
{
    char some[64];

    wire_finish(&r->wire, GONE_MS);
    while (read(STDIN_FILENO, some, sizeof some) > 0)
        continue;
    exit(1);
}

size_t
rogue_vector_bytes(const struct rogue *r)
{
    return r->c.t->n_floats * sizeof(float);
}

struct msg_ready
rogue_make_ready(const struct rogue *r)
{
    return (struct msg_ready){.segments_hash = segtab_fingerprint(r->c.t),
                              .n_floats = r->c.t->n_floats,
                              .data_hash = r->c.data->hash,
                              .setup_ns = 1};
}

void
rogue_send_ready(struct rogue *r, const struct msg_ready *m)
{
    struct buf body = BUF_INIT(256);

    msg_put_ready(&body, m);
    if (!wire_send(&r->wire, MSG_READY, &body, NULL, 0))
        rogue_end(r);
    buf_release(&body);
}

/* ---- orders -------------------------------------------------------------- */

static void
answer(struct rogue *r)
{
    struct buf body = BUF_INIT(512);
    struct err err = ERR_INIT;
    size_t n = rogue_vector_bytes(r);
    bool due = r->deed.when[0] == '\0' && rogue_is_due(r);
    const float *push;
    float *copy = mem_alloc(1, n + 4);
    struct msg_push m;

    if (!copy || compute_order(&r->c, &r->order, NULL, &m, &push, &err) != 0)
        rogue_die(err.text);
    usleep((useconds_t)(r->join.pace_ms * 1000 *
                        (r->join.slow ? strtod(r->join.slow, NULL) : 1)));
    memcpy(copy, push, n);
    if (due)
        rogue_spoil(r, &m, &n);
    if (due && rogue_does(r, "pieces"))
        n = rogue_push_pieces(r, &m, copy);
    msg_put_push(&body, &m);
    if (due && (strncmp(r->deed.what, "half", 4) == 0 || rogue_does(r, "slow")))
        rogue_push_strangely(r, &body, push);
    if (!wire_send(&r->wire, MSG_PUSH, &body, copy, n) ||
        (due && rogue_does(r, "twice") &&
         !wire_send(&r->wire, MSG_PUSH, &body, copy, n)))
        rogue_end(r);
    mem_free(copy);
    buf_release(&body);
}

static void
say_bye(struct rogue *r)
{
    struct msg_bye m = {.iterations = r->orders};
    struct buf body = BUF_INIT(256);

    rogue_strike(r, "stop");
    msg_put_bye(&body, &m);
    (void)wire_send(&r->wire, MSG_BYE, &body, NULL, 0);
    wire_close(&r->wire);
    exit(0);
}

static void
serve(struct rogue *r)
{
    struct buf body = BUF_INIT(FRAME_MAX_BODY + 1);
    struct frame_head h;
    bool pushed = false;

    for (;;) {
        int got = wire_next(&r->wire, pushed ? IDLE_MS : -1, &h, &body,
                            r->c.own, rogue_vector_bytes(r));

        if (got == 0) {
            pushed = false;
            rogue_strike(r, "idle");
            continue;
        }
        if (got < 0 || h.type == MSG_ERROR)
            rogue_end(r);
        if (h.type == MSG_STOP)
            say_bye(r);
        if (h.type != MSG_ORDER)
            continue;
        msg_order_release(&r->order);
        if (msg_get_order(&r->order, body.data, h.body_len, NULL) != 0)
            rogue_die("what an order");
        r->orders++;
        r->given_back = false;
        rogue_strike(r, "ordered");
        if (r->given_back)
            continue;
        answer(r);
        pushed = true;
        rogue_strike(r, "pushed");
    }
}

static void
begin(struct rogue *r)
{
    struct compute_setup setup = {.threads = 1};
    struct err err = ERR_INIT;
    struct msg_ready ready;

    if (worker_die_with_parent(&err) != 0 || worker_greet(&r->join, &err) != 0)
        rogue_die(err.text);
    setup.job = r->join.job;
    setup.job_dir = r->join.job_dir;
    if (compute_init(&r->c, &setup, &err) != 0 || !compute_own(&r->c, &err))
        rogue_die(err.text);
    if (!wire_meet(&r->wire, &r->join, r->join.rank, r->join.life,
                   rogue_does(r, "deaf")))
        rogue_die("not let in");
    rogue_strike(r, "joined");
    ready = rogue_make_ready(r);
    if (rogue_is_due(r)) {
        ready.segments_hash ^= rogue_does(r, "network");
        ready.data_hash ^= rogue_does(r, "data");
        ready.setup_ns = rogue_does(r, "time") ? INT64_MAX : 1;
    }
    rogue_send_ready(r, &ready);
    rogue_strike(r, "ready");
}

int
main(int argc, char **argv)
{
    static struct rogue r;
    const char *host = NULL;
    int i = 1, k;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    while (i < argc && strcmp(argv[i], "--") != 0)
        i++;
    if (i + 1 < argc)
        host = strrchr(argv[i + 1], '.');
    k = host ? (int)strtol(host + 1, NULL, 10) - 1 : 0;
    if (k < 1 || k >= i || argv[k][0] == '-')
        rogue_die("usage: rogue DEED... [OPTION...] -- 127.0.0.N COMMAND...");
    parse(&r.deed, argv[k]);
    begin(&r);
    serve(&r);
}
