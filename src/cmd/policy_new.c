/* SPDX-License-Identifier: Apache-2.0 */
/* ebsp policy new: a plugin to start from, with a note on how to build it. */
#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "cmd/policy.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MAX_NAME 32
#define MAX_FILE ((size_t)1 << 16)

static bool
is_name(const char *s)
{
    if (strlen(s) > MAX_NAME || !islower((unsigned char)*s))
        return false;
    for (; *s; s++)
        if (!islower((unsigned char)*s) && !isdigit((unsigned char)*s) &&
            *s != '-')
            return false;
    return true;
}

/* One line of a template, with the name put in. */
static void
add_line(struct buf *b, const char *line, const char *name)
{
    static const char mark[] = "@NAME@";
    const char *at;

    while ((at = strstr(line, mark)) != NULL) {
        buf_add(b, line, (size_t)(at - line));
        buf_adds(b, name);
        line = at + strlen(mark);
    }
    buf_addf(b, "%s\n", line);
}

static int
write_file(const char *path, const char *const *lines, const char *name,
           struct err *err)
{
    struct buf b = BUF_INIT(MAX_FILE);
    int r;

    for (; *lines; lines++)
        add_line(&b, *lines, name);
    r = buf_ok(&b, err) == 0 ? fs_write(path, b.data, b.len, err) : -1;
    buf_release(&b);
    return r;
}

/* Both or neither: nothing of the user's is overwritten. */
static int
write_both(const char *source, const char *readme, const char *name,
           struct err *err)
{
    const char *there = fs_exists(source)   ? source
                        : fs_exists(readme) ? readme
                                            : NULL;

    if (there)
        return err_set(err, ERR_FAIL, "%s: exists already", there);
    if (write_file(source, policy_template, name, err) != 0)
        return -1;
    if (write_file(readme, policy_readme, name, err) != 0) {
        fs_remove(source, NULL);
        return -1;
    }
    printf("wrote %s and %s\n", source, readme);
    return 0;
}

int
policy_new(const struct policy_args *args, struct err *err)
{
    const char *folder = args->folder ? args->folder : "";
    char *file, *source = NULL, *readme = NULL;
    int r = -1;

    if (!is_name(args->name))
        return err_set(err, ERR_USAGE,
                       "new: \"%.100s\" is no name for a policy, expected "
                       "a-z, 0-9 and -, at most %d, a letter first",
                       args->name, MAX_NAME);
    file = mem_printf("%s.c", args->name);
    if (file) {
        source = fs_join(folder, file);
        mem_free(file);
    }
    file = mem_printf("%s.README", args->name);
    if (file) {
        readme = fs_join(folder, file);
        mem_free(file);
    }
    if (source && readme)
        r = write_both(source, readme, args->name, err);
    else
        err_nomem(err);
    mem_free(source);
    mem_free(readme);
    return r;
}
