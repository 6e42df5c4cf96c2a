/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/greet.h"

#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "wire/join.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

int
worker_die_with_parent(struct err *err)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        return err_errno(err, "prctl");
    return 0;
}

static int
say_hello(struct err *err)
{
    char text[JOIN_GREETING_CAP];

    join_greeting(text);
    return fs_write_all(STDOUT_FILENO, text, strlen(text), err) == 0
               ? 0
               : err_wrap(err, "greeting");
}

static int
read_exactly(char *to, size_t n, struct err *err)
{
    while (n > 0) {
        ssize_t r = read(STDIN_FILENO, to, n);

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return err_errno(err, "stdin");
        if (r == 0)
            return err_set(err, ERR_PROTO, "stdin ended early");
        to += r;
        n -= (size_t)r;
    }
    return 0;
}

/* Byte by byte up to the newline: what follows must not be read ahead. */
static int
read_head(size_t *n_bytes, struct err *err)
{
    char line[64];
    size_t len = 0;

    for (;;) {
        if (read_exactly(line + len, 1, err) != 0)
            return -1;
        if (line[len] == '\n' || len + 1 == sizeof line)
            break;
        len++;
    }
    line[len] = '\0';
    return join_decode_head(line, n_bytes, err);
}

int
worker_greet(struct join *j, struct err *err)
{
    char *text;
    size_t n;
    int r;

    if (say_hello(err) != 0 || read_head(&n, err) != 0)
        return -1;
    text = mem_alloc(n, 1);
    if (!text)
        return err_nomem(err);
    r = read_exactly(text, n, err);
    if (r == 0)
        r = join_decode(j, text, n, err);
    explicit_bzero(text, n); /* the key is in it */
    mem_free(text);
    return r;
}
