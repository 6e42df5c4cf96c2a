/* SPDX-License-Identifier: Apache-2.0 */
#include "report/story.h"

#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "job/events_read.h"

#include <math.h>
#include <string.h>

#define MAX_SECONDS 1e9
#define MAX_PARTS   STORY_MAX_RANKS /* of an update: one push of each worker */
#define SNAPSHOTS   64 /* remembered: a run continues from one of the newest */

/* What is known of a rank. */
struct seat {
    bool busy; /* has an order and has not pushed */
    double since_s;
    int64_t iteration;
    uint64_t push; /* id of its last one; 0: none */
    int64_t base;  /* version of the parameters it was computed on */
};

struct snapshot {
    int64_t version;
    double trained_s;
};

struct story {
    const struct story_handlers *h;
    void *ctx;
    struct events_reader in;
    const char *event;
    struct jcur root;  /* the current event */
    double shift_s;    /* at_s of the begin of this session */
    double now_s;      /* at_s of the current event */
    double end_s;      /* the latest */
    double zero_s;     /* at_s minus it: seconds of training */
    double before_s;   /* of training, when this session began */
    bool started;      /* some session has */
    int64_t version;   /* of the parameters */
    uint64_t n_pushes; /* so far */
    struct seat *seat;
    size_t n_seats;
    struct story_part *part; /* of the next update */
    size_t n_parts, cap_parts;
    struct snapshot snapshot[SNAPSHOTS];
    uint64_t n_snapshots;
};

#define TELL(s, handler, v, err)                                               \
    ((s)->h->handler ? (s)->h->handler((s)->ctx, v, err) : 0)

/* ---- values of the current event ----------------------------------------- */

static int
get_seconds(const struct story *s, const char *key, double *v, struct err *err)
{
    return jcur_num_or(&s->root, key, 0, MAX_SECONDS, v, err);
}

static int
get_count(const struct story *s, const char *key, int64_t *v, struct err *err)
{
    return jcur_int_or(&s->root, key, 0, INT64_MAX, v, err);
}

/* NAN for what is recorded as null, as it was not finite. */
static int
get_measure(const struct story *s, const char *key, double *v, struct err *err)
{
    struct jcur at = jcur_key(&s->root, key);

    *v = NAN;
    if (!at.v || json_is_null(at.v))
        return 0;
    return jcur_num(&s->root, key, -INFINITY, INFINITY, v, err);
}

static int
get_rank(const struct story *s, uint32_t *rank, struct err *err)
{
    int64_t v = 0;

    if (jcur_int(&s->root, "rank", 0, STORY_MAX_RANKS - 1, &v, err) != 0)
        return -1;
    *rank = (uint32_t)v;
    return 0;
}

static struct seat *
get_seat(struct story *s, uint32_t *rank, struct err *err)
{
    struct seat *more;

    if (get_rank(s, rank, err) != 0)
        return NULL;
    if (*rank >= s->n_seats) {
        more = mem_resize(s->seat, s->n_seats, *rank + 1, sizeof *more);
        if (!more) {
            err_nomem(err);
            return NULL;
        }
        s->seat = more;
        s->n_seats = *rank + 1;
    }
    return &s->seat[*rank];
}

/* ---- events -------------------------------------------------------------- */

static int
tell_mark(struct story *s, struct err *err)
{
    struct story_mark m = {
        .at_s = s->now_s, .event = s->event, .rank = STORY_NOBODY};

    m.from = &s->root;
    if (jcur_has(&s->root, "rank") && get_rank(s, &m.rank, err) != 0)
        return -1;
    return TELL(s, on_mark, &m, err);
}

/* An order that no push answers. */
static int
leave_work(struct story *s, uint32_t rank, double at_s, struct err *err)
{
    struct seat *seat = &s->seat[rank];
    struct story_work w = {.rank = rank,
                           .iteration = seat->iteration,
                           .begin_s = seat->since_s,
                           .end_s = at_s,
                           .loss = NAN,
                           .norm = NAN};

    if (!seat->busy)
        return 0;
    seat->busy = false;
    return TELL(s, on_work, &w, err);
}

static int
leave_all(struct story *s, double at_s, struct err *err)
{
    for (uint32_t i = 0; i < s->n_seats; i++)
        if (leave_work(s, i, at_s, err) != 0)
            return -1;
    return 0;
}

/* Another session: its clock begins at 0 again, its workers are new. */
static int
on_run(struct story *s, struct err *err)
{
    if (leave_all(s, s->end_s, err) != 0)
        return -1;
    s->before_s = s->started ? s->end_s - s->zero_s : 0;
    s->shift_s = s->end_s;
    s->now_s = s->end_s;
    s->n_parts = 0;
    return tell_mark(s, err);
}

static int
on_ready(struct story *s, struct err *err)
{
    struct story_worker w = {.host = ""};

    if (!get_seat(s, &w.rank, err) ||
        jcur_str_or(&s->root, "host", &w.host, err) != 0)
        return -1;
    return TELL(s, on_worker, &w, err);
}

static int
on_start(struct story *s, struct err *err)
{
    struct story_start v = {.at_s = s->now_s, .policy = ""};
    int64_t samples = 0;

    s->version = 0;
    if (get_count(s, "version", &s->version, err) != 0 ||
        get_count(s, "samples", &samples, err) != 0 ||
        jcur_str_or(&s->root, "policy", &v.policy, err) != 0)
        return -1;
    if (s->version == 0)
        s->before_s = 0;
    for (uint64_t i = 0; i < s->n_snapshots && i < SNAPSHOTS; i++)
        if (s->snapshot[i].version == s->version)
            s->before_s = s->snapshot[i].trained_s;
    s->started = true;
    s->zero_s = s->now_s - s->before_s;
    v.zero_s = s->zero_s;
    v.samples = (uint64_t)samples;
    return TELL(s, on_start, &v, err);
}

static int
on_snapshot(struct story *s, struct err *err)
{
    struct snapshot *to = &s->snapshot[s->n_snapshots % SNAPSHOTS];

    to->trained_s = s->now_s - s->zero_s;
    to->version = 0;
    s->n_snapshots++;
    return get_count(s, "version", &to->version, err) == 0 ? tell_mark(s, err)
                                                           : -1;
}

static int
on_release(struct story *s, struct err *err)
{
    uint32_t rank = 0;
    struct seat *seat = get_seat(s, &rank, err);
    struct story_wait w = {.end_s = s->now_s};
    double held_s = 0;

    if (!seat || get_seconds(s, "held", &held_s, err) != 0 ||
        get_count(s, "iteration", &seat->iteration, err) != 0)
        return -1;
    seat->busy = true;
    seat->since_s = s->now_s;
    w.rank = rank;
    w.begin_s = s->now_s - held_s;
    return held_s > 0 ? TELL(s, on_wait, &w, err) : 0;
}

/* What the parts leave over is the push's: it waits in queues on its way. */
static int
on_push(struct story *s, struct err *err)
{
    struct story_work w = {.end_s = s->now_s};
    struct seat *seat = get_seat(s, &w.rank, err);
    double known_s;

    if (!seat || get_seconds(s, "pull", &w.pull_s, err) != 0 ||
        get_seconds(s, "data", &w.data_s, err) != 0 ||
        get_seconds(s, "compute", &w.compute_s, err) != 0 ||
        get_seconds(s, "pull_hidden", &w.pull_hidden_s, err) != 0 ||
        get_seconds(s, "push_hidden", &w.last_push_hidden_s, err) != 0 ||
        get_measure(s, "loss", &w.loss, err) != 0 ||
        get_measure(s, "norm", &w.norm, err) != 0 ||
        get_count(s, "samples", &w.samples, err) != 0 ||
        get_count(s, "iteration", &w.iteration, err) != 0)
        return -1;
    known_s = w.pull_s + w.data_s + w.compute_s;
    w.begin_s = seat->busy ? seat->since_s : s->now_s - known_s;
    w.push_s = fmax(0, w.end_s - w.begin_s - known_s);
    w.id = ++s->n_pushes;
    seat->busy = false;
    seat->push = w.id;
    seat->base = -1;
    if (jcur_int_or(&s->root, "base", 0, INT64_MAX, &seat->base, err) != 0)
        return -1;
    return TELL(s, on_work, &w, err);
}

static int
on_add(struct story *s, struct err *err)
{
    struct story_part p;
    struct seat *seat = get_seat(s, &p.rank, err);

    if (!seat)
        return -1;
    p.id = seat->push;
    p.staleness = seat->push && seat->base >= 0 && seat->base <= s->version
                      ? s->version - seat->base
                      : -1;
    seat->push = 0;
    if (s->n_parts == MAX_PARTS)
        return jcur_fail(&s->root, err, "more than %d pushes in one update",
                         MAX_PARTS);
    if (s->n_parts == s->cap_parts) {
        size_t cap = s->cap_parts ? s->cap_parts * 2 : 64;
        struct story_part *more =
            mem_resize(s->part, s->cap_parts, cap, sizeof *more);

        if (!more)
            return err_nomem(err);
        s->part = more;
        s->cap_parts = cap;
    }
    s->part[s->n_parts++] = p;
    return 0;
}

static int
on_commit(struct story *s, struct err *err)
{
    struct story_update u = {.at_s = s->now_s, .part = s->part};

    u.n = s->n_parts;
    s->n_parts = 0;
    u.version = s->version + 1;
    if (get_count(s, "version", &u.version, err) != 0 ||
        get_count(s, "pushes", &u.pushes, err) != 0 ||
        get_count(s, "samples", &u.samples, err) != 0 ||
        get_measure(s, "lr", &u.lr, err) != 0)
        return -1;
    s->version = u.version;
    return TELL(s, on_update, &u, err);
}

static int
on_eval(struct story *s, struct err *err)
{
    struct story_eval e = {.at_s = s->now_s};
    double at_s = 0;

    if (get_seconds(s, "took", &e.took_s, err) != 0 ||
        get_seconds(s, "at", &at_s, err) != 0 ||
        get_count(s, "samples", &e.samples, err) != 0 ||
        get_measure(s, "loss", &e.loss, err) != 0 ||
        get_measure(s, "accuracy", &e.accuracy, err) != 0)
        return -1;
    e.trained_s = s->before_s + at_s;
    return TELL(s, on_eval, &e, err);
}

static int
on_note(struct story *s, struct err *err)
{
    struct story_note n = {.at_s = s->now_s, .event = &s->root};

    if (jcur_str(&s->root, "name", &n.name, err) != 0)
        return -1;
    return TELL(s, on_note, &n, err);
}

/* A worker that is cut off or lost will not answer. */
static int
on_leave(struct story *s, struct err *err)
{
    uint32_t rank = 0;

    if (!get_seat(s, &rank, err) || leave_work(s, rank, s->now_s, err) != 0)
        return -1;
    return tell_mark(s, err);
}

static const struct kind {
    const char *event;
    int (*tell)(struct story *s, struct err *err);
} kinds[] = {
    {"push", on_push},     {"release", on_release},   {"add", on_add},
    {"commit", on_commit}, {"note", on_note},         {"eval", on_eval},
    {"leave", on_leave},   {"lost", on_leave},        {"ready", on_ready},
    {"start", on_start},   {"snapshot", on_snapshot}, {"run", on_run},
};

static int
tell_event(struct story *s, struct err *err)
{
    double t = 0;

    if (jcur_num(&s->root, "t", 0, MAX_SECONDS, &t, err) != 0)
        return -1;
    s->now_s = s->shift_s + t;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (!strcmp(kinds[i].event, s->event)) {
            if (kinds[i].tell(s, err) != 0)
                return -1;
            s->end_s = fmax(s->end_s, s->now_s);
            return 0;
        }
    s->end_s = fmax(s->end_s, s->now_s);
    return tell_mark(s, err);
}

int
story_read(const char *run, const struct story_handlers *h, void *ctx,
           double *end_s, struct err *err)
{
    struct story s = {.h = h, .ctx = ctx};
    char *path = fs_join(run, "events.jsonl");
    int r = path ? events_reader_open(&s.in, path, err) : err_nomem(err);

    mem_free(path);
    if (r != 0)
        return -1;
    while ((r = events_reader_next(&s.in, &s.event, &s.root, err)) == 1)
        if (tell_event(&s, err) != 0) {
            r = -1;
            break;
        }
    if (r == 0)
        r = leave_all(&s, s.end_s, err);
    events_reader_close(&s.in);
    if (end_s)
        *end_s = s.end_s;
    mem_free(s.seat);
    mem_free(s.part);
    return r;
}
