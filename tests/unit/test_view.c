/* SPDX-License-Identifier: Apache-2.0 */
/* What events add up to, and the texts and bytes that are made of it. */
#include "tap.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/rd.h"
#include "job/follow.h"
#include "view/board.h"
#include "view/prom.h"
#include "view/tally.h"
#include "view/tfevents.h"
#include "view/viewer.h"

#include <math.h>
#include <unistd.h>

static int
feed(struct tally *t, const char *line, struct board *b)
{
    struct err err = ERR_INIT;
    struct json_doc doc = {0};
    struct jcur root;
    const char *event;
    int r = -1;

    if (json_doc_parse(&doc, "line", line, strlen(line), &err) == 0) {
        root = jcur_root(&doc);
        if (jcur_str(&root, "event", &event, &err) == 0)
            r = tally_feed(t, event, &root, &err);
        if (r == 0 && b)
            board_follow(b, t, event);
    }
    json_doc_release(&doc);
    return r != 0 ? (int)err.code : 0;
}

/* Two workers; the first pushes on version 0, is applied, held; the second
 * pushes on version 0 when there is version 1. */
static const char *const lines[] = {
    "{\"t\":0,\"event\":\"run\",\"name\":\"a\\\"b\",\"seed\":1,\"resumed\":0}",
    "{\"t\":0.1,\"event\":\"spawn\",\"rank\":0,\"life\":0}",
    "{\"t\":0.1,\"event\":\"spawn\",\"rank\":1,\"life\":0}",
    "{\"t\":0.2,\"event\":\"hello\",\"rank\":1,\"life\":0,\"host\":"
    "\"n\\\\\\\"1\\n\",\"pid\":7}",
    "{\"t\":1,\"event\":\"join\",\"rank\":0}",
    "{\"t\":1,\"event\":\"join\",\"rank\":1}",
    "{\"t\":1,\"event\":\"start\",\"policy\":\"asp\",\"workers\":2,"
    "\"version\":10,\"samples\":100,\"total\":1000,\"epochs\":4}",
    "{\"t\":1,\"event\":\"release\",\"rank\":0,\"iteration\":1,\"version\":10,"
    "\"held\":0}",
    "{\"t\":1,\"event\":\"release\",\"rank\":1,\"iteration\":1,\"version\":10,"
    "\"held\":0.25}",
    "{\"t\":2,\"event\":\"push\",\"rank\":0,\"base\":10,\"loss\":2.0,"
    "\"data\":0.125,\"compute\":0.5,\"push\":0.25,\"pull\":0.0625}",
    "{\"t\":2,\"event\":\"add\",\"rank\":0,\"iteration\":1,\"weight\":1}",
    "{\"t\":2,\"event\":\"commit\",\"version\":11,\"lr\":0.5,\"samples\":20}",
    "{\"t\":3,\"event\":\"push\",\"rank\":1,\"base\":10,\"loss\":null,"
    "\"data\":0,\"compute\":1.5}",
    "{\"t\":3,\"event\":\"add\",\"rank\":1,\"iteration\":1,\"weight\":1}",
    "{\"t\":3,\"event\":\"commit\",\"version\":12,\"lr\":0.25,\"samples\":20}",
    "{\"t\":3,\"event\":\"release\",\"rank\":1,\"iteration\":2,\"version\":12,"
    "\"held\":0.5}",
    "{\"t\":3,\"event\":\"note\",\"name\":\"superstep\",\"length_ms\":1500}",
    "{\"t\":3,\"event\":\"note\",\"name\":\"rate\",\"length_ms\":\"?\"}",
    "{\"t\":3,\"event\":\"from the future\",\"rank\":{}}",
    "{\"t\":3.5,\"event\":\"eval\",\"samples\":140,\"loss\":0.75,"
    "\"accuracy\":0.5}",
};

static void
events_add_up(void)
{
    struct tally t;
    int wrong = 0;

    tally_init(&t);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        wrong += feed(&t, lines[i], NULL) != 0;
    is_int(wrong, 0, "every event is understood or passed over");
    is_int(t.n, 2, "ranks");
    is_int(t.samples, 140, "samples: those before and those of updates");
    is_int(t.version, 12, "version");
    is_int(t.updates, 2, "updates of this session");
    ok(tally_epoch(&t) == 0.56, "epoch");
    ok(fabs(tally_loss(&t) - 2) < 1e-12, "a loss that is none does not spoil "
                                         "the mean");
    ok(t.lr == 0.25 && t.accuracy == 0.5 && t.test_loss == 0.75, "values");
    ok(t.supersteps == 1 && t.superstep_s == 1.5, "supersteps, and no other "
                                                  "note");
    is_int(t.stale[0], 1, "one was applied where it was computed");
    is_int(t.stale[1], 1, "the other one update later");
    ok(t.worker[0].staleness == 0 && t.worker[1].staleness == 1, "of each");
    is_int(tally_present(&t), 2, "workers that take part");
    ok(tally_part(&t.worker[0], TALLY_WAIT, 6) == 4,
       "a wait that has not ended counts up to now");
    ok(tally_part(&t.worker[1], TALLY_WAIT, 6) == 0.75,
       "one that has ended as it was told");
    ok(t.worker[0].part[TALLY_COMPUTE] == 0.5 &&
           t.worker[0].part[TALLY_DATA] == 0.125 &&
           t.worker[0].part[TALLY_PUSH] == 0.25 &&
           t.worker[0].part[TALLY_PULL] == 0.0625,
       "the other parts");

    (void)feed(&t, "{\"t\":5,\"event\":\"lost\",\"rank\":0}", NULL);
    ok(t.lost == 1 && tally_present(&t) == 1 &&
           tally_part(&t.worker[0], TALLY_WAIT, 9) == 3,
       "a worker that is lost waits no longer");
    (void)feed(&t, "{\"t\":0,\"event\":\"run\",\"name\":\"again\"}", NULL);
    ok(t.samples == 0 && t.pushes == 0 && t.lost == 0 && isnan(t.accuracy) &&
           !t.worker[1].known && t.worker[1].iterations == 0,
       "another session begins anew");
    tally_release(&t);
}

static void
hostile_events(void)
{
    static const char *const bad[] = {
        "{\"t\":-1,\"event\":\"join\",\"rank\":0}",
        "{\"t\":1,\"event\":\"join\",\"rank\":-1}",
        "{\"t\":1,\"event\":\"join\",\"rank\":65536}",
        "{\"t\":1,\"event\":\"join\",\"rank\":4611686018427387904}",
        "{\"t\":1,\"event\":\"join\"}",
        "{\"t\":1,\"event\":\"push\",\"rank\":0,\"compute\":-1}",
        "{\"t\":1,\"event\":\"commit\",\"samples\":-1}",
        "{\"t\":1,\"event\":\"release\",\"rank\":0,\"held\":\"long\"}",
        "{\"t\":\"now\",\"event\":\"over\"}",
    };
    struct tally t;

    tally_init(&t);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        is_int(feed(&t, bad[i], NULL), ERR_CONFIG, bad[i]);
    mem_fail_after(0);
    ok(feed(&t, "{}", NULL) != 0, "no memory to read it");
    mem_fail_after(-1);
    is_int(t.n, 1, "no place was made for ranks that cannot be");
    tally_release(&t);
}

/* ---- Prometheus ---------------------------------------------------------- */

static void
metrics(void)
{
    struct buf b = BUF_INIT(1 << 20);
    struct tally t;

    tally_init(&t);
    prom_put(&b, &t, 1000, 0);
    ok(!b.bad && !strstr(b.data, "NaN") && !strstr(b.data, "ebsp_loss"),
       "what is not known yet is left out");
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        (void)feed(&t, lines[i], NULL);
    buf_clear(&b);
    prom_put(&b, &t, 1000, 6);
#define HAS(line) ok(strstr(b.data, "\n" line "\n"), "%s", line)
    HAS("# TYPE ebsp_samples_total counter");
    HAS("ebsp_samples_total 140");
    HAS("ebsp_epoch 0.56");
    HAS("ebsp_run_info{name=\"a\\\"b\",policy=\"asp\"} 1");
    HAS("ebsp_worker_info{rank=\"1\",host=\"n\\\\\\\"1\\n\"} 1");
    HAS("ebsp_phase{phase=\"training\"} 1");
    HAS("ebsp_worker_wait_seconds_total{rank=\"0\"} 3");
    HAS("ebsp_worker_compute_seconds_total{rank=\"1\"} 1.5");
    HAS("ebsp_worker_last_push_timestamp_seconds{rank=\"1\"} 1003");
    HAS("ebsp_staleness_bucket{le=\"0\"} 1");
    HAS("ebsp_staleness_bucket{le=\"1\"} 2");
    HAS("ebsp_staleness_bucket{le=\"+Inf\"} 2");
    HAS("ebsp_staleness_sum 1");
    /* It is released at 4.5, which is not known at 5 yet. */
    buf_clear(&b);
    prom_put(&b, &t, 1000, 5);
    HAS("ebsp_worker_wait_seconds_total{rank=\"0\"} 2");
    (void)feed(&t, "{\"t\":4.5,\"event\":\"release\",\"rank\":0,\"held\":2.5}",
               NULL);
    buf_clear(&b);
    prom_put(&b, &t, 1000, 5);
    HAS("ebsp_worker_wait_seconds_total{rank=\"0\"} 2.5");
#undef HAS
    buf_release(&b);
    tally_release(&t);
}

/* What is written of the name of a run. */
static void
has_name(struct tally *t, const char *label, const char *what)
{
    struct buf b = BUF_INIT(1 << 20);
    char line[512];

    prom_put(&b, t, 1000, 6);
    (void)snprintf(line, sizeof line, "\nebsp_run_info{name=\"%s\",", label);
    ok(!b.bad && strstr(b.data, line), "%s", what);
    buf_release(&b);
}

#define A60 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void
labels(void)
{
    struct tally t;

    tally_init(&t);
    (void)feed(&t,
               "{\"t\":0,\"event\":\"run\",\"name\":"
               "\"na\\\"me\\n\\\\x \u00fc\u20ac\U0001f600\"}",
               NULL);
    has_name(&t, "na\\\"me\\n\\\\x \u00fc\u20ac\U0001f600",
             "a label is escaped once, UTF-8 is as it was");
    (void)feed(&t,
               "{\"t\":0,\"event\":\"run\",\"name\":\"" A60 "\u00fc\u20acz\"}",
               NULL);
    has_name(&t, A60 "\u00fc", "a long one is cut between characters");
    (void)snprintf(t.name, sizeof t.name, "%s",
                   "a\xff\xc3(\xc0\x80|\xed\xa0\x80|\xf4\x90\x80\x80|\xe2\x82");
#define BAD "\ufffd"
    has_name(&t,
             "a" BAD BAD "(" BAD BAD "|" BAD BAD BAD "|" BAD BAD BAD BAD
             "|" BAD BAD,
             "what is no UTF-8 is replaced");
#undef BAD
    tally_release(&t);
}

/* The format: each family once, HELP, TYPE and its samples in a row. */
static void
families_are_whole(void)
{
    struct buf b = BUF_INIT(1 << 20), seen = BUF_INIT(1 << 20);
    char family[128] = "", once[132], *save, *line;
    struct tally t;
    int wrong = 0, n = 0;

    tally_init(&t);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        (void)feed(&t, lines[i], NULL);
    prom_put(&b, &t, 1000, 6);
    ok(b.data[b.len - 1] == '\n', "the last line has its end");
    for (line = strtok_r(b.data, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        if (sscanf(line, "# HELP %100s", family) == 1) {
            snprintf(once, sizeof once, " %s ", family);
            wrong += seen.data && strstr(seen.data, once) != NULL;
            buf_adds(&seen, once);
            n++;
        } else if (line[0] != '#') {
            wrong += strncmp(line, family, strlen(family)) != 0;
        }
    }
    ok(n > 25 && wrong == 0, "%d families, each once and in one piece", n);
    buf_release(&b);
    buf_release(&seen);
    tally_release(&t);
}

/* ---- TensorBoard --------------------------------------------------------- */

static void
checksums(void)
{
    uint8_t v[32];

    ok(tfevents_crc32c("123456789", 9) == 0xe3069283, "CRC-32C of digits");
    memset(v, 0, sizeof v);
    ok(tfevents_crc32c(v, 32) == 0x8a9136aa, "of zeros (RFC 3720)");
    memset(v, 0xff, sizeof v);
    ok(tfevents_crc32c(v, 32) == 0x62a8ab43, "of ones");
    for (uint8_t i = 0; i < 32; i++)
        v[i] = i;
    ok(tfevents_crc32c(v, 32) == 0x46dd794e, "of 0, 1, 2 ...");
    ok(tfevents_crc32c("", 0) == 0, "of nothing");
    ok(tfevents_mask(0xe3069283) == 0xc78ab0e5, "mask");
}

struct member {
    uint64_t key, number; /* number or length */
    const uint8_t *p;
};

static uint64_t
get_varint(struct rd *r)
{
    uint64_t v = 0;
    uint8_t b = 0x80;

    for (unsigned s = 0; b & 0x80 && s < 64 && !r->bad; s += 7) {
        b = rd_u8(r);
        v |= (uint64_t)(b & 0x7f) << s;
    }
    return v;
}

static bool
get_member(struct rd *r, struct member *m)
{
    if (r->p == r->end || r->bad)
        return false;
    m->key = get_varint(r);
    m->number = (m->key & 7) == 1   ? rd_u64(r)
                : (m->key & 7) == 5 ? rd_u32(r)
                                    : get_varint(r);
    m->p = r->p;
    if ((m->key & 7) == 2) {
        if (m->number > (uint64_t)(r->end - r->p))
            return false;
        r->p += m->number;
    }
    return !r->bad;
}

/* What a reader finds in a file: "step tag=value tag=value\n" for each event.
 */
static bool
read_back(const struct buf *file, struct buf *to)
{
    struct rd r, e, s, v;
    struct member m, x, y;

    rd_init(&r, file->data, file->len);
    while (r.p < r.end) {
        const uint8_t *head = r.p;
        uint64_t n = rd_u64(&r);

        if (rd_u32(&r) != tfevents_mask(tfevents_crc32c(head, 8)) || r.bad ||
            n > (uint64_t)(r.end - r.p))
            return false;
        rd_init(&e, r.p, n);
        head = r.p;
        r.p += n;
        if (rd_u32(&r) != tfevents_mask(tfevents_crc32c(head, n)) || r.bad)
            return false;
        while (get_member(&e, &m)) {
            if (m.key == (1 << 3 | 1)) {
                double wall;

                memcpy(&wall, &m.number, sizeof wall);
                buf_addf(to, "%.1f", wall);
            } else if (m.key == 2 << 3) {
                buf_addf(to, " %llu", (unsigned long long)m.number);
            } else if (m.key == (3 << 3 | 2)) {
                buf_addf(to, " %.*s", (int)m.number, (const char *)m.p);
            } else if (m.key == (7 << 3 | 2)) {
                buf_addf(to, " session %d=%d", m.p[0] >> 3, m.p[1]);
            } else if (m.key == (5 << 3 | 2)) {
                rd_init(&s, m.p, m.number);
                while (get_member(&s, &x)) {
                    rd_init(&v, x.p, x.number);
                    while (get_member(&v, &y)) {
                        uint32_t bits = (uint32_t)y.number;
                        float f;

                        memcpy(&f, &bits, sizeof f);
                        if (y.key == (1 << 3 | 2))
                            buf_addf(to, " %.*s", (int)y.number,
                                     (const char *)y.p);
                        else if (y.key == (2 << 3 | 5))
                            buf_addf(to, "=%g", (double)f);
                    }
                }
            } else {
                return false;
            }
        }
        buf_adds(to, "\n");
    }
    return !r.bad;
}

static void
event_files(void)
{
    struct buf file = BUF_INIT(4096), s = BUF_INIT(4096), text = BUF_INIT(4096);

    tfevents_put_version(&file, 1000);
    tfevents_put_start(&file, 1000.5, 300);
    tfevents_add_scalar(&s, "loss", 0.25);
    tfevents_add_scalar(&s, "train/lr", -1.5);
    tfevents_put_scalars(&file, 1001, (uint64_t)1 << 40, &s);
    ok(read_back(&file, &text), "a reader takes every record");
    is_str(text.data,
           "1000.0 0 brain.Event:2\n"
           "1000.5 300 session 1=1\n"
           "1001.0 1099511627776 loss=0.25 train/lr=-1.5\n",
           "and finds what was put");
    file.data[file.len - 6] ^= 1;
    ok(!read_back(&file, &text), "(the reader does look at checksums)");
    buf_release(&file);
    buf_release(&s);
    buf_release(&text);
}

/* The only file in it. */
static char *
find_file(const char *folder)
{
    char **names = NULL, *path = NULL;
    size_t n = 0;

    if (fs_list(folder, &names, &n, NULL) == 0 && n == 1)
        path = fs_join(folder, names[0]);
    fs_names_free(names, n);
    return path;
}

static void
boards(void)
{
    static const char end[] =
        "{\"t\":4,\"event\":\"end\",\"samples\":140,\"updates\":12}";
    char run[] = "/tmp/test-view-XXXXXX", folder[64], *path;
    struct buf file = BUF_INIT(1 << 20), text = BUF_INIT(1 << 20);
    struct err err = ERR_INIT;
    struct board *b;
    struct tally t;

    if (!mkdtemp(run))
        abort();
    snprintf(folder, sizeof folder, "%s/tensorboard", run);
    tally_init(&t);
    b = board_new(run, 1000, &err);
    ok(b, "a board");
    for (size_t i = 0; b && i < ARRAY_LEN(lines); i++)
        (void)feed(&t, lines[i], b);
    (void)feed(&t, end, b);
    is_int(board_free(b, &err), 0, "all of it is written");
    path = find_file(folder);
    ok(path && strstr(path, "/events.out.tfevents.1000."), "its file's name");
    ok(path && fs_read(path, &file, &err) == 0 && read_back(&file, &text),
       "a reader takes it");
    ok(text.data && strstr(text.data, "\n1001.0 100 session 1=1\n"),
       "older points from the step on where the session began are void");
    ok(text.data && strstr(text.data, "\n1002.0 100 train/loss=2 "),
       "a point a second, at the samples done");
    ok(text.data && strstr(text.data, " train/samples_per_second=20 ") &&
           strstr(text.data, " workers/waiting/0=1 "),
       "rates and shares since the last point");
    ok(text.data &&
           strstr(text.data, "\n1003.5 140 test/accuracy=0.5 test/loss=0.75\n"),
       "each evaluation");
    ok(text.data && strstr(text.data, "\n1004.0 140 "), "the end");
    mem_free(path);

    b = board_new(run, 1000, &err);
    ok(b && !(path = find_file(folder)),
       "a session that begins in the same second has a file of its own");
    (void)board_free(b, NULL);
    (void)fs_remove(run, NULL);
    err_clear(&err);
    ok(!board_new(run, 1000, &err) && err.code == ERR_SYS, "no run directory");
    buf_release(&file);
    buf_release(&text);
    tally_release(&t);
}

/* ---- following ----------------------------------------------------------- */

/* Where a session begins in the stream of a run that was continued. */
static void
skipping(void)
{
    static const char first[] = "{\"t\":1,\"event\":\"first\"}\n",
                      more[] = "{\"t\":2,\"event\":\"second\"}\n"
                               "{\"t\":3,\"event\":\"third\"}\n";
    static const size_t skip[] = {0, sizeof first - 1, sizeof first};
    static const char *const want[] = {"first", "second", "third"};
    char run[] = "/tmp/test-view-XXXXXX", path[64];
    struct err err = ERR_INIT;
    FILE *f;

    if (!mkdtemp(run))
        abort();
    snprintf(path, sizeof path, "%s/events.jsonl", run);
    f = fopen(path, "w");
    fprintf(f, "%s%s", first, more);
    fclose(f);
    for (size_t i = 0; i < ARRAY_LEN(skip); i++) {
        struct follow follow;
        struct jcur root;
        const char *event = NULL;

        (void)follow_init(&follow, run, &err);
        (void)follow_skip(&follow, (int64_t)skip[i], &err);
        (void)follow_next(&follow, &event, &root, &err);
        is_str(event, want[i], "the first event behind what is skipped");
        follow_release(&follow);
    }
    (void)fs_remove(run, NULL);
}

static void
viewers(void)
{
    static const char old[] = "{\"t\":9,\"event\":\"run\",\"name\":\"old\"}\n"
                              "{\"t\":9,\"event\":\"lost\",\"rank\":7}\n";
    char run[] = "/tmp/test-view-XXXXXX", path[64];
    struct buf b = BUF_INIT(1 << 20);
    struct err err = ERR_INIT;
    struct viewer *v;
    FILE *f;

    if (!mkdtemp(run))
        abort();
    snprintf(path, sizeof path, "%s/events.jsonl", run);
    f = fopen(path, "w");
    fputs(old, f);
    fflush(f);
    v = viewer_new(run, sizeof old - 1, 0, NULL, &err);
    ok(v, "a viewer");
    fprintf(f, "%s\n", lines[0]);
    fflush(f);
    for (int i = 0; i < 1000 && !(b.data && strstr(b.data, "{name=\"a")); i++) {
        clock_sleep_until(clock_now_ns() + NS_PER_S / 50);
        buf_clear(&b);
        viewer_put_metrics(v, &b);
    }
    ok(b.data && strstr(b.data, "{name=\"a"), "it sees the stream grow");
    buf_clear(&b);
    for (size_t i = 1; i < ARRAY_LEN(lines); i++)
        fprintf(f, "%s\n", lines[i]);
    fputs("{\"t\":4,\"event\":\"lo", f); /* not whole: it was killed */
    fclose(f);
    is_int(viewer_stop(v, &err), 0, "it reads what there is before it stops");
    viewer_put_metrics(v, &b);
    ok(strstr(b.data, "\nebsp_samples_total 140\n"), "all of it");
    ok(strstr(b.data, "\nebsp_workers_lost_total 0\n") &&
           !strstr(b.data, "rank=\"7\""),
       "and nothing of the sessions before");
    viewer_free(v);

    f = fopen(path, "a");
    fputs("\nno json\n", f);
    fclose(f);
    v = viewer_new(run, 0, 0, NULL, &err);
    ok(viewer_stop(v, &err) != 0 && strstr(err.text, path),
       "a stream that is none is told of");
    viewer_free(v);
    buf_release(&b);
    (void)fs_remove(run, NULL);
}

int
main(void)
{
    events_add_up();
    hostile_events();
    metrics();
    labels();
    families_are_whole();
    checksums();
    event_files();
    boards();
    skipping();
    viewers();
    return done();
}
