// SPDX-License-Identifier: MIT
/* `set_real_ip_from`, `real_ip_header`, `real_ip_recursive`: who the client is behind other proxies. */
#include <stddef.h>
#include <string.h>

#include "config/values.h"

static struct trust *trust_new(struct compiler *compiler)
{
    struct trust *trust = ARENA_NEW(compiler->arena, struct trust);

    trust->networks = prefix_tree_new(compiler->arena);
    return trust;
}

static void trust_add(struct compiler *compiler, struct trust *trust, const struct network *network)
{
    struct trusted *trusted = ARENA_NEW(compiler->arena, struct trusted), **end = &trust->list;

    trusted->network = *network;
    if (!prefix_tree_add(trust->networks, network->bytes, network->len, network->bits, trusted))
        return;   /* twice is no more than once */
    while (*end != NULL)
        end = &(*end)->next;
    *end = trusted;
}

static void trust_add_address(struct compiler *compiler, struct trust *trust,
                              const struct address *address)
{
    unsigned             len = 0;
    const unsigned char *bytes = address_bytes(address, &len);
    struct network       network = { .len = (uint8_t)len, .bits = (uint8_t)(len * 8) };

    if (bytes == NULL)
        return;
    memcpy(network.bytes, bytes, len);
    trust_add(compiler, trust, &network);
}

/* A name stands for all its addresses, as they are when the configuration is gathered. */
static void trust_add_name(struct compiler *compiler, struct trust *trust, const struct word *word)
{
    struct config_source *source = compiler->source;
    const struct address *addresses = NULL;
    unsigned              count = 0;

    if (text_find(word->text, '/') < word->text.len ||
        text_find(word->text, ':') < word->text.len || word->text.len == 0 ||
        source->resolve(source, word->text, &addresses, &count) < 0) {
        complain(compiler, word, "host not found in set_real_ip_from \"%.*s\"",
                 TEXT_ARGS(word->text));
        return;
    }
    for (unsigned i = 0; i < count; i++)
        trust_add_address(compiler, trust, &addresses[i]);
}

static void apply_set_real_ip_from(struct compiler *compiler, const struct node *node, void *field)
{
    const struct word *word = &node->args[0];
    struct trust     **trust = field;
    struct network     network;

    if (compiler->is_first)
        *trust = trust_new(compiler);
    if (text_is_equal(word->text, TEXT("unix:")))
        (*trust)->has_unix = true;
    else if (word->text.len > 0 && word->text.ptr[0] != '[' &&
             word_network(compiler, word, &network))
        trust_add(compiler, *trust, &network);
    else
        trust_add_name(compiler, *trust, word);
}

static void apply_real_ip_header(struct compiler *compiler, const struct node *node, void *field)
{
    struct real_ip    *rules = container_of(field, struct real_ip, field);
    const struct word *word = &node->args[0];
    bool               is_of_proxy_protocol = text_is_equal(word->text, TEXT("proxy_protocol"));

    if (!is_of_proxy_protocol && !word_is_field_name(compiler, word))
        return;
    rules->is_of_proxy_protocol = is_of_proxy_protocol;
    rules->field = word->text;
    rules->id = field_id_of(word->text);
}

static const struct directive rows[] = {
    { "set_real_ip_from", EVERYWHERE, 1, 1, IS_LIST, apply_set_real_ip_from,
      FIELD_LOCATION(real_ip.trust), "address | network | name | unix:", "",
      "Trusts a proxy in front of us to say who the client is." },
    { "real_ip_header", EVERYWHERE, 1, 1, 0, apply_real_ip_header, FIELD_LOCATION(real_ip.field),
      "X-Real-IP | X-Forwarded-For | field | proxy_protocol", "X-Real-IP",
      "Where a trusted proxy says who the client is." },
    { "real_ip_recursive", EVERYWHERE, 1, 1, 0, apply_flag, FIELD_LOCATION(real_ip.is_recursive),
      "on | off", "off", "Skips trusted proxies in a list of addresses, from its end." },
};

const struct directive_rows rows_real_ip = DIRECTIVE_ROWS("Real client addresses", rows);
