/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a schedule: schedule.c decides what happens next,
 * schedule_drive.c carries out what the policy wants. */
#ifndef EBSP_POLICY_SCHEDULE_IMPL_H
#define EBSP_POLICY_SCHEDULE_IMPL_H

#include "policy/schedule.h"

#define SCHEDULE_MS INT64_C(1000000)

/* Its ctx is the schedule. */
extern const struct host_driver schedule_driver;

/* Shows an event to the observer. */
int schedule_see(struct schedule *s, const struct schedule_seen *seen,
                 struct err *err);
int schedule_see_event(struct schedule *s, enum schedule_kind kind,
                       uint32_t worker, struct err *err);
/* Some mini-batch was not handed out yet, or came back. */
bool schedule_has_work(const struct schedule *s);
/* The batches of a lost worker go back to the queue. */
void schedule_give_back(struct schedule *s, struct schedule_worker *w);

#endif
