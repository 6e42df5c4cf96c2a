/* SPDX-License-Identifier: Apache-2.0 */
/* A safetensors file from a stranger: the bytes as they would lie on disk. */
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "nn/tensors_header.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct segment segments[] = {
    {"conv1.weight", SEGMENT_WEIGHT, 4, {2, 1, 3, 3}, 0, 18, 0},
    {"conv1.bias", SEGMENT_BIAS, 1, {2}, 32, 2, 0},
    {"bn.running_var", SEGMENT_STAT, 1, {2}, 48, 2, 0.1},
};
static const struct segtab table = {segments, 3, 64, 20};

/* What is accepted can be read: no tensor leaves the data, none overlaps
 * another. */
static void
check(const uint64_t at[3], uint64_t n_data)
{
    for (size_t i = 0; i < table.n; i++) {
        uint64_t end = at[i] + segments[i].count * sizeof(float);

        if (at[i] > n_data || end > n_data)
            abort();
        for (size_t k = 0; k < i; k++)
            if (at[k] < end &&
                at[i] < at[k] + segments[k].count * sizeof(float))
                abort();
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    const char *text;
    char *meta;
    uint64_t at[3];
    size_t len;

    if (size < TENSORS_PREFIX)
        return 0;
    if (tensors_header_length("file", data, size, &len, &err) != 0)
        return 0;
    text = (const char *)data + TENSORS_PREFIX;
    if (tensors_header_parse("file", text, len, size - TENSORS_PREFIX - len,
                             &table, at, &err) == 0)
        check(at, size - TENSORS_PREFIX - len);
    else if (err.code == ERR_OK || err.text[0] == '\0')
        abort();
    meta = tensors_header_meta("file", text, len, "format", NULL);
    mem_free(meta);
    return 0;
}
