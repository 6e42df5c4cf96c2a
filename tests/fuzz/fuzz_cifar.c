/* SPDX-License-Identifier: Apache-2.0 */
/* The input is the archive, plain tar or tar.gz. */
#include "fuzz_data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH], json[128];
    int fd = fuzz_file(path, data, size);

    snprintf(json, sizeof json, "{\"type\": \"cifar10\", \"path\": \"%s\"}",
             path);
    fuzz_open(json);
    close(fd);
    return 0;
}
