/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/ways.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "nn/layer.h"
#include "nn/layers/types.h"

#include <string.h>

static const char *const images_names[] = {"rule", "blocked", "nhwc"};
static const char letters[] = "dwo";

/* The next word of *text, ended by one space or the end of the string. */
static size_t
next_word(const char **text, const char **word)
{
    size_t n = strcspn(*text, " ");

    *word = *text;
    *text += n + ((*text)[n] == ' ');
    return n;
}

static int
read_images(const char **text, enum images *images, struct err *err)
{
    const char *word;
    size_t n = next_word(text, &word);

    for (size_t i = 0; i < ARRAY_LEN(images_names); i++)
        if (n == strlen(images_names[i]) && !memcmp(word, images_names[i], n)) {
            *images = (enum images)i;
            return 0;
        }
    return err_set(err, ERR_CONFIG,
                   "expected rule, blocked or nhwc at first, got \"%.*s\"",
                   (int)(n < 32 ? n : 32), word);
}

static int
read_layer(const char **text, const struct layer *l, struct layer_ways *to,
           struct err *err)
{
    const char *word, *letter;
    size_t n = next_word(text, &word), len = n;

    for (size_t i = 0; n == N_PASSES && i < N_PASSES; i++) {
        letter = memchr(letters, word[i], N_WAYS);
        if (!letter)
            n = 0;
        else
            to->pass[i] = (unsigned char)(letter - letters);
    }
    return n == N_PASSES
               ? 0
               : err_set(err, ERR_CONFIG,
                         "expected three of the letters %s for \"%s\", got "
                         "\"%.*s\"",
                         letters, l->name, (int)(len < 32 ? len : 32), word);
}

int
graph_set_ways(struct graph *g, const char *text, struct err *err)
{
    struct ways w = {.images = IMAGES_RULE};

    if (!text) {
        mem_free(g->ways.layer);
        g->ways = w;
        return 0;
    }
    w.layer = mem_alloc(g->n, sizeof *w.layer);
    if (!w.layer)
        return err_nomem(err);
    if (read_images(&text, &w.images, err) != 0)
        goto fail;
    for (size_t i = 0; i < g->n; i++)
        if (g->layer[i].type == &layer_conv2d &&
            read_layer(&text, &g->layer[i], &w.layer[i], err) != 0)
            goto fail;
    if (*text) {
        err_set(err, ERR_CONFIG,
                "\"%.32s\" is more than one word for each "
                "convolution",
                text);
        goto fail;
    }
    mem_free(g->ways.layer);
    g->ways = w;
    return 0;
fail:
    mem_free(w.layer);
    return -1;
}

void
graph_get_ways(const struct graph *g, struct buf *to)
{
    if (!g->ways.layer)
        return;
    buf_adds(to, images_names[g->ways.images]);
    for (size_t i = 0; i < g->n; i++) {
        const unsigned char *way = g->ways.layer[i].pass;

        if (g->layer[i].type == &layer_conv2d)
            buf_addf(to, " %c%c%c", letters[way[0]], letters[way[1]],
                     letters[way[2]]);
    }
}

const char *
graph_get_images(const struct graph *g)
{
    return images_names[g->ways.images];
}
