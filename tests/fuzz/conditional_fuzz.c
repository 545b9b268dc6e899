// SPDX-License-Identifier: MIT
/* A stored response's entity tag (first line) against conditions of a request (the others, each a
 * letter and its value: N If-None-Match, M If-Modified-Since, R If-Range). Checked: tags lie within the
 * list, each list is walked to its end; a 304 names the stored tag or "*"; If-Range wants it exactly. */
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "http/conditional.h"
#include "http/etag.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

enum { NOW_S = 1795000000 };

static void check_list(struct text list)
{
    struct text rest = list, tag;
    size_t      left = rest.len + 1;

    while (etag_list_next(&rest, &tag) == ETAG_READ) {
        must(etag_is_valid(tag) && etag_is_equal_weak(tag, tag));
        must(tag.ptr >= list.ptr && tag.ptr + tag.len <= list.ptr + list.len);
        must(rest.len < left);
        left = rest.len;
    }
}

static enum field_id id_of(char letter)
{
    return letter == 'N' ? FIELD_IF_NONE_MATCH : letter == 'M' ? FIELD_IF_MODIFIED_SINCE
                                                               : FIELD_IF_RANGE;
}

static void check(struct arena *arena, struct text etag, struct text rest)
{
    struct fields     request, response;
    struct text       line, none_match, if_range;
    struct validators stored;

    fields_init(&response, arena, 2);
    fields_add_id(&response, FIELD_ETAG, etag);
    validators_of(&response, NOW_S, &stored);
    fields_init(&request, arena, 4);
    while (text_split(&rest, '\n', &line))
        if (line.len > 0) {
            fields_add_id(&request, id_of(line.ptr[0]), text_from_offset(line, 1));
            check_list(text_from_offset(line, 1));
        }
    none_match = fields_joined(&request, field_name(FIELD_IF_NONE_MATCH), arena);
    if_range = fields_value(&request, FIELD_IF_RANGE);
    if (conditional_judge(METHOD_GET, &request, 200, &stored, NOW_S) == CONDITIONAL_NOT_MODIFIED &&
        none_match.ptr != NULL && !text_is_equal(text_trim(none_match), TEXT("*"))) {
        struct text opaque = text_from_offset(stored.etag, etag_is_weak(stored.etag) ? 2 : 0);
        must(opaque.len > 0 && text_find_text(none_match, opaque) < none_match.len);
    }
    if (conditional_may_range(&request, &stored, NOW_S) && if_range.ptr != NULL)
        must(text_is_equal(text_trim(if_range), stored.etag));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char         *exact = mem_try(len + 1);
    struct arena *arena = arena_new();
    struct text   rest = text_of(exact, len), etag;

    must(exact != NULL);
    memcpy(exact, bytes, len);
    if (text_split(&rest, '\n', &etag) && rest.ptr != NULL)
        check(arena, etag, rest);
    arena_free(&arena);
    mem_free(exact);
    return 0;
}
