// SPDX-License-Identifier: MIT
/* The registry lives on the control loop; asking loops see finished upstreams only. Holds are taken on
 * the control loop and given back on any: so what the control loop sees without holds is out of
 * everybody's reach. */
#include "proxy/dynamic.h"

#include <stdatomic.h>
#include <string.h>

#include "balance/group.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/must.h"

enum { UNUSED_MOST_MS = 10 * 60 * 1000, SWEEP_EVERY_MS = 60 * 1000, KEY_BYTES = 2048 };

/* Owner: the registry. */
struct dynamic {
    struct upstream        upstream;
    struct upstream_server server;
    struct text            key;
    atomic_uint            holds;        /* of questions that are answered and not forgotten */
    int64_t                used_ms;      /* control loop */
};

/* Of the control loop. */
static struct registry {
    struct map  *known;                  /* by key */
    struct loop *control;
    struct task  task;
    struct timer timer;
} registry;

/* ---- life ---- */

static bool is_path(struct text host)
{
    return text_has_prefix(host, TEXT("unix:"));
}

static int address_parse(struct text host, unsigned port, struct address *ret_address)
{
    if (is_path(host))
        return address_parse_unix(text_from_offset(host, TEXT("unix:").len), ret_address);
    return address_parse_ip(host, port, ret_address);
}

static struct dynamic *dynamic_new(struct loop *control, const struct dynamic_ask *ask,
                                   struct text key)
{
    struct dynamic         *dynamic = mem_new(sizeof(*dynamic));
    struct upstream_server *server = &dynamic->server;
    struct text             host = text_from(ask->host);
    size_t                  name_len;

    dynamic->key = text_of(mem_string(key.ptr, key.len), key.len);
    name_len = is_path(host) ? host.len : text_find(key, ' ');
    *server = (struct upstream_server){ .name = text_part(dynamic->key, 0, name_len),
                                        .port = ask->port, .weight = 1, .max_fails = 1,
                                        .fail_timeout_ms = 10000, .service = TEXT("") };
    server->has_address = address_parse(host, ask->port, &server->address) == 0;
    if (!server->has_address)
        server->host = text_part(dynamic->key, 0, host.len);
    dynamic->upstream =
        (struct upstream){ .name = server->name, .key = dynamic->key, .is_implicit = true,
                           .servers = server, .server_count = 1, .keepalive = 32,
                           .keepalive_requests = 1000, .keepalive_timeout_ms = 60000,
                           .keepalive_time_ms = 3600000, .resolver = ask->policy,
                           .resolver_timeout_ms = ask->timeout_ms,
                           .addresses_most = DYNAMIC_ADDRESSES_MOST,
                           .retry_percent = 20, .retry_least = 3 };
    group_bind(&dynamic->upstream, control);
    dynamic->upstream.resolver = NULL;   /* the snapshot's; what the group needs of it is copied */
    return dynamic;
}

static void dynamic_drop(struct dynamic *dynamic)
{
    (void)map_remove(registry.known, dynamic->key);
    group_unbind(&dynamic->upstream);
    mem_free((void *)dynamic->key.ptr);
    mem_free(dynamic);
}

static bool is_held(struct dynamic *dynamic)
{
    return atomic_load_explicit(&dynamic->holds, memory_order_acquire) > 0;
}

/* ---- room ---- */

/* The one that nobody holds and that was used last before `before_ms`, longest ago; or NULL. */
static struct dynamic *find_unused(int64_t before_ms)
{
    struct dynamic *oldest = NULL;
    size_t          cursor = 0;
    struct text     key;
    void           *value;

    while (map_next(registry.known, &cursor, &key, &value)) {
        struct dynamic *dynamic = value;

        if (dynamic->used_ms < before_ms && !is_held(dynamic) &&
            (oldest == NULL || dynamic->used_ms < oldest->used_ms))
            oldest = dynamic;
    }
    return oldest;
}

static void note_used(int64_t now_ms)
{
    size_t      cursor = 0;
    struct text key;
    void       *value;

    while (map_next(registry.known, &cursor, &key, &value))
        if (is_held(value))
            ((struct dynamic *)value)->used_ms = now_ms;
}

static void sweep_run(struct task *task, unsigned wakes)
{
    int64_t         now_ms = loop_now_ms(registry.control);
    struct dynamic *unused;

    (void)task, (void)wakes;
    note_used(now_ms);
    while ((unused = find_unused(now_ms - UNUSED_MOST_MS)) != NULL)
        dynamic_drop(unused);
    timer_set(loop_timers(registry.control), &registry.timer, now_ms + SWEEP_EVERY_MS);
}

static bool room_make(void)
{
    struct dynamic *unused;

    if (map_count(registry.known) < DYNAMIC_MOST)
        return true;
    unused = find_unused(INT64_MAX);
    if (unused != NULL)
        dynamic_drop(unused);
    return unused != NULL;
}

static void registry_begin(struct loop *control)
{
    registry.known = map_new(true);
    registry.control = control;
    task_init(&registry.task, sweep_run);
    timer_init(&registry.timer, &registry.task);
    timer_set(loop_timers(control), &registry.timer, loop_now_ms(control) + SWEEP_EVERY_MS);
}

/* ---- questions ---- */

/* "host:port", and behind a space whom to ask for it. */
static struct text key_write(const struct dynamic_ask *ask, char buffer[KEY_BYTES])
{
    const struct resolver_policy *policy = ask->policy;
    struct writer                 writer = writer_fixed(buffer, KEY_BYTES);

    writer_format(&writer, "%s:%u ", ask->host, ask->port);
    if (policy != NULL)
        writer_format(&writer, "%u%d%d", policy->valid_ms, policy->is_v4_off, policy->is_v6_off);
    for (unsigned i = 0; policy != NULL && i < policy->server_count; i++) {
        writer_char(&writer, ' ');
        address_write(&writer, &policy->servers[i]);
    }
    return writer_done(&writer);
}

static struct dynamic *find_or_make(struct loop *control, const struct dynamic_ask *ask)
{
    char            buffer[KEY_BYTES];
    struct text     key = key_write(ask, buffer);
    struct dynamic *dynamic;

    if (registry.known == NULL)
        registry_begin(control);
    dynamic = map_get(registry.known, key);
    if (dynamic == NULL && !room_make()) {
        log_at(LOG_WARN, NULL, "more than %d different hosts in proxy_pass with variables",
               DYNAMIC_MOST);
        return NULL;
    }
    if (dynamic == NULL) {
        dynamic = dynamic_new(control, ask, key);
        (void)map_add(registry.known, dynamic->key, dynamic);
    }
    dynamic->used_ms = loop_now_ms(control);
    atomic_fetch_add_explicit(&dynamic->holds, 1, memory_order_relaxed);
    return dynamic;
}

static void ask_free(struct dynamic_ask *ask)
{
    if (ask->dynamic != NULL)
        atomic_fetch_sub_explicit(&ask->dynamic->holds, 1, memory_order_release);
    mem_free(ask);
}

static void answer_open(struct loop *loop, struct letter *letter)
{
    struct dynamic_ask *ask = container_of(letter, struct dynamic_ask, letter);

    (void)loop;
    ask->is_answered = true;
    if (ask->waiter != NULL)
        task_wake(ask->waiter, WAKE_LETTER);
    else
        ask_free(ask);
}

/* The policy is still there: a snapshot is released on this loop, by letters that come behind those of
 * its exchanges. */
static void question_open(struct loop *control, struct letter *letter)
{
    struct dynamic_ask *ask = container_of(letter, struct dynamic_ask, letter);

    ask->dynamic = find_or_make(control, ask);
    ask->letter.open = answer_open;
    mailbox_post(ask->loop, &ask->letter);
}

struct dynamic_ask *dynamic_find(struct text host, unsigned port,
                                 const struct resolver_policy *policy, uint32_t timeout_ms,
                                 struct loop *control, struct loop *loop, struct task *waiter)
{
    struct dynamic_ask *ask;

    must(host.len < DYNAMIC_HOST_BYTES);
    ask = mem_new(sizeof(*ask));
    memcpy(ask->host, host.ptr, host.len);
    ask->port = port;
    ask->policy = policy;
    ask->timeout_ms = timeout_ms;
    ask->loop = loop;
    ask->waiter = waiter;
    ask->letter.open = question_open;
    mailbox_post(control, &ask->letter);
    return ask;
}

const struct upstream *dynamic_upstream(const struct dynamic_ask *ask)
{
    return ask->dynamic != NULL ? &ask->dynamic->upstream : NULL;
}

void dynamic_forget(struct dynamic_ask **ask)
{
    struct dynamic_ask *done = *ask;

    *ask = NULL;
    if (done == NULL)
        return;
    if (done->is_answered)
        ask_free(done);
    else
        done->waiter = NULL;
}
