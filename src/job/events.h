/* SPDX-License-Identifier: Apache-2.0 */
/* The event stream of a run: one JSON object a line, appended.  Progress,
 * metrics, report, timeline and replay are views of it; see ebsp-run(5).
 *
 *   events_begin(e, now_ns, "push");
 *   events_int(e, "rank", 2);
 *   events_end(e);
 *
 * Writing never fails for the caller: what the file has no room for waits in
 * memory and is tried again.  events_check tells that something waits, or was
 * lost because it was too much.  All calls are no-ops on NULL. */
#ifndef EBSP_JOB_EVENTS_H
#define EBSP_JOB_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct events;

/* start_ns is the zero of the "t" member (seconds).  Locks the file until it is
 * closed: a second process that opens it is refused.  Whoever writes to the run
 * directory holds the stream open while he does, so that who can open it has
 * the directory to himself. */
struct events *events_open(const char *path, bool append, int64_t start_ns,
                           struct err *err);
/* Writes what is buffered, and syncs; -1 when anything was lost. */
int events_sync(struct events *e, struct err *err);
/* The same, and frees. */
int events_close(struct events *e, struct err *err);
void events_flush(struct events *e);
int events_check(const struct events *e, struct err *err);

void events_begin(struct events *e, int64_t now_ns, const char *kind);
void events_int(struct events *e, const char *key, int64_t v);
void events_uint(struct events *e, const char *key, uint64_t v);
void events_num(struct events *e, const char *key, double v); /* NaN: null */
void events_seconds(struct events *e, const char *key, int64_t ns);
void events_str(struct events *e, const char *key, const char *v);
void events_hex(struct events *e, const char *key, uint64_t v);
/* v is JSON text */
void events_json(struct events *e, const char *key, const char *v);
void events_end(struct events *e);

#endif
