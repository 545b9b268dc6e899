// SPDX-License-Identifier: MIT
/* The registry lives on the control loop; asking loops see finished upstreams only. */
#include "proxy/dynamic.h"

#include <string.h>

#include "balance/group.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"

static struct map *known;                /* "host:port" -> struct upstream * */

static struct upstream *upstream_make(struct loop *control, struct text name, const char *host,
                                      unsigned port)
{
    struct upstream        *upstream = mem_new(sizeof(*upstream));
    struct upstream_server *server = mem_new(sizeof(*server));

    *server = (struct upstream_server){ .name = name,
                                        .port = port,
                                        .weight = 1,
                                        .max_fails = 1,
                                        .fail_timeout_ms = 10000,
                                        .service = TEXT("") };
    server->has_address = address_parse_ip(text_from(host), port, &server->address) == 0;
    if (!server->has_address)
        server->host = text_part(name, 0, strlen(host));
    *upstream = (struct upstream){ .name = name, .is_implicit = true, .servers = server,
                                   .server_count = 1, .keepalive = 32, .keepalive_requests = 1000,
                                   .keepalive_timeout_ms = 60000, .keepalive_time_ms = 3600000,
                                   .resolver_timeout_ms = RESOLVER_TIMEOUT_MS };
    group_bind(upstream, control);
    return upstream;
}

static struct upstream *find_or_make(struct loop *control, const char *host, unsigned port)
{
    char             key[DYNAMIC_HOST_BYTES + 8];
    struct writer    writer = writer_fixed(key, sizeof(key));
    struct upstream *upstream;
    struct text      name;

    writer_format(&writer, "%s:%u", host, port);
    if (known == NULL)
        known = map_new(true);
    upstream = map_get(known, writer_done(&writer));
    if (upstream != NULL)
        return upstream;
    if (map_count(known) >= DYNAMIC_MOST) {
        log_at(LOG_WARN, NULL, "more than %d different hosts in proxy_pass with variables",
               DYNAMIC_MOST);
        return NULL;
    }
    name = text_of(mem_string(writer.ptr, writer.len), writer.len);
    upstream = upstream_make(control, name, host, port);
    (void)map_add(known, name, upstream);
    return upstream;
}

static void answer_open(struct loop *loop, struct letter *letter)
{
    struct dynamic_ask *ask = container_of(letter, struct dynamic_ask, letter);

    (void)loop;
    ask->is_answered = true;
    if (ask->waiter != NULL)
        task_wake(ask->waiter, WAKE_LETTER);
    else
        mem_free(ask);
}

static void question_open(struct loop *control, struct letter *letter)
{
    struct dynamic_ask *ask = container_of(letter, struct dynamic_ask, letter);

    ask->upstream = find_or_make(control, ask->host, ask->port);
    ask->letter.open = answer_open;
    mailbox_post(ask->loop, &ask->letter);
}

struct dynamic_ask *dynamic_find(struct text host, unsigned port, struct loop *control,
                                 struct loop *loop, struct task *waiter)
{
    struct dynamic_ask *ask;

    if (host.len >= DYNAMIC_HOST_BYTES)
        return NULL;
    ask = mem_new(sizeof(*ask));
    memcpy(ask->host, host.ptr, host.len);
    ask->port = port;
    ask->loop = loop;
    ask->waiter = waiter;
    ask->letter.open = question_open;
    mailbox_post(control, &ask->letter);
    return ask;
}

void dynamic_forget(struct dynamic_ask **ask)
{
    struct dynamic_ask *done = *ask;

    *ask = NULL;
    if (done == NULL)
        return;
    if (done->is_answered)
        mem_free(done);
    else
        done->waiter = NULL;
}
