// SPDX-License-Identifier: MIT
#include "proxy/preface.h"

#include <string.h>

#include "base/budget.h"
#include "base/mem.h"
#include "net/proxy_protocol.h"
#include "proxy/client.h"
#include "proxy/client_log.h"

/* The beginning that a log line can show. */
static struct text readable(struct text bytes)
{
    size_t len = 0;

    while (len < bytes.len && len < PROXY_PROTOCOL_V1_MOST && bytes.ptr[len] >= ' ' &&
           bytes.ptr[len] < 0x7f)
        len++;
    return text_part(bytes, 0, len);
}

static void say_broken(const struct client *client, const char *words, struct text quoted)
{
    const char *quote = quoted.len > 0 ? "\"" : "";

    client_log(client, LOG_ERROR, "%s%s%s%.*s%s while reading PROXY protocol", words,
               quoted.len > 0 ? ": " : "", quote, TEXT_ARGS(quoted), quote);
}

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
        say_broken(client, "no memory", TEXT(""));
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

ssize_t preface_read(struct client *client, struct text bytes)
{
    struct proxy_protocol said;
    const char           *words = NULL;
    size_t                size = 0;

    switch (proxy_protocol_parse(bytes, &said, &size, &words)) {
    case PROXY_PROTOCOL_MORE:
        return 0;
    case PROXY_PROTOCOL_BROKEN:
        say_broken(client, words, readable(bytes));
        return -1;
    case PROXY_PROTOCOL_DONE:
        break;
    }
    return keep(client, &said) ? (ssize_t)size : -1;
}
