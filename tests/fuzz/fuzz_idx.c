/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte of the input says which of the four files of a good data set
 * the rest of it replaces. */
#include "fuzz_data.h"

static const uint8_t images[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0,
                                 0, 1, 0, 0, 0, 2, 1, 2, 3, 4};
static const uint8_t labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 7, 9};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[4][FUZZ_PATH], json[512];
    int fd[4];

    if (size < 1)
        return 0;
    for (int i = 0; i < 4; i++) {
        if (data[0] % 4 == i)
            fd[i] = fuzz_file(path[i], data + 1, size - 1);
        else if (i % 2 == 0)
            fd[i] = fuzz_file(path[i], images, sizeof images);
        else
            fd[i] = fuzz_file(path[i], labels, sizeof labels);
    }
    snprintf(json, sizeof json,
             "{\"type\": \"idx\", \"train_images\": \"%s\","
             " \"train_labels\": \"%s\", \"test_images\": \"%s\","
             " \"test_labels\": \"%s\", \"path\": \"/\"}",
             path[0], path[1], path[2], path[3]);
    fuzz_open(json);
    for (int i = 0; i < 4; i++)
        close(fd[i]);
    return 0;
}
