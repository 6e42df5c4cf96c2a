/* SPDX-License-Identifier: Apache-2.0 */
/* What is on its way between two processes of this machine. */
#include "base/mem.h"
#include "base/str.h"
#include "chaos/proc.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_SOCKETS 64 /* of a worker: it has one */
#define ADDRESS_CAP 40 /* 32 digits, colon, 4 digits */
#define ESTABLISHED 1

enum { LOCAL = 1, REMOTE, STATE, QUEUES, INODE = 9, WORDS }; /* of a line */

struct end { /* of a connection, as /proc/net/tcp has it */
    char local[ADDRESS_CAP], remote[ADDRESS_CAP];
    uint64_t state, sending, unread, inode;
};

static size_t
list_sockets(pid_t pid, uint64_t inode[MAX_SOCKETS])
{
    char path[64], name[sizeof path + 256], to[64];
    const struct dirent *e;
    size_t n = 0;
    DIR *d;

    (void)str_printf(path, sizeof path, "/proc/%ld/fd", (long)pid);
    d = opendir(path);
    while (d && n < MAX_SOCKETS && (e = readdir(d))) {
        ssize_t len;

        (void)str_printf(name, sizeof name, "%s/%s", path, e->d_name);
        len = readlink(name, to, sizeof to - 1);
        if (len <= 0)
            continue;
        to[len] = '\0';
        if (!strncmp(to, "socket:[", 8))
            inode[n++] = strtoull(to + 8, NULL, 10);
    }
    if (d)
        closedir(d);
    return n;
}

static void
copy_word(char to[ADDRESS_CAP], const char *word)
{
    (void)str_printf(to, ADDRESS_CAP, "%.*s", (int)strcspn(word, " "), word);
}

/* "0: 0100007F:1F90 0100007F:9A2C 01 SENDING:UNREAD ..." */
static bool
read_end(const char *line, struct end *to)
{
    const char *word[WORDS];
    char *colon;

    if (proc_words(line, word, WORDS) < WORDS)
        return false;
    copy_word(to->local, word[LOCAL]);
    copy_word(to->remote, word[REMOTE]);
    to->state = strtoull(word[STATE], NULL, 16);
    to->sending = strtoull(word[QUEUES], &colon, 16);
    if (*colon != ':')
        return false; /* the line of names */
    to->unread = strtoull(colon + 1, NULL, 16);
    to->inode = strtoull(word[INODE], NULL, 10);
    return true;
}

/* Passes over the table: first its own ends, then those opposite. */
static uint64_t
add_up(FILE *f, struct end *own, size_t *n_own, const uint64_t *inode,
       size_t n_inodes)
{
    uint64_t sum = 0;
    char line[512];

    while (fgets(line, sizeof line, f)) {
        struct end e;

        if (!read_end(line, &e) || e.state != ESTABLISHED)
            continue;
        for (size_t i = 0; inode && i < n_inodes; i++)
            if (e.inode == inode[i] && *n_own < MAX_SOCKETS) {
                own[(*n_own)++] = e;
                sum += e.sending;
            }
        for (size_t i = 0; !inode && i < *n_own; i++)
            if (!strcmp(e.local, own[i].remote) &&
                !strcmp(e.remote, own[i].local))
                sum += e.unread;
    }
    return sum;
}

uint64_t
proc_unread(pid_t pid)
{
    static const char *const tables[] = {"tcp", "tcp6"};
    uint64_t inode[MAX_SOCKETS], sum = 0;
    size_t n_inodes = list_sockets(pid, inode);

    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        struct end own[MAX_SOCKETS];
        size_t n_own = 0;
        char path[64];
        FILE *f;

        (void)str_printf(path, sizeof path, "/proc/%ld/net/%s", (long)pid,
                         tables[i]);
        f = fopen(path, "re");
        if (!f)
            continue;
        sum += add_up(f, own, &n_own, inode, n_inodes);
        rewind(f);
        sum += add_up(f, own, &n_own, NULL, 0);
        (void)fclose(f);
    }
    return sum;
}
