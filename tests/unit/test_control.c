/* SPDX-License-Identifier: Apache-2.0 */
/* What is a request to a running job, and what is none. */
#include "tap.h"

#include "base/err.h"
#include "base/mem.h"
#include "ps/control.h"

static int
read_text(struct control_request *q, const char *text, struct err *err)
{
    err_clear(err);
    return control_read(q, text, strlen(text), err);
}

static void
test_requests(void)
{
    struct control_request q;
    struct err e = ERR_INIT;

    ok(!read_text(&q, "{\"do\":\"status\"}", &e) && q.verb == CONTROL_STATUS,
       "status");
    ok(!read_text(&q, " { \"do\" : \"stop\" }\r", &e) &&
           q.verb == CONTROL_STOP && q.wait_s == 0,
       "stop, at once, with white space");
    ok(!read_text(&q, "{\"do\":\"stop\",\"wait\":2.5}", &e) && q.wait_s == 2.5,
       "stop, and wait");
    ok(!read_text(&q, "{\"wait\":3,\"do\":\"checkpoint\"}", &e) &&
           q.verb == CONTROL_CHECKPOINT && q.wait_s == 3,
       "checkpoint");
    ok(!read_text(&q, "{\"do\":\"add-worker\",\"host\":\"me@[::1]\"}", &e) &&
           q.verb == CONTROL_ADD_WORKER && !strcmp(q.host, "me@[::1]") &&
           q.slots == 1,
       "add-worker, one");
    ok(!read_text(&q, "{\"do\":\"add-worker\",\"host\":\"a\",\"slots\":256}",
                  &e) &&
           q.slots == 256,
       "add-worker, many");
    ok(!read_text(&q, "{\"do\":\"remove-worker\",\"rank\":4294967295}", &e) &&
           q.verb == CONTROL_REMOVE_WORKER && q.rank == UINT32_MAX,
       "remove-worker");
    ok(!read_text(&q, "{\"do\":\"cut\",\"rank\":1}", &e) &&
           q.verb == CONTROL_CUT && q.rank == 1,
       "cut");
    ok(!read_text(&q, "{\"do\":\"slow\",\"what\":\"2:5\"}", &e) &&
           q.verb == CONTROL_SLOW && !strcmp(q.text, "2:5"),
       "slow");
    control_request_release(&q);
    ok(!read_text(&q, "{\"do\":\"net\",\"what\":\"all:none\"}", &e) &&
           q.verb == CONTROL_NET && !strcmp(q.text, "all:none"),
       "net");
    control_request_release(&q);
}

static void
test_refused(void)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "request:1:"},
        {"status", "request:1:"},
        {"[]", "expected an object"},
        {"{}", "do: expected a string, got nothing"},
        {"{\"do\":1}", "do: expected a string, got 1"},
        {"{\"do\":\"halt\"}", "expected one of status, checkpoint, stop, "
                              "add-worker, remove-worker, cut, slow, pace, "
                              "net, got \"halt\""},
        {"{\"do\":\"status\",\"rank\":1}", "rank: unknown key"},
        {"{\"do\":\"stop\",\"wiat\":1}", "did you mean \"wait\"?"},
        {"{\"do\":\"stop\",\"do\":\"stop\"}", "duplicate"},
        {"{\"do\":\"stop\"} {}", "end of file expected"},
        {"{\"do\":\"stop\",\"wait\":-1}", "a number from 0 to 86400"},
        {"{\"do\":\"stop\",\"wait\":true}", "a number from 0 to 86400"},
        {"{\"do\":\"pace\"}", "what: expected a string, got nothing"},
        {"{\"do\":\"pace\",\"what\":40}", "what: expected a string, got 40"},
        {"{\"do\":\"remove-worker\"}", "rank: expected an integer"},
        {"{\"do\":\"remove-worker\",\"rank\":-1}", "from 0 to 4294967295"},
        {"{\"do\":\"remove-worker\",\"rank\":1.0}", "got 1.0"},
        {"{\"do\":\"add-worker\"}", "host: expected a string, got nothing"},
        {"{\"do\":\"add-worker\",\"host\":\"\"}", "host: expected a string"},
        {"{\"do\":\"add-worker\",\"host\":\"a\\u0000\"}", "request:1:"},
        {"{\"do\":\"add-worker\",\"host\":\"a\",\"slots\":0}", "from 1 to 256"},
        {"{\"do\":\"add-worker\",\"host\":\"a\",\"slots\":257}",
         "from 1 to 256"},
        {"{\"do\":\"status\xff\"}", "request:1:"},
    };
    static const char *const hosts[] = {
        "-oProxyCommand=x", "a b", " ", "a\\nb", "\\u00e4", "\\u0007"};
    struct control_request q;
    struct err e = ERR_INIT;
    char text[600];

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (!ok(read_text(&q, bad[i].text, &e) < 0 && e.code == ERR_PROTO &&
                    strstr(e.text, bad[i].says),
                "refused: %s", bad[i].says))
            printf("# %s: \"%s\"\n", bad[i].text, e.text);
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        snprintf(text, sizeof text, "{\"do\":\"add-worker\",\"host\":\"%s\"}",
                 hosts[i]);
        ok(read_text(&q, text, &e) < 0 && e.code == ERR_USAGE &&
               strstr(e.text, "no space among them"),
           "no host: \"%s\"", hosts[i]);
    }
    snprintf(text, sizeof text, "{\"do\":\"add-worker\",\"host\":\"%0255d\"}",
             0);
    ok(!read_text(&q, text, &e), "a host of 255 characters");
    snprintf(text, sizeof text, "{\"do\":\"add-worker\",\"host\":\"%0256d\"}",
             0);
    ok(read_text(&q, text, &e) < 0 && strstr(e.text, "1 to 255 characters"),
       "one more is refused");
}

static void
test_no_memory(void)
{
    const char text[] = "{\"do\":\"status\"}";
    struct control_request q;
    int told = 0;

    for (int i = 0; i < 2; i++) {
        struct err e = ERR_INIT;

        mem_fail_after(i);
        told += read_text(&q, text, &e) < 0 && e.code == ERR_NOMEM;
        mem_fail_after(-1);
    }
    is_int(told, 2, "out of memory is no wrong request");
}

int
main(void)
{
    test_requests();
    test_refused();
    test_no_memory();
    return done();
}
