/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a message: the first byte says of which type, the rest is it. */
#include "base/buf.h"
#include "base/err.h"
#include "wire/msg_servers.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Decodes, and encodes again what was accepted. */
#define TRY(kind)                                                              \
    do {                                                                       \
        struct msg_##kind m;                                                   \
                                                                               \
        rc = msg_get_##kind(&m, data, size, &err);                             \
        if (rc == 0)                                                           \
            msg_put_##kind(&b, &m);                                            \
    } while (0)

static int
try_order(const uint8_t *data, size_t size, struct buf *b, struct err *err)
{
    struct msg_order m;
    int rc = msg_get_order(&m, data, size, err);

    if (rc == 0)
        msg_put_order(b, &m);
    else if (m.step)
        abort(); /* nobody would free it */
    msg_order_release(&m);
    return rc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf b = BUF_INIT(FRAME_MAX_BODY);
    struct err err = ERR_INIT;
    uint16_t type;
    int rc = -1;

    if (!size)
        return 0;
    type = *data++;
    size--;
    switch (type) {
    case MSG_CHALLENGE:
        TRY(challenge);
        break;
    case MSG_HELLO:
        TRY(hello);
        break;
    case MSG_WELCOME:
        TRY(welcome);
        break;
    case MSG_READY:
        TRY(ready);
        break;
    case MSG_ORDER:
        rc = try_order(data, size, &b, &err);
        break;
    case MSG_PUSH:
        TRY(push);
        break;
    case MSG_BYE:
        TRY(bye);
        break;
    case MSG_ERROR:
        TRY(error);
        break;
    case MSG_FETCH:
        TRY(fetch);
        break;
    case MSG_DATA:
        TRY(data);
        break;
    case MSG_PIECE:
        TRY(piece);
        break;
    case MSG_EMULATE:
        TRY(emulate);
        break;
    case MSG_SERVE:
        TRY(serve);
        break;
    case MSG_SERVING:
        TRY(serving);
        break;
    case MSG_SERVERS:
        TRY(servers);
        break;
    case MSG_COMMAND:
        TRY(command);
        break;
    case MSG_HAVE:
        TRY(have);
        break;
    case MSG_OPEN:
        TRY(open);
        break;
    default:
        return 0;
    }
    if (rc == 0 && (b.len != size || memcmp(b.data, data, size) != 0))
        abort();
    if (rc < 0 && (err.code != ERR_PROTO ||
                   strncmp(err.text, msg_name(type), strlen(msg_name(type)))))
        abort();
    buf_release(&b);
    return 0;
}
