/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts: lists, files, names, slots; addresses to listen on. */
#include "tap.h"

#include "base/err.h"
#include "launch/hosts.h"
#include "launch/route.h"

#include <unistd.h>

/* "a:2 b:1 " of what was parsed; the error's text when it was not. */
static char shown[4096];

static const char *
show(struct hosts *h, int r, const struct err *e)
{
    size_t n = 0;

    shown[0] = '\0';
    if (r != 0)
        snprintf(shown, sizeof shown, "%d %s", (int)e->code, e->text);
    for (size_t i = 0; r == 0 && i < h->n; i++)
        n += (size_t)snprintf(shown + n, sizeof shown - n, "%s%s %u",
                              i ? ", " : "", h->v[i].name, h->v[i].slots);
    hosts_release(h);
    return shown;
}

static const char *
list(const char *text)
{
    struct hosts h = HOSTS_INIT;
    struct err e = ERR_INIT;

    return show(&h, hosts_parse_list(&h, text, &e), &e);
}

static const char *
file(const char *text)
{
    struct hosts h = HOSTS_INIT;
    struct err e = ERR_INIT;

    return show(&h, hosts_parse_text(&h, "F", text, strlen(text), &e), &e);
}

static void
test_lists(void)
{
    is_str(list("node-a"), "node-a 1", "a host has one slot");
    is_str(list("a:2,b,ada@c.example:4"), "a 2, b 1, ada@c.example 4",
           "several, slots, a user");
    is_str(list("[::1]:3,ada@[2001:db8::7],[fe80::1%eth0]"),
           "[::1] 3, ada@[2001:db8::7] 1, [fe80::1%eth0] 1", "IPv6");
    is_str(list("local:4,localhost"), "local 4, localhost 1", "this machine");
    is_str(list("a:0"), "3 expected 1 to 65536 slots, got \"0\"", "no slot");
    is_str(list("a:x"), "3 expected 1 to 65536 slots, got \"x\"", "no number");
    is_str(list("a:"), "3 expected 1 to 65536 slots, got \"\"", "nothing");
    is_str(list("::1"),
           "3 an IPv6 address needs brackets, as in \"[::1]\", got \"::1\"",
           "an address without brackets");
    is_str(list("ada@fe80::1%eth0"),
           "3 an IPv6 address needs brackets, as in \"ada@[fe80::1%eth0]\", "
           "got \"ada@fe80::1%eth0\"",
           "and with a user and a zone");
    is_str(list(":3"), "3 expected [USER@]HOST[:SLOTS], got \":3\"", "no name");
    is_str(list("a-x:2:3"), "3 expected [USER@]HOST[:SLOTS], got \"a-x:2:3\"",
           "two numbers");
    is_str(list("a:65536"), "a 65536", "the most");
    is_str(list("a:65536,b"),
           "3 b: expected 1 to 65536 slots, of all hosts together, got 65537",
           "of all hosts together");
}

static void
test_files(void)
{
    is_str(file("# two\n\nnode-a slots=2\r\n\tada@b\t # x\n[::1] slots=3#y"),
           "node-a 2, ada@b 1, [::1] 3", "comments, blanks, no last newline");
    is_str(file("\n\n# none\n"), "3 F: no host in it", "none");
    is_str(file("a\nb slots=none\n"),
           "3 F:2: expected 1 to 65536 slots, got \"none\"", "a bad number");
    is_str(file("a\n\nb c\n"), "3 F:3: expected \"HOST slots=N\" and no more",
           "a second word");
    is_str(file("a slots=1 slots=2"),
           "3 F:1: expected \"HOST slots=N\" and no more", "a third word");
    is_str(file("a:2"),
           "3 F:1: expected [USER@]HOST, of letters, digits and ._- or an IPv6 "
           "address in brackets, got \"a:2\"",
           "slots as in a list");
}

/* What ssh or a shell might take for something else. */
static void
test_hostile(void)
{
    static const char *const names[] = {
        "",         "-oProxyCommand=x",
        "-",        "ada@-x",
        "-l@b",     "@b",
        "ada@",     "a@b@c",
        "a b",      "a\tb",
        "a\nb",     "a\x1b[31m",
        "a;b",      "a$(b)",
        "a`b`",     "a|b",
        "a&b",      "a>b",
        "a'b",      "a\"b",
        "a\\b",     "a/b",
        "a*b",      "a~",
        "[::1",     "::1",
        "[]",       "[a]",
        "[-::1]",   "[::1]x",
        "[::1]]",   "a,b",
        "\xc3\xa4", "a=b",
        "a%b",      "ada:pass@b",
        "[::1;x]",  "[:: 1]",
        "#a",       "[::1]@b",
    };
    char name[HOST_MAX_NAME + 2], address[HOST_MAX_NAME + 1];
    struct err e = ERR_INIT;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        err_clear(&e);
        ok(hosts_check_name(names[i], &e) == -1 && e.code == ERR_CONFIG,
           "name %zu is refused", i);
    }
    err_clear(&e);
    hosts_check_name("a\x1b[31m", &e);
    ok(strstr(e.text, "\"a\\x1b[31m\""), "what is shown of it is escaped");
    memset(name, 'a', sizeof name);
    name[HOST_MAX_NAME] = '\0';
    is_int(hosts_check_name(name, NULL), 0, "a name of 255 characters");
    name[HOST_MAX_NAME] = 'a';
    name[HOST_MAX_NAME + 1] = '\0';
    is_int(hosts_check_name(name, NULL), -1, "is the longest");
    ok(strncmp(list(name), "3 expected", 10) == 0 &&
           strncmp(file(name), "3 F:1: expected", 15) == 0,
       "in lists and files, too");
    host_address(address, "ada@[2001:db8::7]");
    is_str(address, "2001:db8::7", "the address alone");
    ok(host_is_local("local") && !host_is_local("localhost") &&
           !host_is_local("ada@local"),
       "one word is this machine");
}

static const char *
deal(const char *text, uint32_t n)
{
    struct hosts h = HOSTS_INIT;
    struct err e = ERR_INIT;
    uint32_t at[16];
    size_t len = 0;

    shown[0] = '\0';
    if (hosts_parse_list(&h, text, &e) != 0 || hosts_deal(&h, n, at, &e) != 0)
        snprintf(shown, sizeof shown, "%d %s", (int)e.code, e.text);
    else
        for (uint32_t i = 0; i < n; i++)
            len += (size_t)snprintf(shown + len, sizeof shown - len, "%s",
                                    h.v[at[i]].name);
    hosts_release(&h);
    return shown;
}

static void
test_deal(void)
{
    is_str(deal("a:3,b,c:2", 6), "abcaca", "one to each host in turn");
    is_str(deal("a:3,b,c:2", 2), "ab", "as many as asked for");
    is_str(deal("a:2,b", 4),
           "3 4 workers, but the hosts have 3 slots: give a host more, as in "
           "HOST:4, or start fewer",
           "too many");
}

static void
test_argument(void)
{
    char name[] = "/tmp/ebsp-hosts-XXXXXX";
    struct hosts h = HOSTS_INIT;
    struct err e = ERR_INIT;
    int fd = mkstemp(name), r = -1;

    if (fd >= 0 && write(fd, "b slots=2\n", 10) == 10)
        r = hosts_parse(&h, name, &e);
    close(fd);
    is_str(show(&h, r, &e), "b 2", "an argument with a slash is a file");
    unlink(name);
    r = hosts_parse(&h, name, &e);
    is_int(r != 0 && e.code == ERR_CONFIG, 1, "one that is not there: error");
    r = chdir("/");
    is_str(show(&h, hosts_parse(&h, "tmp,b", &e), &e), "tmp 1, b 1",
           "a folder of that name is no file");
}

static const char *
listen_at(const char *text)
{
    char address[ROUTE_CAP];
    struct err e = ERR_INIT;
    unsigned port;

    if (route_parse(text, address, &port, &e) != 0)
        snprintf(shown, sizeof shown, "%d", (int)e.code);
    else
        snprintf(shown, sizeof shown, "%s %u", address, port);
    return shown;
}

static void
test_routes(void)
{
    static const char *const wrong[] = {
        "",       "0.0.0.0",       "[::]",      "::",
        "node-a", "1.2.3.4:",      "1.2.3.4:0", "1.2.3",
        "[::1",   "1.2.3.4:65536", "[::1]1",    "*:1",
    };
    char source[ROUTE_CAP];
    struct err e = ERR_INIT;
    bool loopback = false;

    is_str(listen_at("192.0.2.7"), "192.0.2.7 0", "an address");
    is_str(listen_at("192.0.2.7:4711"), "192.0.2.7 4711", "and a port");
    is_str(listen_at("[2001:db8::7]:1"), "2001:db8::7 1", "IPv6");
    is_str(listen_at("2001:db8::7"), "2001:db8::7 0", "IPv6 without brackets");
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        is_str(listen_at(wrong[i]), "2", wrong[i]);
    ok(route_source("127.0.0.3", source, &loopback, &e) == 0 && loopback,
       "127.0.0.3 is of the loopback");
    is_int(route_source("no-such-host.invalid", source, &loopback, &e), -1,
           "a name that does not resolve");
    is_int(e.code, ERR_CONFIG, "is a wrong name");
}

int
main(void)
{
    test_lists();
    test_files();
    test_hostile();
    test_deal();
    test_argument();
    test_routes();
    return done();
}
