/* SPDX-License-Identifier: Apache-2.0 */
/* The machines of a run: the options about them, and what follows from them.
 * Shared by the subcommands that start processes on other hosts. */
#ifndef EBSP_CMD_CLUSTER_H
#define EBSP_CMD_CLUSTER_H

#include "cmd/overrides.h"
#include "job/job.h"
#include "launch/hosts.h"
#include "launch/launch.h"
#include "launch/route.h"

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

struct err;
struct ssh;

struct cluster_options {
    const char *hosts, *ssh, *remote_path, *listen, *remote_data_dir;
    uint32_t fanout;
    bool insecure, tls_always, push_data;
};
#define CLUSTER_OPTIONS_INIT                                                   \
    {                                                                          \
        .fanout = LAUNCH_FANOUT                                                \
    }

/* For the `children` of a subcommand's argp; its parser hands a struct
 * cluster_options to state->child_inputs. */
extern const struct argp cluster_argp;

/* Makes --hosts an override of the job's "hosts", so that the job of a run says
 * where it ran; and of "workers", one for each slot, when nobody else has
 * overridden that. */
int cluster_override(const struct cluster_options *o, struct overrides *to,
                     struct err *err);

struct cluster {
    const struct cluster_options *options;
    struct hosts hosts; /* empty: any number of workers here */
    bool *is_remote;    /* [hosts.n]: not this machine: connects to `remote` */
    struct ssh *ssh;
    struct launch_options launch;
    char remote[ROUTE_CAP]; /* of our addresses: to listen on for workers on
                               other machines; "": there are none */
    uint16_t remote_port;   /* 0: any */
};

/* Reads the job's hosts, makes it have as many workers as they have slots when
 * it does not say, checks that there are enough, and finds out to which of our
 * addresses they connect.  Names are resolved: this may take a while. */
int cluster_init(struct cluster *c, const struct cluster_options *o,
                 struct job *j, struct err *err);
void cluster_release(struct cluster *c);

/* Whether workers elsewhere can be listened for; ERR_SYS. */
int cluster_try_listen(const struct cluster *c, struct err *err);

/* Makes room for the open files that n processes, here or there, cost this one,
 * and if it can for `most`; ERR_SYS, with the number, when there is none. */
int cluster_make_room(uint32_t n, uint32_t most, struct err *err);

/* The same for a host that was not among them: an error when its workers would
 * need an address that nobody listens on. */
int cluster_find(const struct cluster *c, const char *host, bool *is_remote,
                 struct err *err);

#endif
