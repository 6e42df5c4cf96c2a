/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of probes: lines of strangers. */
#include "base/str.h"
#include "cmd/check.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#define HUGE_NUMBER 9e18 /* as int64_t, too */

/* A number, or with cap > 0 a text. */
static const struct fact {
    const char *key;
    size_t offset, cap;
} facts[] = {
#define NUMBER(name)                                                           \
    {                                                                          \
#        name, offsetof(struct check_facts, name), 0                           \
    }
#define TEXT(name)                                                             \
    {                                                                          \
#        name, offsetof(struct check_facts, name),                             \
            sizeof((struct check_facts *)0)->name                              \
    }
    TEXT(version),       TEXT(kernel),           TEXT(machine),
    TEXT(cpu_model),     TEXT(cpu_features),     TEXT(data_hash),
    TEXT(no_speed),      TEXT(seen_as),          NUMBER(cpus),
    NUMBER(load),        NUMBER(memory_total),   NUMBER(memory_available),
    NUMBER(disk_here),   NUMBER(disk_data),      NUMBER(disk_cache),
    NUMBER(data_cached), NUMBER(setup_s),        NUMBER(steps),
    NUMBER(step_s),      NUMBER(port),           NUMBER(rtt_s),
    NUMBER(rtt_min_s),   NUMBER(up_bytes_per_s), NUMBER(down_bytes_per_s),
    NUMBER(clock_ns),
};

void
check_facts_init(struct check_facts *f)
{
    memset(f, 0, sizeof *f);
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
        if (facts[i].cap == 0)
            *(double *)(void *)((char *)f + facts[i].offset) = NAN;
}

static enum check_answer
read_fact(struct check_facts *f, const struct fact *as, const char *value,
          struct err *err)
{
    void *to = (char *)f + as->offset;
    double number;

    if (as->cap > 0) {
        (void)str_printf(to, as->cap, "%s", value);
        return CHECK_FACT;
    }
    if (!str_f64(value, &number) || !(number >= 0 && number <= HUGE_NUMBER)) {
        err_set(err, ERR_PROTO, "a probe says %s \"%.40s\"", as->key, value);
        return CHECK_BAD;
    }
    *(double *)to = number;
    return CHECK_FACT;
}

/* "QUESTION CODE WHY" */
static enum check_answer
read_failure(const char *value, struct check_end *end, struct err *err)
{
    const char *code = strchr(value, ' '), *why;
    char number[4];
    uint64_t n;

    why = code ? strchr(code + 1, ' ') : NULL;
    if (!why ||
        !str_printf(end->question, sizeof end->question, "%.*s",
                    (int)(code - value), value) ||
        !str_printf(number, sizeof number, "%.*s", (int)(why - code - 1),
                    code + 1) ||
        !str_u64(number, &n) || n < ERR_FAIL || n > ERR_BUG) {
        err_set(err, ERR_PROTO, "a probe says \"failed %.80s\"", value);
        return CHECK_BAD;
    }
    end->why = (struct err)ERR_INIT;
    err_set(&end->why, (enum err_code)n, "%s", why + 1);
    return CHECK_FAILED;
}

enum check_answer
check_read(struct check_facts *f, const char *line, struct check_end *end,
           struct err *err)
{
    const char *space = strchr(line, ' '), *value = space ? space + 1 : "";
    size_t n = space ? (size_t)(space - line) : strlen(line);

    if (strcmp(line, "ready") == 0)
        return CHECK_READY;
    if (n == 4 && memcmp(line, "done", 4) == 0) {
        if (str_printf(end->question, sizeof end->question, "%s", value))
            return CHECK_DONE;
    } else if (n == 6 && memcmp(line, "failed", 6) == 0) {
        return read_failure(value, end, err);
    }
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
        if (strlen(facts[i].key) == n && memcmp(facts[i].key, line, n) == 0)
            return read_fact(f, &facts[i], value, err);
    err_set(err, ERR_PROTO, "a probe says \"%.80s\"", line);
    return CHECK_BAD;
}
