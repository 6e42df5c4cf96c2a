/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "base/str.h"
#include "codec/impl.h"

#include <math.h>

#define DEFAULT_SHARE 0.01

static const char *const kinds[] = {"none", "fp16",    "bf16", "int8",
                                    "topk", "randomk", "sign", NULL};

static int
read_share(struct codec_spec *s, const char *text, const char *share,
           struct err *err)
{
    if (s->kind != CODEC_TOPK && s->kind != CODEC_RANDOMK)
        return err_set(err, ERR_CONFIG, "\"%s\": %s has no share", text,
                       kinds[s->kind]);
    if (!str_f64(share, &s->share) || s->share <= 0 || s->share > 1)
        return err_set(err, ERR_CONFIG,
                       "\"%s\": expected a share above 0, at most 1, such as "
                       "\"%s:0.01\"",
                       text, kinds[s->kind]);
    return 0;
}

int
codec_spec_parse(struct codec_spec *s, const char *text, struct err *err)
{
    size_t len = strcspn(text, ":");
    char word[16] = "";
    const char *near;

    *s = (struct codec_spec){.feedback = true, .share = DEFAULT_SHARE};
    if (len < sizeof word)
        memcpy(word, text, len);
    for (int i = 0; kinds[i]; i++) {
        if (strcmp(word, kinds[i]) != 0)
            continue;
        s->kind = (enum codec_kind)i;
        return text[len] ? read_share(s, text, text + len + 1, err) : 0;
    }
    near = str_nearest(word, kinds);
    return err_set(err, ERR_CONFIG,
                   "\"%s\": expected none, fp16, bf16, int8, topk:SHARE, "
                   "randomk:SHARE or sign%s%s%s",
                   text, near ? "; did you mean \"" : "", near ? near : "",
                   near ? "\"?" : "");
}

size_t
codec_keep(const struct codec_spec *s, size_t n)
{
    double k = ceil(s->share * (double)n);

    return k < 1 ? 1 : k > (double)n ? n : (size_t)k;
}
