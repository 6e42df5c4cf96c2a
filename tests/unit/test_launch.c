/* SPDX-License-Identifier: Apache-2.0 */
/* Starting processes: this program is its own worker, a few lines of shell are
 * ssh. */
#include "tap.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "launch/hosts.h"
#include "launch/launch.h"
#include "launch/ssh.h"
#include "wire/frame.h"

#include <signal.h>
#include <unistd.h>

#define TEXT(x)  #x
#define VALUE(x) TEXT(x)
#define GREETING "ebsp-worker " VALUE(WIRE_VERSION)

#define LIMIT_NS (20 * NS_PER_S)

static uv_loop_t loop;

/* ---- the worker ---------------------------------------------------------- */

static int
be_worker(char **argv)
{
    char text[JOIN_GREETING_CAP], line[64];
    static char job[1 << 16];
    struct join j;
    size_t n;

    if (strcmp(argv[2], "--exec") == 0)
        return execvp(argv[3], argv + 3);
    join_greeting(text);
    fputs(text, stdout);
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin))
        return 3;
    line[strcspn(line, "\n")] = '\0';
    if (join_decode_head(line, &n, NULL) != 0 || n > sizeof job ||
        fread(job, 1, n, stdin) != n || join_decode(&j, job, n, NULL) != 0)
        return 4;
    printf("rank %u life %u key %02x\n", j.rank, j.life, j.key[31]);
    fflush(stdout);
    join_release(&j);
    return getchar() == EOF ? 0 : 5;
}

/* ---- the launcher's side ------------------------------------------------- */

struct seen {
    char lines[8192]; /* "RANK: LINE\n" */
    int n_lines;
    char ends[8192]; /* "RANK.LIFE CODE HOW\n" */
    int n_ends;
    struct launcher *launcher;
    const char *again; /* host to start life 1 on when life 0 ends */
};

static struct join
join_of(uint32_t rank, uint32_t life)
{
    static char host[] = "127.0.0.1", dir[] = ".", job[] = "{}";
    struct join j = {.host = host,
                     .port = 1,
                     .rank = rank,
                     .life = life,
                     .threads = 1,
                     .job_dir = dir,
                     .job = job};

    j.key[31] = 0xab;
    return j;
}

static void
add(char *to, size_t cap, const char *text)
{
    size_t n = strlen(to);

    snprintf(to + n, cap - n, "%s\n", text);
}

static void
on_line(void *ctx, uint32_t rank, const char *line)
{
    struct seen *s = ctx;
    char text[600];

    s->n_lines++;
    snprintf(text, sizeof text, "%u: %s", rank, line);
    add(s->lines, sizeof s->lines, text);
}

static void
on_exit_(void *ctx, uint32_t rank, uint32_t life, enum err_code code,
         const char *how)
{
    struct seen *s = ctx;
    char text[2048];

    s->n_ends++;
    snprintf(text, sizeof text, "%u.%u %d %s", rank, life, (int)code, how);
    add(s->ends, sizeof s->ends, text);
    if (s->again && life == 0) {
        struct join j = join_of(rank, 1);

        launch_start(s->launcher, s->again, &j, NULL, NULL);
    }
}

static void
on_tick(uv_timer_t *timer)
{
    (void)timer;
}

static bool
wait_until(const int *what, int n)
{
    int64_t limit = clock_now_ns() + LIMIT_NS;
    uv_timer_t tick;

    uv_timer_init(&loop, &tick);
    uv_timer_start(&tick, on_tick, 20, 20);
    while (*what < n && clock_now_ns() < limit)
        uv_run(&loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&tick, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
    return *what >= n;
}

/* script: what ssh does; its $1 is the host, the rest the remote command. */
static struct ssh *
fake_ssh(const char *script)
{
    char command[2048];
    struct err e = ERR_INIT;
    struct ssh *s;

    snprintf(command, sizeof command,
             "sh -c 'while [ \"$1\" != -- ]; do shift; done; shift; %s' ssh",
             script);
    s = ssh_new(command, "bin/ebsp", &e);
    if (!s)
        printf("# %s\n", e.text);
    return s;
}

static void
begin(struct seen *s, struct ssh *ssh, uint32_t fanout)
{
    static const struct launch_handlers h = {on_line, on_exit_};
    struct launch_options o = {.ssh = ssh, .fanout = fanout};

    memset(s, 0, sizeof *s);
    s->launcher = launcher_new(&loop, &o, &h, s, NULL);
}

static void
start(struct seen *s, const char *host, uint32_t rank, uint32_t life)
{
    struct join j = join_of(rank, life);
    struct err e = ERR_INIT;

    if (launch_start(s->launcher, host, &j, NULL, &e) != 0)
        ok(0, "%s", e.text);
}

static void
end(struct seen *s, struct ssh *ssh)
{
    is_int(launcher_get_running(s->launcher), 0, "none is left");
    launcher_free(s->launcher);
    ssh_free(ssh);
}

/* ---- tests --------------------------------------------------------------- */

static void
test_here(void)
{
    struct ssh *ssh = fake_ssh("exit 9");
    struct seen s;

    begin(&s, ssh, 4);
    start(&s, HOST_LOCAL, 3, 0);
    ok(wait_until(&s.n_lines, 1), "a worker here greets and is told");
    is_str(s.lines, "3: rank 3 life 0 key ab\n", "what to join");
    start(&s, HOST_LOCAL, 3, 1);
    ok(wait_until(&s.n_ends, 1) && wait_until(&s.n_lines, 2),
       "its rank is started again");
    is_str(s.ends,
           "3.0 8 killed by signal 9 (Killed)\n  | rank 3 life 0 key ab\n",
           "which ends the first, told with its life");
    is_int(launcher_get_running(s.launcher), 1, "and only that");
    s.ends[0] = '\0';
    launcher_let_go(s.launcher);
    ok(wait_until(&s.n_ends, 2), "the other is let go");
    ok(strncmp(s.ends, "3.1 8 ended with exit status 0", 30) == 0,
       "and ends by itself");
    end(&s, ssh);
}

static void
test_there(void)
{
    struct ssh *ssh =
        fake_ssh("echo \"$*\"; printf noise; exec $TEST_LAUNCH worker x");
    struct seen s;

    begin(&s, ssh, 4);
    s.again = "ada@[::1]";
    start(&s, "node-b", 0, 0);
    ok(wait_until(&s.n_lines, 3), "a worker there greets behind noise");
    is_str(s.lines,
           "0: node-b exec bin/ebsp worker --join-from-stdin\n0: noise\n"
           "0: rank 0 life 0 key ab\n",
           "host and remote command are as they should be");
    launcher_kill_rank(s.launcher, 0, SIGKILL);
    ok(wait_until(&s.n_ends, 1), "it is killed");
    ok(strncmp(s.ends, "0.0 8 node-b: ssh was killed by signal 9", 40) == 0,
       "which is told of ssh");
    /* it may have begun to speak before its predecessor's end is seen here */
    ok(wait_until(&s.n_lines, 6), "and started again when that is told");
    ok(strstr(s.lines, "\n0: ada@::1 exec") != NULL,
       "ssh wants no brackets around an address");
    launcher_let_go(s.launcher);
    ok(wait_until(&s.n_ends, 2), "it is let go");
    end(&s, ssh);
}

/* Runs one worker whose ssh does this; how its end is told. */
static const char *
fate(const char *script)
{
    static struct seen s;
    struct ssh *ssh = fake_ssh(script);

    begin(&s, ssh, 1);
    start(&s, "b", 0, 0);
    if (!wait_until(&s.n_ends, 1) || launcher_get_running(s.launcher) != 0)
        return "nothing was told";
    launcher_free(s.launcher);
    ssh_free(ssh);
    s.ends[strcspn(s.ends, "\n")] = '\0';
    return s.ends;
}

static bool
has(const char *text, const char *code, const char *part)
{
    bool good = strstr(text, code) == text && strstr(text, part);

    if (!good)
        printf("# \"%s\" has no \"%s\" or \"%s\"\n", text, code, part);
    return good;
}

static void
test_refused(void)
{
    char want[256];

    snprintf(want, sizeof want,
             "0.0 6 b runs ebsp 9.3.0 (protocol 7), this is %s (protocol %d): "
             "install the same version there, or name it by --remote-path",
             join_version(), WIRE_VERSION);
    is_str(fate("echo ebsp-worker 7 9.3.0; read a; echo told"), want,
           "another protocol");
    ok(has(fate("yes"), "0.0 6 b: ", "no greeting of ebsp among them"),
       "noise without end");
    ok(has(fate("echo ebsp-worker 1; echo ebsp-worker x 1; "
                "echo ebsp-worker 1 a b; echo ebsp-worker 99999999999 1; "
                "echo ebsp-worker 1 0.1.0 >&2; exit 1"),
           "0.0 3 b: ", "did not say which ebsp it is"),
       "no greeting of these is one");
}

static void
test_advice(void)
{
    ok(has(fate("echo Host key verification failed. >&2; exit 255"),
           "0.0 6 b: ", " b true\" once by hand"),
       "an unknown host key");
    ok(has(fate("echo x has changed and you have requested strict checking.;"
                "echo Host key verification failed. >&2; exit 255"),
           "0.0 6 b: ", "is not the one in known_hosts"),
       "a changed one");
    ok(has(fate("echo \"ada@b: Permission denied (publickey).\"; exit 255"),
           "0.0 6 b: ", "authorized_keys"),
       "no permission");
    ok(has(fate("echo something new; exit 255"),
           "0.0 5 b: ", "ssh cannot connect"),
       "what nobody knows");
    ok(has(fate("echo bash: bin/ebsp: not found; exit 127"),
           "0.0 3 b: ", "no \"bin/ebsp\" there"),
       "no such program, in sh");
    ok(has(fate("echo bin/ebsp: Command not found.; exit 1"),
           "0.0 3 b: ", "no \"bin/ebsp\" there"),
       "and in csh");
    ok(has(fate("echo " GREETING " x; exit 255"), "0.0 8 b: ",
           "the worker was killed there, or the connection is lost"),
       "the connection ends");
    ok(has(fate("echo " GREETING " x; exit 3"),
           "0.0 3 b: ", "ended with exit status 3"),
       "the worker there ends");
}

/* Each process leaves a file while it is starting, and counts them. */
static void
test_fanout(void)
{
    char dir[] = "/tmp/ebsp-launch-XXXXXX", script[512];
    struct seen s;
    struct ssh *ssh;
    int most = 0;

    if (!mkdtemp(dir)) {
        ok(0, "temporary folder");
        return;
    }
    snprintf(script, sizeof script,
             "touch %s/$$; ls %s | wc -l; sleep 0.05; rm %s/$$; "
             "echo " GREETING " x; cat >/dev/null",
             dir, dir, dir);
    ssh = fake_ssh(script);
    begin(&s, ssh, 3);
    for (uint32_t i = 0; i < 12; i++)
        start(&s, i % 2 ? "a" : "b", i, 0);
    is_int(launcher_get_running(s.launcher), 12, "queued ones count");
    ok(wait_until(&s.n_lines, 12), "all are started in the end");
    for (char *line = s.lines; *line; line = strchr(line, '\n') + 1) {
        int n = (int)strtol(strchr(line, ' '), NULL, 10);

        most = n > most ? n : most;
    }
    ok(most >= 1 && most <= 3, "%d at the same time, 3 allowed", most);
    launcher_let_go(s.launcher);
    ok(wait_until(&s.n_ends, 12), "each end is told");
    end(&s, ssh);

    ssh = fake_ssh("sleep 1000");
    begin(&s, ssh, 100);
    for (uint32_t i = 0; i < 20; i++)
        start(&s, "a", i, 0);
    launcher_kill(s.launcher, SIGKILL);
    ok(wait_until(&s.n_ends, 20), "killed while some are queued");
    is_int(s.n_ends, 20, "each is told once");
    ok(strstr(s.ends, "8 was not started any more"),
       "at most so many on one host, whatever is allowed");
    end(&s, ssh);
    rmdir(dir);
}

static void
test_ssh(void)
{
    static const char *const words[] = {"worker", "x", NULL};
    static const char *const bad[] = {
        "",     "-x",  "~/",   "a b",      "a;b",  "$HOME/ebsp", "~ada/x",
        "a\nb", "a'b", "a\"b", "\xc3\xa4", "~/-x", "a\\b",       "a*",
    };
    struct ssh *s = ssh_new(" my\tssh -o 'a b' \"c'd\"e ", NULL, NULL);
    const char **argv = s ? ssh_argv(s, "a", words, NULL) : NULL;
    char text[512] = "";
    struct err e = ERR_INIT;

    for (int i = 0; argv && argv[i]; i++)
        if (i < 3 || strncmp(argv[i], "-o", 2) != 0 || !argv[i][2])
            snprintf(text + strlen(text), sizeof text - strlen(text), "<%s>",
                     argv[i]);
    is_str(text,
           "</proc/self/exe><worker><--exec><my><ssh><-o><a b><c'de><-T><-a>"
           "<-x><--><a><exec><ebsp><worker><x>",
           "words, quotes, options, host, remote command");
    for (int i = 0; argv && argv[i]; i++)
        ok(!strstr(argv[i], "StrictHostKey") && !strstr(argv[i], "KnownHosts"),
           "host keys are the user's business");
    mem_free(argv);
    ssh_free(s);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        err_clear(&e);
        ok(!ssh_new(NULL, bad[i], &e) && e.code == ERR_USAGE,
           "remote path %zu is refused", i);
    }
    s = ssh_new(NULL, "~/bin/ebsp-0.1_x+y", &e);
    ok(s, "a good one is not");
    ssh_free(s);
    ok(!ssh_new("ssh 'x", NULL, &e), "a quote that is not closed");
    ok(!ssh_new("  ", NULL, &e), "no command");
}

int
main(int argc, char **argv)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    if (argc > 2 && strcmp(argv[1], "worker") == 0)
        return be_worker(argv);
    self[n > 0 ? n : 0] = '\0';
    setenv("TEST_LAUNCH", self, 1);
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&loop);
    test_here();
    test_there();
    test_refused();
    test_advice();
    test_fanout();
    test_ssh();
    uv_run(&loop, UV_RUN_NOWAIT);
    is_int(uv_loop_close(&loop), 0, "no handle is left");
    return done();
}
