/* SPDX-License-Identifier: Apache-2.0 */
/* What is saved comes back, and what was damaged is found out. */
#include "run_fixture.h"

#include "base/log.h"

#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

static bool
exists(const struct run_fixture *f, const char *name)
{
    char *path = fs_join(f->dir, name);
    bool there = fs_exists(path);

    mem_free(path);
    return there;
}

static size_t
count_entries(const char *dir)
{
    char **names;
    size_t n = 0;

    if (fs_list(dir, &names, &n, NULL) == 0)
        fs_names_free(names, n);
    return n;
}

/* ---- round trip ---------------------------------------------------------- */

static void
what_is_saved_comes_back(void)
{
    struct run_fixture f, g;
    struct err e = ERR_INIT;
    char *path;
    bool same = true;

    run_init(&f, run_job);
    ok(run_newest(&f, NULL, &e) == -1, "no checkpoint is no error");
    run_train(&f, 3);
    f.state.best_accuracy = 0.75;
    f.state.wall_seconds = 1.5;
    f.state.max_gap = 7;
    ok(run_save(&f, &e) == 0, "saved %s", e.text);
    run_init(&g, run_job);
    g.state.data_hash = 42;
    ok(checkpoint_find(f.dir, NULL, &path, &e) == 0 && path &&
           checkpoint_load(path, &g.job, g.store, g.assign, &g.state, &e) == 0,
       "loaded %s", e.text);
    mem_free(path);
    ok(g.state.best_accuracy == 0.75 && g.state.wall_seconds == 1.5 &&
           g.state.max_gap == 7 && g.state.pushes == 3 &&
           !memcmp(g.state.histogram, f.state.histogram,
                   sizeof f.state.histogram),
       "with its sums");
    is_int(assign_get_done(g.assign), 30, "and what is done");
    run_train(&f, 5);
    run_train(&g, 5);
    same = store_get_version(g.store) == 8 &&
           !memcmp(store_peek(f.store), store_peek(g.store),
                   f.place.t->n_floats * sizeof(float));
    ok(same, "five updates later both have the same bits");
    g.state.data_hash = 43;
    path = rundir_checkpoint(f.dir, 3);
    run_reset(&g);
    g.state.data_hash = 43;
    ok(checkpoint_load(path, &g.job, g.store, g.assign, &g.state, &e) == -1 &&
           e.code == ERR_CONFIG,
       "other data are refused: %s", e.text);
    mem_free(path);
    run_release(&f);
    run_release(&g);
}

static void
shards_of_other_workers_are_refused(void)
{
    static const char static_job[] =
        "{\"name\": \"t\", \"input\": [8], \"layers\": [\n"
        "  {\"type\": \"dense\", \"units\": 3},\n"
        "  {\"type\": \"softmax_cross_entropy\"}],\n"
        " \"data\": {\"type\": \"blobs\", \"classes\": 3, \"features\": 8},\n"
        " \"batch\": 10, \"epochs\": 4, \"workers\": 2,\n"
        " \"assignment\": {\"type\": \"iid\"},\n"
        " \"optimizer\": {\"type\": \"sgd\", \"lr\": 0.5}}\n";
    struct run_fixture f;
    struct err e = ERR_INIT;
    char *path;

    run_init(&f, static_job);
    run_train(&f, 2);
    ok(run_save(&f, &e) == 0, "a static assignment %s", e.text);
    path = rundir_checkpoint(f.dir, 2);
    f.job.workers = 3;
    run_reset(&f);
    ok(checkpoint_load(path, &f.job, f.store, f.assign, &f.state, &e) == -1 &&
           e.code == ERR_USAGE && strstr(e.text, "-n 2"),
       "is not for another number of workers: %s", e.text);
    mem_free(path);
    run_release(&f);
}

/* ---- damage -------------------------------------------------------------- */

static char *
slurp(const char *path, size_t *n)
{
    struct buf b = BUF_INIT((size_t)1 << 24);

    fs_read(path, &b, NULL);
    return buf_take(&b, n);
}

/* In place: the file stays the one it is. */
static void
put(const char *path, const char *data, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

    if (fd < 0 || pwrite(fd, data, n, 0) != (ssize_t)n ||
        ftruncate(fd, (off_t)n) != 0) {
        printf("Bail out! %s\n", path);
        exit(1);
    }
    close(fd);
}

/* Every bit of every byte, or of a part of them in a long file.  The manifest
 * has bytes that mean nothing: space between its tokens. */
static void
flip_every_bit(const char *dir, const char *path, bool may_be_space)
{
    size_t n, step, missed = 0, tried = 0;
    char *data = slurp(path, &n);

    step = n > 600 ? n / 100 | 1 : 1;
    for (size_t i = 0; i < n; i += step) {
        for (int bit = 0; bit < 8; bit++) {
            char old = data[i];

            data[i] = (char)(old ^ 1 << bit);
            put(path, data, n);
            tried++;
            if (checkpoint_check(dir, NULL) == 0 &&
                !(may_be_space && isspace((unsigned char)old) &&
                  isspace((unsigned char)data[i])))
                missed++;
            data[i] = old;
        }
    }
    put(path, data, n);
    ok(missed == 0 && tried > 0, "%zu flipped bits of %s are noticed", tried,
       strrchr(path, '/') + 1);
    for (size_t len = missed = tried = 0; len < n; len += step, tried++) {
        put(path, data, len);
        /* the newline at the end of the manifest is no loss */
        missed +=
            checkpoint_check(dir, NULL) == 0 && !(may_be_space && len == n - 1);
    }
    put(path, data, n);
    ok(missed == 0, "%zu cuts of it", tried);
    data = mem_resize(data, n, n + 1, 1);
    data[n] = 'x';
    put(path, data, n + 1);
    ok(checkpoint_check(dir, NULL) == -1, "a byte too many");
    put(path, data, n);
    mem_free(data);
}

static void
is_refused(const char *dir, const char *what)
{
    struct err e = ERR_INIT;

    ok(checkpoint_check(dir, &e) == -1 && e.code == ERR_CONFIG, "%s: %s", what,
       e.text);
}

static void
damage_is_found(void)
{
    struct run_fixture f;
    struct err e = ERR_INIT;
    char *dir, **names;
    size_t n = 0;

    run_init(&f, run_job);
    run_train(&f, 2);
    run_save(&f, NULL);
    dir = rundir_checkpoint(f.dir, 2);
    fs_list(dir, &names, &n, NULL);
    is_int(n, 5, "model, two planes, state, manifest");
    for (size_t i = 0; i < n; i++) {
        char *path = fs_join(dir, names[i]);
        char *away = mem_printf("%s/away", f.dir);

        flip_every_bit(dir, path, !strcmp(names[i], "manifest.json"));
        rename(path, away);
        is_refused(dir, "a file is absent");
        mkdir(path, 0777);
        is_refused(dir, "a folder in its place");
        rmdir(path);
        mkfifo(path, 0666);
        is_refused(dir, "a pipe in its place");
        rename(away, path);
        mem_free(path);
        mem_free(away);
    }
    ok(checkpoint_check(dir, &e) == 0, "as it was it is whole %s", e.text);
    fs_names_free(names, n);
    mem_free(dir);
    run_release(&f);
}

/* A manifest is bytes of a stranger. */
static void
hostile_manifests(void)
{
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "{\"format\": 1, \"version\": 0, \"files\": []}",
        "{\"format\": 2, \"version\": 0, \"files\": [{\"name\": \"a\", "
        "\"bytes\": 0, \"xxh3\": \"2d06800538d394c2\"}]}",
        "{\"format\": 1, \"version\": 0, \"files\": [{\"name\": "
        "\"../job.json\", \"bytes\": 2, \"xxh3\": \"0000000000000000\"}]}",
        "{\"format\": 1, \"version\": 0, \"files\": [{\"name\": \"..\", "
        "\"bytes\": 2, \"xxh3\": \"0000000000000000\"}]}",
        "{\"format\": 1, \"version\": 0, \"files\": [{\"name\": \"\", "
        "\"bytes\": 2, \"xxh3\": \"0000000000000000\"}]}",
        "{\"format\": 1, \"version\": 0, \"files\": [{\"name\": \"a\", "
        "\"bytes\": -1, \"xxh3\": \"0000000000000000\"}]}",
        "{\"format\": 1, \"version\": 0, \"files\": [{\"name\": \"a\", "
        "\"bytes\": 0, \"xxh3\": \"0\"}]}",
        /* whole as far as it goes, but no checkpoint */
        "{\"format\": 1, \"version\": 0, \"files\": [{\"name\": \"a\", "
        "\"bytes\": 0, \"xxh3\": \"2d06800538d394c2\"}]}",
    };
    struct run_fixture f;
    char *dir, *path, *empty;

    run_init(&f, run_job);
    dir = rundir_checkpoint(f.dir, 0);
    path = fs_join(dir, "manifest.json");
    empty = fs_join(dir, "a");
    mkdir(dir, 0777);
    put(empty, "", 0);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        put(path, bad[i], strlen(bad[i]));
        is_refused(dir, "refused");
    }
    mem_free(empty);
    mem_free(path);
    mem_free(dir);
    run_release(&f);
}

static void
spoil(const struct run_fixture *f, uint64_t version)
{
    char *dir = rundir_checkpoint(f->dir, version);
    char *path = fs_join(dir, "state.json");

    put(path, "{}", 2);
    mem_free(path);
    mem_free(dir);
}

static void
the_newest_whole_one_is_found(void)
{
    struct run_fixture f;
    struct err e = ERR_INIT;
    char text[4096] = "";
    struct log log = {.console_level = LOG_WARN};

    run_init(&f, run_job);
    f.place.keep = 3;
    for (int i = 0; i < 3; i++) {
        run_train(&f, 1);
        run_save(&f, NULL);
    }
    is_int(run_newest(&f, NULL, &e), 3, "the newest");
    spoil(&f, 3);
    log.console = fmemopen(text, sizeof text, "w");
    is_int(run_newest(&f, &log, &e), 2, "the one before a damaged one");
    fclose(log.console);
    ok(strstr(text, "000003/state.json: 2 bytes, expected"),
       "with a warning that names the damage: %s", text);
    spoil(&f, 1);
    spoil(&f, 2);
    is_int(run_newest(&f, NULL, &e), -2, "none is whole");
    ok(e.code == ERR_CONFIG && strstr(e.text, "no whole checkpoint among 3"),
       "%s", e.text);

    /* the run begins again and gets as far as it was */
    run_reset(&f);
    run_train(&f, 3);
    ok(run_save(&f, NULL) == 0 && run_newest(&f, NULL, NULL) == 3,
       "a damaged one is replaced");
    run_release(&f);
}

/* ---- which ones stay ----------------------------------------------------- */

static void
old_ones_go_when_the_new_one_is_there(void)
{
    struct run_fixture f;
    uint64_t good = 2, *v;
    size_t n;

    run_init(&f, run_job);
    for (int i = 0; i < 4; i++) {
        run_train(&f, 1);
        run_save(&f, NULL);
    }
    rundir_list_checkpoints(f.dir, &v, &n, NULL);
    ok(n == 2 && v[0] == 3 && v[1] == 4, "the two newest are kept");
    mem_free(v);

    /* 3 and 4 were found damaged, and the run went on from 2 */
    run_reset(&f);
    run_train(&f, 2);
    run_save(&f, NULL);
    f.place.last_good = &good;
    run_train(&f, 3);
    run_save(&f, NULL);
    rundir_list_checkpoints(f.dir, &v, &n, NULL);
    ok(n == 2 && v[0] == 2 && v[1] == 5,
       "the last good one stays, those passed over go");
    mem_free(v);
    run_release(&f);
}

/* Every write that is longer than the limit fails as on a full disk. */
static void
a_failed_write_harms_nothing(void)
{
    struct rlimit was, low;
    struct run_fixture f;
    struct err e = ERR_INIT;
    size_t n_before;
    int failed = 0;

    run_init(&f, run_job);
    f.place.keep = 1;
    run_train(&f, 1);
    run_save(&f, NULL);
    n_before = count_entries(f.dir);
    run_train(&f, 1);
    getrlimit(RLIMIT_FSIZE, &was);
    signal(SIGXFSZ, SIG_IGN);
    for (rlim_t limit = 0;; limit += 64) {
        low = (struct rlimit){limit, was.rlim_max};
        setrlimit(RLIMIT_FSIZE, &low);
        err_clear(&e);
        if (run_save(&f, &e) == 0)
            break;
        if (e.code != ERR_SYS || count_entries(f.dir) != n_before ||
            run_newest(&f, NULL, NULL) != 1)
            break;
        failed++;
    }
    setrlimit(RLIMIT_FSIZE, &was);
    ok(failed > 10 && run_newest(&f, NULL, NULL) == 2 &&
           count_entries(f.dir) == n_before,
       "%d writes fail at different places before one works %s", failed,
       e.text);
    run_release(&f);
}

static void
leftovers_are_removed(void)
{
    static const char *const left[] = {".checkpoint-000000000007.new",
                                       ".checkpoint-000000000005.old",
                                       "job.json.tmp-4711"};
    static const char *const mine[] = {"job.json", "checkpoint-notes",
                                       "a.tmp-b", "checkpoint-7"};
    struct run_fixture f;
    char text[4096] = "";
    struct log log = {.console_level = LOG_WARN};
    bool gone = true, there = true;

    run_init(&f, run_job);
    for (size_t i = 0; i < ARRAY_LEN(left); i++) {
        char *dir = fs_join(f.dir, left[i]), *in = fs_join(dir, "state.json");

        mkdir(dir, 0777);
        put(in, "{", 1);
        mem_free(in);
        mem_free(dir);
    }
    for (size_t i = 0; i < ARRAY_LEN(mine); i++) {
        char *path = fs_join(f.dir, mine[i]);

        put(path, "", 0);
        mem_free(path);
    }
    log.console = fmemopen(text, sizeof text, "w");
    rundir_reopen(f.dir, &log);
    fclose(log.console);
    for (size_t i = 0; i < ARRAY_LEN(left); i++)
        gone = gone && !exists(&f, left[i]) && strstr(text, left[i]);
    for (size_t i = 0; i < ARRAY_LEN(mine); i++)
        there = there && exists(&f, mine[i]);
    ok(gone, "what a dead process left is removed with a warning");
    ok(there, "what has other names is not");
    is_int(run_newest(&f, NULL, NULL), -1, "nor taken for a checkpoint");
    run_release(&f);
}

static void
no_memory_is_told(void)
{
    struct run_fixture f;
    int bad = 0, n = 0;

    run_init(&f, run_job);
    run_train(&f, 1);
    for (;; n++) {
        struct err e = ERR_INIT;
        int r;

        mem_fail_after(n);
        r = run_save(&f, &e);
        mem_fail_after(-1);
        if (r == 0)
            break;
        bad += e.code != ERR_NOMEM || run_newest(&f, NULL, NULL) != -1;
    }
    ok(bad == 0 && n > 20, "%d allocations of writing may fail", n);
    for (n = 0;; n++) {
        struct err e = ERR_INIT;
        long v;

        mem_fail_after(n);
        v = run_newest(&f, NULL, &e);
        mem_fail_after(-1);
        if (v == 1)
            break;
        bad += v != -2 || e.code != ERR_NOMEM;
    }
    ok(bad == 0 && n > 10, "%d allocations of finding", n);
    run_release(&f);
}

int
main(void)
{
    what_is_saved_comes_back();
    shards_of_other_workers_are_refused();
    damage_is_found();
    hostile_manifests();
    the_newest_whole_one_is_found();
    old_ones_go_when_the_new_one_is_there();
    a_failed_write_harms_nothing();
    leftovers_are_removed();
    no_memory_is_told();
    return done();
}
