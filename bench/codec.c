/* SPDX-License-Identifier: Apache-2.0 */
/* Speed of the compression of pushes, in GB of floats per second of processor
 * time (the machine may be busy), one thread:
 *
 *   codec [--params N] [--seconds S]
 *
 * Not built by `make`; see bench/README.md. */
#include "codec/codec.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_ROUNDS 1000

struct bench {
    size_t n;
    float *v, *back;
    void *bytes;
    double seconds;
};

static int
by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static double
median(double *x, size_t n)
{
    qsort(x, n, sizeof *x, by_value);
    return x[n / 2];
}

static double
processor_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int
measure(struct bench *b, const char *name, struct err *err)
{
    static double coding[MAX_ROUNDS], decoding[MAX_ROUNDS];
    struct codec_part all = {.n = b->n};
    struct codec_spec spec;
    struct codec_memory *m = NULL;
    struct codec *c = NULL;
    double start = processor_seconds(), t;
    double gb = (double)(b->n * sizeof(float)) * 1e-9;
    size_t rounds = 0, used = 0;
    int r = -1;

    if (codec_spec_parse(&spec, name, err) != 0)
        return -1;
    c = codec_new(&spec, &all, 1, b->n, err);
    m = c ? codec_memory_new(c, err) : NULL;
    if (!m)
        goto out;
    while (rounds < MAX_ROUNDS &&
           (rounds < 7 || processor_seconds() - start < b->seconds)) {
        t = processor_seconds();
        used = codec_encode(c, m, rounds, 0, b->n, b->v, b->bytes);
        coding[rounds] = processor_seconds() - t;
        t = processor_seconds();
        if (codec_decode(c, rounds, 0, b->n, b->bytes, used, b->back, err) != 0)
            goto out;
        decoding[rounds++] = processor_seconds() - t;
    }
    printf("%-14s %10.3f MB %8.1fx %8.2f GB/s %8.2f GB/s\n", name,
           (double)used * 1e-6, gb * 1e9 / (double)used,
           gb / median(coding, rounds), gb / median(decoding, rounds));
    r = 0;
out:
    codec_memory_free(m);
    codec_free(c);
    return r;
}

static int
run(struct bench *b, struct err *err)
{
    static const char *const names[] = {
        "none",      "fp16",       "bf16",         "int8", "topk:0.1",
        "topk:0.01", "topk:0.001", "randomk:0.01", "sign"};
    struct rng rng;

    b->v = mem_alloc_aligned(b->n * sizeof *b->v);
    b->back = mem_alloc_aligned(b->n * sizeof *b->back);
    b->bytes = mem_alloc_aligned(b->n * 8 + 64); /* topk:0.1 and sure */
    if (!b->v || !b->back || !b->bytes)
        return err_nomem(err);
    rng_init(&rng, 1);
    for (size_t i = 0; i < b->n; i++)
        b->v[i] = (float)(0.01 * rng_normal(&rng));
    printf("%-14s %13s %9s %13s %13s\n", "codec", "bytes", "ratio", "encode",
           "decode");
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (measure(b, names[i], err) != 0)
            return -1;
    return 0;
}

int
main(int argc, char **argv)
{
    struct bench b = {.seconds = 1};
    struct err err = ERR_INIT;
    uint64_t n = 10000000;
    int status, bad = 0;

    for (int i = 1; i < argc && !bad; i += 2) {
        if (i + 1 == argc)
            bad = 1;
        else if (!strcmp(argv[i], "--params"))
            bad = !str_u64(argv[i + 1], &n) || n < 1 || n > 1000000000;
        else if (!strcmp(argv[i], "--seconds"))
            bad = !str_f64(argv[i + 1], &b.seconds);
        else
            bad = 1;
    }
    if (bad) {
        fputs("usage: codec [--params N] [--seconds S]\n", stderr);
        return 2;
    }
    b.n = (size_t)n;
    status = run(&b, &err);
    if (status != 0)
        fprintf(stderr, "codec: %s\n", err.text);
    mem_free(b.v);
    mem_free(b.back);
    mem_free(b.bytes);
    return status == 0 ? 0 : (int)err.code;
}
