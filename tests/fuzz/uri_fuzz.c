// SPDX-License-Identifier: MIT
/* Paths, queries and URLs. Checked: a normalised path has nothing left to resolve, escaping it and
 * normalising it again changes nothing, and the parts of what is taken apart make the whole. */
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/pool.h"
#include "http/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_resolved(struct text path, bool may_merge)
{
    struct text rest = path, segment;
    size_t      segments = 0;

    must(path.len > 0 && path.ptr[0] == '/');
    must(memchr(path.ptr, '\0', path.len) == NULL);
    while (text_split(&rest, '/', &segment)) {
        must(!text_is_equal(segment, TEXT(".")) && !text_is_equal(segment, TEXT("..")));
        must(!may_merge || segment.len > 0 || segments == 0 || rest.len == 0);
        segments++;
    }
    if (may_merge)
        must(text_find_text(path, TEXT("//")) == path.len);
}

static void check_normalise(struct arena *arena, struct text path, bool may_merge)
{
    struct text normal, again;

    if (uri_normalise(arena, path, may_merge, &normal) != 0)
        return;
    must(normal.len <= path.len);
    check_resolved(normal, may_merge);

    struct text escaped = uri_escape_path(arena, normal);
    must(uri_target_is_valid(escaped));
    must(uri_normalise(arena, escaped, may_merge, &again) == 0);
    must(text_is_equal(again, normal));
    must(uri_normalise(arena, escaped, true, &again) == 0);
}

static void check_query(struct text input)
{
    struct uri_parts parts = uri_split(input);
    struct text      value;

    must(parts.path.len + parts.query.len + parts.has_query == input.len);
    if (uri_arg(parts.query, TEXT("a"), &value))
        must(value.ptr >= input.ptr && value.ptr + value.len <= input.ptr + input.len);
}

static void check_url(struct text input)
{
    struct uri_url url;

    if (uri_url_parse(input, &url) != 0)
        return;
    must(url.scheme.len + 3 + url.authority.len + url.rest.len == input.len);
    must(url.scheme.len > 0 && url.authority.len > 0);
    must(url.rest.len == 0 || strchr("/?#", url.rest.ptr[0]) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct arena *arena = arena_new();
    char         *exact = mem_try(len + 1);
    struct text   input = text_of(exact, len);

    must(exact != NULL);
    memcpy(exact, bytes, len);
    check_normalise(arena, uri_split(input).path, true);
    check_normalise(arena, uri_split(input).path, false);
    check_normalise(arena, input, true);
    check_query(input);
    check_url(input);
    mem_free(exact);
    arena_free(&arena);
    pools_drain();
    return 0;
}
