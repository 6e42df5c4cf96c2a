/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/watchdog.h"

#include "base/err.h"
#include "base/mem.h"

#include <ebsp/policy.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Where the plugin is.  The name is copied, the plugin may be unloaded while
 * the watchdog reads it. */
static struct {
    _Atomic uint64_t name[WATCHDOG_WORDS];
    _Atomic(const char *) callback;
    _Atomic uint32_t worker;
    _Atomic uint64_t turn; /* counts the callbacks */
    atomic_bool inside;
} mark;

static struct watchdog_limits limits;
static pthread_t owner; /* the thread of the hosts */

/* ---- the mark ------------------------------------------------------------ */

#define SET(what, value)                                                       \
    atomic_store_explicit(&mark.what, value, memory_order_relaxed)
#define GET(what) atomic_load_explicit(&mark.what, memory_order_relaxed)

void
watchdog_set_name(struct watchdog_name *to, const char *name)
{
    size_t n = strnlen(name, sizeof to->word - 1);

    memset(to->word, 0, sizeof to->word);
    memcpy(to->word, name, n);
}

void
watchdog_enter(const struct watchdog_name *name, const char *callback,
               uint32_t worker)
{
    for (size_t i = 0; i < WATCHDOG_WORDS; i++)
        SET(name[i], name->word[i]);
    SET(callback, callback);
    SET(worker, worker);
    SET(turn, GET(turn) + 1);
    watchdog_return();
}

void
watchdog_return(void)
{
    atomic_store_explicit(&mark.inside, true, memory_order_release);
}

void
watchdog_leave(void)
{
    atomic_store_explicit(&mark.inside, false, memory_order_release);
}

static bool
is_inside(void)
{
    return atomic_load_explicit(&mark.inside, memory_order_acquire);
}

/* ---- a line, with nothing that a signal handler must not call ------------ */

struct line {
    char text[160];
    size_t n;
};

static void
put(struct line *l, const char *s)
{
    while (*s && l->n < sizeof l->text)
        l->text[l->n++] = *s++;
}

static void
put_number(struct line *l, uint32_t v)
{
    char digits[11];
    size_t at = sizeof digits - 1;

    digits[at] = '\0';
    do
        digits[--at] = (char)('0' + v % 10);
    while ((v /= 10) > 0);
    put(l, digits + at);
}

/* "policy "x" crashed in PUSH of worker 2" */
static void
put_mark(struct line *l, const char *what)
{
    struct watchdog_name name;
    uint32_t worker = GET(worker);

    for (size_t i = 0; i < WATCHDOG_WORDS; i++)
        name.word[i] = GET(name[i]);
    put(l, "ebsp: policy \"");
    put(l, (const char *)name.word);
    put(l, "\" ");
    put(l, what);
    put(l, " ");
    put(l, GET(callback));
    if (worker != EBSP_NO_WORKER) {
        put(l, " of worker ");
        put_number(l, worker);
    }
}

static void
say(struct line *l)
{
    put(l, "\n");
    (void)!write(STDERR_FILENO, l->text, l->n);
}

/* ---- callbacks that do not return ---------------------------------------- */

static void
say_late(unsigned seconds, const char *and)
{
    struct line l = {.n = 0};

    put_mark(&l, "has not returned from");
    put(&l, " for ");
    put_number(&l, seconds);
    put(&l, " s");
    put(&l, and);
    say(&l);
}

/* Nobody but the plugin could end its callback, and the event loop waits for
 * it: nothing can be saved any more. */
static void *
watch(void *arg)
{
    static const struct timespec second = {1, 0};
    uint64_t seen = 0;
    unsigned n = 0;

    (void)arg;
    for (;;) {
        nanosleep(&second, NULL);
        if (!is_inside())
            continue;
        if (GET(turn) != seen) {
            seen = GET(turn);
            n = 0;
            continue;
        }
        n++;
        if (n >= limits.end_s) {
            say_late(n, ": the run ends here");
            _exit(ERR_POLICY);
        }
        if (n == limits.warn_s)
            say_late(n, "");
    }
}

/* ---- crashes ------------------------------------------------------------- */

static const int crashes[] = {SIGSEGV, SIGABRT, SIGFPE, SIGBUS, SIGILL};
static struct sigaction before[ARRAY_LEN(crashes)];

/* A fault comes again as soon as we return, and then finds the action of before
 * with all that it may want to know; what was sent must be sent again. */
static void
on_crash(int signum, siginfo_t *info, void *context)
{
    struct line l = {.n = 0};
    int saved = errno;

    (void)context;
    if (is_inside() && pthread_equal(pthread_self(), owner)) {
        put_mark(&l, "crashed in");
        say(&l);
    }
    for (size_t i = 0; i < ARRAY_LEN(crashes); i++)
        if (crashes[i] == signum)
            sigaction(signum, &before[i], NULL);
    if (info->si_code <= 0) /* by a process, perhaps by ourselves */
        raise(signum);
    errno = saved;
}

/* A callback that calls itself without end leaves no room for a handler. */
static void
take_crashes(void)
{
    static char stack[64 << 10];
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
    stack_t other = {.ss_sp = stack, .ss_size = sizeof stack}, now;

    if (sigaltstack(NULL, &now) == 0 && (now.ss_flags & SS_DISABLE))
        sigaltstack(&other, NULL);
    action.sa_sigaction = on_crash;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < ARRAY_LEN(crashes); i++)
        sigaction(crashes[i], &action, &before[i]);
}

/* Signals are for the other threads. */
int
watchdog_start(const struct watchdog_limits *l, struct err *err)
{
    sigset_t all, mine;
    pthread_t thread;
    int r;

    limits = *l;
    owner = pthread_self();
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &mine);
    r = pthread_create(&thread, NULL, watch, NULL);
    pthread_sigmask(SIG_SETMASK, &mine, NULL);
    if (r != 0) {
        errno = r;
        return err_errno(err, "the watchdog of the policy");
    }
    pthread_detach(thread);
    take_crashes();
    return 0;
}
