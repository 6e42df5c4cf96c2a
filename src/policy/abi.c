/* SPDX-License-Identifier: Apache-2.0 */
/* The layout of ABI 1.0, frozen at compile time: whoever moves a field does not
 * get past this file.  (64-bit machines; pointers differ elsewhere.) */
#include "policy/abi.h"

#if UINTPTR_MAX == UINT64_MAX

#    define AT(type, field, offset)                                            \
        _Static_assert(offsetof(struct type, field) == (offset),               \
                       #type "." #field " has moved")
#    define ENDS(last, type, offset)                                           \
        _Static_assert(ABI_END(struct type, last) == (offset),                 \
                       #type "." #last " was resized")

AT(ebsp_event, struct_size, 0);
AT(ebsp_event, kind, 4);
AT(ebsp_event, now_ns, 8);
AT(ebsp_event, worker, 16);
AT(ebsp_event, reason, 20);
AT(ebsp_event, clock, 24);
AT(ebsp_event, version, 32);
AT(ebsp_event, base_version, 40);
AT(ebsp_event, interval_ns, 48);
AT(ebsp_event, compute_ns, 56);
AT(ebsp_event, samples, 64);
AT(ebsp_event, loss, 72);
AT(ebsp_event, gradient_norm, 80);
AT(ebsp_event, cookie, 88);
AT(ebsp_event, steps, 96);
ENDS(steps, ebsp_event, 104);

AT(ebsp_action, struct_size, 0);
AT(ebsp_action, kind, 4);
AT(ebsp_action, worker, 8);
AT(ebsp_action, flags, 12);
AT(ebsp_action, weight, 16);
AT(ebsp_action, at_ns, 24);
AT(ebsp_action, cookie, 32);
AT(ebsp_action, steps, 40);
AT(ebsp_action, contribution, 44);
AT(ebsp_action, lr_factor, 48);
AT(ebsp_action, batch, 56);
AT(ebsp_action, reserved, 60);
ENDS(reserved, ebsp_action, 64);

AT(ebsp_value, name, 0);
AT(ebsp_value, value, 8);
ENDS(value, ebsp_value, 16);

AT(ebsp_note, struct_size, 0);
AT(ebsp_note, value_stride, 4);
AT(ebsp_note, name, 8);
AT(ebsp_note, values, 16);
AT(ebsp_note, n_values, 24);
ENDS(n_values, ebsp_note, 32);

AT(ebsp_host, struct_size, 0);
AT(ebsp_host, max_workers, 4);
AT(ebsp_host, ctx, 8);
AT(ebsp_host, can, 16);
AT(ebsp_host, act, 24);
AT(ebsp_host, note, 32);
AT(ebsp_host, log, 40);
AT(ebsp_host, fail, 48);
AT(ebsp_host, random, 56);
AT(ebsp_host, option_text, 64);
AT(ebsp_host, option_number, 72);
ENDS(option_number, ebsp_host, 80);

AT(ebsp_option, name, 0);
AT(ebsp_option, fallback, 8);
AT(ebsp_option, help, 16);
AT(ebsp_option, words, 24);
AT(ebsp_option, minimum, 32);
AT(ebsp_option, maximum, 40);
AT(ebsp_option, type, 48);
AT(ebsp_option, reserved, 52);
ENDS(reserved, ebsp_option, 56);

AT(ebsp_bounds, struct_size, 0);
AT(ebsp_bounds, reserved, 4);
AT(ebsp_bounds, flags, 8);
AT(ebsp_bounds, max_staleness, 16);
AT(ebsp_bounds, max_gap, 24);
ENDS(max_gap, ebsp_bounds, 32);

AT(ebsp_policy, magic, 0);
AT(ebsp_policy, abi_major, 4);
AT(ebsp_policy, abi_minor, 6);
AT(ebsp_policy, struct_size, 8);
AT(ebsp_policy, option_stride, 12);
AT(ebsp_policy, needs, 16);
AT(ebsp_policy, offers, 24);
AT(ebsp_policy, name, 32);
AT(ebsp_policy, version, 40);
AT(ebsp_policy, summary, 48);
AT(ebsp_policy, options, 56);
AT(ebsp_policy, n_options, 64);
AT(ebsp_policy, create, 72);
AT(ebsp_policy, destroy, 80);
AT(ebsp_policy, on_event, 88);
AT(ebsp_policy, bounds, 96);
ENDS(bounds, ebsp_policy, 104);

#    undef AT
#    undef ENDS
#endif
