/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "base/mem.h"
#include "cmd/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef HAVE_CONFIG_H
#    include "config.h"
#endif

#define VERSION_TEXT "ebsp " PACKAGE_VERSION

static int
fail(const char *who, const struct err *err)
{
    fflush(stdout);
    fprintf(stderr, "%s: %s\n", who, err->text);
    return err->code ? (int)err->code : ERR_BUG;
}

/* Results go to stdout: a full disk or a closed pipe behind it is an error. */
static int
close_stdout(struct err *err)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        return err_errno(err, "standard output");
    return 0;
}

/* A caller may have closed descriptors 0 to 2.  The next file opened would get
 * such a number: a message would be written into a checkpoint, and libuv aborts
 * when it closes one.  They are filled the wrong way round, so that using them
 * still fails. */
static void
fill_standard_files(void)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int
main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    const struct cmd *c;
    const char *sub = argc > 1 ? argv[1] : NULL;
    char *name;
    int r;

    fill_standard_files();
    signal(SIGPIPE, SIG_IGN); /* a write says EPIPE instead, */
    signal(SIGXFSZ, SIG_IGN); /* and EFBIG */
    /* Not defined here: hidden as all is, libc would not see it. */
    argp_program_version = VERSION_TEXT;
    if (!sub) {
        err_set(&err, ERR_USAGE, "expected a subcommand; see \"ebsp help\"");
        return fail("ebsp", &err);
    }
    if (!strcmp(sub, "--version") || !strcmp(sub, "-V")) {
        puts(VERSION_TEXT);
        return close_stdout(&err) == 0 ? 0 : fail("ebsp", &err);
    }
    if (!strcmp(sub, "--help") || !strcmp(sub, "-h") || !strcmp(sub, "-?"))
        sub = "help";
    c = cmd_find(sub);
    if (!c) {
        cmd_unknown(sub, &err);
        return fail("ebsp", &err);
    }
    name = mem_printf("ebsp %s", c->name);
    if (!name) {
        err_nomem(&err);
        return fail("ebsp", &err);
    }
    argv[1] = name;
    r = c->run(argc - 1, argv + 1, &err);
    if (r == 0)
        r = close_stdout(&err);
    r = r == 0 ? 0 : fail(name, &err);
    mem_free(name);
    return r;
}
