/* SPDX-License-Identifier: Apache-2.0 */
#include "job/events_read.h"

#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int
events_reader_open(struct events_reader *r, const char *path, struct err *err)
{
    memset(r, 0, sizeof *r);
    r->path = mem_strdup(path);
    if (!r->path)
        return err_nomem(err);
    r->f = fopen(path, "re");
    if (!r->f) {
        err_set(err, ERR_CONFIG, "%s: %s", path, strerror(errno));
        events_reader_close(r);
        return -1;
    }
    return 0;
}

void
events_reader_close(struct events_reader *r)
{
    json_doc_release(&r->doc);
    if (r->f)
        fclose(r->f);
    free(r->line); /* getline's */
    mem_free(r->path);
    memset(r, 0, sizeof *r);
}

int
events_reader_next(struct events_reader *r, const char **event,
                   struct jcur *root, struct err *err)
{
    char where[512];
    ssize_t n;

    json_doc_release(&r->doc);
    n = getline(&r->line, &r->cap, r->f);
    if (n <= 0)
        return ferror(r->f) ? err_errno(err, "%s", r->path) : 0;
    if (r->line[n - 1] != '\n')
        return 0;
    r->number++;
    snprintf(where, sizeof where, "%s:%d", r->path, r->number);
    if (json_doc_parse(&r->doc, where, r->line, (size_t)n, err) != 0)
        return -1;
    *root = jcur_root(&r->doc);
    if (!json_is_object(r->doc.root))
        return err_set(err, ERR_CONFIG, "%s: expected an object", where);
    return jcur_str(root, "event", event, err) == 0 ? 1 : -1;
}
