// SPDX-License-Identifier: MIT
/* The order is that of rising cost of undoing: texts first, then users and directories, log files,
 * sockets last. Whatever fails, the former generation has lost nothing. */
#include "main/generation.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/renewal.h"
#include "main/channel.h"
#include "main/directories.h"
#include "main/memory_limit.h"
#include "main/sandbox.h"
#include "main/stapling.h"
#include "net/loop.h"

/* The control loop has a place in the tables too. */
enum { SERVING_LOOPS_MOST = LOOPS_MOST - 1 };

unsigned loop_count_auto(void)
{
    cpu_set_t set;
    int       count;

    if (sched_getaffinity(0, sizeof(set), &set) < 0)
        return 1;
    count = CPU_COUNT(&set);
    return count < 1 ? 1 : count > SERVING_LOOPS_MOST ? SERVING_LOOPS_MOST : (unsigned)count;
}

static unsigned loop_count_choose(const struct gathering *gathering, const struct core *core)
{
    unsigned wanted = core->worker_processes == 0 ? loop_count_auto() : core->worker_processes;

    if (wanted > SERVING_LOOPS_MOST) {
        report_line(gathering->report, LOG_WARN, "worker_processes is limited to %d here",
                    SERVING_LOOPS_MOST);
        wanted = SERVING_LOOPS_MOST;
    }
    if (gathering->loop_count == 0)
        return wanted;
    if (gathering->loop_count != wanted)
        report_line(gathering->report, LOG_NOTICE,
                    "worker_processes stays at %u until the next start or binary upgrade",
                    gathering->loop_count);
    return gathering->loop_count;
}

static int config_compile(const struct gathering *gathering, struct generation *generation)
{
    struct arena    *arena = arena_new();
    struct diagnoses diagnoses;

    diagnoses_init(&diagnoses, arena);
    generation->bundle = gathering->renewed != NULL
                             ? renewal_begin(gathering->former, gathering->renewed)
                             : bundle_new(gathering->options, true);
    generation->config = config_load(&generation->bundle->source, gathering->options, &diagnoses);
    report_diagnoses(gathering->report, &diagnoses);
    arena_free(&arena);
    return generation->config == NULL ? -1 : 0;
}

/* What an editor or a deployment leaves for a moment, while it writes the file anew: taken for a
 * configuration it would close every listener. */
static int emptiness_refuse(const struct gathering *gathering, struct generation *generation)
{
    struct config_source *source = &generation->bundle->source;
    struct text           path = gathering->options->path, text;

    if (generation->config->site.listens != NULL || source->read(source, path, &text) < 0 ||
        text_find(text, '{') < text.len)
        return 0;
    report_line(gathering->report, LOG_EMERG, "no \"http\" or \"server\" block in %.*s",
                TEXT_ARGS(path));
    return -EINVAL;
}

static int identity_prepare(const struct gathering *gathering, struct generation *generation)
{
    const struct core *core = &generation->config->core;
    char               message[256];
    int                error;

    error = identity_find(core->user, core->group, &generation->identity, message);
    if (error < 0)
        report_line(gathering->report, LOG_EMERG, "%s", message);
    return error;
}

/* Of which nothing foreign may stand in it. */
static bool is_of_a_cache(const struct site *site, struct text path)
{
    for (const struct cache_zone *zone = site->cache_zones; zone != NULL; zone = zone->next)
        if (zone->path.len > 0 && text_has_prefix(path, zone->path) &&
            (path.len == zone->path.len || path.ptr[zone->path.len] == '/'))
            return true;
    return false;
}

static int temp_paths_prepare(const struct gathering *gathering,
                              const struct generation *generation)
{
    const struct core     *core = &generation->config->core;
    const struct identity *identity = &generation->identity;
    int                    error = 0;

    for (unsigned i = 0; i < core->temp_path_count && error == 0; i++) {
        if (is_of_a_cache(&generation->config->site, core->temp_paths[i]))
            continue;
        error = directory_make(core->temp_paths[i], 0700, identity->uid, identity->gid);
        if (error < 0)
            report_line(gathering->report, LOG_EMERG, "mkdir() \"%.*s\" failed %s",
                        TEXT_ARGS(core->temp_paths[i]), log_errno(-error).text);
    }
    return error;
}

static int caches_prepare(const struct gathering *gathering, const struct generation *generation)
{
    const struct identity *identity = &generation->identity;

    for (const struct cache_zone *zone = generation->config->site.cache_zones; zone != NULL;
         zone = zone->next) {
        int error = zone->path.ptr == NULL
                        ? 0
                        : directory_make_own(zone->path, identity->uid, identity->gid);

        if (error == -EACCES)
            report_line(gathering->report, LOG_EMERG,
                        "the worker may not write to the cache's directory \"%.*s\" in %s:%u",
                        TEXT_ARGS(zone->path), zone->place.file, zone->place.line);
        else if (error < 0)
            report_line(gathering->report, LOG_EMERG, "mkdir() \"%.*s\" failed %s",
                        TEXT_ARGS(zone->path), log_errno(-error).text);
        if (error < 0)
            return error;
    }
    return 0;
}

static int stores_prepare(const struct gathering *gathering, const struct generation *generation)
{
    const struct identity *identity = &generation->identity;

    for (const struct name_list *at = generation->config->site.store_directories; at != NULL;
         at = at->next) {
        int error = directory_make(at->name, 0755, identity->uid, identity->gid);

        if (error < 0) {
            report_line(gathering->report, LOG_EMERG, "mkdir() \"%.*s\" failed %s",
                        TEXT_ARGS(at->name), log_errno(-error).text);
            return error;
        }
    }
    return 0;
}

static void caches_judge(const struct gathering *gathering, const struct site *site)
{
    uint64_t there = memory_there(), caches = memory_of_caches(site);

    if (caches > there - there / 4)
        report_line(gathering->report, LOG_WARN,
                    "caches may take %llu bytes of memory, and there are %llu",
                    (unsigned long long)caches, (unsigned long long)there);
}

static int directories_prepare(const struct gathering *gathering,
                               const struct generation *generation)
{
    int error = temp_paths_prepare(gathering, generation);

    if (error == 0)
        error = caches_prepare(gathering, generation);
    return error < 0 ? error : stores_prepare(gathering, generation);
}

static int text_seal(const struct gathering *gathering, struct generation *generation)
{
    struct arena *arena = arena_new();
    struct text   text = bundle_encode(generation->bundle, arena);
    int           error = text_to_fd(text, &generation->text_fd);

    explicit_bzero((char *)(uintptr_t)text.ptr, text.len);
    arena_free(&arena);
    if (error < 0)
        report_line(gathering->report, LOG_EMERG, "the configuration could not be kept %s",
                    log_errno(-error).text);
    return error;
}

static int control_prepare(const struct gathering *gathering, struct generation *generation)
{
    const struct core            *core = &generation->config->core;
    const struct control_opening opening = { .path = core->control_path,
                                             .is_needed = core->is_control_said,
                                             .purpose = gathering->purpose,
                                             .former = gathering->former,
                                             .former_file = gathering->former_control,
                                             .report = gathering->report };

    return control_socket_open(&opening, generation->bundle, &generation->control);
}

static int everything_open(const struct gathering *gathering, struct generation *generation)
{
    const struct site *site = &generation->config->site;
    int                error = emptiness_refuse(gathering, generation);

    generation->loop_count = loop_count_choose(gathering, &generation->config->core);
    caches_judge(gathering, site);
    stapling_report(site, gathering->report);
    if (error == 0)
        error = identity_prepare(gathering, generation);
    if (error == 0)
        error = directories_prepare(gathering, generation);
    if (error == 0)
        error = log_files_open(site, gathering->report, generation->bundle);
    if (error == 0)
        error = listeners_open(site, generation->loop_count, gathering->former, gathering->purpose,
                               gathering->report, generation->bundle);
    if (error == 0)
        error = control_prepare(gathering, generation);
    if (error == 0 && gathering->purpose != LISTENERS_TEST)
        error = text_seal(gathering, generation);
    return error;
}

struct generation *generation_gather(const struct gathering *gathering)
{
    static uint32_t    number;
    struct generation *generation = mem_new(sizeof(*generation));

    generation->number = ++number;
    generation->text_fd = -1;
    if (config_compile(gathering, generation) < 0 || everything_open(gathering, generation) < 0)
        generation_abandon(&generation, gathering->former_control);
    return generation;
}

static void stays_say(bool is_changed, const char *name)
{
    if (is_changed)
        log_at(LOG_WARN, NULL, "%s stays as it is until the next start or binary upgrade", name);
}

void generation_report_stays(const struct generation *former, const struct generation *next)
{
    const struct core *had = &former->config->core, *has = &next->config->core;
    struct text        logs = sandbox_closed_to_logs(former->config, next->config);
    struct text        cache = sandbox_closed_to_caches(former->config, next->config);
    struct text        store = sandbox_closed_to_stores(former->config, next->config);

    stays_say(had->is_daemon != has->is_daemon, "daemon");
    stays_say(had->has_master != has->has_master, "master_process");
    stays_say(former->identity.uid != next->identity.uid ||
                  former->identity.gid != next->identity.gid,
              "user");
    stays_say(had->nofile != has->nofile, "worker_rlimit_nofile");
    stays_say(had->worker_connections != has->worker_connections, "worker_connections");
    stays_say(had->priority != has->priority, "worker_priority");
    stays_say(!text_is_equal(had->working_directory, has->working_directory), "working_directory");
    if (cache.len > 0)
        log_at(LOG_WARN, NULL,
               "the cache in \"%.*s\" is closed to the running worker, which keeps it in memory "
               "alone until the next start or binary upgrade",
               TEXT_ARGS(cache));
    if (store.len > 0)
        log_at(LOG_WARN, NULL,
               "copies in \"%.*s\" are closed to the running worker until the next start or binary "
               "upgrade",
               TEXT_ARGS(store));
    if (logs.len > 0)
        log_at(LOG_WARN, NULL,
               "access logs in \"%.*s\" are closed to the running worker until the next start or "
               "binary upgrade",
               TEXT_ARGS(logs));
}

void generation_stop_listening(struct generation *generation)
{
    for (struct bundle_fd *at = generation->bundle->fds; at != NULL; at = at->next) {
        bool is_socket =
            text_is_equal(at->kind, TEXT("listen")) || text_is_equal(at->kind, TEXT("control"));

        if (!is_socket || at->fd < 0)
            continue;
        (void)close(at->fd);
        at->fd = -1;
    }
}

void generation_free(struct generation **generation)
{
    struct generation *dead = *generation;

    if (dead == NULL)
        return;
    *generation = NULL;
    if (dead->log.arena != NULL)
        main_log_close(&dead->log);
    if (dead->text_fd >= 0)
        (void)close(dead->text_fd);
    config_free(&dead->config);
    bundle_free(&dead->bundle);
    mem_free(dead);
}

void generation_abandon(struct generation **generation, const struct control_file *former)
{
    const struct generation *dead = *generation;

    if (dead != NULL && dead->config != NULL &&
        (former == NULL || !control_file_is_same(former, &dead->control)))
        control_socket_remove(dead->config->core.control_path, &dead->control);
    generation_free(generation);
}
