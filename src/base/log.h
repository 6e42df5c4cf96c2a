/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines: monotonic seconds, role, level, subsystem, text with key=value.
 * A log is an object that is passed in; library code has no other output. */
#ifndef EBSP_BASE_LOG_H
#define EBSP_BASE_LOG_H

#include <stdint.h>
#include <stdio.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

struct log {
    FILE *file;    /* everything up to file_level; may be NULL */
    FILE *console; /* up to console_level; may be NULL */
    enum log_level file_level;
    enum log_level console_level;
    const char *role; /* "coordinator", "worker 3"; borrowed */
    int64_t start_ns; /* zero of the seconds column */
    /* Called before a console line, to clear a progress line; may be NULL. */
    void (*before_console)(void *ctx);
    void *before_ctx;
};

/* No-op when log is NULL. Each line is written with one call. */
void log_line(struct log *log, enum log_level level, const char *subsystem,
              const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#define log_error(log, sub, ...) log_line(log, LOG_ERROR, sub, __VA_ARGS__)
#define log_warn(log, sub, ...)  log_line(log, LOG_WARN, sub, __VA_ARGS__)
#define log_info(log, sub, ...)  log_line(log, LOG_INFO, sub, __VA_ARGS__)
#define log_debug(log, sub, ...) log_line(log, LOG_DEBUG, sub, __VA_ARGS__)

#endif
