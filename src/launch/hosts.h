/* SPDX-License-Identifier: Apache-2.0 */
/* The hosts of a run, and which worker runs on which of them. */
#ifndef EBSP_LAUNCH_HOSTS_H
#define EBSP_LAUNCH_HOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

#define HOST_LOCAL      "local" /* this machine, without ssh */
#define HOST_MAX_NAME   255
#define HOSTS_MAX_SLOTS 65536 /* of a host, and of all together */
#define HOSTS_MAX_FILE  ((size_t)4 << 20)

struct host {
    char *name; /* "node-b", "user@[::1]", "local": as it was given */
    uint32_t slots;
};

struct hosts {
    struct host *v;
    size_t n;
    uint32_t n_slots; /* of all */
};
#define HOSTS_INIT                                                             \
    {                                                                          \
        NULL, 0, 0                                                             \
    }

/* [USER@]HOST[:SLOTS], one slot when nothing is said; an IPv6 address stands
 * in brackets.  Names are of letters, digits, '.', '_' and '-', and begin with
 * none that ssh takes for an option.  Appends; ERR_CONFIG. */
int hosts_add(struct hosts *h, const char *spec, struct err *err);
/* The same without ":SLOTS". */
int hosts_add_slots(struct hosts *h, const char *name, uint32_t slots,
                    struct err *err);
/* Specs with commas between them. */
int hosts_parse_list(struct hosts *h, const char *list, struct err *err);
/* A file's text: one host a line, "[USER@]HOST [slots=N]"; '#' begins a
 * comment.  `file` is for messages: FILE:LINE: ... */
int hosts_parse_text(struct hosts *h, const char *file, const char *text,
                     size_t len, struct err *err);
/* What --hosts takes: a file when the argument has a '/' or names a regular
 * file, else a list. */
int hosts_parse(struct hosts *h, const char *arg, struct err *err);
void hosts_release(struct hosts *h);

/* ERR_CONFIG unless it can be given to ssh. */
int hosts_check_name(const char *name, struct err *err);
bool host_is_local(const char *name);
/* The part of a name that is an address: without user and brackets.  `to`
 * holds HOST_MAX_NAME + 1. */
void host_address(char *to, const char *name);

/* Which of h->v each of n workers gets: dealt like cards, one to each host in
 * turn as long as it has slots.  ERR_CONFIG when there are too few. */
int hosts_deal(const struct hosts *h, uint32_t n, uint32_t *host_of_rank,
               struct err *err);

#endif
