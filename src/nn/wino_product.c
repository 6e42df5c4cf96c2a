/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/wino_lanes.h"

/* Six rows by two registers of columns: 12 sums, two registers of b and one of
 * a are what 16 registers hold. */
#define ROWS 6

/* The number of rows of each block when n rows are divided evenly into blocks
 * of at most ROWS: 16 are 6 + 5 + 5, not 6 + 6 + 4. */
static size_t
block_rows(size_t n, size_t at)
{
    size_t left = n - at, blocks = (left + ROWS - 1) / ROWS;

    return (left + blocks - 1) / blocks;
}

/* rows and wide (registers per row, 1 or 2) are constants where this is
 * inlined.  Element (r, k) of a is at a[r * row + k * deep]. */
WINO_INLINE void
block(const float *a, size_t row, size_t deep, const float *b, size_t ldb,
      float *c, size_t ldc, size_t depth, bool add, size_t rows, size_t wide)
{
    lanes sum[ROWS][2];

    WINO_UNROLL
    for (size_t r = 0; r < rows; r++)
        WINO_UNROLL
    for (size_t j = 0; j < wide; j++)
        sum[r][j] = add ? lanes_load(c + r * ldc + j * WINO_LANES) : (lanes){0};
    for (size_t k = 0; k < depth; k++) {
        lanes b0 = lanes_load(b + k * ldb), b1 = b0;

        if (wide == 2)
            b1 = lanes_load(b + k * ldb + WINO_LANES);
        WINO_UNROLL
        for (size_t r = 0; r < rows; r++) {
            lanes x = lanes_all(a[r * row + k * deep]);

            sum[r][0] = lanes_fma(x, b0, sum[r][0]);
            if (wide == 2)
                sum[r][1] = lanes_fma(x, b1, sum[r][1]);
        }
    }
    WINO_UNROLL
    for (size_t r = 0; r < rows; r++)
        WINO_UNROLL
    for (size_t j = 0; j < wide; j++)
        lanes_store(c + r * ldc + j * WINO_LANES, sum[r][j]);
}

WINO_INLINE void
any_rows(const float *a, size_t row, size_t deep, const float *b, size_t ldb,
         float *c, size_t ldc, size_t depth, bool add, size_t rows, size_t wide)
{
    switch (rows) {
    case 6:
        block(a, row, deep, b, ldb, c, ldc, depth, add, 6, wide);
        break;
    case 5:
        block(a, row, deep, b, ldb, c, ldc, depth, add, 5, wide);
        break;
    case 4:
        block(a, row, deep, b, ldb, c, ldc, depth, add, 4, wide);
        break;
    case 3:
        block(a, row, deep, b, ldb, c, ldc, depth, add, 3, wide);
        break;
    case 2:
        block(a, row, deep, b, ldb, c, ldc, depth, add, 2, wide);
        break;
    default:
        block(a, row, deep, b, ldb, c, ldc, depth, add, 1, wide);
        break;
    }
}

WINO_CODE void
wino_product(const float *a, size_t lda, const float *b, float *c, size_t ldc,
             size_t rows, size_t depth, size_t columns)
{
    for (size_t r = 0, n; r < rows; r += n) {
        n = block_rows(rows, r);
        if (columns == WINO_PANEL)
            any_rows(a + r * lda, lda, 1, b, WINO_PANEL, c + r * ldc, ldc,
                     depth, false, n, 2);
        else
            any_rows(a + r * lda, lda, 1, b, WINO_LANES, c + r * ldc, ldc,
                     depth, false, n, 1);
    }
}

WINO_CODE void
wino_product_add(const float *a, size_t lda, const float *b, size_t ldb,
                 float *c, size_t rows, size_t depth, size_t columns,
                 bool first)
{
    for (size_t r = 0, n; r < rows; r += n) {
        n = block_rows(rows, r);
        if (columns == WINO_PANEL)
            any_rows(a + r, 1, lda, b, ldb, c + r * columns, columns, depth,
                     !first, n, 2);
        else
            any_rows(a + r, 1, lda, b, ldb, c + r * columns, columns, depth,
                     !first, n, 1);
    }
}

bool
wino_has_kernels(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return false;
#endif
}
