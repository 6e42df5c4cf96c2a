/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/pack.h"

#include "base/err.h"
#include "base/mem.h"
#include "job/job.h"
#include "wire/msg.h"

#include <ebsp/policy.h>

#include <string.h>

int
packer_init(struct packer *p, const struct job *job, struct err *err)
{
    size_t n = graph_get_segments(job->graph)->n_floats;

    memset(p, 0, sizeof *p);
    p->job = job;
    if (job_codec(job, &p->codec, err) != 0)
        return -1;
    if (p->codec && !(p->bytes = mem_alloc(codec_bound(p->codec, 0, n), 1)))
        return err_nomem(err);
    return 0;
}

void
packer_release(struct packer *p)
{
    debt_forget(&p->debt);
    codec_free(p->codec);
    mem_free(p->bytes);
}

void
debt_forget(struct debt *d)
{
    codec_memory_free(d->memory);
    d->memory = NULL;
}

bool
packer_is_for(const struct packer *p, const struct msg_order *o)
{
    return p->codec && o->contribution != EBSP_PUSH_MODEL;
}

int
packer_run(struct packer *p, const struct msg_order *o, float *push, size_t n,
           struct err *err)
{
    const struct msg_cursor *at = &o->step[0];
    uint64_t key = job_codec_key(p->job, at->epoch, at->shard, at->first);

    p->n_bytes = 0;
    if (!packer_is_for(p, o))
        return 0;
    /* A gradient is no part of a change of parameters. */
    if (p->debt.contribution != o->contribution)
        debt_forget(&p->debt);
    p->debt.contribution = o->contribution;
    if (!p->debt.memory && !(p->debt.memory = codec_memory_new(p->codec, err)))
        return -1;
    p->n_bytes =
        codec_encode(p->codec, p->debt.memory, key, 0, n, push, p->bytes);
    return codec_decode(p->codec, key, 0, n, p->bytes, p->n_bytes, push, err);
}
