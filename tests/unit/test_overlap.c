/* SPDX-License-Identifier: Apache-2.0 */
/* Transfer hidden behind computing: in the timeline and in what is reported. */
#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "report/account.h"
#include "report/chrome.h"
#include "report/csv.h"
#include "report/report.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE(text) text "\n"

/* clang-format off */
/* What was hidden in the first iteration of worker 0: 0.5 s of the parameters
 * and, as the second one tells, 0.75 s of the contribution.  That tells of
 * more than there was time for; the third of nothing.  Worker 1 tells nothing,
 * as in older runs. */
static const char hidden[] =
    LINE("{\"t\":0,\"event\":\"ready\",\"rank\":0,\"host\":\"a\"}")
    LINE("{\"t\":0,\"event\":\"ready\",\"rank\":1,\"host\":\"a\"}")
    LINE("{\"t\":0,\"event\":\"start\",\"version\":0,\"samples\":0}")
    LINE("{\"t\":0,\"event\":\"release\",\"rank\":0,\"iteration\":1}")
    LINE("{\"t\":0,\"event\":\"release\",\"rank\":1,\"iteration\":1}")
    LINE("{\"t\":4,\"event\":\"push\",\"rank\":0,\"iteration\":1,"
         "\"compute\":3,\"pull\":0.25,\"pull_hidden\":0.5,"
         "\"push_hidden\":0}")
    LINE("{\"t\":4,\"event\":\"push\",\"rank\":1,\"iteration\":1,"
         "\"compute\":3,\"pull\":0.25}")
    LINE("{\"t\":5,\"event\":\"release\",\"rank\":0,\"iteration\":2}")
    LINE("{\"t\":7,\"event\":\"push\",\"rank\":0,\"iteration\":2,"
         "\"compute\":1.5,\"pull\":0.25,\"pull_hidden\":9,"
         "\"push_hidden\":0.75}")
    LINE("{\"t\":7,\"event\":\"release\",\"rank\":0,\"iteration\":3}")
    LINE("{\"t\":9,\"event\":\"push\",\"rank\":0,\"iteration\":3,"
         "\"compute\":1.5,\"pull\":0.25,\"pull_hidden\":0,"
         "\"push_hidden\":9}");
/* clang-format on */

static char dir[] = "/tmp/test_overlap.XXXXXX";

static void
make_run(const char *summary)
{
    const char *const names[] = {"job.json", "events.jsonl", "summary.json"};
    const char *const texts[] = {"{\"policy\": \"x\"}", hidden, summary};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char *path = fs_join(dir, names[i]);

        if (texts[i])
            (void)fs_write(path, texts[i], strlen(texts[i]), NULL);
        mem_free(path);
    }
}

/* The transfers of a track, "pull 0+750 ...", in milliseconds. */
static void
transfers(const json_t *events, const char *track, struct buf *to)
{
    const json_t *v, *tid = NULL;
    size_t i;

    json_array_foreach(events, i, v)
    {
        const json_t *args = json_object_get(v, "args");
        const char *name = json_string_value(json_object_get(v, "name"));

        if (!strcmp(name, "thread_name") &&
            !strcmp(json_string_value(json_object_get(args, "name")), track))
            tid = json_object_get(v, "tid");
        else if (tid && json_equal(json_object_get(v, "tid"), tid) &&
                 (!strcmp(name, "pull") || !strcmp(name, "push")) &&
                 json_object_get(v, "dur"))
            buf_addf(to, "%s %.0f+%.0f ", name,
                     json_number_value(json_object_get(v, "ts")) / 1e3,
                     json_number_value(json_object_get(v, "dur")) / 1e3);
    }
}

static void
test_network(void)
{
    struct json_doc d = {.root = NULL};
    struct buf on_worker = BUF_INIT(1024), on_network = BUF_INIT(1024),
               on_other = BUF_INIT(1024);
    struct err e = ERR_INIT;
    const json_t *events;
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);

    make_run(NULL);
    is_int(chrome_write(dir, f, NULL, &e), 0, "network: written");
    fclose(f);
    is_int(json_doc_parse(&d, "trace", text, len, &e), 0, "network: JSON");
    events = json_object_get(d.root, "traceEvents");
    transfers(events, "worker 0 (a)", &on_worker);
    transfers(events, "worker 0 network", &on_network);
    is_str(on_worker.data,
           "pull 0+250 push 3250+750 pull 5000+250 push 6750+250 "
           "pull 7000+250 push 8750+250 ",
           "network: the worker's track has what it did nothing else in");
    is_str(on_network.data,
           "pull 0+750 push 2500+1500 pull 5000+1750 push 6750+250 "
           "pull 7000+250 push 8750+250 ",
           "network: its own has all, none before the last has ended");
    transfers(events, "worker 1 network", &on_other);
    ok(on_other.len == 0, "network: none of a worker that has hidden nothing");
    buf_release(&on_other);
    buf_release(&on_worker);
    buf_release(&on_network);
    json_doc_release(&d);
    free(text);
}

static void
test_hidden(void)
{
    static const char told[] =
        "{\"status\": \"done\", \"per_worker\": [{\"rank\": 0, \"seconds\": "
        "{\"compute\": 5, \"pull\": 1, \"push\": 1.5, \"pull_hidden\": 2.5, "
        "\"push_hidden\": 5}}, {\"rank\": 1, \"seconds\": {\"compute\": 5}}]}";
    struct err e = ERR_INIT;
    struct account a;
    double hidden_s = 0, all_s;
    struct buf b = BUF_INIT(1 << 16);
    char *text = NULL, *workers = fs_join(dir, "workers.csv");
    size_t len = 0;
    FILE *f;

    make_run(NULL);
    is_int(account_read(&a, dir, &e), 0, "hidden: of a run without summary");
    ok(a.worker[0].hidden_s == 0.5 + 9 + 0.75 + 9 && a.worker[1].hidden_s == 0,
       "hidden: added up from the events");
    account_release(&a);

    make_run(told);
    is_int(account_read(&a, dir, &e), 0, "hidden: with a summary");
    all_s = account_transfer(&a, &hidden_s);
    ok(all_s == 10 && hidden_s == 7.5, "hidden: the summary's counts");
    (void)account_label(&a, 1, &e);
    f = open_memstream(&text, &len);
    report_write_text(&a, 1, f);
    fclose(f);
    ok(strstr(text, "\ntransfer hidden behind computing: 7.500 s, 75.0 %\n"),
       "hidden: a line of the summary");
    free(text);
    (void)csv_write(dir, &a, 1, &e);
    (void)fs_read(workers, &b, &e);
    ok(strstr(b.data, "wait,other,hidden\n") && strstr(b.data, ",0,0,7.5\n"),
       "hidden: the last column of a worker");
    buf_release(&b);
    mem_free(workers);
    account_release(&a);
}

int
main(void)
{
    if (!mkdtemp(dir))
        return 1;
    test_network();
    test_hidden();
    (void)fs_remove(dir, NULL);
    return done();
}
