/* SPDX-License-Identifier: Apache-2.0 */
#include <ebsp/policy.h>

#include "layout.h"

#define LAYOUT layout_now
#include "layout.inc"
