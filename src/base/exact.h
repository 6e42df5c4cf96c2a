/* SPDX-License-Identifier: Apache-2.0 */
/* Elementary functions with the same bits on every machine.
 *
 * libm's differ in the last digit from version to version, and within one
 * version with the processor; what is drawn from a seed must not.  These use
 * + - * / only, in a fixed order (the build forbids contraction to fused
 * multiply-add), and are good to about 1e-15 relative. */
#ifndef EBSP_BASE_EXACT_H
#define EBSP_BASE_EXACT_H

double exact_log(double x); /* x > 0 and finite */
double exact_exp(double x); /* 0 far below, infinity far above */
/* Cosine and sine of t turns (2 pi t); |t| below 2^51. */
double exact_cos_turns(double t);
double exact_sin_turns(double t);

#endif
