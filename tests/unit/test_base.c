/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/rd.h"
#include "base/rng.h"
#include "base/str.h"
#include "base/vec.h"
#include "tap.h"

#include <errno.h>
#include <math.h>
#include <sys/wait.h>
#include <unistd.h>

static void
first_error_wins(void)
{
    struct err e = ERR_INIT;

    is_int(err_set(&e, ERR_CONFIG, "kernel %d", 9), -1, "err_set returns -1");
    err_set(&e, ERR_SYS, "later");
    err_wrap(&e, "layer %d", 7);
    is_str(e.text, "layer 7: kernel 9", "first error wins, wrap goes in front");
    is_int(e.code, ERR_CONFIG, "its code stays");
    err_clear(&e);
    errno = ENOENT;
    err_errno(&e, "open %s", "x");
    is_str(e.text, "open x: No such file or directory", "errno text");
    ok(err_set(NULL, ERR_BUG, "ignored") == -1, "a NULL error is fine");
}

static void
what_is_written_is_read(void)
{
    struct buf b = BUF_INIT(1000);
    struct rd r;
    char s[8];

    buf_u8(&b, 200);
    buf_u16(&b, 60000);
    buf_u32(&b, 4000000000u);
    buf_u64(&b, UINT64_MAX - 5);
    buf_i64(&b, -7);
    buf_f32(&b, -1.5f);
    buf_f64(&b, 1e300);
    buf_str(&b, "hello");
    ok(buf_ok(&b, NULL) == 0, "buffer holds everything");
    rd_init(&r, b.data, b.len);
    is_int(rd_u8(&r), 200, "u8");
    is_int(rd_u16(&r), 60000, "u16");
    is_int(rd_u32(&r), 4000000000u, "u32");
    ok(rd_u64(&r) == UINT64_MAX - 5, "u64");
    is_int(rd_i64(&r), -7, "i64");
    ok(rd_f32(&r) == -1.5f && rd_f64(&r) == 1e300, "floats");
    rd_str(&r, s, sizeof s);
    is_str(s, "hello", "string");
    ok(rd_done(&r), "nothing is left");
    is_int(rd_u32(&r), 0, "reading on gives zero");
    ok(!rd_done(&r) && r.bad, "and is remembered");
    rd_init(&r, b.data + b.len - 9, 9);
    rd_str(&r, s, 5);
    ok(r.bad && s[0] == '\0', "a string too long for its array is refused");
    buf_release(&b);

    b = (struct buf)BUF_INIT(10);
    buf_adds(&b, "0123456789");
    ok(!b.bad, "a buffer can be filled to its limit");
    buf_u8(&b, 1);
    ok(buf_ok(&b, NULL) != 0 && b.len == 10, "and not beyond");
    buf_release(&b);
}

static void
failing_allocations_are_reported(void)
{
    struct buf b = BUF_INIT(100);
    struct err e = ERR_INIT;

    mem_fail_after(0);
    buf_adds(&b, "x");
    mem_fail_after(-1);
    ok(buf_ok(&b, &e) == -1 && e.code == ERR_NOMEM, "buffer out of memory");
    buf_release(&b);
    ok(!mem_alloc(SIZE_MAX / 2, 4), "an overflowing product gives NULL");
    ok(!mem_resize(NULL, 0, SIZE_MAX / 2, 4), "also when resizing");
}

static void
files_are_whole_or_absent(void)
{
    struct buf b = BUF_INIT(100);
    struct err e = ERR_INIT;
    char dir[] = "/tmp/ebsp-test-XXXXXX", **names;
    char *path, *deep;
    size_t n;

    if (!mkdtemp(dir)) {
        skip("no folder in /tmp");
        return;
    }
    path = fs_join(dir, "a");
    deep = fs_join(dir, "x/y/z");
    ok(fs_write(path, "one", 3, &e) == 0 && fs_write(path, "two!", 4, &e) == 0,
       "write and replace %s", e.text);
    ok(fs_read(path, &b, &e) == 0 && b.len == 4 && !memcmp(b.data, "two!", 4),
       "read back");
    b.max = 5;
    ok(fs_read(path, &b, &e) == -1, "a file over the limit is refused");
    ok(fs_mkdir(deep, true, NULL) == 0 && fs_is_dir(deep), "mkdir -p");
    ok(fs_mkdir(deep, true, NULL) == 0, "twice");
    ok(fs_list(dir, &names, &n, NULL) == 0 && n == 2 && !strcmp(names[1], "x"),
       "list: no temporary file is left");
    fs_names_free(names, n);
    err_clear(&e);
    ok(fs_write("/nonexistent/a", "x", 1, &e) == -1 && e.code == ERR_SYS,
       "unwritable: %s", e.text);
    ok(fs_remove(dir, NULL) == 0 && !fs_exists(dir), "remove all");
    ok(fs_remove(dir, NULL) == 0, "absent is fine");
    buf_release(&b);
    mem_free(path);
    mem_free(deep);
}

/* One of them always meets a file that the other has just removed. */
static void
two_may_remove_the_same_folder(void)
{
    char dir[] = "/tmp/ebsp-test-XXXXXX", *path = NULL;
    struct err e = ERR_INIT;
    pid_t other;
    int status;

    if (!mkdtemp(dir)) {
        skip("no folder in /tmp");
        return;
    }
    for (int i = 0; i < 2000; i++) {
        mem_free(path);
        path = mem_printf("%s/%d%s", dir, i, i % 2 ? "" : "/in");
        (void)(i % 2 ? fs_write(path, "", 0, &e) : fs_mkdir(path, true, &e));
    }
    other = fork();
    if (other == 0)
        _exit(fs_remove(dir, NULL) == 0 && !fs_exists(dir) ? 0 : 1);
    ok(fs_remove(dir, &e) == 0 && !fs_exists(dir), "it is gone for one %s",
       e.text);
    ok(waitpid(other, &status, 0) == other && status == 0, "and the other");
    mem_free(path);
}

static void
random_streams(void)
{
    struct rng a, b;
    double sum = 0, sq = 0, g = 0;
    uint32_t v[100];
    int seen[100] = {0}, all = 1, n = 20000;

    rng_init(&a, 1);
    is_int((long long)(rng_u64(&a) >> 32), 0xb3f2af6d,
           "xoshiro256** of seed 1");
    rng_init_key(&a, 1, RNG_AUGMENT, 2, 3);
    rng_init_key(&b, 1, RNG_AUGMENT, 3, 2);
    ok(rng_u64(&a) != rng_u64(&b), "keys are not symmetric");
    for (int i = 0; i < n; i++) {
        double x = rng_normal(&a);

        sum += x;
        sq += x * x;
        g += rng_gamma(&a, 0.3);
    }
    ok(fabs(sum / n) < 0.03 && fabs(sq / n - 1) < 0.05, "normal moments");
    ok(fabs(g / n - 0.3) < 0.02, "gamma(0.3) has mean 0.3: %g", g / n);
    for (uint32_t i = 0; i < 100; i++)
        v[i] = i;
    rng_shuffle(&a, v, 100);
    for (int i = 0; i < 100; i++)
        seen[v[i]]++;
    for (int i = 0; i < 100; i++)
        all = all && seen[i] == 1;
    ok(all && v[0] + v[1] + v[2] != 3, "shuffle permutes");
    for (int i = 0; i < 1000; i++)
        all = all && rng_below(&a, 7) < 7;
    ok(all, "below stays below");
}

static void
strings(void)
{
    const char *const words[] = {"train", "eval", "inspect", NULL};
    char s[32];
    uint64_t u;
    int64_t i;
    double d;

    is_str(str_nearest("trian", words), "train", "nearest: transposition");
    is_str(str_nearest("inspct", words), "inspect", "nearest: missing letter");
    ok(!str_nearest("frobnicate", words), "nothing near");
    str_escape(s, sizeof s, "a\x1b[2J\n", 6);
    is_str(s, "a\\x1b[2J\\x0a", "a terminal is safe");
    str_escape(s, 6, "\x1b\x1b", 2);
    is_str(s, "\\x1b", "escapes are never cut in two");
    ok(str_u64("18446744073709551615", &u) && u == UINT64_MAX, "u64 max");
    ok(!str_u64("18446744073709551616", &u) && !str_u64("-1", &u) &&
           !str_u64("1x", &u) && !str_u64("", &u) && !str_u64(" 1", &u),
       "u64 refuses");
    ok(str_i64("-5", &i) && i == -5 && !str_i64("--5", &i), "i64");
    ok(str_f64("1e-3", &d) && d == 1e-3 && !str_f64("inf", &d) &&
           !str_f64("nan", &d) && !str_f64("1.0.0", &d),
       "f64");
    is_str(str_count(s, 431080), "431.1k", "count");
    is_str(str_bytes(s, 1724320), "1.7 MB", "bytes");
    is_str(str_duration(s, 92.4), "1m32s", "duration");
}

static void
vectors(void)
{
    float x[19], y[19];
    double want = 0;
    int same = 1;

    for (int i = 0; i < 19; i++) {
        x[i] = (float)i;
        y[i] = 1;
        want += (double)i * i;
    }
    ok(vec_sumsq(x, 19) == want, "sum of squares");
    vec_axpy(y, 2, x, 19);
    vec_add(y, x, 19);
    vec_scale(y, 0.5f, 19);
    for (int i = 0; i < 19; i++)
        same = same && y[i] == 0.5f * (1 + 3 * (float)i);
    ok(same, "axpy, add, scale");
    ok(vec_all_finite(x, 19), "finite");
    x[18] = NAN;
    ok(!vec_all_finite(x, 19), "NaN in the tail is found");
    x[18] = 0;
    x[3] = -INFINITY;
    ok(!vec_all_finite(x, 19), "-Inf is found");
}

int
main(void)
{
    first_error_wins();
    what_is_written_is_read();
    failing_allocations_are_reported();
    files_are_whole_or_absent();
    two_may_remove_the_same_folder();
    random_streams();
    strings();
    vectors();
    return done();
}
