/* SPDX-License-Identifier: Apache-2.0 */
/* No field of the frozen header has moved or changed its size, no constant its
 * value: a plugin built against it finds everything where it was. */
#include "layout.h"

#include "../unit/tap.h"

int
main(void)
{
    for (size_t i = 0; layout_1_0[i].name; i++) {
        const struct layout *then = &layout_1_0[i], *now = &layout_now[i];

        if (!ok(then->offset == now->offset && then->size == now->size,
                "%s is as in ABI 1.0", then->name))
            printf("# was %zu (size %zu), is %zu (size %zu)\n", then->offset,
                   then->size, now->offset, now->size);
    }
    return done();
}
