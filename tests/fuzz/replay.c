/* SPDX-License-Identifier: Apache-2.0 */
/* main() of a fuzz target where libFuzzer is not linked: runs the target over
 * its corpus, and over seeded mutations of each input, as a TAP test.
 *
 *   fuzz_NAME                every file of tests/fuzz/corpus/NAME
 *   fuzz_NAME FILE...        these files as they are, to look at a finding
 *
 * EBSP_FUZZ_RUNS mutations per file (default 256), from EBSP_TEST_SEED.  The
 * input that runs is always in fuzz_NAME.input in the current folder: written
 * before the run, so that it is still there after a crash of any kind. */
#include "../unit/tap.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/rng.h"

#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_INPUT ((size_t)1 << 20)

/* The target gets a block of exactly n bytes, so that a sanitizer sees the
 * first byte read beyond it. */
static int
run(int witness, const uint8_t *data, size_t n)
{
    uint8_t *copy = malloc(n ? n : 1);
    int bad = !copy || pwrite(witness, data, n, 0) != (ssize_t)n ||
              ftruncate(witness, (off_t)n) < 0;

    if (!bad) {
        if (n)
            memcpy(copy, data, n);
        LLVMFuzzerTestOneInput(copy, n);
    }
    free(copy);
    return bad;
}

/* A few edits of the kinds that find most bugs in parsers: another bit, an
 * extreme byte, a cut, a repeated or a removed stretch.  Returns the length. */
static size_t
mutate(struct rng *r, uint8_t *data, size_t n, size_t cap)
{
    static const uint8_t extreme[] = {0x00, 0x01, 0x7f, 0x80, 0xff, '"', '-'};
    uint64_t edits = 1 + rng_below(r, 4);

    for (; edits && n; edits--) {
        size_t at = rng_below(r, n);
        size_t len = 1 + rng_below(r, n - at);

        switch (rng_below(r, 5)) {
        case 0:
            data[at] ^= (uint8_t)(1u << rng_below(r, 8));
            break;
        case 1:
            data[at] = extreme[rng_below(r, sizeof extreme)];
            break;
        case 2:
            n = at;
            break;
        case 3:
            memmove(data + at, data + at + len, n - at - len);
            n -= len;
            break;
        default:
            if (len <= cap - n) {
                memmove(data + at + len, data + at, n - at);
                n += len;
            }
            break;
        }
    }
    return n;
}

/* One test: the file as it is, then `runs` mutations of it. */
static void
replay(int witness, const char *path, unsigned long runs, uint64_t seed)
{
    struct err e = ERR_INIT;
    struct buf b = BUF_INIT(MAX_INPUT);
    uint8_t *work = NULL;
    int bad = fs_read(path, &b, &e);

    if (!bad)
        bad = run(witness, (const uint8_t *)b.data, b.len);
    if (!bad && runs)
        bad = !(work = malloc(MAX_INPUT));
    for (unsigned long i = 0; !bad && i < runs; i++) {
        struct rng r;

        rng_init_key(&r, seed, RNG_TEST, i, b.len);
        if (b.len)
            memcpy(work, b.data, b.len);
        bad = run(witness, work, mutate(&r, work, b.len, MAX_INPUT));
    }
    ok(!bad, "%s", strrchr(path, '/') ? strrchr(path, '/') + 1 : path);
    if (bad)
        printf("# %s: %s\n", path, e.code ? e.text : "out of memory");
    free(work);
    buf_release(&b);
}

static void
replay_corpus(int witness, const char *dir)
{
    const char *runs = getenv("EBSP_FUZZ_RUNS");
    uint64_t seed = tap_seed(1);
    struct err e = ERR_INIT;
    char **names = NULL;
    size_t n = 0;

    if (fs_list(dir, &names, &n, &e) < 0)
        printf("# %s\n", e.text);
    ok(n > 0, "the corpus has inputs");
    for (size_t i = 0; i < n; i++) {
        char *path = fs_join(dir, names[i]);

        if (path)
            replay(witness, path, runs ? strtoul(runs, NULL, 10) : 256, seed);
        else
            ok(0, "out of memory");
        mem_free(path);
    }
    fs_names_free(names, n);
}

int
main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    const char *name = slash ? slash + 1 : argv[0];
    const char *srcdir = getenv("EBSP_SRCDIR");
    char *dir = mem_printf("%s/tests/fuzz/corpus/%s", srcdir ? srcdir : ".",
                           strncmp(name, "fuzz_", 5) ? name : name + 5);
    char *file = mem_printf("%s.input", name);
    int witness = -1;

    if (file)
        witness = open(file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (!dir || witness < 0) {
        printf("Bail out! cannot write %s.input\n", name);
        return 1;
    }
    if (argc > 1) {
        for (int i = 1; i < argc; i++)
            replay(witness, argv[i], 0, 0);
    } else {
        replay_corpus(witness, dir);
    }
    close(witness);
    unlink(file);
    mem_free(file);
    mem_free(dir);
    return done();
}
