/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of an account: account.c reads the events, facts.c the rest. */
#ifndef EBSP_REPORT_ACCOUNT_IMPL_H
#define EBSP_REPORT_ACCOUNT_IMPL_H

#include "report/account.h"

/* After the events: what job and summary tell, which is taken before what was
 * added up. */
int account_conclude(struct account *a, struct err *err);

#endif
