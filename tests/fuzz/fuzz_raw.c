/* SPDX-License-Identifier: Apache-2.0 */
/* The input is the JSON header; "/proc/self/fd/800" and 801 in it are two files
 * of 32 bytes. */
#include "fuzz_data.h"

static const uint8_t content[32] = {1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 128, 63};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH], json[128];
    int fd = fuzz_file(path, data, size), file[2];

    for (int i = 0; i < 2; i++) {
        char unused[FUZZ_PATH];

        file[i] = fuzz_file(unused, content, sizeof content);
        if (dup2(file[i], 800 + i) < 0)
            abort();
    }
    snprintf(json, sizeof json, "{\"type\": \"raw\", \"path\": \"%s\"}", path);
    fuzz_open(json);
    for (int i = 0; i < 2; i++) {
        close(file[i]);
        close(800 + i);
    }
    close(fd);
    return 0;
}
