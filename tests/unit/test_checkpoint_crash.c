/* SPDX-License-Identifier: Apache-2.0 */
/* A process that writes a checkpoint is stopped at each of its system calls.
 * There it is killed, and whatever it has left must be a run that goes on; and
 * the calls that it makes must be in an order that survives a power failure. */
#include "run_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define MAX_FD 256

/* ---- a child under control ----------------------------------------------- */

static void
write_checkpoint(struct run_fixture *f)
{
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        _exit(2);
    raise(SIGSTOP);
    _exit(run_save(f, NULL) == 0 ? 0 : 1);
}

/* Resumes it until it enters or leaves a system call; false: it has ended. */
static bool
next_stop(pid_t child, int *status, struct __ptrace_syscall_info *info)
{
    if (ptrace(PTRACE_SYSCALL, child, NULL, NULL) != 0)
        return false;
    while (waitpid(child, status, 0) < 0)
        ;
    if (!WIFSTOPPED(*status))
        return false;
    memset(info, 0, sizeof *info);
    (void)ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof *info, info);
    return true;
}

/* The child, stopped before it does anything; -1: not permitted here. */
static pid_t
start(struct run_fixture *f)
{
    pid_t child = fork();
    int status = 0;

    if (child == 0)
        write_checkpoint(f);
    if (child < 0 || waitpid(child, &status, 0) != child ||
        !WIFSTOPPED(status) ||
        ptrace(PTRACE_SETOPTIONS, child, NULL,
               PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD) != 0)
        return -1;
    return child;
}

/* Lets it make n system calls and kills it before the next; true: it ended
 * before that, well. */
static bool
kill_after(struct run_fixture *f, int n)
{
    struct __ptrace_syscall_info info;
    pid_t child = start(f);
    int status = 0;

    for (;;) {
        if (!next_stop(child, &status, &info))
            return WIFEXITED(status) && WEXITSTATUS(status) == 0;
        if (info.op == PTRACE_SYSCALL_INFO_ENTRY && n-- == 0)
            break;
    }
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return false;
}

/* ---- killed anywhere ----------------------------------------------------- */

static size_t
count_entries(const char *dir)
{
    char **names;
    size_t n = 0;

    if (fs_list(dir, &names, &n, NULL) == 0)
        fs_names_free(names, n);
    return n;
}

/* Version 1 is there and 2 is written; keep is 1, so 1 is removed as well.
 * with_damaged: something that has the name of 2 is in the way. */
static void
killed_at_every_call(bool with_damaged)
{
    struct run_fixture f;
    int n, wrong = 0, old = 0;

    run_init(&f, run_job);
    f.place.keep = 1;
    for (n = 0;; n++) {
        uint64_t one = 1;
        long newest;
        bool ended;

        run_reset(&f);
        run_train(&f, 1);
        run_save(&f, NULL);
        run_train(&f, 1);
        f.place.last_good = &one;
        if (with_damaged) {
            char *in_the_way = rundir_checkpoint(f.dir, 2);

            fs_mkdir(in_the_way, false, NULL);
            mem_free(in_the_way);
        }
        ended = kill_after(&f, n);
        newest = run_newest(&f, NULL, NULL);
        old += newest == 1;
        wrong += newest != 1 && newest != 2;
        /* the next one cleans up and gets further */
        rundir_reopen(f.dir, NULL);
        wrong += run_newest(&f, NULL, NULL) != newest;
        wrong += run_save(&f, NULL) != 0 || run_newest(&f, NULL, NULL) != 2;
        wrong += count_entries(f.dir) != 1;
        rundir_remove_checkpoint(f.dir, 2, NULL);
        if (ended)
            break;
    }
    ok(wrong == 0 && old > 20 && n > old + 10,
       "killed before each of %d system calls%s: version 1 is the newest whole "
       "one for %d of them, then version 2",
       n, with_damaged ? ", with a damaged one in the way" : "", old);
    run_release(&f);
}

/* ---- power failure ------------------------------------------------------- */

struct order {
    bool dirty[MAX_FD]; /* written, not synced */
    int lost;           /* closed or renamed before they were synced */
    bool renamed;       /* and the folder is not synced */
    int early;          /* things done before that sync */
    int writes, syncs, moves, removals;
};

static bool
any_dirty(const struct order *o)
{
    for (int i = 0; i < MAX_FD; i++)
        if (o->dirty[i])
            return true;
    return false;
}

static bool
is_removal(uint64_t nr)
{
    return nr == SYS_unlinkat
#ifdef SYS_unlink
           || nr == SYS_unlink || nr == SYS_rmdir
#endif
        ;
}

static bool
is_move(uint64_t nr)
{
    return nr == SYS_renameat2
#ifdef SYS_renameat
           || nr == SYS_renameat
#endif
#ifdef SYS_rename
           || nr == SYS_rename
#endif
        ;
}

static void
see(struct order *o, uint64_t nr, const __uint64_t *arg)
{
    uint64_t fd = arg[0] < MAX_FD ? arg[0] : 0;

    if (nr == SYS_write) {
        o->dirty[fd] = true;
        o->writes++;
    } else if (nr == SYS_fsync) {
        o->dirty[fd] = o->renamed = false;
        o->syncs++;
    } else if (nr == SYS_close) {
        o->lost += o->dirty[fd];
        o->dirty[fd] = false;
    } else if (is_move(nr)) {
        o->lost += any_dirty(o);
        o->early += o->renamed;
        o->renamed = true;
        o->moves++;
    } else if (is_removal(nr)) {
        o->early += o->renamed;
        o->removals++;
    }
}

/* What is renamed is on the disk, and nothing is moved or removed before the
 * folder of what was renamed is. */
static void
everything_is_synced_in_time(void)
{
    struct __ptrace_syscall_info info, call = {0};
    struct order o = {0};
    struct run_fixture f;
    uint64_t one = 1;
    pid_t child;
    int status = 0;

    run_init(&f, run_job);
    f.place.keep = 1;
    run_train(&f, 1);
    run_save(&f, NULL);
    run_train(&f, 1);
    f.place.last_good = &one;
    child = start(&f);
    while (next_stop(child, &status, &info)) {
        if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
            call = info;
        else if (info.op == PTRACE_SYSCALL_INFO_EXIT && !info.exit.is_error)
            see(&o, call.entry.nr, call.entry.args);
    }
    is_int(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0, "it was written");
    ok(o.writes > 5 && o.moves == 7 && o.syncs >= 12 && o.removals > 5,
       "%d writes, %d renamed, %d synced, %d removed", o.writes, o.moves,
       o.syncs, o.removals);
    is_int(o.lost, 0, "no file has its name before it is on the disk");
    is_int(o.early, 0, "nothing follows a rename before its folder is synced");
    run_release(&f);
}

static bool
can_trace(void)
{
    const char *preload = getenv("LD_PRELOAD");
    struct __ptrace_syscall_info info = {0};
    struct run_fixture f;
    int status = 0;
    pid_t child;
    bool can;

    if (preload && strstr(preload, "valgrind"))
        return false; /* its own system calls would be those that we see */
    run_init(&f, run_job);
    child = start(&f);
    can = child > 0 && next_stop(child, &status, &info) &&
          info.op == PTRACE_SYSCALL_INFO_ENTRY;
    if (child > 0) {
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
    }
    run_release(&f);
    return can;
}

int
main(void)
{
    if (!can_trace()) {
        skip("a process cannot be stopped at its system calls here");
        return done();
    }
    killed_at_every_call(false);
    killed_at_every_call(true);
    everything_is_synced_in_time();
    return done();
}
