/* SPDX-License-Identifier: Apache-2.0 */
#include "policy-1.0.h"

#include "layout.h"

#define LAYOUT layout_1_0
#include "layout.inc"
