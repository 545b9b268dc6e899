// SPDX-License-Identifier: MIT
/* The supervisor's descriptors are closed by number, all but those in use, so that nothing that is
 * added there later can leak into the process that talks to the network. */
#include "main/worker_process.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/pool.h"
#include "main/daemon.h"
#include "main/log_files.h"
#include "main/memory_limit.h"
#include "main/sandbox.h"
#include "main/signals.h"
#include "main/title.h"
#include "main/worker.h"

enum {
    KEPT_MOST = 16,
    DESCRIPTORS_BESIDE = 64,             /* sinks, channel, names */
    DESCRIPTORS_PER_LOOP = 68,           /* its own, and kernel pipes that rest */
    DESCRIPTORS_PER_CACHE = 512,         /* with a directory */
    SEGMENT_BYTES = 256 * 1024 * 1024    /* of a cache too large for that */
};

/* ---- descriptors ---- */

/* What the thread's log writes to, until the worker has logs of its own. */
static unsigned log_fds(int *fds, unsigned most)
{
    unsigned count = 0;

    for (const struct log *log = log_used(); log != NULL && count < most; log = log->next)
        fds[count++] = main_log_fd(log);
    return count;
}

static int fd_compare(const void *a, const void *b)
{
    int first = *(const int *)a, second = *(const int *)b;

    return (first > second) - (first < second);
}

static void close_between(unsigned from, unsigned to)
{
    if (from <= to)
        (void)close_range(from, to, 0);
}

static void close_all_but(int *kept, unsigned count)
{
    unsigned from = STDERR_FILENO + 1;

    qsort(kept, count, sizeof(*kept), fd_compare);
    for (unsigned i = 0; i < count; i++) {
        if (kept[i] < (int)from)
            continue;
        close_between(from, (unsigned)kept[i] - 1);
        from = (unsigned)kept[i] + 1;
    }
    close_between(from, ~0u);
}

static void descriptors_let_go(int channel)
{
    int      kept[KEPT_MOST];
    unsigned count = log_fds(kept, KEPT_MOST - 1);

    kept[count++] = channel;
    close_all_but(kept, count);
}

/* ---- limits ---- */

/* A descriptor per segment, of which there are more the larger the cache is, and those of large
 * bodies that are being read and written. */
static uint64_t descriptors_of_caches(const struct site *site)
{
    uint64_t count = 0;

    for (const struct cache_zone *zone = site->cache_zones; zone != NULL; zone = zone->next)
        if (zone->path.ptr != NULL)
            count += DESCRIPTORS_PER_CACHE + zone->max_size / SEGMENT_BYTES;
    return count;
}

static uint64_t descriptors_needed(const struct generation *generation)
{
    uint64_t per_loop = (uint64_t)generation->config->core.worker_connections + DESCRIPTORS_PER_LOOP;

    return per_loop * generation->loop_count + DESCRIPTORS_BESIDE +
           descriptors_of_caches(&generation->config->site);
}

static void nofile_set(const struct generation *generation)
{
    uint64_t      asked = generation->config->core.nofile, needed = descriptors_needed(generation);
    uint64_t      connections =
        (uint64_t)generation->config->core.worker_connections * generation->loop_count;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    if (asked > 0) {
        limit.rlim_cur = limit.rlim_max = asked;
    } else if (limit.rlim_cur < needed) {
        limit.rlim_cur = needed < limit.rlim_max ? needed : limit.rlim_max;
    }
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        log_at(LOG_ERROR, NULL, "setrlimit(RLIMIT_NOFILE, %llu) failed %s",
               (unsigned long long)limit.rlim_cur, log_errno(errno).text);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < connections)
        log_at(LOG_WARN, NULL,
               "%u worker_connections for each of %u loops exceed open file "
               "resource limit: %llu",
               generation->config->core.worker_connections, generation->loop_count,
               (unsigned long long)limit.rlim_cur);
}

static void priority_set(const struct core *core)
{
    if (core->priority != 0 && setpriority(PRIO_PROCESS, 0, core->priority) < 0)
        log_at(LOG_ERROR, NULL, "setpriority(%d) failed %s", core->priority, log_errno(errno).text);
}

static void environment_set(const struct core *core)
{
    struct arena *arena = arena_new();

    for (unsigned i = 0; i < core->keep_env_count; i++) {
        struct text entry = core->keep_env[i];
        size_t      equals = text_find(entry, '=');

        if (equals < entry.len)
            (void)setenv(arena_string(arena, text_part(entry, 0, equals)),
                         arena_string(arena, text_from_offset(entry, equals + 1)), 1);
    }
    arena_free(&arena);
}

static void directory_set(const struct core *core)
{
    struct arena *arena = arena_new();

    if (core->working_directory.len > 0 && chdir(arena_string(arena, core->working_directory)) < 0)
        log_at(LOG_ERROR, NULL, "chdir(\"%.*s\") failed %s", TEXT_ARGS(core->working_directory),
               log_errno(errno).text);
    arena_free(&arena);
}

static _Noreturn void give_up(const char *call)
{
    log_at(LOG_EMERG, NULL, "%s failed %s", call, log_errno(errno).text);
    exit(2);
}

void worker_process_run(const struct generation *generation, int channel)
{
    const struct core *core = &generation->config->core;
    const char        *call;
    int                signal_fd, status;

    title_set_worker();
    config_forget_keys(generation->config);   /* they come again, through the channel */
    if (core->is_daemon)
        daemon_let_go_stderr();
    descriptors_let_go(channel);
    if (signals_open(&signal_fd) < 0)
        give_up("signalfd()");
    nofile_set(generation);
    priority_set(core);
    if (identity_become(&generation->identity, &call) < 0)
        give_up(call);
    directory_set(core);
    environment_set(core);
    memory_limit_look();
    sandbox_enter(generation->config);
    status = worker_run(channel, signal_fd);
    pools_drain();
    exit(status);
}
