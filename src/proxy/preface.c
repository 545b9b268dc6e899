// SPDX-License-Identifier: MIT
/* A protocol in front of the codec's: it shares the codec's struct and has operations of its own
 * until the header is complete, and then gives its place to the codec's. So a connection costs no
 * byte more for it, and none of the bytes behind the header are lost. */
#include "proxy/preface.h"

#include <string.h>

#include "base/budget.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/proxy_protocol.h"
#include "proxy/client.h"

static struct client *client_of(struct protocol *protocol)
{
    struct codec *codec = container_of(protocol, struct codec, protocol);

    return container_of(codec->host, struct client, host);
}

/* ---- what the log says ---- */

struct speaker {
    struct log_scope     scope;
    const struct client *client;
};

static void describe(const struct log_scope *scope, struct writer *writer)
{
    const struct speaker *speaker = container_of(scope, struct speaker, scope);
    struct address        remote = client_remote(speaker->client);

    writer_string(writer, ", client: ");
    address_write_ip(writer, &remote);
    writer_string(writer, ", server: ");
    address_write(writer, &client_listen(speaker->client)->address);
}

static void say(const struct client *client, enum log_level level, const char *words,
                struct text quoted)
{
    const struct log *log = &client_listen(client)->servers[0]->level.error_log->log;
    struct speaker    speaker = { .scope = { .connection = client->serial, .describe = describe },
                                  .client = client };
    const char       *quote = quoted.len > 0 ? "\"" : "";

    log_to(log->write != NULL ? log : log_used(), level, &speaker.scope,
           "%s%s%s%.*s%s while reading PROXY protocol", words, quoted.len > 0 ? ": " : "", quote,
           TEXT_ARGS(quoted), quote);
}

/* The beginning that a log line can show. */
static struct text readable(struct text bytes)
{
    size_t len = 0;

    while (len < bytes.len && len < PROXY_PROTOCOL_V1_MOST && bytes.ptr[len] >= ' ' &&
           bytes.ptr[len] < 0x7f)
        len++;
    return text_part(bytes, 0, len);
}

/* ---- the header ---- */

static int64_t size_of(const struct preface *preface)
{
    return (int64_t)(sizeof(*preface) + preface->value_bytes);
}

/* False: there is no memory for it. */
static bool keep(struct client *client, const struct proxy_protocol *said)
{
    struct preface *preface;

    if (!said->has_addresses)
        return true;
    preface = mem_try(sizeof(*preface) + said->values.len);
    if (preface == NULL) {
        say(client, LOG_ERROR, "no memory", TEXT(""));
        return false;
    }
    preface->sender = client->remote;
    preface->source = address_shorten(&said->source);
    preface->destination = address_shorten(&said->destination);
    preface->value_bytes = (uint16_t)said->values.len;
    if (said->values.len > 0)
        memcpy(preface->values, said->values.ptr, said->values.len);
    budget_add(size_of(preface));
    client->preface = preface;
    client->has_preface = true;
    return true;
}

void preface_copy(struct client *to, const struct client *from)
{
    to->has_preface = from->has_preface;
    if (!from->has_preface) {
        to->remote = from->remote;
        return;
    }
    to->preface = mem_new((size_t)size_of(from->preface));
    memcpy(to->preface, from->preface, (size_t)size_of(from->preface));
    budget_add(size_of(to->preface));
}

void preface_drop(struct client *client)
{
    if (!client->has_preface)
        return;
    budget_add(-size_of(client->preface));
    MEM_FREE(&client->preface);
    client->has_preface = false;
}

/* The codec's turn: what has come behind the header is its own. The deadline of a head begins anew. */
static ssize_t hand_over(struct protocol *protocol, struct slice bytes, size_t size)
{
    struct client *client = client_of(protocol);
    struct slice   rest = { .block = bytes.block, .start = bytes.start + (uint32_t)size,
                            .len = bytes.len - (uint32_t)size };
    ssize_t        used = 0;

    protocol->ops = &h1_server_protocol;
    client->conn->since_ms = loop_now_ms(client->conn->loop);
    if (rest.len > 0)
        used = protocol->ops->feed(protocol, rest);
    return used < 0 ? -1 : (ssize_t)size + used;
}

static ssize_t preface_feed(struct protocol *protocol, struct slice bytes)
{
    struct client        *client = client_of(protocol);
    struct proxy_protocol said;
    const char           *words = NULL;
    size_t                size = 0;

    switch (proxy_protocol_parse(slice_text(bytes), &said, &size, &words)) {
    case PROXY_PROTOCOL_MORE:
        return 0;
    case PROXY_PROTOCOL_BROKEN:
        say(client, LOG_ERROR, words, readable(slice_text(bytes)));
        return -1;
    case PROXY_PROTOCOL_DONE:
        break;
    }
    return keep(client, &said) ? hand_over(protocol, bytes, size) : -1;
}

/* ---- ends without one ---- */

static void preface_finish(struct protocol *protocol)
{
    say(client_of(protocol), LOG_INFO, "client closed connection", TEXT(""));
    h1_server_protocol.finish(protocol);
}

static void preface_expire(struct protocol *protocol, enum conn_wait wait)
{
    say(client_of(protocol), LOG_INFO, "client timed out (110: Connection timed out)", TEXT(""));
    h1_server_protocol.expire(protocol, wait);
}

/* ---- as the codec does while nothing has come ---- */

static int preface_fill(struct protocol *protocol, struct iovec *ret_iov, int most)
{
    return h1_server_protocol.fill(protocol, ret_iov, most);
}

static void preface_sent(struct protocol *protocol, size_t len)
{
    h1_server_protocol.sent(protocol, len);
}

static enum conn_wait preface_wait(const struct protocol *protocol)
{
    return h1_server_protocol.wait(protocol);
}

static void preface_lost(struct protocol *protocol, enum loss why)
{
    h1_server_protocol.lost(protocol, why);
}

static bool preface_is_held(const struct protocol *protocol)
{
    return h1_server_protocol.is_held(protocol);
}

static void preface_free(struct protocol **protocol)
{
    h1_server_protocol.free(protocol);
}

static const struct protocol_ops preface_protocol = {
    .feed = preface_feed,
    .finish = preface_finish,
    .fill = preface_fill,
    .sent = preface_sent,
    .wait = preface_wait,
    .expire = preface_expire,
    .lost = preface_lost,
    .is_held = preface_is_held,
    .free = preface_free,
};

void preface_expect(struct codec *codec)
{
    codec->protocol.ops = &preface_protocol;
}
