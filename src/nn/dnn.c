/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/dnn.h"

#include "base/err.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

int
dnn_check(dnnl_status_t status, const char *what, struct err *err)
{
    static const char *const reasons[] = {
        "success",         "out of memory", "invalid arguments",
        "not implemented", "iterator ends", "runtime error",
        "not required",
    };

    if (status == dnnl_success)
        return 0;
    if (status == dnnl_out_of_memory)
        return err_nomem(err);
    return err_set(err, ERR_FAIL, "oneDNN: %s: %s", what,
                   (size_t)status < ARRAY_LEN(reasons) ? reasons[status]
                                                       : "unknown error");
}

int
dnn_open(struct dnn *d, struct err *err)
{
    memset(d, 0, sizeof *d);
    /* The number of threads of a net is set through OpenMP (par.h). */
    if (dnnl_version()->cpu_runtime != DNNL_RUNTIME_OMP)
        return err_set(err, ERR_FAIL,
                       "oneDNN %d.%d was built without OpenMP, expected one "
                       "with it",
                       dnnl_version()->major, dnnl_version()->minor);
    if (dnn_check(dnnl_engine_create(&d->engine, dnnl_cpu, 0), "engine", err) !=
            0 ||
        dnn_check(dnnl_stream_create(&d->stream, d->engine,
                                     dnnl_stream_default_flags),
                  "stream", err) != 0) {
        dnn_close(d);
        return -1;
    }
    return 0;
}

void
dnn_close(struct dnn *d)
{
    if (d->stream)
        dnnl_stream_destroy(d->stream);
    if (d->engine)
        dnnl_engine_destroy(d->engine);
    memset(d, 0, sizeof *d);
}

int
dnn_layout(dnnl_memory_desc_t *md, int n_dims, const dnnl_dim_t *dim,
           dnnl_format_tag_t tag, struct err *err)
{
    dnnl_dims_t d;

    memcpy(d, dim, (size_t)n_dims * sizeof d[0]);
    return dnn_check(dnnl_memory_desc_init_by_tag(md, n_dims, d, dnnl_f32, tag),
                     "layout", err);
}

int
dnn_relayout(dnnl_memory_desc_t *md, const dnnl_memory_desc_t *like,
             dnnl_format_tag_t tag, struct err *err)
{
    return dnn_layout(md, like->ndims, like->dims, tag, err);
}

dnnl_format_tag_t
dnn_plain(int n_dims)
{
    static const dnnl_format_tag_t tags[] = {dnnl_format_tag_undef,
                                             dnnl_a,
                                             dnnl_ab,
                                             dnnl_abc,
                                             dnnl_abcd,
                                             dnnl_abcde};

    return tags[n_dims];
}

bool
dnn_equal(const dnnl_memory_desc_t *a, const dnnl_memory_desc_t *b)
{
    return dnnl_memory_desc_equal(a, b);
}

/* No blocks and no padding: only strides say where an element is. */
static bool
is_strided(const dnnl_memory_desc_t *md)
{
    if (md->format_kind != dnnl_blocked ||
        md->format_desc.blocking.inner_nblks != 0 || md->offset0 != 0)
        return false;
    for (int i = 0; i < md->ndims; i++)
        if (md->padded_dims[i] != md->dims[i])
            return false;
    return true;
}

bool
dnn_same_bytes(const dnnl_memory_desc_t *a, const dnnl_memory_desc_t *b)
{
    if (dnnl_memory_desc_equal(a, b))
        return true;
    if (a->ndims != b->ndims || a->data_type != b->data_type ||
        !is_strided(a) || !is_strided(b))
        return false;
    for (int i = 0; i < a->ndims; i++)
        if (a->dims[i] != b->dims[i] ||
            (a->dims[i] > 1 && a->format_desc.blocking.strides[i] !=
                                   b->format_desc.blocking.strides[i]))
            return false;
    return true;
}

size_t
dnn_bytes(const dnnl_memory_desc_t *md)
{
    return dnnl_memory_desc_get_size(md);
}

static bool
has_tag(const dnnl_memory_desc_t *md, dnnl_format_tag_t tag)
{
    dnnl_memory_desc_t want;

    return md->ndims == 4 &&
           dnnl_memory_desc_init_by_tag(&want, 4, md->dims, dnnl_f32, tag) ==
               dnnl_success &&
           dnn_same_bytes(md, &want);
}

bool
dnn_get_pixels(const dnnl_memory_desc_t *md, struct dnn_pixels *px)
{
    size_t lanes;

    if (has_tag(md, dnnl_nhwc))
        lanes = (size_t)md->dims[1];
    else if (has_tag(md, dnnl_nChw8c))
        lanes = 8;
    else if (has_tag(md, dnnl_nChw16c))
        lanes = 16;
    else
        return false;
    px->units = (size_t)md->dims[0] * ((size_t)md->padded_dims[1] / lanes);
    px->height = (size_t)md->dims[2];
    px->width = (size_t)md->dims[3];
    px->lanes = lanes;
    return true;
}

const char *
dnn_layout_name(const dnnl_memory_desc_t *md)
{
    if (md->ndims == 2)
        return "nc";
    if (has_tag(md, dnnl_nchw))
        return "nchw";
    if (has_tag(md, dnnl_nhwc))
        return "nhwc";
    if (has_tag(md, dnnl_nChw8c))
        return "nChw8c";
    if (has_tag(md, dnnl_nChw16c))
        return "nChw16c";
    return "blocked";
}

/* 2.6: single precision with AVX-512 only. */
bool
dnn_has_winograd(void)
{
    dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();

    return (isa & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core;
}

const char *
dnn_processor(char *to, size_t cap)
{
    static const char key[] = "model name\t: ";
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "re");

    snprintf(to, cap, "unknown processor");
    while (f && fgets(line, sizeof line, f)) {
        if (strncmp(line, key, sizeof key - 1) != 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(to, cap, "%s", line + sizeof key - 1);
        break;
    }
    if (f)
        fclose(f);
    return to;
}
