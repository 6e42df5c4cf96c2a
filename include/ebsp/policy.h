/* SPDX-License-Identifier: Apache-2.0 */
/* ebsp synchronization-policy plugin ABI, version 1.  See ebsp-policy(3).
 *
 * A policy is a pure state machine: events with a time stamp go in, actions
 * come out.  It must not sleep, do I/O, start threads or read a clock, so that
 * the same plugin runs in the live server, in the simulator, in a replay and in
 * a fuzzer, and the same events always give the same actions.
 *
 * Rules that keep this file stable (checked by tests/abi/):
 *   1. Fields are only ever appended.  Nothing is moved, resized or reused.
 *   2. Every struct that crosses the border tells its size (arrays: a stride),
 *      so both sides know which fields are really there.
 *   3. Only fixed-width integers, doubles and pointers.  No enum, bool, long
 *      or bit-field members, and no pad bytes that a compiler could choose.
 *   4. A callback takes structs, not a list of scalars, so that a new input
 *      is a new field and never a second version of the callback.
 *   5. abi_major changes only when rule 1 must be broken.
 *
 * The host calls one policy object from one thread, one call at a time, and
 * never from inside a host function. */
#ifndef EBSP_POLICY_H
#define EBSP_POLICY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EBSP_POLICY_MAGIC     UINT32_C(0x50534245) /* "EBSP", little endian */
#define EBSP_POLICY_ABI_MAJOR 1
#define EBSP_POLICY_ABI_MINOR 0

/* True if the struct that p points to is large enough to hold the field. */
#define EBSP_HAS(p, type, field)                                               \
    ((p)->struct_size >=                                                       \
     offsetof(type, field) + sizeof(((const type *)0)->field))

#define EBSP_NO_WORKER UINT32_MAX

/* ---- events: what happened ---------------------------------------------- */

/* A policy must ignore kinds that it does not know.
 *
 * START  the workers that stand ready at the start have been announced by JOIN;
 *        release them now.  Comes once.
 * PUSH   a worker's contribution has arrived.  The worker is held and the push
 *        is kept until the policy has ADDed or DROPped it.
 * JOIN   a worker is ready; it is held.  Before START: do not release it.
 * LEAVE  a worker is gone or has no more work (see reason): forget it.  A push
 *        of it that was not ADDed yet is dropped by the host.
 * WAKE   a timer that the policy asked for has expired. */
enum {
    EBSP_EVENT_START = 1,
    EBSP_EVENT_PUSH = 2,
    EBSP_EVENT_JOIN = 3,
    EBSP_EVENT_LEAVE = 4,
    EBSP_EVENT_WAKE = 5
};

enum {
    EBSP_LEAVE_LOST = 1,    /* died, cut off or removed */
    EBSP_LEAVE_FINISHED = 2 /* no mini-batch is left for it */
};

struct ebsp_event {
    uint32_t struct_size;
    uint32_t kind;         /* EBSP_EVENT_* */
    int64_t now_ns;        /* the only clock a policy may use; monotonic */
    uint32_t worker;       /* PUSH, JOIN, LEAVE; else EBSP_NO_WORKER */
    uint32_t reason;       /* LEAVE: EBSP_LEAVE_* */
    uint64_t clock;        /* PUSH: iterations finished by this worker, this
                            * one included; JOIN: the least clock of the other
                            * workers, or 0.  A newcomer's clock starts at what
                            * that is when it is first released. */
    uint64_t version;      /* updates applied to the parameters so far */
    uint64_t base_version; /* PUSH: version it was computed on */
    int64_t interval_ns;   /* PUSH: from its release to its arrival */
    int64_t compute_ns;    /* PUSH: computing time told by the worker */
    uint64_t samples;      /* PUSH: samples it stands for */
    double loss;           /* PUSH: mean loss of these samples */
    double gradient_norm;  /* PUSH: L2 norm of the contribution */
    uint64_t cookie;       /* WAKE: as given to EBSP_ACTION_WAKE */
    uint64_t steps;        /* PUSH: local steps it stands for, at least 1 */
    /* ---- end of ABI 1.0 ---- */
};

/* ---- actions: what is to be done ---------------------------------------- */

/* ADD      accumulator += weight * push of `worker`.  The push is used up.
 * COMMIT   apply weight * accumulator as one update, then clear it.  Refused
 *          when nothing was added.
 * DROP     forget the push of `worker`; its samples go back to the queue.
 * RELEASE  let a held worker start its next iteration.  Its push must have been
 *          ADDed or DROPped.  May be answered later by LEAVE(FINISHED).
 * WAKE     send WAKE at at_ns (or as soon as possible).  Several may run. */
enum {
    EBSP_ACTION_ADD = 1,
    EBSP_ACTION_COMMIT = 2,
    EBSP_ACTION_DROP = 3,
    EBSP_ACTION_RELEASE = 4,
    EBSP_ACTION_WAKE = 5
};

/* RELEASE: the worker goes on with the parameters it has, none are sent. */
#define EBSP_RELEASE_KEEP (UINT32_C(1) << 0)

/* RELEASE: what the worker is to push next. */
enum {
    EBSP_PUSH_GRADIENT = 0, /* mean gradient of its samples */
    EBSP_PUSH_DELTA = 1,    /* its parameters minus those it started from */
    EBSP_PUSH_MODEL = 2     /* its parameters */
};

/* Zero in a field that does not concern the kind, always in `reserved`. */
struct ebsp_action {
    uint32_t struct_size;
    uint32_t kind;         /* EBSP_ACTION_* */
    uint32_t worker;       /* ADD, DROP, RELEASE */
    uint32_t flags;        /* RELEASE: EBSP_RELEASE_* */
    double weight;         /* ADD, COMMIT; finite */
    int64_t at_ns;         /* WAKE */
    uint64_t cookie;       /* WAKE */
    uint32_t steps;        /* RELEASE: local optimizer steps; 0 means 1 */
    uint32_t contribution; /* RELEASE: EBSP_PUSH_* */
    double lr_factor;      /* RELEASE: times the learning rate; 0 means 1 */
    uint32_t batch;        /* RELEASE: samples per step; 0 means the job's */
    uint32_t reserved;
    /* ---- end of ABI 1.0 ---- */
};

/* ---- the host ------------------------------------------------------------ */

/* An observation for the event stream, for example the plan of a superstep. */
struct ebsp_value {
    const char *name; /* letters, digits and _ */
    double value;
};

struct ebsp_note {
    uint32_t struct_size;
    uint32_t value_stride; /* sizeof(struct ebsp_value) */
    const char *name;      /* "superstep" */
    const struct ebsp_value *values;
    uint64_t n_values;
};

enum {
    EBSP_LOG_ERROR = 0,
    EBSP_LOG_WARNING = 1,
    EBSP_LOG_INFO = 2,
    EBSP_LOG_DEBUG = 3
};

/* What the host can do beyond ABI 1.0's base; see struct ebsp_policy.needs. */
#define EBSP_CAN_LOCAL_STEPS (UINT64_C(1) << 0) /* steps > 1, DELTA, MODEL */
#define EBSP_CAN_ELASTIC     (UINT64_C(1) << 1) /* JOIN after START */

/* Services that the host lends to a policy, from create to destroy. */
struct ebsp_host {
    uint32_t struct_size;
    uint32_t max_workers; /* every worker number is below it */
    void *ctx;            /* first argument of every host function */
    uint64_t can;         /* EBSP_CAN_* */
    /* Does it now.  0, or -1: refused; the run then ends with the reason that
     * the host has noted, and the callback should return -1 at once. */
    int32_t (*act)(void *ctx, const struct ebsp_action *action);
    void (*note)(void *ctx, const struct ebsp_note *note);
    void (*log)(void *ctx, uint32_t level, const char *text);
    /* Says why a callback is about to return -1 (or create NULL). */
    void (*fail)(void *ctx, const char *reason);
    uint64_t (*random)(void *ctx); /* seeded; the same on every replay */
    /* The value of an option, checked against its type and range: the text
     * and the number (0 for words).  NULL and 0 for a name not in the table. */
    const char *(*option_text)(void *ctx, const char *name);
    double (*option_number)(void *ctx, const char *name);
    /* ---- end of ABI 1.0 ---- */
};

/* ---- the policy ---------------------------------------------------------- */

/* One option.  The host parses, checks and documents it.
 * type: EBSP_OPTION_INTEGER and _NUMBER: minimum..maximum, ends included;
 *       EBSP_OPTION_WORD: one of `words`, separated by '|'. */
enum { EBSP_OPTION_INTEGER = 1, EBSP_OPTION_NUMBER = 2, EBSP_OPTION_WORD = 3 };

struct ebsp_option {
    const char *name;
    const char *fallback; /* used when the user gives none */
    const char *help;     /* one line, no full stop */
    const char *words;    /* WORD: "last|ewma|median"; else NULL */
    double minimum, maximum;
    uint32_t type; /* EBSP_OPTION_* */
    uint32_t reserved;
};

/* What the policy promises; the host asserts it on every run. */
#define EBSP_BOUND_STALENESS (UINT64_C(1) << 0)
#define EBSP_BOUND_GAP       (UINT64_C(1) << 1)

struct ebsp_bounds {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t flags;         /* EBSP_BOUND_*: which of the following hold */
    uint64_t max_staleness; /* of an ADDed push: version - base_version */
    uint64_t max_gap;       /* clock of a worker after a push minus the least
                             * clock of all workers that have not left (a
                             * newcomer counts from its first release) */
};

struct ebsp_policy {
    /* The first four fields never change, in any version. */
    uint32_t magic;
    uint16_t abi_major, abi_minor;
    uint32_t struct_size;
    uint32_t option_stride; /* sizeof(struct ebsp_option) seen by the plugin */

    uint64_t needs;   /* EBSP_CAN_* bits; one the host lacks: plugin refused */
    uint64_t offers;  /* a bit the host does not know: ignored */
    const char *name; /* lower case letters, digits and '-' */
    const char *version;
    const char *summary; /* one line, no full stop */
    const struct ebsp_option *options;
    uint64_t n_options;

    /* NULL after host->fail when it cannot. */
    void *(*create)(const struct ebsp_host *host);
    void (*destroy)(void *self);
    /* 0, or -1: the run ends with the reason given to host->fail. */
    int32_t (*on_event)(void *self, const struct ebsp_event *event);
    /* Optional.  Fills what it promises to as many workers as were there at
     * once so far: called after create, and after each JOIN that makes them
     * more than ever before. */
    void (*bounds)(void *self, struct ebsp_bounds *bounds);
    /* ---- end of ABI 1.0 ---- */
};

#define EBSP_POLICY_HEAD                                                       \
    EBSP_POLICY_MAGIC, EBSP_POLICY_ABI_MAJOR, EBSP_POLICY_ABI_MINOR,           \
        (uint32_t)sizeof(struct ebsp_policy),                                  \
        (uint32_t)sizeof(struct ebsp_option)

typedef const struct ebsp_policy *ebsp_policy_entry_fn(void);

/* The one symbol of a plugin.  Declared here so that it has C linkage when the
 * plugin is written in C++. */
__attribute__((visibility("default"))) const struct ebsp_policy *
ebsp_policy_entry(void);

/* Exactly one per plugin, at file scope. */
#define EBSP_POLICY_EXPORT(object)                                             \
    const struct ebsp_policy *ebsp_policy_entry(void)                          \
    {                                                                          \
        return &(object);                                                      \
    }                                                                          \
    extern int ebsp_policy_needs_semicolon

#ifdef __cplusplus
}
#endif
#endif /* EBSP_POLICY_H */
