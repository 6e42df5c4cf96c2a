/* SPDX-License-Identifier: Apache-2.0 */
/* Shorthands for the actions of ABI 1.0, shared by the plugins of this tree.
 * Each returns what host->act does. */
#ifndef EBSP_PLUGINS_ACT_H
#define EBSP_PLUGINS_ACT_H

#include <ebsp/policy.h>

static inline int32_t
act_add(const struct ebsp_host *host, uint32_t worker, double weight)
{
    struct ebsp_action a = {.struct_size = sizeof a,
                            .kind = EBSP_ACTION_ADD,
                            .worker = worker,
                            .weight = weight};

    return host->act(host->ctx, &a);
}

static inline int32_t
act_commit(const struct ebsp_host *host, double weight)
{
    struct ebsp_action a = {
        .struct_size = sizeof a, .kind = EBSP_ACTION_COMMIT, .weight = weight};

    return host->act(host->ctx, &a);
}

static inline int32_t
act_drop(const struct ebsp_host *host, uint32_t worker)
{
    struct ebsp_action a = {
        .struct_size = sizeof a, .kind = EBSP_ACTION_DROP, .worker = worker};

    return host->act(host->ctx, &a);
}

/* With fresh parameters, for one gradient on one mini-batch. */
static inline int32_t
act_release(const struct ebsp_host *host, uint32_t worker)
{
    struct ebsp_action a = {
        .struct_size = sizeof a, .kind = EBSP_ACTION_RELEASE, .worker = worker};

    return host->act(host->ctx, &a);
}

#endif
