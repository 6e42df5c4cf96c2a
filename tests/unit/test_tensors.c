/* SPDX-License-Identifier: Apache-2.0 */
/* The safetensors reader and writer: what is written is read, the bytes are as
 * the format says, and every wrong file is refused with a reason. */
#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/rd.h"
#include "base/rng.h"
#include "nn/tensors.h"
#include "nn/tensors_header.h"
#include "tap.h"

#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

static struct segment segments[] = {
    {"conv1.weight", SEGMENT_WEIGHT, 4, {2, 1, 3, 3}, 0, 18, 0},
    {"conv1.bias", SEGMENT_BIAS, 1, {2}, 32, 2, 0},
    {"bn.running_var", SEGMENT_STAT, 1, {2}, 48, 2, 0.1},
};
static const struct segtab table = {segments, 3, 64, 20};

#define N_FLOATS 64
#define N_DATA   88 /* bytes of the 22 numbers */

static char dir[] = "/tmp/ebsp-test-XXXXXX";
static char *path;

static void
fill(float v[N_FLOATS])
{
    memset(v, 0, N_FLOATS * sizeof *v);
    for (size_t s = 0; s < table.n; s++)
        for (size_t i = 0; i < segments[s].count; i++)
            v[segments[s].offset + i] = (float)(100 * s + i) + 0.25f;
}

/* A file of this header (and of its length) with n_data bytes of data. */
static void
write_file(const char *header, size_t n_data)
{
    struct buf b = BUF_INIT(1 << 20);

    buf_u64(&b, strlen(header));
    buf_adds(&b, header);
    for (size_t i = 0; i < n_data; i++)
        buf_u8(&b, (uint8_t)i);
    if (fs_write(path, b.data, b.len, NULL) != 0)
        printf("Bail out! cannot write %s\n", path);
    buf_release(&b);
}

static void
what_is_saved_is_loaded(void)
{
    static const struct tensors_meta meta[] = {
        {"format", "pt"}, {"job", "{\"name\": \"caf\xc3\xa9\"}\n"}};
    float v[N_FLOATS], w[N_FLOATS];
    struct err err = ERR_INIT;
    char *text;

    fill(v);
    memset(w, 0xff, sizeof w);
    v[3] = NAN;
    ok(tensors_save(path, &table, v, meta, 2, &err) == 0, "save %s", err.text);
    ok(tensors_load(path, &table, w, &err) == 0, "load %s", err.text);
    ok(!memcmp(v, w, sizeof v), "the same bits, and zeros in the gaps");
    text = tensors_load_meta(path, "job", &err);
    is_str(text, meta[1].value, "metadata keep quotes, lines and UTF-8");
    mem_free(text);
    text = tensors_load_meta(path, "nojob", &err);
    ok(!text && strstr(err.text, "no \"nojob\" in its metadata"),
       "absent metadata: %s", err.text);
    mem_free(text);
    err_clear(&err);
    ok(tensors_save(path, &table, v, NULL, 0, &err) == 0 &&
           tensors_load(path, &table, w, &err) == 0,
       "metadata are optional");
    text = tensors_load_meta(path, "job", &err);
    ok(!text, "and absent then");
    mem_free(text);
}

/* By hand, from the description of the format. */
static void
bytes_are_as_the_format_says(void)
{
    const char *want = "{\"__metadata__\":{\"format\":\"pt\"},"
                       "\"conv1.weight\":{\"dtype\":\"F32\",\"shape\":"
                       "[2,1,3,3],\"data_offsets\":[0,72]},"
                       "\"conv1.bias\":{\"dtype\":\"F32\",\"shape\":[2],"
                       "\"data_offsets\":[72,80]},"
                       "\"bn.running_var\":{\"dtype\":\"F32\",\"shape\":[2],"
                       "\"data_offsets\":[80,88]}}";
    static const struct tensors_meta meta = {"format", "pt"};
    struct buf b = BUF_INIT(4096);
    float v[N_FLOATS];
    struct rd r;
    uint64_t len;
    int same = 1;

    fill(v);
    tensors_save(path, &table, v, &meta, 1, NULL);
    ok(fs_read(path, &b, NULL) == 0, "a file");
    rd_init(&r, b.data, b.len);
    len = rd_u64(&r);
    is_int(len % 8, 0, "header length is a multiple of 8");
    ok(len >= strlen(want) && len < strlen(want) + 8 &&
           !memcmp(rd_skip(&r, strlen(want)), want, strlen(want)),
       "header: %.*s", (int)len, b.data + 8);
    for (size_t i = strlen(want); i < len; i++)
        same &= rd_u8(&r) == ' ';
    ok(same, "padded with spaces");
    for (size_t s = 0; s < table.n; s++)
        for (size_t i = 0; i < segments[s].count; i++)
            same &= rd_f32(&r) == v[segments[s].offset + i];
    ok(same && rd_done(&r), "then the numbers, and nothing else");
    buf_release(&b);
}

#define CONV                                                                   \
    "\"conv1.weight\":{\"dtype\":\"F32\",\"shape\":[2,1,3,3],"                 \
    "\"data_offsets\":[0,72]}"
#define BIAS                                                                   \
    "\"conv1.bias\":{\"dtype\":\"F32\",\"shape\":[2],"                         \
    "\"data_offsets\":[72,80]}"
#define STAT                                                                   \
    "\"bn.running_var\":{\"dtype\":\"F32\",\"shape\":[2],"                     \
    "\"data_offsets\":[80,88]}"
#define STAT_WITH(dtype, shape, offsets)                                       \
    "\"bn.running_var\":{\"dtype\":" dtype ",\"shape\":" shape                 \
    ",\"data_offsets\":" offsets "}"
#define HEAD CONV "," BIAS ","

static void
wrong_headers_are_refused(void)
{
    static const struct {
        const char *header;
        size_t n_data;
        const char *what;
    } bad[] = {
        {"", 0, "header of 0 bytes"},
        {"{}", 0, "no tensor \"conv1.weight\""},
        {"[]", N_DATA, "expected an object"},
        {"{" HEAD, N_DATA, "header:1:"},
        {"{" CONV "," STAT "}", N_DATA, "no tensor \"conv1.bias\""},
        {"{" HEAD STAT "," STAT "}", N_DATA, "duplicate object key"},
        {"{" HEAD STAT ",\"x\\u001b[2J\":{}}", N_DATA,
         "tensor \"x\\x1b[2J\" is not of this network"},
        {"{" HEAD STAT_WITH("\"F16\"", "[2]", "[80,88]") "}", N_DATA,
         "expected dtype \"F32\", got \"F16\""},
        {"{" HEAD STAT_WITH("32", "[2]", "[80,88]") "}", N_DATA,
         "expected dtype \"F32\""},
        {"{" HEAD STAT_WITH("\"F32\"", "[3]", "[80,88]") "}", N_DATA,
         "\"bn.running_var\": expected shape [2]"},
        {"{" HEAD STAT_WITH("\"F32\"", "[2,1]", "[80,88]") "}", N_DATA,
         "expected shape [2]"},
        {"{" HEAD STAT_WITH("\"F32\"", "2", "[80,88]") "}", N_DATA,
         "expected shape [2]"},
        {"{" HEAD STAT_WITH("\"F32\"", "[2]", "[80,92]") "}", N_DATA,
         "data_offsets of 8 bytes within the 88 bytes"},
        {"{" HEAD STAT_WITH("\"F32\"", "[2]", "[84,92]") "}", N_DATA,
         "within the 88 bytes"},
        {"{" HEAD STAT_WITH("\"F32\"", "[2]", "[-8,0]") "}", N_DATA,
         "within the 88 bytes"},
        {"{" HEAD STAT_WITH("\"F32\"", "[2]", "[88,80]") "}", N_DATA,
         "within the 88 bytes"},
        {"{" HEAD STAT_WITH("\"F32\"", "[2]", "[80.0,88.0]") "}", N_DATA,
         "within the 88 bytes"},
        {"{" HEAD STAT_WITH("\"F32\"", "[2]", "[80,88,96]") "}", N_DATA,
         "within the 88 bytes"},
        {"{" HEAD STAT_WITH("\"F32\"", "[2]",
                            "[9223372036854775800,9223372036854775807]") "}",
         N_DATA, "within the 88 bytes"},
        {"{" HEAD STAT_WITH("\"F32\"", "[2]", "[80,99999999999999999999]") "}",
         N_DATA, "too big integer"},
        {"{" HEAD STAT_WITH("\"F32\"", "[2]", "[72,80]") "}", N_DATA,
         "tensors overlap at byte 72"},
        {"{" HEAD STAT_WITH("\"F32\"", "[2]", "[76,84]") "}", N_DATA,
         "tensors overlap at byte 76"},
        {"{" HEAD STAT_WITH("\"F32\"", "[2]", "[84,92]") "}", N_DATA + 4,
         "a hole at byte 80"},
        {"{" HEAD STAT "}", N_DATA + 1, "1 bytes after the last tensor"},
        {"{" HEAD STAT "}", N_DATA - 1, "within the 87 bytes"},
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        float v[N_FLOATS] = {42};
        struct err err = ERR_INIT;

        write_file(bad[i].header, bad[i].n_data);
        ok(tensors_load(path, &table, v, &err) == -1 &&
               err.code == ERR_CONFIG && strstr(err.text, bad[i].what) &&
               !strncmp(err.text, path, strlen(path)) && v[0] == 42,
           "refused: %s", err.text + strlen(path));
    }
}

/* The format leaves the order of tensors and keys to the writer. */
static void
order_is_free(void)
{
    float v[N_FLOATS];
    struct err err = ERR_INIT;
    const unsigned char first[4] = {8, 9, 10, 11};

    write_file("  {\"bn.running_var\":{\"data_offsets\":[0,8],\"shape\":[2],"
               "\"dtype\":\"F32\"},\"conv1.bias\":{\"dtype\":\"F32\",\"shape\":"
               "[2],\"data_offsets\":[80,88]},\"conv1.weight\":{\"dtype\":"
               "\"F32\",\"shape\":[2,1,3,3],\"data_offsets\":[8,80]}}   ",
               N_DATA);
    ok(tensors_load(path, &table, v, &err) == 0 && !memcmp(v, first, 4),
       "tensors in another order %s", err.text);
}

static void
impossible_files_are_refused(void)
{
    static const unsigned char huge[] = {0xff, 0xff, 0xff, 0xff, 0xff,
                                         0xff, 0xff, 0xff, '{',  '}'};
    static const unsigned char long_header[8] = {0, 0, 0, 0x20};
    float v[N_FLOATS];
    struct err err = ERR_INIT;

    ok(tensors_load("/nonexistent/x", &table, v, &err) == -1 &&
           err.code == ERR_SYS,
       "absent: %s", err.text);
    err_clear(&err);
    ok(tensors_load(dir, &table, v, &err) == -1 && strstr(err.text, "not a f"),
       "a folder: %s", err.text);
    err_clear(&err);
    unlink(path);
    if (mkfifo(path, 0600) == 0)
        ok(tensors_load(path, &table, v, &err) == -1 &&
               strstr(err.text, "not a file"),
           "a pipe does not block: %s", err.text);
    err_clear(&err);
    unlink(path);
    fs_write(path, huge, sizeof huge, NULL);
    ok(tensors_load(path, &table, v, &err) == -1 &&
           strstr(err.text, "too short for a header of 18446744073709551615"),
       "a header longer than the file: %s", err.text);
    err_clear(&err);
    fs_write(path, huge, 7, NULL);
    ok(tensors_load(path, &table, v, &err) == -1 && err.code == ERR_CONFIG,
       "shorter than a length: %s", err.text);
    err_clear(&err);
    fs_write(path, long_header, sizeof long_header, NULL);
    if (truncate(path, (off_t)1 << 30) == 0) /* a hole: takes no room */
        ok(tensors_load(path, &table, v, &err) == -1 &&
               strstr(err.text, "expected 2 to 16777216"),
           "a header of 512 MiB: %s", err.text);
}

/* Only the metadata and the padding may be changed without being noticed. */
static void
mutations_are_noticed_or_harmless(uint64_t seed)
{
    static const struct tensors_meta meta = {"format", "pt"};
    struct buf b = BUF_INIT(4096);
    float v[N_FLOATS], w[N_FLOATS];
    int refused = 0, moved = 0, cut = 0;
    struct rng r;
    size_t n;

    rng_init_key(&r, seed, RNG_TEST, 0, 0);
    fill(v);
    tensors_save(path, &table, v, &meta, 1, NULL);
    fs_read(path, &b, NULL);
    n = b.len;
    for (size_t i = 0; i < n; i++) {
        fs_write(path, b.data, i, NULL);
        cut += tensors_load(path, &table, w, NULL) == -1;
    }
    is_int(cut, n, "every truncation is noticed");
    for (int i = 0; i < 2000; i++) {
        size_t at = (size_t)rng_below(&r, n - N_DATA);
        char old = b.data[at];
        struct err err = ERR_INIT;

        b.data[at] = (char)(old ^ (1 << rng_below(&r, 8)));
        fs_write(path, b.data, n, NULL);
        if (tensors_load(path, &table, w, &err) == -1)
            refused += err.code == ERR_CONFIG && err.text[0] != '\0';
        else
            moved += memcmp(v, w, sizeof v) != 0;
        b.data[at] = old;
    }
    ok(refused > 1500, "%d of 2000 changed headers are refused", refused);
    is_int(moved, 0, "no changed header gives other numbers");
    buf_release(&b);
}

static void
memory_can_run_out(void)
{
    float v[N_FLOATS];
    int bad = 0;

    fill(v);
    for (long n = 0; n < 12; n++) {
        struct err err = ERR_INIT;
        char *text;

        mem_fail_after(n);
        bad |= tensors_save(path, &table, v, NULL, 0, &err) != 0 &&
               err.code != ERR_NOMEM;
        mem_fail_after(-1);
        err_clear(&err);
        tensors_save(path, &table, v, NULL, 0, NULL);
        mem_fail_after(n);
        bad |=
            tensors_load(path, &table, v, &err) != 0 && err.code != ERR_NOMEM;
        err_clear(&err);
        mem_fail_after(n);
        text = tensors_load_meta(path, "job", &err);
        bad |= text || (err.code != ERR_NOMEM && err.code != ERR_CONFIG);
        mem_free(text);
    }
    mem_fail_after(-1);
    ok(!bad, "each failing allocation is reported as such");
}

int
main(void)
{
    uint64_t seed = tap_seed(1);

    if (!mkdtemp(dir) || !(path = fs_join(dir, "model.safetensors"))) {
        skip("no folder in /tmp");
        return done();
    }
    what_is_saved_is_loaded();
    bytes_are_as_the_format_says();
    wrong_headers_are_refused();
    order_is_free();
    impossible_files_are_refused();
    mutations_are_noticed_or_harmless(seed);
    memory_can_run_out();
    fs_remove(dir, NULL);
    mem_free(path);
    return done();
}
