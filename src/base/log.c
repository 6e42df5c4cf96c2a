/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/clock.h"

#include <stdarg.h>
#include <string.h>

void
log_line(struct log *log, enum log_level level, const char *subsystem,
         const char *fmt, ...)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    char text[1024];
    double s;
    va_list ap;

    if (!log)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    s = (double)(clock_now_ns() - log->start_ns) / (double)NS_PER_S;
    if (log->file && level <= log->file_level) {
        fprintf(log->file, "%11.6f %s %s %s: %s\n", s, log->role, names[level],
                subsystem, text);
        fflush(log->file);
    }
    if (log->console && level <= log->console_level) {
        if (log->before_console)
            log->before_console(log->before_ctx);
        if (level <= LOG_WARN)
            fprintf(log->console, "ebsp: %s: %s\n", names[level], text);
        else
            fprintf(log->console, "%9.3f %s %s: %s\n", s, log->role, subsystem,
                    text);
        fflush(log->console);
    }
}
