// SPDX-License-Identifier: MIT
/* Members: made with a configuration, asked for their addresses as long as they live. */
#include "balance/members.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"

enum {
    AGAIN_FIRST_MS = 1000,               /* a name that did not resolve is tried again so soon, */
    AGAIN_DOUBLINGS_MOST = 3,            /* then after twice the time, up to eight times */
    JITTER_MOST_MS = 500,                /* names of one configuration part company */
    JITTER_SHARE = 10,
    AGAIN_LEAST_MS = 1000                /* between two questions */
};

static void member_free(struct member *member)
{
    timer_remove(loop_timers(member->control), &member->timer);
    task_cancel(&member->task);
    question_free(&member->question);
    resolver_unref(&member->resolver);
    mem_free((void *)member->server.name.ptr);
    mem_free((void *)member->server.host.ptr);
    mem_free((void *)member->server.service.ptr);
    mem_free((void *)member->server.route.ptr);
    mem_free(member->stations);
    mem_free(member);
}

void members_drop(struct member *members)
{
    while (members != NULL) {
        struct member *member = members;

        members = member->next;
        member_free(member);
    }
}

/* ---- addresses ---- */

/* Takes `stations`, and says whether anything has changed. */
static bool stations_set(struct member *member, struct station *stations, unsigned count)
{
    bool is_same = member->station_count == count;

    for (unsigned i = 0; i < count && is_same; i++)
        is_same = address_is_equal(&member->stations[i].address, &stations[i].address) &&
                  member->stations[i].weight == stations[i].weight &&
                  member->stations[i].is_backup == stations[i].is_backup;
    mem_free(member->stations);
    member->stations = stations;
    member->station_count = count;
    return !is_same;
}

/* Of a name with addresses only; `server` lines that are not about services. */
static struct station station_of(const struct member *member, const struct address *address)
{
    return (struct station){ .address = *address, .weight = member->server.weight,
                             .is_backup = member->server.is_backup };
}

/* What the name stood for until now stays good until the new answer comes. */
static void member_inherit(struct member *member, const struct member *old)
{
    for (; old != NULL; old = old->next)
        if (!old->server.has_address && old->server.port == member->server.port &&
            text_is_equal(old->server.host, member->server.host) &&
            text_is_equal(old->server.service, member->server.service)) {
            struct station *stations = mem_new((old->station_count + 1) * sizeof(*stations));

            for (unsigned i = 0; i < old->station_count; i++) {
                stations[i] = old->stations[i];
                if (member->server.service.len == 0)
                    stations[i] = station_of(member, &old->stations[i].address);
            }
            (void)stations_set(member, stations, old->station_count);
            return;
        }
}

/* Addresses of a family about which there was no answer stay as they were. */
static unsigned stations_keep(const struct member *member, const struct question *question,
                              struct station *stations)
{
    unsigned count = 0;

    if (member->server.service.len > 0)
        return 0;
    for (unsigned i = 0; i < member->station_count; i++) {
        bool is_v6 = address_family(&member->stations[i].address) == AF_INET6;

        if (is_v6 ? question->is_v6_lost : question->is_v4_lost)
            stations[count++] = member->stations[i];
    }
    return count;
}

static bool has_station(const struct station *stations, unsigned count,
                        const struct address *address)
{
    for (unsigned i = 0; i < count; i++)
        if (address_is_equal(&stations[i].address, address))
            return true;
    return false;
}

static uint16_t least_priority(const struct question *question)
{
    uint16_t least = UINT16_MAX;

    for (unsigned i = 0; i < question->count; i++)
        if (question->found[i].priority < least)
            least = question->found[i].priority;
    return least;
}

/* Of a service's records those of the least priority are what the `server` line says, the others its
 * backups, or nothing when the line is a backup itself (nginx: "service="). False: nothing. */
static bool station_fill(const struct member *member, const struct resolved *resolved,
                         uint16_t least, struct station *ret_station)
{
    bool is_first = resolved->priority == least;

    if (!is_first && member->server.is_backup)
        return false;
    *ret_station = station_of(member, &resolved->address);
    ret_station->is_backup |= !is_first;
    if (member->server.service.len > 0 && member->server.weight == 1 && resolved->weight > 0)
        ret_station->weight = resolved->weight;
    return true;
}

static int compare(const void *a, const void *b)
{
    const struct station *one = a, *other = b;

    if (one->address.len != other->address.len)
        return one->address.len < other->address.len ? -1 : 1;
    return memcmp(&one->address.raw, &other->address.raw, one->address.len);
}

static void say_cut(struct member *member)
{
    if (member->has_said_cut)
        return;
    member->has_said_cut = true;
    log_at(LOG_WARN, NULL, "more than %u addresses in upstream \"%.*s\": the rest is not used",
           member->most, TEXT_ARGS(member->server.name));
}

/* Sorted, since many name servers turn their answers, and the turn of the peers is not to begin anew
 * with each. */
static bool member_take(struct member *member, const struct question *question)
{
    unsigned        room = member->station_count + question->count, count;
    struct station *stations = mem_new(room * sizeof(*stations));
    uint16_t        least = least_priority(question);

    count = stations_keep(member, question, stations);
    for (unsigned i = 0; i < question->count; i++)
        if (!has_station(stations, count, &question->found[i].address) &&
            station_fill(member, &question->found[i], least, &stations[count]))
            count++;
    qsort(stations, count, sizeof(*stations), compare);
    if (count > member->most || question->is_cut)
        say_cut(member);
    return stations_set(member, stations, count < member->most ? count : member->most);
}

/* ---- names ---- */

static void member_ask(struct member *member)
{
    const struct upstream_server *server = &member->server;

    timer_stop(&member->timer);
    member->asked_ms = loop_now_ms(member->control);
    member->question = server->service.len > 0
                           ? resolver_ask_service(member->resolver, server->service,
                                                  member->timeout_ms, &member->task)
                           : resolver_ask(member->resolver, server->host, server->port,
                                          member->timeout_ms, &member->task);
}

static void ask_later(struct member *member, uint32_t wait_ms)
{
    uint32_t jitter_ms = wait_ms / JITTER_SHARE;

    if (jitter_ms > JITTER_MOST_MS)
        jitter_ms = JITTER_MOST_MS;
    timer_set(loop_timers(member->control), &member->timer,
              loop_now_ms(member->control) + wait_ms + (int64_t)random_below(jitter_ms + 1));
}

static const char *reason_of(int error)
{
    switch (error) {
    case -ENOENT:
        return "host not found";
    case -ETIMEDOUT:
        return "no name server answers in time";
    default:
        return "no name server knows";
    }
}

static void member_failed(struct member *member, int error)
{
    unsigned doublings = member->failures < AGAIN_DOUBLINGS_MOST ? member->failures
                                                                 : AGAIN_DOUBLINGS_MOST;

    if (member->failures++ == 0)
        log_at(LOG_WARN, NULL, "%s in upstream \"%.*s\": %s", reason_of(error),
               TEXT_ARGS(member->server.name),
               member->station_count > 0 ? "the last known addresses stay in use"
                                         : "the server counts as down until its name resolves");
    ask_later(member, AGAIN_FIRST_MS << doublings);
}

static void member_resolved(struct member *member, const struct question *question)
{
    if (member->failures > 0)
        log_at(LOG_NOTICE, NULL, "host found in upstream \"%.*s\"", TEXT_ARGS(member->server.name));
    member->failures = 0;
    if (member_take(member, question))
        group_rebuild(member->group);
    ask_later(member, question->ttl_ms);
}

static void member_run(struct task *task, unsigned wakes)
{
    struct member   *member = container_of(task, struct member, task);
    struct question *question = member->question;

    if (question == NULL) {
        if (wakes & WAKE_DEADLINE)
            member_ask(member);
        return;
    }
    if (!question->is_answered)
        return;
    if (question->error == 0) {
        member_resolved(member, question);
    } else {
        member_failed(member, question->error);
        if (member->failures == 1 && member->station_count == 0)
            group_rebuild(member->group);
    }
    question_free(&member->question);
}

/* ---- those of a configuration ---- */

static struct text text_keep(struct text text)
{
    return text_of(mem_string(text.len > 0 ? text.ptr : "", text.len), text.len);
}

/* Names that need not be resolved again (nginx) are, by the same way as at the start: the system's. */
static struct resolver *resolver_choose(const struct upstream *upstream,
                                        const struct upstream_server *server, struct loop *control)
{
    return resolver_ref(control, server->is_resolved || upstream->is_implicit ? upstream->resolver
                                                                              : NULL);
}

static struct member *member_new(struct group *group, const struct upstream *upstream,
                                 const struct upstream_server *server, struct loop *control)
{
    struct member *member = mem_new(sizeof(*member));

    member->group = group;
    member->control = control;
    member->server = *server;
    member->server.name = text_keep(server->name);
    member->server.host = text_keep(server->host);
    member->server.service = text_keep(server->service);
    member->server.route = text_keep(server->route);
    member->timeout_ms = upstream->resolver_timeout_ms;
    member->most =
        upstream->addresses_most > 0 ? upstream->addresses_most : RESOLVER_ADDRESSES_MOST;
    task_init(&member->task, member_run);
    timer_init(&member->timer, &member->task);
    if (server->has_address) {
        member->stations = mem_new(sizeof(*member->stations));
        member->stations[0] = station_of(member, &server->address);
        member->station_count = 1;
    } else {
        member->resolver = resolver_choose(upstream, server, control);
    }
    return member;
}

static bool has_names(const struct group *group)
{
    for (const struct member *member = group->members; member != NULL; member = member->next)
        if (!member->server.has_address)
            return true;
    return false;
}

void members_replace(struct group *group, const struct upstream *upstream, struct loop *control)
{
    struct member *old = group->members, **end = &group->members;

    group->members = NULL;
    for (unsigned i = 0; i < upstream->server_count; i++) {
        struct member *member = member_new(group, upstream, &upstream->servers[i], control);

        if (!member->server.has_address)
            member_inherit(member, old);
        *end = member;
        end = &member->next;
    }
    members_drop(old);
    atomic_store_explicit(&group->has_names, has_names(group), memory_order_relaxed);
}

void members_ask(struct group *group)
{
    for (struct member *member = group->members; member != NULL; member = member->next)
        if (!member->server.has_address)
            member_ask(member);
}

/* Not more than once a second, and not when the name itself is in trouble. */
static void members_ask_again(struct group *group)
{
    for (struct member *member = group->members; member != NULL; member = member->next)
        if (!member->server.has_address && member->question == NULL && member->failures == 0 &&
            loop_now_ms(member->control) - member->asked_ms >= AGAIN_LEAST_MS)
            member_ask(member);
}

/* ---- doubts ---- */

static void again_open(struct loop *control, struct letter *letter)
{
    struct group *group = container_of(letter, struct group, again);

    (void)control;
    atomic_store_explicit(&group->has_asked_again, false, memory_order_release);
    members_ask_again(group);
    group_unref(group);
}

void group_doubt_names(struct group *group)
{
    if (!atomic_load_explicit(&group->has_names, memory_order_relaxed) ||
        atomic_exchange_explicit(&group->has_asked_again, true, memory_order_acquire))
        return;
    group->again.open = again_open;
    mailbox_post(group_ref(group)->control, &group->again);
}
