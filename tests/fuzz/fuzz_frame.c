/* SPDX-License-Identifier: Apache-2.0 */
/* A header and what follows it, as a peer could send them. */
#include "base/err.h"
#include "wire/frame.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_BODY 1000
#define MAX_BULK 4000

/* Whatever passes is within the limits, and is encoded to the same bytes. */
static void
check(const struct frame_head *h, const uint8_t *head, const uint8_t *body)
{
    uint8_t same[FRAME_HEAD_BYTES];

    if (h->version != WIRE_VERSION || h->body_len > MAX_BODY ||
        h->bulk_len > MAX_BULK || h->bulk_len % 4)
        abort();
    frame_encode_summed(same, h->type, body, h->body_len, h->bulk_len,
                        h->bulk_sum);
    if (memcmp(same, head, sizeof same) != 0)
        abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t head[FRAME_HEAD_BYTES];
    const uint8_t *body = data + FRAME_HEAD_BYTES;
    struct frame_head h;
    struct err err = ERR_INIT;

    if (size < FRAME_HEAD_BYTES)
        return 0;
    memcpy(head, data, sizeof head);
    if (frame_decode(&h, head, MAX_BODY, MAX_BULK, &err) < 0) {
        if (err.code != ERR_PROTO || !err.text[0])
            abort();
        return 0;
    }
    if (h.body_len > size - FRAME_HEAD_BYTES)
        return 0;
    if (frame_check_body(&h, head, body, &err) == 0)
        check(&h, head, body);
    /* The same with the right sum, which no fuzzer guesses. */
    frame_encode_summed(head, h.type, body, h.body_len, h.bulk_len, h.bulk_sum);
    if (frame_decode(&h, head, MAX_BODY, MAX_BULK, &err) < 0 ||
        frame_check_body(&h, head, body, &err) < 0)
        abort();
    check(&h, head, body);
    return 0;
}
