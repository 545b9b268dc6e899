// SPDX-License-Identifier: MIT
/* Structured fields, read as dictionary, list and item. Checked: the bound on nodes holds; texts lie
 * where they may; spaces around the whole change nothing; a String written again reads the same. */
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "http/structured.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_string(struct arena *arena, struct text text)
{
    struct writer      writer = writer_arena(arena, text.len + 2);
    struct structured *again = NULL;

    must(structured_write_string(&writer, text));
    must(structured_parse_item(writer_done(&writer), arena, &again) == 0);
    must(again->kind == STRUCTURED_STRING && text_is_equal(again->text, text));
}

static void check_node(struct arena *arena, const struct structured *node)
{
    must(node->kind <= STRUCTURED_INNER_LIST);
    if (node->kind == STRUCTURED_STRING)
        check_string(arena, node->text);
    if (node->kind == STRUCTURED_TOKEN)
        must(structured_is_token(node->text));
    if (node->kind == STRUCTURED_BOOLEAN)
        must(node->number == 0 || node->number == 1);
    if (node->kind == STRUCTURED_INTEGER)
        must(node->number > INT64_C(-1000000000000000) && node->number < INT64_C(1000000000000000));
}

/* Members, their items, and the parameters of both; returns how many nodes. */
static unsigned check_chain(struct arena *arena, const struct structured *first)
{
    unsigned count = 0;

    for (const struct structured *node = first; node != NULL; node = node->next) {
        check_node(arena, node);
        count++;
        for (const struct structured *item = node->items; item != NULL; item = item->next) {
            must(item->items == NULL && item->key.len == 0);
            check_node(arena, item);
            count++;
            for (const struct structured *x = item->parameters; x != NULL; x = x->next, count++)
                check_node(arena, x);
        }
        for (const struct structured *x = node->parameters; x != NULL; x = x->next, count++)
            must(x->key.len > 0 && x->kind != STRUCTURED_INNER_LIST);
    }
    return count;
}

static void check_dictionary(struct arena *arena, struct text text)
{
    struct structured *first = NULL, *padded = NULL;
    struct text        with_spaces = arena_format(arena, " %.*s ", TEXT_ARGS(text));
    int                error = structured_parse_dictionary(text, arena, &first);

    if (memchr(text.ptr, '\0', text.len) == NULL)
        must(structured_parse_dictionary(with_spaces, arena, &padded) == error);
    for (const struct structured *node = first; node != NULL; node = node->next)
        must(structured_find(first, node->key) == node);
    must(check_chain(arena, first) <= STRUCTURED_NODES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char              *exact = mem_try(len + 1);
    struct arena      *arena = arena_new();
    struct text        text = text_of(exact, len);
    struct structured *first = NULL, *item = NULL;

    must(exact != NULL);
    memcpy(exact, bytes, len);
    check_dictionary(arena, text);
    if (structured_parse_list(text, arena, &first) == 0)
        must(check_chain(arena, first) <= STRUCTURED_NODES_MAX);
    if (structured_parse_item(text, arena, &item) == 0)
        must(check_chain(arena, item) >= 1);
    arena_free(&arena);
    mem_free(exact);
    return 0;
}
