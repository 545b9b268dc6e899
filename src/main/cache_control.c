// SPDX-License-Identifier: MIT
/* Purging: all that is meant is purged in memory at once, then the disks are waited for. */
#include "main/cache_control.h"

#include <inttypes.h>

#include "base/mem.h"
#include "cache/purge_ask.h"
#include "main/cache_keys.h"

/* No key is longer that anything was stored under. */
enum { KEY_MOST = 32 * 1024 };

/* ---- words ---- */

static bool wish_read(struct control_request *request, enum cache_verb verb,
                      struct cache_wish *ret_wish)
{
    struct text message;

    if (cache_words_read(verb, request->words, request->word_count, request->arena, ret_wish,
                         &message) == 0)
        return true;
    control_fail(request, "%.*s", TEXT_ARGS(message));
    return false;
}

/* ---- purge ---- */

/* A disk's part; what a prefix sweeps out. */
struct waited {
    struct waited      *next;
    struct disk_purge  *purge;           /* NULL: done */
    struct cache_sweep *sweep;           /* the same */
    struct text         zone;
};

/* In the request's arena: until it ends. */
struct purging {
    struct control_request *request;
    struct task             task;
    struct waited          *waited;
    bool                    has_failed;
};

static void purge_look(struct purging *purging, struct waited *waited)
{
    if (waited->purge == NULL || !waited->purge->is_done)
        return;
    if (waited->purge->has_failed) {
        purging->has_failed = true;
        control_say(purging->request, "%.*s: the disk could not be told", TEXT_ARGS(waited->zone));
    }
    MEM_FREE(&waited->purge);
}

static void sweep_look(struct purging *purging, struct waited *waited)
{
    const struct cache_sweep *sweep = waited->sweep;

    if (sweep == NULL || !sweep->is_done)
        return;
    control_say(purging->request, "%.*s: swept out %" PRIu64 " in memory, %" PRIu64 " on disk%s",
                TEXT_ARGS(waited->zone), sweep->memory, sweep->disk,
                sweep->is_partial ? ", which was not read to its end" : "");
    MEM_FREE(&waited->sweep);
}

static void purging_run(struct task *task, unsigned wakes)
{
    struct purging *purging = container_of(task, struct purging, task);

    (void)wakes;
    for (struct waited *at = purging->waited; at != NULL; at = at->next) {
        purge_look(purging, at);
        sweep_look(purging, at);
        if (at->purge != NULL || at->sweep != NULL)
            return;
    }
    task_cancel(task);
    if (purging->has_failed)
        control_fail(purging->request,
                     "purged now, but not for good: after a restart it may be there again");
    else
        control_end(purging->request);
}

static struct purging *purging_new(struct control_request *request)
{
    struct purging *purging = ARENA_NEW(request->arena, struct purging);

    purging->request = request;
    task_init(&purging->task, purging_run);
    return purging;
}

static void purge_one(struct purging *purging, struct cache *cache, const struct cache_purge *what,
                      const char *kind, struct text value)
{
    struct control_request *request = purging->request;
    struct text             zone = arena_copy(request->arena, cache_name(cache));
    struct disk_purge      *disk;
    struct waited          *waited;

    if (!cache_purge(cache, what, &purging->task, &disk)) {
        purging->has_failed = true;
        control_say(request, "%.*s: there is no memory to purge", TEXT_ARGS(zone));
        return;
    }
    control_say(request, "%.*s: %s %s%s%.*s", TEXT_ARGS(zone),
                what->is_soft ? "stale from now on:" : "purged", kind, value.len > 0 ? " " : "",
                TEXT_ARGS(value));
    waited = ARENA_NEW(request->arena, struct waited);
    *waited = (struct waited){ .next = purging->waited, .purge = disk, .zone = zone };
    if (what->kind == PURGE_PREFIX)
        waited->sweep = cache_sweep_start(cache, &purging->task);
    purging->waited = waited;
}

static void purge_keys(struct control_request *request, const struct cache_wish *wish)
{
    struct purging *purging;
    struct url_key *keys;
    unsigned        count;

    if (!cache_keys_find(request, wish, NULL, &keys, &count))
        return;
    purging = purging_new(request);
    for (unsigned i = 0; i < count; i++) {
        if (keys[i].key.text.len > KEY_MOST)
            continue;
        const struct url_key    *key = &keys[i];
        const struct cache_purge whole = { .kind = PURGE_LABEL, .is_soft = wish->is_soft,
                                           .label = cache_label(key->cache, LABEL_KEY,
                                                                key->key.text) };
        const struct cache_purge prefix = { .kind = PURGE_PREFIX, .is_soft = wish->is_soft,
                                            .prefix = key->key.text };

        purge_one(purging, key->cache, key->is_prefix ? &prefix : &whole,
                  key->is_prefix ? "keys that begin with" : "key", key->key.text);
    }
    task_wake(&purging->task, WAKE_LETTER);
}

static bool host_read(struct control_request *request, struct text *host)
{
    if (purge_ask_host(*host, request->arena, host) == 0)
        return true;
    control_fail(request, "no name of a host");
    return false;
}

static void purge_labels(struct control_request *request, const struct cache_wish *wish)
{
    const bool      is_all = wish->target == CACHE_ALL, is_host = wish->target == CACHE_HOST;
    struct text     value = is_all ? TEXT_NONE : wish->value;
    struct purging *purging;
    struct cache   *cache = NULL;

    if (!cache_keys_have_cache(request, wish) || (is_host && !host_read(request, &value)))
        return;
    purging = purging_new(request);
    while ((cache = cache_keys_next_cache(wish, cache)) != NULL) {
        const struct cache_purge purge = {
            .kind = is_all ? PURGE_ALL : PURGE_LABEL,
            .is_soft = wish->is_soft,
            .label = is_all ? 0 : cache_label(cache, is_host ? LABEL_HOST : LABEL_TAG, value),
        };

        purge_one(purging, cache, &purge, is_all ? "everything" : is_host ? "host" : "tag", value);
    }
    task_wake(&purging->task, WAKE_LETTER);
}

void cache_control_purge(struct control_request *request)
{
    struct cache_wish *wish = ARENA_NEW(request->arena, struct cache_wish);

    if (!wish_read(request, CACHE_PURGE, wish))
        return;
    switch (wish->target) {
    case CACHE_URL:
    case CACHE_URL_PREFIX:
    case CACHE_KEY:
    case CACHE_KEY_PREFIX:
        purge_keys(request, wish);
        return;
    case CACHE_TAG:
    case CACHE_HOST:
    case CACHE_ALL:
        purge_labels(request, wish);
        return;
    case CACHE_NOTHING:
        break;
    }
    control_fail(request, "purge what?");
}

/* ---- stat ---- */

static double percent(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : 100.0 * (double)part / (double)whole;
}

static void memory_say(struct control_request *request, const struct memory_figures *figures)
{
    uint64_t asked = figures->hits + figures->misses;

    control_say(request, "  memory objects: %" PRIu64, figures->objects);
    control_say(request, "  memory bytes: %" PRIu64 " of %" PRIu64 " (%.1f %%)", figures->bytes,
                figures->limit, percent(figures->bytes, figures->limit));
    control_say(request, "  memory hits: %" PRIu64 " of %" PRIu64 " (%.1f %%)", figures->hits,
                asked, percent(figures->hits, asked));
    control_say(request, "  memory stored: %" PRIu64 ", evicted: %" PRIu64
                ", came back after that: %" PRIu64, figures->inserted, figures->evicted,
                figures->ghost_hits);
}

static void disk_tier_say(struct control_request *request, const struct disk_figures *figures)
{
    control_say(request, "  disk objects: %" PRIu64, figures->objects);
    control_say(request, "  disk bytes: %" PRIu64 " of %" PRIu64 " (%.1f %%)", figures->bytes,
                figures->limit, percent(figures->bytes, figures->limit));
    control_say(request, "  disk index bytes: %" PRIu64, figures->index_bytes);
    control_say(request, "  disk reads: %" PRIu64 ", written bytes: %" PRIu64
                ", evicted: %" PRIu64, figures->reads, figures->written_bytes, figures->evicted);
    control_say(request, "  disk writes dropped: %" PRIu64 ", damaged: %" PRIu64
                ", errors: %" PRIu64, figures->dropped_writes, figures->damaged, figures->errors);
    if (figures->is_loading)
        control_say(request, "  disk: its index is still being read");
    if (figures->is_failing)
        control_say(request, "  disk: failing, nothing is stored on it");
}

static void cache_say(struct control_request *request, struct cache *cache)
{
    struct cache_figures figures = cache_figures(cache);

    control_say(request, "%.*s", TEXT_ARGS(cache_name(cache)));
    memory_say(request, &figures.memory);
    if (figures.has_disk)
        disk_tier_say(request, &figures.disk);
    control_say(request, "  bytes beside objects: %" PRIu64 ", of the memory", figures.beside);
    control_say(request, "  purges remembered: %zu", figures.purges);
    control_say(request, "  sweeps: %" PRIu64 ", went by them: %" PRIu64 " in memory, %" PRIu64
                " on disk%s", figures.upkeep.sweeps, figures.upkeep.memory, figures.upkeep.disk,
                figures.upkeep.is_sweeping ? "; one is under way" : "");
    control_say(request, "  nobody asked for: %" PRIu64 " in memory", figures.upkeep.idle);
}

void cache_control_stat(struct control_request *request)
{
    struct cache_wish *wish = ARENA_NEW(request->arena, struct cache_wish);
    struct cache      *cache = NULL;

    if (!wish_read(request, CACHE_STAT, wish) || !cache_keys_have_cache(request, wish))
        return;
    while ((cache = cache_keys_next_cache(wish, cache)) != NULL)
        cache_say(request, cache);
    control_end(request);
}
