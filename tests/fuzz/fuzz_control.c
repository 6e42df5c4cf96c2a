/* SPDX-License-Identifier: Apache-2.0 */
/* Both ends of the control socket: the bytes as a request to a run, and as a
 * run's answer to "status". */
#include "base/err.h"
#include "cmd/ctl.h"
#include "ps/control.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect(int holds)
{
    if (!holds)
        abort();
}

/* What was taken is within the limits that the header tells. */
static void
check_request(const struct control_request *q)
{
    expect(q->verb <= CONTROL_NET);
    expect(!q->text == (q->verb < CONTROL_SLOW));
    expect(q->wait_s >= 0 && q->wait_s <= CONTROL_MAX_WAIT);
    expect(q->slots >= 1 && q->slots <= CONTROL_MAX_SLOTS);
    expect(memchr(q->host, '\0', sizeof q->host) != NULL);
    expect(!*q->host == (q->verb != CONTROL_ADD_WORKER));
    expect(*q->host != '-' && !strpbrk(q->host, " \t\r\n"));
}

static void
print_answer(const char *text, size_t n)
{
    struct json_doc doc;
    char *printed = NULL;
    size_t len = 0;
    FILE *to;

    if (json_doc_parse(&doc, "answer", text, n, NULL) < 0)
        return;
    to = open_memstream(&printed, &len);
    if (to) {
        ctl_print_status(to, doc.root);
        fclose(to);
    }
    /* Nothing that a terminal would obey. */
    for (size_t i = 0; i < len; i++)
        expect(printed[i] == '\n' || (printed[i] >= ' ' && printed[i] <= '~'));
    free(printed);
    json_doc_release(&doc);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct control_request q;
    struct err err = ERR_INIT;

    if (control_read(&q, (const char *)data, size, &err) == 0) {
        check_request(&q);
        control_request_release(&q);
    } else {
        expect(err.code != ERR_OK && *err.text);
    }
    print_answer((const char *)data, size);
    return 0;
}
