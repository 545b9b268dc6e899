// SPDX-License-Identifier: MIT
/* The containers of structured fields. An inner list holds items and nothing else, so the grammar is
 * three levels deep at most and needs no recursion: member, inner item, parameter. Keys are looked
 * for one by one; the bound on nodes bounds that as well. Pure functions, any thread. */
#include "http/structured.h"

#include <errno.h>

#include "http/structured_value.h"

struct parser {
    struct text   rest;
    struct arena *arena;
    unsigned      nodes;
    int           error;                 /* the first mistake: -EINVAL, -E2BIG */
};

/* The end of a chain that grows. */
struct chain {
    struct structured *first, **end;
};

static bool take_member(struct parser *parser, struct structured *ret);

static bool fail(struct parser *parser, int error)
{
    if (parser->error == 0)
        parser->error = error;
    return false;
}

static char peek(const struct parser *parser)
{
    return parser->rest.len > 0 ? parser->rest.ptr[0] : '\0';
}

static bool take_char(struct parser *parser, char c)
{
    if (parser->rest.len == 0 || parser->rest.ptr[0] != c)
        return false;
    parser->rest = text_from_offset(parser->rest, 1);
    return true;
}

static void skip_spaces(struct parser *parser)
{
    while (take_char(parser, ' '))
        continue;
}

static void skip_spaces_and_tabs(struct parser *parser)
{
    while (take_char(parser, ' ') || take_char(parser, '\t'))
        continue;
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_in_key(char c)
{
    return is_lower(c) || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.' || c == '*';
}

/* RFC 9651 4.2.3.3 */
static bool take_key(struct parser *parser, struct text *ret_key)
{
    size_t len = 0;

    if (!is_lower(peek(parser)) && peek(parser) != '*')
        return fail(parser, -EINVAL);
    while (len < parser->rest.len && is_in_key(parser->rest.ptr[len]))
        len++;
    *ret_key = text_part(parser->rest, 0, len);
    parser->rest = text_from_offset(parser->rest, len);
    return true;
}

const struct structured *structured_find(const struct structured *first, struct text key)
{
    while (first != NULL && !text_is_equal(first->key, key))
        first = first->next;
    return first;
}

static struct structured *node_append(struct parser *parser, struct chain *chain)
{
    struct structured *node;

    if (++parser->nodes > STRUCTURED_NODES_MAX) {
        (void)fail(parser, -E2BIG);
        return NULL;
    }
    node = ARENA_NEW(parser->arena, struct structured);
    *chain->end = node;
    chain->end = &node->next;
    return node;
}

/* The node of that key, emptied, in its place; or a new one at the end. */
static struct structured *node_of_key(struct parser *parser, struct chain *chain, struct text key)
{
    struct structured *node = chain->first, *next;

    while (node != NULL && !text_is_equal(node->key, key))
        node = node->next;
    if (node == NULL) {
        node = node_append(parser, chain);
        if (node != NULL)
            node->key = key;
        return node;
    }
    next = node->next;
    *node = (struct structured){ .next = next, .key = key };
    return node;
}

static bool take_value(struct parser *parser, struct structured *ret)
{
    return structured_take_value(&parser->rest, parser->arena, ret) || fail(parser, -EINVAL);
}

/* RFC 9651 4.2.3.2 */
static bool take_parameters(struct parser *parser, struct structured *owner)
{
    struct chain chain = { .end = &chain.first };

    while (take_char(parser, ';')) {
        struct structured *node;
        struct text        key;
        skip_spaces(parser);
        if (!take_key(parser, &key))
            return false;
        node = node_of_key(parser, &chain, key);
        if (node == NULL)
            return false;
        node->number = 1;
        if (take_char(parser, '=') && !take_value(parser, node))
            return false;
    }
    owner->parameters = chain.first;
    return true;
}

/* RFC 9651 4.2.1.2, after the parenthesis. */
static bool take_inner_list(struct parser *parser, struct structured *ret)
{
    struct chain chain = { .end = &chain.first };

    ret->kind = STRUCTURED_INNER_LIST;
    for (;;) {
        struct structured *node;
        skip_spaces(parser);
        if (take_char(parser, ')'))
            break;
        node = node_append(parser, &chain);
        if (node == NULL || !take_value(parser, node) || !take_parameters(parser, node))
            return false;
        if (peek(parser) != ' ' && peek(parser) != ')')
            return fail(parser, -EINVAL);
    }
    ret->items = chain.first;
    return take_parameters(parser, ret);
}

/* An item or an inner list. */
static bool take_member(struct parser *parser, struct structured *ret)
{
    if (take_char(parser, '('))
        return take_inner_list(parser, ret);
    return take_value(parser, ret) && take_parameters(parser, ret);
}

/* RFC 9651 4.2.2: a key alone is true. */
static bool take_dictionary_member(struct parser *parser, struct chain *chain)
{
    struct structured *node;
    struct text        key;

    if (!take_key(parser, &key))
        return false;
    node = node_of_key(parser, chain, key);
    if (node == NULL)
        return false;
    if (take_char(parser, '='))
        return take_member(parser, node);
    node->number = 1;
    return take_parameters(parser, node);
}

static bool take_list_member(struct parser *parser, struct chain *chain)
{
    struct structured *node = node_append(parser, chain);

    return node != NULL && take_member(parser, node);
}

/* Between members; false at the end and after a mistake, such as a comma with nothing behind it. */
static bool take_comma(struct parser *parser)
{
    skip_spaces_and_tabs(parser);
    if (parser->rest.len == 0)
        return false;
    if (!take_char(parser, ','))
        return fail(parser, -EINVAL);
    skip_spaces_and_tabs(parser);
    return parser->rest.len > 0 || fail(parser, -EINVAL);
}

/* RFC 9651 4.2: spaces around the whole are nothing, tabs are a mistake there. Those at the end are
 * cut first, so that whatever is left after the last member is one. */
static struct parser parser_of(struct text text, struct arena *arena)
{
    struct parser parser = { .rest = text, .arena = arena };

    skip_spaces(&parser);
    while (parser.rest.len > 0 && parser.rest.ptr[parser.rest.len - 1] == ' ')
        parser.rest.len--;
    return parser;
}

static int parse_members(struct text text, struct arena *arena,
                         bool (*take)(struct parser *parser, struct chain *chain),
                         struct structured **ret_first)
{
    struct parser parser = parser_of(text, arena);
    struct chain  chain = { .end = &chain.first };
    bool          has_more = parser.rest.len > 0;

    while (has_more)
        has_more = take(&parser, &chain) && take_comma(&parser);
    if (parser.error == 0)
        *ret_first = chain.first;
    return parser.error;
}

int structured_parse_dictionary(struct text text, struct arena *arena,
                                struct structured **ret_first)
{
    return parse_members(text, arena, take_dictionary_member, ret_first);
}

int structured_parse_list(struct text text, struct arena *arena, struct structured **ret_first)
{
    return parse_members(text, arena, take_list_member, ret_first);
}

int structured_parse_item(struct text text, struct arena *arena, struct structured **ret_item)
{
    struct parser      parser = parser_of(text, arena);
    struct structured *item = ARENA_NEW(arena, struct structured);

    if (take_value(&parser, item) && take_parameters(&parser, item) && parser.rest.len > 0)
        (void)fail(&parser, -EINVAL);
    if (parser.error == 0)
        *ret_item = item;
    return parser.error;
}
