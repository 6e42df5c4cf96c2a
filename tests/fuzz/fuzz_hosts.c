/* SPDX-License-Identifier: Apache-2.0 */
/* Host files: whatever is in them, what comes out can be given to ssh. */
#include "base/err.h"
#include "base/mem.h"
#include "launch/hosts.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);

static void
check(const struct hosts *h)
{
    uint32_t n = 0;

    for (size_t i = 0; i < h->n; i++) {
        char address[HOST_MAX_NAME + 1];

        if (hosts_check_name(h->v[i].name, NULL) != 0 ||
            h->v[i].name[0] == '-' || h->v[i].slots < 1)
            abort();
        host_address(address, h->v[i].name);
        if (!*address || *address == '-' || strpbrk(address, "@[] ;$`\n"))
            abort();
        n += h->v[i].slots;
    }
    if (n != h->n_slots)
        abort();
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
    struct hosts file = HOSTS_INIT, list = HOSTS_INIT;
    char *text = mem_alloc(n + 1, 1);
    struct err err = ERR_INIT;

    if (!text)
        return 0;
    memcpy(text, data, n);
    (void)hosts_parse_text(&file, "hosts", text, n, &err);
    check(&file);
    err_clear(&err);
    (void)hosts_parse_list(&list, text, &err);
    check(&list);
    hosts_release(&file);
    hosts_release(&list);
    mem_free(text);
    return 0;
}
