// SPDX-License-Identifier: MIT
/* Names here are promised to programs (docs/control.md): one may be added, none changes its meaning. */
#include "main/status.h"

#include <unistd.h>

#include "balance/figures.h"
#include "base/budget.h"
#include "base/shortage.h"
#include "main/cache_keys.h"
#include "net/pressure.h"
#include "net/room.h"
#include "net/tally.h"
#include "proxy/admission.h"

enum { MS = 1000, US_PER_MS = 1000 };

/* ---- the process ---- */

static void process_tell(struct fact *root, const struct serving *serving)
{
    int64_t      now_ms = loop_now_ms(serving->control);
    struct fact *configuration;

    fact_text(root, "version", TEXT("frontdesk/" FRONTDESK_VERSION));
    fact_number(root, "worker_process", (uint64_t)getpid());
    fact_number(root, "uptime_s", (uint64_t)(now_ms - serving->started_ms) / MS);
    fact_number(root, "event_loops", serving->runners->count);
    configuration = fact_group(root, "configuration");
    fact_number(configuration, "number", serving->edition->number);
    fact_number(configuration, "in_force_s", (uint64_t)(now_ms - serving->adopted_ms) / MS);
    fact_number(configuration, "in_use", *serving->editions);
}

static void clients_tell(struct fact *root)
{
    struct fact *connections = fact_group(root, "connections"), *requests;

    fact_number(connections, "open", tally_sum(TALLY_OPEN));
    fact_number(connections, "reading", tally_sum(TALLY_READING));
    fact_number(connections, "at_work", tally_sum(TALLY_BUSY));
    fact_number(connections, "waiting", tally_resting());
    fact_number(connections, "accepted", tally_sum(TALLY_ACCEPTED));
    fact_number(connections, "handled", tally_sum(TALLY_HANDLED));
    requests = fact_group(root, "requests");
    fact_number(requests, "under_way", tally_sum(TALLY_UNDER_WAY));
    fact_number(requests, "begun", tally_sum(TALLY_REQUESTS));
    fact_number(requests, "status_1xx", tally_sum(TALLY_1XX));
    fact_number(requests, "status_2xx", tally_sum(TALLY_2XX));
    fact_number(requests, "status_3xx", tally_sum(TALLY_3XX));
    fact_number(requests, "status_4xx", tally_sum(TALLY_4XX));
    fact_number(requests, "status_5xx", tally_sum(TALLY_5XX));
    fact_number(requests, "no_answer", tally_sum(TALLY_NO_ANSWER));
}

/* ---- pressure ---- */

struct mark {
    const char    *of, *unit;
    enum pressure_of kind;
};

static void mark_tell(struct fact *marks, const struct mark *mark, uint64_t most,
                      const struct pressure_figure *figure)
{
    static const char *const levels[] = { "none", "high", "critical" };
    struct fact             *item = fact_item(marks);

    fact_text(item, "of", text_from(mark->of));
    fact_text(item, "level", text_from(levels[figure->level]));
    fact_maybe(item, "for_s", figure->level != PRESSURE_NONE,
               (uint64_t)figure->for_us / MS / US_PER_MS);
    fact_number(item, "now",
                mark->kind == PRESSURE_OF_TIME ? figure->now / US_PER_MS : figure->now);
    fact_maybe(item, "most", most > 0, most);
    fact_text(item, "unit", text_from(mark->unit));
    fact_number(item, "highs", figure->highs);
    fact_number(item, "criticals", figure->criticals);
}

static void pressure_tell(struct fact *root, const struct serving *serving)
{
    static const struct mark marks[] = {
        { "loop lag", "ms", PRESSURE_OF_TIME },
        { "connections of a loop", "connections", PRESSURE_OF_CONNS },
        { "memory", "bytes", PRESSURE_OF_MEMORY },
        { "descriptors", "descriptors", PRESSURE_OF_DESCRIPTORS },
    };
    struct pressure_figures figures = pressure_figures(loop_now_us(serving->control));
    const uint64_t          mosts[PRESSURE_KINDS] = {
        [PRESSURE_OF_CONNS] = serving->runners->connections_most,
        [PRESSURE_OF_MEMORY] = budget_most() == UINT64_MAX ? 0 : budget_most(),
        [PRESSURE_OF_DESCRIPTORS] = room_descriptors().most,
    };
    struct fact *pressure = fact_group(root, "pressure"), *list;

    fact_number(pressure, "connections_not_kept", figures.closed);
    fact_number(pressure, "pauses_of_accepting", figures.pauses);
    fact_number(pressure, "requests_refused_for_memory", admission_refused());
    fact_text(pressure, "memory_shortage", shortage_now() != 0 ? TEXT("yes") : TEXT("no"));
    list = fact_list(pressure, "marks");
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
        mark_tell(list, &marks[i], mosts[marks[i].kind], &figures.of[marks[i].kind]);
}

/* ---- upstreams ---- */

static void queue_tell(struct fact *in, const struct group_figures *figures)
{
    const struct queue_counts *waits = &figures->waits;
    struct fact               *queue = fact_group(in, "queue");

    fact_number(queue, "places", figures->queue_most);
    fact_number(queue, "waiting", figures->waiting);
    fact_maybe(queue, "not_empty_ms", figures->waiting > 0, (uint64_t)figures->waiting_for_ms);
    fact_number(queue, "served", waits->served);
    fact_maybe(queue, "mean_wait_ms", waits->served > 0,
               waits->served > 0 ? waits->waited_ms / waits->served : 0);
    fact_number(queue, "refused_full", waits->full);
    fact_number(queue, "refused_late", waits->late);
    fact_number(queue, "refused_no_server", waits->no_server);
    fact_number(queue, "clients_left", waits->left);
}

static void server_tell(struct fact *servers, const struct peer_figures *peer)
{
    static const char *const states[] = {
        [PEER_DOWN] = "down",         [PEER_CHECKING] = "checking",
        [PEER_UNHEALTHY] = "unhealthy", [PEER_EJECTED] = "ejected",
        [PEER_FAILING] = "failing",   [PEER_DRAINING] = "draining",
        [PEER_SLOW] = "slow start",   [PEER_UP] = "up",
    };
    struct fact *item = fact_item(servers);

    fact_text(item, "address", peer->address);
    fact_text(item, "server", peer->server);
    fact_text(item, "state", text_from(states[peer->state]));
    fact_maybe(item, "state_left_ms", peer->left_ms > 0, (uint64_t)peer->left_ms);
    fact_text(item, "role", peer->is_backup ? TEXT("backup") : TEXT("primary"));
    fact_number(item, "weight", peer->weight);
    fact_number(item, "in_flight", peer->in_flight);
    fact_maybe(item, "max_conns", peer->max_conns > 0, peer->max_conns);
    fact_number(item, "requests", peer->requests);
    fact_number(item, "failures", peer->failures);
    fact_number(item, "status_5xx", peer->errors);
    fact_number(item, "ejections", peer->ejections);
    fact_maybe(item, "head_ms", peer->head_us > 0, (uint64_t)peer->head_us / US_PER_MS);
    fact_maybe(item, "whole_ms", peer->whole_us > 0, (uint64_t)peer->whole_us / US_PER_MS);
}

static void name_tell(struct fact *names, const struct name_figures *name)
{
    struct fact *item = fact_item(names);
    bool         is_known = name->addresses > 0, is_failing = name->failures > 0;

    fact_text(item, "name", name->name);
    fact_text(item, "state",
              is_failing ? is_known ? TEXT("last known") : TEXT("unknown")
                             : is_known ? TEXT("known")
                                        : TEXT("asked for"));
    fact_number(item, "addresses", name->addresses);
    fact_number(item, "failures", name->failures);
    fact_number(item, "asked_ago_s", (uint64_t)name->asked_ago_ms / MS);
}

static void group_tell(struct fact *groups, const struct group_figures *figures)
{
    struct fact *item = fact_item(groups), *list;

    fact_text(item, "name", figures->name);
    fact_text(item, "method", figures->method);
    fact_number(item, "in_flight", figures->in_flight);
    fact_number(item, "idle_connections", figures->resting);
    fact_number(item, "retries", figures->events[GROUP_RETRIED]);
    fact_number(item, "retries_in_budget", figures->retries);
    fact_number(item, "retries_refused", figures->events[GROUP_RETRY_REFUSED]);
    fact_number(item, "hedges", figures->events[GROUP_HEDGED]);
    queue_tell(item, figures);
    list = fact_list(item, "servers");
    for (unsigned i = 0; i < figures->peer_count; i++)
        server_tell(list, &figures->peers[i]);
    list = fact_list(item, "names");
    for (unsigned i = 0; i < figures->name_count; i++)
        name_tell(list, &figures->names[i]);
}

static void groups_tell(struct fact *root)
{
    struct fact       *list = fact_list(root, "upstreams");
    const struct zone *zone = NULL;

    while ((zone = group_next(zone)) != NULL) {
        struct group_figures figures = group_figures(zone_state(zone), root->arena);

        group_tell(list, &figures);
    }
}

/* ---- limits ---- */

static void limits_of_kind_tell(struct fact *list, enum limit_kind kind)
{
    const struct zone *zone = NULL;

    while ((zone = limit_zone_next(kind, zone)) != NULL) {
        struct table_figures figures = table_figures(zone_state(zone));
        struct fact         *item = fact_item(list);

        fact_text(item, "zone", zone_name(zone));
        fact_text(item, "of", kind == LIMIT_REQUESTS ? TEXT("limit_req") : TEXT("limit_conn"));
        fact_number(item, "keys", figures.keys);
        fact_number(item, "held_bytes", figures.bytes);
        fact_number(item, "most_bytes", figures.most);
        fact_number(item, "asked", figures.counts.asked);
        fact_number(item, "delayed", figures.counts.delayed);
        fact_number(item, "refused", figures.counts.refused);
        fact_number(item, "refused_no_room", figures.counts.no_room);
    }
}

static void limits_tell(struct fact *root)
{
    struct fact *list = fact_list(root, "limits");

    limits_of_kind_tell(list, LIMIT_REQUESTS);
    limits_of_kind_tell(list, LIMIT_CONNS);
}

/* ---- caches ---- */

static void cache_tell(struct fact *caches, struct cache *cache)
{
    struct cache_figures figures = cache_figures(cache);
    struct fact         *item = fact_item(caches);
    const struct disk_figures *disk = &figures.disk;

    fact_text(item, "zone", cache_name(cache));
    fact_number(item, "hits", figures.memory.hits);
    fact_number(item, "misses", figures.memory.misses);
    fact_number(item, "objects", figures.memory.objects);
    fact_number(item, "memory_bytes", figures.memory.bytes);
    fact_number(item, "memory_most_bytes", figures.memory.limit);
    fact_number(item, "evicted", figures.memory.evicted);
    fact_maybe(item, "disk_objects", figures.has_disk, disk->objects);
    fact_maybe(item, "disk_bytes", figures.has_disk, disk->bytes);
    fact_maybe(item, "disk_most_bytes", figures.has_disk, disk->limit);
    fact_maybe(item, "disk_errors", figures.has_disk, disk->errors);
}

static void caches_tell(struct fact *root)
{
    const struct cache_wish any = { .verb = CACHE_STAT };
    struct fact            *list = fact_list(root, "caches");
    struct cache           *cache = NULL;

    while ((cache = cache_keys_next_cache(&any, cache)) != NULL)
        cache_tell(list, cache);
}

struct fact *status_gather(const struct serving *serving, struct arena *arena)
{
    struct fact *root = facts_new(arena);

    process_tell(root, serving);
    clients_tell(root);
    pressure_tell(root, serving);
    limits_tell(root);
    groups_tell(root);
    caches_tell(root);
    return root;
}

/* ---- the command ---- */

void status_run(struct control_request *request)
{
    bool         is_json = request->word_count == 1 &&
                   text_is_equal(request->words[0], TEXT("--json"));
    struct fact *root;
    struct text  said, line;

    if (request->word_count > 0 && !is_json) {
        control_fail(request, "\"status\" takes \"--json\" and nothing else");
        return;
    }
    root = status_gather(request->asked_of, request->arena);
    said = is_json ? facts_print_json(root) : facts_print(root);
    said.len--;                          /* the last line's end */
    while (text_split(&said, '\n', &line))
        control_say(request, "%.*s", TEXT_ARGS(line));
    control_end(request);
}
