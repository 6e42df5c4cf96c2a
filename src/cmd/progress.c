/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/progress.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"
#include "ps/server.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PLAIN_NS (10 * NS_PER_S)
#define BAR      16
#define WIDE     120 /* columns that bar and everything else need */

void
progress_init(struct progress *p, FILE *to)
{
    const char *term = getenv("TERM");

    *p = (struct progress){.to = to, .accuracy = NAN, .phase = -1};
    p->live = to && isatty(fileno(to)) && term && strcmp(term, "dumb") != 0;
}

void
progress_clear(void *ctx)
{
    struct progress *p = ctx;

    if (p->to && p->drawn) {
        fputs("\r\033[K", p->to);
        fflush(p->to);
        p->drawn = false;
    }
}

static void
describe(const struct server_status *st, struct buf *b)
{
    double epoch =
        st->samples_total
            ? (double)st->samples / (double)st->samples_total * st->epochs
            : 0;
    double left = (double)(st->samples_total - st->samples);
    char rate[32], eta[32];

    buf_addf(b, "epoch %.2f/%u  %s samples/s", epoch, st->epochs,
             str_count(rate, st->rate));
    if (!isnan(st->loss))
        buf_addf(b, "  loss %.4f", st->loss);
    if (!isnan(st->accuracy))
        buf_addf(b, "  accuracy %.2f%%", 100 * st->accuracy);
    buf_addf(b, "  staleness %.1f (max %llu)  waiting %.0f%%",
             st->mean_staleness, (unsigned long long)st->max_staleness,
             100 * st->waiting_share);
    if (*st->note)
        buf_addf(b, "  %s", st->note);
    if (st->phase == SERVER_TRAINING && st->rate > 0)
        buf_addf(b, "  ETA %s", str_duration(eta, left / st->rate));
}

/* The same where a line has no room for all of it: what matters most first,
 * for the end is cut off. */
static void
describe_short(const struct server_status *st, struct buf *b)
{
    double total = (double)st->samples_total, done = (double)st->samples;
    char rate[32], eta[32];

    buf_addf(b, "epoch %.2f/%u", total > 0 ? done / total * st->epochs : 0,
             st->epochs);
    if (st->rate > 0)
        buf_addf(b, "  ETA %s", str_duration(eta, (total - done) / st->rate));
    if (!isnan(st->loss))
        buf_addf(b, "  loss %.4f", st->loss);
    if (!isnan(st->accuracy))
        buf_addf(b, "  accuracy %.2f%%", 100 * st->accuracy);
    buf_addf(b, "  %s/s  staleness %.1f  waiting %.0f%%",
             str_count(rate, st->rate), st->mean_staleness,
             100 * st->waiting_share);
}

static void
draw(struct progress *p, const struct server_status *st)
{
    struct buf b = BUF_INIT(1024);
    struct winsize size;
    int width = 80, full;

    if (ioctl(fileno(p->to), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        width = size.ws_col;
    if (st->phase == SERVER_STARTING) {
        buf_addf(&b, "starting: %u of %u workers ready", st->workers_ready,
                 st->workers);
    } else if (st->phase == SERVER_ENDING) {
        buf_adds(&b, "ending: waiting for workers and the last evaluation");
    } else if (width < WIDE) {
        describe_short(st, &b);
    } else {
        full =
            st->samples_total
                ? (int)(BAR * (double)st->samples / (double)st->samples_total)
                : 0;
        for (int i = 0; i < BAR; i++)
            buf_u8(&b, i < full ? '#' : '.');
        buf_adds(&b, " ");
        describe(st, &b);
    }
    if (!b.bad)
        fprintf(p->to, "\r\033[K%.*s", width - 1, b.data);
    fflush(p->to);
    p->drawn = true;
    buf_release(&b);
}

static void
plain(struct progress *p, const struct server_status *st)
{
    struct buf b = BUF_INIT(1024);

    progress_clear(p);
    describe(st, &b);
    if (!b.bad)
        fprintf(p->to, "%s\n", b.data);
    fflush(p->to);
    p->shown_ns = clock_now_ns();
    buf_release(&b);
}

/* Snapshots are evaluated beside the training, which is further by then. */
static void
tell_evaluation(struct progress *p, const struct server_status *st)
{
    progress_clear(p);
    fprintf(p->to, "evaluated at epoch %.2f: accuracy %.2f%%, test loss %.4f\n",
            st->eval_epoch, 100 * st->accuracy, st->test_loss);
    fflush(p->to);
}

void
progress_tick(struct progress *p, const struct server_status *st)
{
    if (!p->to || st->phase == SERVER_OVER)
        return;
    if (p->live)
        draw(p, st);
    else if (st->phase == SERVER_TRAINING &&
             clock_now_ns() - p->shown_ns > PLAIN_NS)
        plain(p, st);
}

void
progress_news(struct progress *p, const struct server_status *st)
{
    if (!p->to)
        return;
    if (p->phase == SERVER_STARTING && st->phase == SERVER_TRAINING) {
        progress_clear(p);
        fprintf(p->to, "training: %u workers, policy %s\n", st->workers,
                st->policy);
        p->shown_ns = clock_now_ns();
    }
    p->phase = (int)st->phase;
    /* An evaluation is worth a line of its own that stays. */
    if (!isnan(st->accuracy) && !(st->accuracy == p->accuracy))
        tell_evaluation(p, st);
    p->accuracy = st->accuracy;
    if (st->phase == SERVER_OVER)
        progress_clear(p);
}
