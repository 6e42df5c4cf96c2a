/* SPDX-License-Identifier: Apache-2.0 */
/* What a machine is and how busy: from /proc, as Linux tells it. */
#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "worker/fetch.h"
#include "worker/probe_impl.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* What oneDNN chooses its code by; of the many flags of a processor only these
 * are told, and in this order. */
static const char *const features[] = {
    "sse4_2",      "avx",      "avx2",        "fma",      "f16c",
    "avx512f",     "avx_vnni", "avx512_vnni", "avx512bw", "avx512_bf16",
    "avx512_fp16", "amx_tile", "amx_bf16",    "amx_int8", "asimd",
    "asimddp",     "bf16",     "i8mm",        "sve",      "sve2",
};

/* The value of the first line "KEY : VALUE" of a text in /proc. */
static bool
find_value(const struct buf *text, const char *key, char *to, size_t cap)
{
    size_t n = strlen(key);
    const char *p = text->data, *colon;

    for (; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
        if (strncmp(p, key, n) != 0 || !strchr(" \t:", p[n]))
            continue;
        colon = strchr(p, ':');
        if (!colon)
            return false;
        colon += 1 + strspn(colon + 1, " \t");
        snprintf(to, cap, "%.*s", (int)strcspn(colon, "\n"), colon);
        return true;
    }
    return false;
}

static bool
has_word(const char *text, const char *word)
{
    size_t n = strlen(word);

    for (const char *p = text; (p = strstr(p, word)); p += n)
        if ((p == text || p[-1] == ' ') && (p[n] == ' ' || !p[n]))
            return true;
    return false;
}

static void
say_processor(void)
{
    struct buf text = BUF_INIT((size_t)16 << 20);
    char value[8192], have[512] = "";

    if (fs_read("/proc/cpuinfo", &text, NULL) != 0)
        goto out;
    if (find_value(&text, "model name", value, sizeof value) ||
        find_value(&text, "CPU part", value, sizeof value))
        probe_say("cpu_model", "%.120s", value);
    if (!find_value(&text, "flags", value, sizeof value) &&
        !find_value(&text, "Features", value, sizeof value))
        goto out;
    for (size_t i = 0; i < ARRAY_LEN(features); i++)
        if (has_word(value, features[i])) {
            size_t n = strlen(have);

            snprintf(have + n, sizeof have - n, "%s%s", n ? " " : "",
                     features[i]);
        }
    probe_say("cpu_features", "%s", have);
out:
    buf_release(&text);
}

/* "16384 kB" */
static void
say_kib(const struct buf *text, const char *from, const char *key)
{
    char value[64];

    if (find_value(text, from, value, sizeof value))
        probe_say(key, "%llu",
                  (unsigned long long)strtoull(value, NULL, 10) * 1024);
}

static void
say_memory(void)
{
    struct buf text = BUF_INIT((size_t)1 << 20);

    if (fs_read("/proc/meminfo", &text, NULL) == 0) {
        say_kib(&text, "MemTotal", "memory_total");
        say_kib(&text, "MemAvailable", "memory_available");
    }
    buf_release(&text);
}

/* A folder that is not there yet will be in the first one above it that is. */
static void
say_space(const char *key, const char *path)
{
    char *dir = mem_strdup(path);
    uint64_t n;

    while (dir && !fs_exists(dir)) {
        char *slash = strrchr(dir, '/');

        if (!slash || slash == dir)
            break;
        *slash = '\0';
    }
    if (dir && fs_space(dir, &n, NULL) == 0)
        probe_say(key, "%llu", (unsigned long long)n);
    mem_free(dir);
}

/* Hosts with the same number are one machine. */
static void
say_machine_id(void)
{
    struct buf text = BUF_INIT(4096);

    if (fs_read("/proc/sys/kernel/random/boot_id", &text, NULL) == 0)
        probe_say("machine", "%.*s", (int)strcspn(text.data, "\n"), text.data);
    buf_release(&text);
}

void
probe_machine(const struct join *j)
{
    struct utsname name;
    cpu_set_t cpus;
    char *cache;
    double load;

    probe_say("version", "%s", join_version());
    if (uname(&name) == 0)
        probe_say("kernel", "%s %s %s", name.sysname, name.release,
                  name.machine);
    say_machine_id();
    say_processor();
    /* Those that this process may use, which is what workers will get. */
    if (sched_getaffinity(0, sizeof cpus, &cpus) == 0)
        probe_say("cpus", "%d", CPU_COUNT(&cpus));
    else
        probe_say("cpus", "%ld", sysconf(_SC_NPROCESSORS_ONLN));
    say_memory();
    if (getloadavg(&load, 1) == 1)
        probe_say("load", "%.2f", load);
    say_space("disk_here", ".");
    if (j->data_dir)
        say_space("disk_data", j->data_dir);
    cache = fetch_cache_dir(NULL);
    if (cache)
        say_space("disk_cache", cache);
    mem_free(cache);
}
