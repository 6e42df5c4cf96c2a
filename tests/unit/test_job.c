/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs, event streams, and what a worker is told. */
#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "job/events.h"
#include "job/job.h"
#include "job/rundir.h"
#include "tap.h"
#include "wire/join.h"

#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

static const char text[] =
    "{\"name\": \"t\", \"input\": [8], \"layers\": [\n"
    "  {\"type\": \"dense\", \"units\": 3},\n"
    "  {\"type\": \"softmax_cross_entropy\"}],\n"
    " \"data\": {\"type\": \"blobs\", \"classes\": 3, \"features\": 8},\n"
    " \"batch\": 10, \"epochs\": 4,\n"
    " \"schedule\": {\"type\": \"step\", \"milestones\": [2], "
    "\"gamma\": 0.1},\n"
    " \"lr_scaling\": \"sqrt\",\n"
    " \"optimizer\": {\"type\": \"sgd\", \"lr\": 0.5}}\n";

static void
defaults_and_origins(void)
{
    struct err e = ERR_INIT;
    struct buf b = BUF_INIT(JSON_MAX_BYTES);
    struct job j, again;

    if (!ok(job_parse(&j, "t.json", ".", text, sizeof text - 1, &e) == 0,
            "job %s", e.text))
        return;
    ok(j.workers == 4 && j.threads == 1 && j.seed == 1 &&
           !strcmp(j.policy, "bsp"),
       "defaults");
    ok(fabs(job_learning_rate(&j, 0, 400, 4) - 1.0) < 1e-12,
       "sqrt scaling of 4 pushes doubles the learning rate");
    ok(fabs(job_learning_rate(&j, 200, 400, 1) - 0.5) < 1e-12 &&
           fabs(job_learning_rate(&j, 201, 400, 1) - 0.05) < 1e-12,
       "a step falls after two of four epochs, counted in samples");
    ok(job_progress(&j, 30, 7) == 30, "progress counts samples");
    j.progress = PROGRESS_UPDATES;
    ok(job_progress(&j, 30, 7) == (uint64_t)7 * 4 * 10 &&
           job_progress(&j, 30, UINT64_MAX) == INT64_MAX,
       "or updates, each as a mini-batch of every worker");
    ok(job_dump(&j, &b, &e) == 0 &&
           job_parse(&again, "again", ".", b.data, b.len, &e) == 0,
       "the effective job is a job %s", e.text);
    ok(again.workers == 4 && again.batch == 10, "the same one");
    ok(json_object_get(json_object_get(again.doc.root, "origin"), "seed") !=
           NULL,
       "it tells what was a default");
    job_release(&again);
    job_release(&j);
    buf_release(&b);
}

/* A dense layer of 3 x 8, its bias, and a batch normalization. */
static const char packed[] =
    "{\"input\": [8], \"layers\": [{\"type\": \"dense\", \"units\": 3},\n"
    "  {\"type\": \"batchnorm\"}, {\"type\": \"softmax_cross_entropy\"}],\n"
    " \"data\": {\"type\": \"blobs\"}, \"batch\": 10,\n"
    " \"optimizer\": {\"lr\": 0.5}, \"compress\": \"%s\"%s}\n";

static int
parse_packed(struct job *j, const char *word, const char *more, struct err *e)
{
    char *t = mem_printf(packed, word, more);
    int r = job_parse(j, "t.json", ".", t, strlen(t), e);

    mem_free(t);
    return r;
}

static void
pushes_are_compressed(void)
{
    struct err e = ERR_INIT;
    struct codec *c = NULL;
    struct job j;
    size_t n;

    ok(parse_packed(&j, "sign", "", &e) == 0 && j.compress.feedback &&
           job_codec(&j, &c, &e) == 0 && c,
       "a job with compression %s", e.text);
    n = graph_get_segments(j.graph)->n_floats;
    /* a scale and bits of weights (24), bias, norm scale and shift (3 each);
     * running mean and variance as they are; whole words */
    is_int(codec_bound(c, 0, n), 4 + 3 + 3 * (4 + 1) + 2 * 3 * 4 + 2,
           "tensors are parts, and statistics are exact");
    ok(job_codec_key(&j, 0, 0, 10) == job_codec_key(&j, 0, 0, 10) &&
           job_codec_key(&j, 0, 0, 10) != job_codec_key(&j, 0, 0, 20) &&
           job_codec_key(&j, 0, 1, 10) != job_codec_key(&j, 1, 0, 10),
       "a mini-batch has its key");
    codec_free(c);
    job_release(&j);
    ok(parse_packed(&j, "none", "", &e) == 0 && job_codec(&j, &c, &e) == 0 &&
           !c,
       "none is no compression");
    job_release(&j);
    ok(parse_packed(&j, "topk", ", \"error_feedback\": false", &e) == 0 &&
           !j.compress.feedback,
       "error feedback is switched off");
    job_release(&j);
    ok(parse_packed(&j, "zip", "", &e) == -1 && e.code == ERR_CONFIG &&
           strstr(e.text, "compress: \"zip\""),
       "other words are refused: %s", e.text);
}

static void
every_cut_is_refused(void)
{
    int refused = 1;

    for (size_t n = 0; n + 2 < sizeof text; n++) {
        struct err e = ERR_INIT;
        struct job j;

        if (job_parse(&j, "cut", ".", text, n, &e) == 0 || e.code != ERR_CONFIG)
            refused = 0;
    }
    ok(refused, "a job cut off anywhere is refused");
}

static void
out_of_memory_is_told(void)
{
    int done_at = -1, told = 1;

    for (long n = 0; n < 2000 && done_at < 0; n++) {
        struct err e = ERR_INIT;
        struct job j;

        mem_fail_after(n);
        if (job_parse(&j, "t.json", ".", text, sizeof text - 1, &e) == 0) {
            done_at = (int)n;
            job_release(&j);
        } else if (e.code != ERR_NOMEM) {
            printf("# allocation %ld: %d %s\n", n, (int)e.code, e.text);
            told = 0;
        }
        mem_fail_after(-1);
    }
    ok(done_at > 5, "reading a job takes %d allocations", done_at);
    ok(told, "each of them may fail");
}

static void
events_are_json_lines(void)
{
    char dir[] = "/tmp/ebsp-test-XXXXXX", *path;
    struct err e = ERR_INIT;
    struct events *ev;
    struct buf b = BUF_INIT(10000);
    struct json_doc d;

    if (!mkdtemp(dir)) {
        skip("no folder in /tmp");
        return;
    }
    path = fs_join(dir, "events.jsonl");
    ev = events_open(path, false, 1000, &e);
    events_begin(ev, 500001000, "push");
    events_uint(ev, "rank", 3);
    events_num(ev, "loss", NAN);
    events_str(ev, "text", "a\"b\\c\n\x01\xff");
    events_end(ev);
    ok(events_sync(ev, &e) == 0 && fs_read(path, &b, &e) == 0, "written %s",
       e.text);
    ok(!events_open(path, true, 0, &e), "locked until it is closed: %s",
       e.text);
    err_clear(&e);
    ok(events_close(ev, &e) == 0, "closed %s", e.text);
    if (ok(json_doc_parse(&d, "line", b.data, b.len, &e) == 0, "is JSON %s",
           e.text)) {
        ok(json_real_value(json_object_get(d.root, "t")) == 0.5, "time");
        ok(json_is_null(json_object_get(d.root, "loss")), "NaN is null");
        json_doc_release(&d);
    }
    ok(!events_open(path, false, 0, &e), "a stream is not overwritten: %s",
       e.text);
    err_clear(&e);
    ev = events_open("/dev/full", true, 0, &e);
    if (ev) {
        events_begin(ev, 0, "x");
        events_end(ev);
        ok(events_close(ev, &e) == -1, "a full disk is told: %s", e.text);
    } else {
        skip("no /dev/full");
    }
    events_begin(NULL, 0, "x");
    events_end(NULL);
    ok(events_close(NULL, NULL) == 0, "no stream is fine");
    buf_release(&b);
    fs_remove(dir, NULL);
    mem_free(path);
}

/* A limit of the file's size is as good as a full disk. */
static void
a_full_disk_loses_no_event(void)
{
    char dir[] = "/tmp/ebsp-test-XXXXXX", *path;
    struct buf b = BUF_INIT((size_t)1 << 20);
    struct err e = ERR_INIT;
    struct rlimit was, low;
    struct events *ev;
    unsigned long long n, seen = 0;
    char *line;

    if (!mkdtemp(dir)) {
        skip("no folder in /tmp");
        return;
    }
    path = fs_join(dir, "events.jsonl");
    ev = events_open(path, false, 0, &e);
    getrlimit(RLIMIT_FSIZE, &was);
    low = (struct rlimit){1000, was.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &low);
    for (n = 0; n < 5000; n++) {
        events_begin(ev, 0, "x");
        events_uint(ev, "n", n);
        events_end(ev);
        if (n % 100 == 0)
            events_flush(ev);
    }
    ok(events_check(ev, &e) == -1, "it is told: %s", e.text);
    setrlimit(RLIMIT_FSIZE, &was);
    events_flush(ev);
    ok(events_check(ev, NULL) == 0, "when there is room again it is well");
    ok(events_close(ev, NULL) == 0, "at the end, too");
    fs_read(path, &b, NULL);
    for (line = b.data; line && *line; line = strchr(line, '\n') + 1)
        if (sscanf(line, "{\"t\":0.000000000,\"event\":\"x\",\"n\":%llu}\n",
                   &n) == 1 &&
            n == seen)
            seen++;
    is_int(seen, 5000, "events, each whole and in its place");

    /* what a killed process leaves */
    b.data[b.len - 20] = '\0';
    fs_write(path, b.data, b.len - 20, NULL);
    ev = events_open(path, true, 0, &e);
    events_begin(ev, 0, "y");
    events_end(ev);
    events_close(ev, NULL);
    buf_clear(&b);
    fs_read(path, &b, NULL);
    ok(strstr(b.data, "4998}\n{\"t\":0.000000000,\"event\":\"y\"}\n"),
       "half a line is cut off before another one follows");
    buf_release(&b);
    fs_remove(dir, NULL);
    mem_free(path);
}

static void
join_round_trip(void)
{
    char host[] = "127.0.0.1", dir[] = "/x", job[] = "{\"a\": \"\\u00e9\"}";
    char data_dir[] = "data", slow[] = "uniform(1,2)";
    struct join j = {.host = host,
                     .port = 4711,
                     .rank = 7,
                     .life = 3,
                     .tls = true,
                     .threads = 2,
                     .data_dir = data_dir,
                     .push_data = true,
                     .data_hash = UINT64_C(0xfedcba9876543210),
                     .job_dir = dir,
                     .job = job,
                     .slow = slow,
                     .pace_ms = 10,
                     .seed = 77,
                     .age_ms = 1.5};
    struct buf b = BUF_INIT(JOIN_MAX_BYTES);
    struct err e = ERR_INIT;
    struct join k;
    size_t n = 0, head;
    int refused = 1;

    for (int i = 0; i < JOIN_KEY_BYTES; i++)
        j.key[i] = (uint8_t)(i * 37);
    ok(join_encode(&j, &b, &e) == 0, "encode %s", e.text);
    head = (size_t)(strchr(b.data, '\n') - b.data);
    b.data[head] = '\0';
    ok(join_decode_head(b.data, &n, &e) == 0 && n == b.len - head - 1,
       "head tells the length");
    ok(join_decode(&k, b.data + head + 1, n, &e) == 0, "decode %s", e.text);
    ok(!memcmp(k.key, j.key, sizeof k.key) && k.port == 4711 && k.rank == 7 &&
           k.life == 3 && k.tls && !strcmp(k.slow, slow) && !k.net &&
           k.pace_ms == 10 && k.seed == 77 && k.age_ms == 1.5 &&
           !strcmp(k.job, job) && k.push_data && k.data_hash == j.data_hash &&
           !strcmp(k.data_dir, data_dir),
       "the same");
    is_int(k.task, JOIN_TRAIN, "to train, unless something else is said");
    join_release(&k);
    for (size_t cut = 0; cut < n; cut++)
        if (join_decode(&k, b.data + head + 1, cut, NULL) == 0)
            refused = 0;
    ok(refused, "cut off anywhere it is refused");
    ok(join_decode_head("ebsp-join 2 5", &n, NULL) == -1 &&
           join_decode_head("ebsp-join 1 -5", &n, NULL) == -1 &&
           join_decode_head("ebsp-join 1 99999999999", &n, NULL) == -1 &&
           join_decode_head("hello", &n, NULL) == -1,
       "other heads are refused");
    buf_release(&b);
    b.max = JOIN_MAX_BYTES;
    j.task = JOIN_PROBE;
    j.port = 0; /* it connects to nobody by itself */
    ok(join_encode(&j, &b, &e) == 0, "encode a probe %s", e.text);
    head = (size_t)(strchr(b.data, '\n') - b.data) + 1;
    ok(join_decode(&k, b.data + head, b.len - head, &e) == 0 &&
           k.task == JOIN_PROBE,
       "decode it %s", e.text);
    join_release(&k);
    buf_release(&b);
}

static void
run_directories(void)
{
    char dir[] = "/tmp/ebsp-test-XXXXXX", *path;
    struct err e = ERR_INIT;

    if (!mkdtemp(dir)) {
        skip("no folder in /tmp");
        return;
    }
    path = rundir_new(dir, "x", &e);
    is_str(path, dir, "an empty folder is taken");
    mem_free(path);
    path = fs_join(dir, "job.json");
    fs_write(path, "{}", 2, NULL);
    mem_free(path);
    ok(!rundir_new(dir, "x", &e), "a folder in use is refused: %s", e.text);
    fs_remove(dir, NULL);
}

int
main(void)
{
    defaults_and_origins();
    pushes_are_compressed();
    every_cut_is_refused();
    out_of_memory_is_told();
    events_are_json_lines();
    a_full_disk_loses_no_event();
    join_round_trip();
    run_directories();
    return done();
}
