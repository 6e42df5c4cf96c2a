/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/ssh.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "io/child.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#define MAX_WORDS 64

struct ssh {
    char *command; /* as it was said */
    char *text;    /* the command, with a zero behind each word */
    const char *word[MAX_WORDS];
    size_t n_words;
    char *remote_path;
};

/* No program of ours may wait for somebody to type, nothing of the session is
 * forwarded, and a connection that is shared must not be ours: it would not end
 * with the worker. Whatever else the user's configuration says holds; host keys
 * above all. */
static const char *const options[] = {
    "-T", /* no terminal */
    "-a", /* no agent */
    "-x", /* no X11 */
    "-oBatchMode=yes",
    "-oConnectTimeout=10",
    "-oClearAllForwardings=yes",
    "-oControlMaster=no",
    "-oPermitLocalCommand=no",
    "-oRemoteCommand=none",
    "--",
};

/* ---- what the user says -------------------------------------------------- */

static int
split(struct ssh *s, const char *command, struct err *err)
{
    char *to = s->text;

    for (const char *p = command;; s->n_words++) {
        char quote = '\0';

        while (isspace((unsigned char)*p))
            p++;
        if (!*p)
            break;
        if (s->n_words == MAX_WORDS)
            return err_set(err, ERR_USAGE, "--ssh: more than %d words",
                           MAX_WORDS);
        s->word[s->n_words] = to;
        for (; *p && (quote || !isspace((unsigned char)*p)); p++) {
            if (quote ? *p == quote : *p == '\'' || *p == '"')
                quote = quote ? '\0' : *p;
            else
                *to++ = *p;
        }
        if (quote)
            return err_set(err, ERR_USAGE, "--ssh: no closing %c in \"%s\"",
                           quote, command);
        *to++ = '\0';
    }
    if (s->n_words == 0 || !*s->word[0])
        return err_set(err, ERR_USAGE, "--ssh: expected a command, got \"%s\"",
                       command);
    return 0;
}

static int
check_remote_path(const char *path, struct err *err)
{
    const char *p = strncmp(path, "~/", 2) == 0 ? path + 2 : path;

    if (!*p || *p == '-')
        return err_set(err, ERR_USAGE,
                       "--remote-path: expected the path of ebsp on the "
                       "hosts, got \"%s\"",
                       path);
    for (; *p; p++)
        if (!isascii((unsigned char)*p) ||
            (!isalnum((unsigned char)*p) && !strchr("/._+-", *p)))
            return err_set(err, ERR_USAGE,
                           "--remote-path \"%s\": letters, digits and /._+- "
                           "only; anything else may mean something to a "
                           "login shell",
                           path);
    return 0;
}

struct ssh *
ssh_new(const char *command, const char *remote_path, struct err *err)
{
    struct ssh *s = mem_alloc(1, sizeof *s);

    if (!s) {
        err_nomem(err);
        return NULL;
    }
    if (!command)
        command = "ssh";
    if (!remote_path)
        remote_path = "ebsp";
    s->text = mem_alloc(strlen(command) + 1, 1);
    s->command = mem_strdup(command);
    s->remote_path = mem_strdup(remote_path);
    if (!s->text || !s->command || !s->remote_path)
        err_nomem(err);
    else if (split(s, command, err) == 0 &&
             check_remote_path(remote_path, err) == 0)
        return s;
    ssh_free(s);
    return NULL;
}

void
ssh_free(struct ssh *s)
{
    if (!s)
        return;
    mem_free(s->text);
    mem_free(s->command);
    mem_free(s->remote_path);
    mem_free(s);
}

const char *
ssh_get_remote_path(const struct ssh *s)
{
    return s->remote_path;
}

/* ---- the command --------------------------------------------------------- */

/* "user@[::1]" without the brackets, which only ebsp wants. */
static void
put_host(char *to, const char *host)
{
    for (; *host; host++)
        if (*host != '[' && *host != ']')
            *to++ = *host;
    *to = '\0';
}

const char **
ssh_argv(const struct ssh *s, const char *host, const char *const *words,
         struct err *err)
{
    /* ssh gets no message about our end: the kernel is asked to kill it. */
    static const char *const guard[] = {"/proc/self/exe", "worker", "--exec"};
    size_t n = ARRAY_LEN(guard) + s->n_words + ARRAY_LEN(options) + 4, i = 0;
    const char **argv;
    char *name;

    for (size_t k = 0; words[k]; k++)
        n++;
    argv = mem_alloc(1, n * sizeof *argv + strlen(host) + 1);
    if (!argv) {
        err_nomem(err);
        return NULL;
    }
    name = (char *)(argv + n);
    put_host(name, host);
    for (size_t k = 0; k < ARRAY_LEN(guard); k++)
        argv[i++] = guard[k];
    for (size_t k = 0; k < s->n_words; k++)
        argv[i++] = s->word[k];
    for (size_t k = 0; k < ARRAY_LEN(options); k++)
        argv[i++] = options[k];
    argv[i++] = name;
    /* The shell makes room for ebsp, so that sshd is its parent and it dies
     * with the session.  "exec" is the same in every shell. */
    argv[i++] = "exec";
    argv[i++] = s->remote_path;
    for (size_t k = 0; words[k]; k++)
        argv[i++] = words[k];
    return argv;
}

/* ---- what ssh says ------------------------------------------------------- */

/* What stands in its last lines, and what that means. %s: the host, %c: the
 * command of --ssh. */
static const struct meaning {
    const char *text;
    enum err_code code;
    const char *advice;
} meanings[] = {
    {"has changed and you have requested strict checking", ERR_PROTO,
     "its host key is not the one in known_hosts: find out why before you "
     "forget the old one with \"ssh-keygen -R\""},
    {"Host key verification failed", ERR_PROTO,
     "its host key is not known: run \"%c %s true\" once by hand and compare "
     "the fingerprint"},
    {"Permission denied", ERR_PROTO,
     "\"%c -oBatchMode=yes %s true\" must work without a password: put your "
     "public key into ~/.ssh/authorized_keys there, or load it into ssh-agent"},
    {"Could not resolve hostname", ERR_CONFIG,
     "no such host: is the name right, or an alias missing in ~/.ssh/config"},
    {"Connection refused", ERR_SYS,
     "no sshd answers there: does it run, on this port"},
    {"timed out", ERR_SYS,
     "no answer: is the host up, and not behind a firewall"},
    {"No route to host", ERR_SYS, "is the host up, and in this network"},
    {"", ERR_SYS, ""}, /* everybody has said this */
};

static bool
says(const struct child *c, const char *text)
{
    const char *line;

    for (int i = 0; (line = child_get_last_line(c, i)); i++)
        if (strstr(line, text))
            return true;
    return *text == '\0';
}

static enum err_code
explain_ssh(const struct ssh *s, const char *host, const struct child *c,
            struct buf *to)
{
    const struct meaning *m = meanings;

    while (!says(c, m->text))
        m++;
    buf_addf(to, "ssh cannot connect%s", *m->advice ? ": " : "");
    for (const char *p = m->advice; *p; p++)
        if (*p != '%')
            buf_add(to, p, 1);
        else if (*++p == 'c')
            buf_addf(to, "%.200s", s->command);
        else
            buf_adds(to, host);
    return m->code;
}

enum err_code
ssh_explain(const struct ssh *s, const char *host, int status, bool greeted,
            const struct child *c, struct buf *to)
{
    if (greeted && status != 255)
        return ERR_OK;
    if (greeted) {
        buf_adds(to, "the worker was killed there, or the connection is lost "
                     "(ssh ended with exit status 255)");
        return ERR_WORKERS;
    }
    if (says(c, "ebsp worker: start \"")) { /* our own word, of --exec */
        buf_addf(to, "no command \"%s\" here, see --ssh", s->word[0]);
        return ERR_CONFIG;
    }
    if (status == 255)
        return explain_ssh(s, host, c, to);
    if (status == 127 || says(c, "not found") || says(c, "Unknown command") ||
        says(c, "No such file or directory"))
        buf_addf(to,
                 "no \"%s\" there: install ebsp, or say by --remote-path "
                 "where it is",
                 s->remote_path);
    else
        buf_addf(to,
                 "\"%s worker\" ended with exit status %d and did not say "
                 "which ebsp it is",
                 s->remote_path, status);
    return ERR_CONFIG;
}
