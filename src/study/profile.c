/* SPDX-License-Identifier: Apache-2.0 */
/* What a run tells about its machines. */
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "job/events_read.h"
#include "sim/trace.h"
#include "study/advice.h"

#include <math.h>
#include <string.h>

#define MAX_RANKS 1000000
#define DRAWS     500

/* Transfers of a rank that its computing did not hide. */
struct transfers {
    double seconds;
    uint64_t n;
};

struct ranks {
    struct transfers *v;
    size_t n;
};

static int
take_push(struct ranks *to, const struct jcur *e, struct err *err)
{
    double push = 0, pull = 0, push_hidden = 0, pull_hidden = 0, seen;
    int64_t rank = 0;

    if (jcur_int(e, "rank", 0, MAX_RANKS - 1, &rank, err) != 0 ||
        jcur_num_or(e, "push", 0, 1e9, &push, err) != 0 ||
        jcur_num_or(e, "pull", 0, 1e9, &pull, err) != 0 ||
        jcur_num_or(e, "push_hidden", 0, 1e9, &push_hidden, err) != 0 ||
        jcur_num_or(e, "pull_hidden", 0, 1e9, &pull_hidden, err) != 0)
        return -1;
    if ((size_t)rank >= to->n) {
        struct transfers *more =
            mem_resize(to->v, to->n, (size_t)rank + 1, sizeof *more);

        if (!more)
            return err_nomem(err);
        to->v = more;
        to->n = (size_t)rank + 1;
    }
    seen = push + pull - push_hidden - pull_hidden;
    to->v[rank].seconds += seen > 0 ? seen : 0;
    to->v[rank].n++;
    return 0;
}

static int
read_transfers(struct ranks *to, const char *path, struct err *err)
{
    struct events_reader reader;
    struct jcur root;
    const char *event;
    int r;

    if (events_reader_open(&reader, path, err) != 0)
        return -1;
    while ((r = events_reader_next(&reader, &event, &root, err)) == 1)
        if (!strcmp(event, "push") && take_push(to, &root, err) != 0) {
            r = -1;
            break;
        }
    events_reader_close(&reader);
    return r;
}

/* As those of the rank whose times it repeats (speeds_load_trace). */
static int
make_path(struct profile *p, const struct ranks *ranks, struct err *err)
{
    p->path = mem_alloc(p->n, sizeof *p->path);
    if (!p->path)
        return err_nomem(err);
    for (uint32_t i = 0; i < p->n; i++) {
        const struct transfers *t = &ranks->v[i % ranks->n];

        if (t->n > 0) /* half of it each way */
            p->path[i].latency_ns =
                speed_clamp(t->seconds / (double)t->n / 2 * 1e9);
    }
    return 0;
}

int
profile_load(struct profile *p, uint32_t n, const char *path, struct err *err)
{
    struct ranks ranks = {NULL, 0};
    char *inside = NULL;
    int r = 0;

    memset(p, 0, sizeof *p);
    if (fs_is_dir(path)) {
        inside = fs_join(path, "events.jsonl");
        path = inside;
    }
    r = path ? read_transfers(&ranks, path, err) : err_nomem(err);
    if (r == 0 && ranks.n == 0)
        r = err_set(err, ERR_CONFIG, "%s: no push in this event stream", path);
    if (r == 0) {
        p->n = n ? n : (uint32_t)ranks.n;
        r = speeds_load_trace(&p->speeds, p->n, path, err);
    }
    if (r == 0)
        r = make_path(p, &ranks, err);
    if (r != 0)
        profile_release(p);
    mem_free(ranks.v);
    mem_free(inside);
    return r;
}

void
profile_release(struct profile *p)
{
    speeds_release(&p->speeds);
    mem_free(p->path);
    memset(p, 0, sizeof *p);
}

double
profile_get_ms(const struct profile *p, uint32_t worker)
{
    const struct speed *s = &p->speeds.worker[worker];
    double sum = 0;
    int64_t now = 0;

    for (uint64_t k = 0; k < DRAWS; k++) {
        int64_t t = speed_time(s, k, now, 1e6);

        now = now < SPEED_MAX_NS - t ? now + t : SPEED_MAX_NS;
        sum += (double)t / 1e6;
    }
    return sum / DRAWS;
}

double
profile_get_spread(const struct profile *p)
{
    double least = INFINITY, most = 0;

    for (uint32_t i = 0; i < p->n; i++) {
        double ms = profile_get_ms(p, i);

        least = fmin(least, ms);
        most = fmax(most, ms);
    }
    return most / least;
}
