/* SPDX-License-Identifier: Apache-2.0 */
#include "base/limits.h"

#include "base/err.h"

#include <sys/resource.h>

int
limits_raise_files(uint64_t need, uint64_t want, struct err *err)
{
    struct rlimit l, old;

    want = want > need ? want : need;
    if (getrlimit(RLIMIT_NOFILE, &l) != 0)
        return err_errno(err, "limit of open files");
    old = l;
    if (l.rlim_cur < want) { /* RLIM_INFINITY is the largest number */
        l.rlim_cur = l.rlim_max < want ? l.rlim_max : (rlim_t)want;
        if (setrlimit(RLIMIT_NOFILE, &l) != 0)
            l = old; /* refused: go on with what there is */
    }
    if (l.rlim_cur >= need)
        return 0;
    return err_set(
        err, ERR_SYS,
        "%llu open files are needed, the limit is %llu: raise it with "
        "\"ulimit -n %llu\" (the administrator raises the hard "
        "one, \"ulimit -Hn\", in limits.conf)",
        (unsigned long long)need, (unsigned long long)l.rlim_cur,
        (unsigned long long)need);
}
