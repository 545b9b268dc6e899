// SPDX-License-Identifier: MIT
/* Members: made with a configuration, asked for their addresses until they have some. */
#include "balance/members.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"

enum { RESOLVE_AGAIN_MS = 2000 };  /* a name that did not resolve is tried again */

static void member_free(struct member *member)
{
    timer_remove(loop_timers(member->control), &member->timer);
    task_cancel(&member->task);
    mem_free((void *)member->server.name.ptr);
    mem_free((void *)member->server.host.ptr);
    mem_free(member->addresses);
    mem_free(member);
}

void members_drop(struct member *members)
{
    while (members != NULL) {
        struct member *member = members;

        members = member->next;
        member->is_obsolete = true;
        if (!member->is_asking)
            member_free(member);
    }
}

static void member_set_addresses(struct member *member, const struct address *addresses,
                                 unsigned count)
{
    mem_free(member->addresses);
    member->addresses = mem_new(sizeof(struct address) * (count > 0 ? count : 1));
    if (count > 0)
        memcpy(member->addresses, addresses, sizeof(struct address) * count);
    member->address_count = count;
}

/* What the name stood for until now stays good until the new answer comes. */
static void member_inherit(struct member *member, const struct member *old)
{
    for (; old != NULL; old = old->next)
        if (!old->server.has_address && old->server.port == member->server.port &&
            text_is_equal(old->server.host, member->server.host)) {
            member_set_addresses(member, old->addresses, old->address_count);
            return;
        }
}

/* ---- names ---- */

static void member_ask(struct member *member)
{
    member->is_asking = true;
    resolve_start(&member->resolve, member->control);
}

static void member_run(struct task *task, unsigned wakes)
{
    (void)wakes;
    member_ask(container_of(task, struct member, task));
}

static void member_resolved(struct resolve *resolve)
{
    struct member *member = container_of(resolve, struct member, resolve);

    member->is_asking = false;
    if (member->is_obsolete) {
        member_free(member);
    } else if (resolve->error == 0 && resolve->count > 0) {
        member_set_addresses(member, resolve->addresses, resolve->count);
        group_rebuild(member->group);
    } else {
        if (!member->has_failed)
            log_at(LOG_WARN, NULL,
                   "host not found in upstream \"%.*s\": the server counts as down and its name "
                   "is looked up again every %d s",
                   TEXT_ARGS(member->server.name), RESOLVE_AGAIN_MS / 1000);
        member->has_failed = true;
        group_rebuild(member->group);
        timer_set(loop_timers(member->control), &member->timer,
                  loop_now_ms(member->control) + RESOLVE_AGAIN_MS);
    }
}

static struct member *member_new(struct group *group, const struct upstream_server *server,
                                 struct loop *control)
{
    struct member *member = mem_new(sizeof(*member));

    member->group = group;
    member->control = control;
    member->server = *server;
    member->server.name = text_from(mem_string(server->name.ptr, server->name.len));
    member->server.host = text_from(mem_string(server->host.ptr, server->host.len));
    task_init(&member->task, member_run);
    timer_init(&member->timer, &member->task);
    if (server->has_address)
        member_set_addresses(member, &server->address, 1);
    if (server->host.len > 0 && server->host.len < RESOLVE_NAME_BYTES)
        memcpy(member->resolve.name, server->host.ptr, server->host.len);
    member->resolve.port = server->port;
    member->resolve.done = member_resolved;
    return member;
}

/* ---- those of a configuration ---- */

void members_replace(struct group *group, const struct upstream *upstream, struct loop *control)
{
    struct member *old = group->members, **end = &group->members;

    group->members = NULL;
    for (unsigned i = 0; i < upstream->server_count; i++) {
        struct member *member = member_new(group, &upstream->servers[i], control);

        if (!member->server.has_address)
            member_inherit(member, old);
        *end = member;
        end = &member->next;
    }
    members_drop(old);
}

void members_ask(struct group *group)
{
    for (struct member *member = group->members; member != NULL; member = member->next)
        if (!member->server.has_address)
            member_ask(member);
}
