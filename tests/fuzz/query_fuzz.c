// SPDX-License-Identifier: MIT
/* The first line is a No-Vary-Search value, the second a query. Checked: specs and normal queries are bounded
 * and have no byte beyond their alphabet; a normal query is its own normal form; of what does not matter
 * nothing is left, whatever is appended of it; where order does not matter, a query turned around whose
 * names all differ is the same. */
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "base/writer.h"
#include "cache/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_alphabet(struct text text)
{
    for (size_t i = 0; i < text.len; i++)
        must(text.ptr[i] > ' ' && text.ptr[i] < 0x7f && text.ptr[i] != '+');
}

/* The pairs from last to first; false: a name comes twice. */
static bool turned(struct text normal, struct arena *arena, struct text *ret_query)
{
    struct writer writer = writer_arena(arena, normal.len + 1);
    size_t        end = normal.len;

    while (end > 0) {
        size_t      from = text_find_last(text_part(normal, 0, end), '&');
        struct text pair, name, rest = normal, other;
        unsigned    same = 0;
        from = from == end ? 0 : from + 1;
        pair = text_part(normal, from, end - from);
        name = text_part(pair, 0, text_find(pair, '='));
        while (text_split(&rest, '&', &other))
            same += text_is_equal(text_part(other, 0, text_find(other, '=')), name);
        if (same != 1)
            return false;
        writer_text(&writer, pair);
        writer_char(&writer, '&');
        end = from == 0 ? 0 : from - 1;
    }
    *ret_query = writer_done(&writer);
    return true;
}

static void check_query(struct arena *arena, struct text spec, struct text query)
{
    struct text   normal, again, piece, names = text_from_offset(spec, 2);
    struct writer writer = writer_arena(arena, query.len + 64);

    if (!query_normalise(spec, query, arena, &normal))
        return;
    check_alphabet(normal);
    must(normal.len <= 3 * query.len + QUERY_PAIRS_MAX);
    if (query_normalise(spec, normal, arena, &again))
        must(text_is_equal(normal, again));
    writer_text(&writer, query);
    (void)text_split(&names, '&', &piece);
    while (spec.ptr[1] == '-' && text_split(&names, '&', &piece)) {
        writer_char(&writer, '&');
        writer_text(&writer, piece);
        writer_string(&writer, "=dropped");
    }
    if (query_normalise(spec, writer_done(&writer), arena, &again))
        must(text_is_equal(normal, again));
    if (spec.ptr[0] == '~' && turned(normal, arena, &piece) &&
        query_normalise(spec, piece, arena, &again))
        must(text_is_equal(normal, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char         *exact = mem_try(len + 1);
    struct arena *arena = arena_new();
    struct text   rest = text_of(exact, len), value, spec;
    struct fields response;

    must(exact != NULL);
    memcpy(exact, bytes, len);
    if (text_split(&rest, '\n', &value) && rest.ptr != NULL) {
        fields_init(&response, arena, 1);
        fields_add(&response, TEXT("No-Vary-Search"), value);
        spec = query_spec(&response, arena);
        must(spec.len <= QUERY_SPEC_MAX);
        check_alphabet(text_from_offset(spec, 2));
        if (spec.ptr != NULL)
            check_query(arena, spec, rest);
    }
    arena_free(&arena);
    mem_free(exact);
    return 0;
}
