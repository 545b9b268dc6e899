// SPDX-License-Identifier: MIT
/* A value of Cache-Groups, Cache-Group-Invalidation and of a field of tags. Checked: names are bounded and
 * differ; the two fields of groups agree; a tag lies in the value and has no separator, and what is between
 * tags is nothing else, unless the list was cut. */
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "cache/groups.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_names(const struct groups *groups)
{
    must(groups->count <= GROUPS_MAX);
    for (unsigned i = 0; i < groups->count; i++) {
        must(groups->names[i].len <= GROUPS_NAME_MAX);
        for (unsigned k = 0; k < i; k++)
            must(!text_is_equal(groups->names[i], groups->names[k]));
    }
}

static bool is_separator(char c)
{
    return c == ' ' || c == '\t' || c == ',';
}

static void check_tags(const struct groups *tags, struct text value)
{
    size_t in_value = 0;

    for (unsigned i = 0; i < tags->count; i++) {
        struct text tag = tags->names[i];
        must(tag.len > 0 && tag.ptr >= value.ptr && tag.ptr + tag.len <= value.ptr + value.len);
        for (size_t k = 0; k < tag.len; k++)
            must(!is_separator(tag.ptr[k]));
    }
    for (size_t i = 0; i < value.len; i++)
        in_value += !is_separator(value.ptr[i]) && (i == 0 || is_separator(value.ptr[i - 1]));
    must(tags->is_cut || (tags->count > 0) == (in_value > 0));
    must(tags->count <= in_value);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char         *exact = mem_try(len + 1);
    struct arena *arena = arena_new();
    struct text   value = text_of(exact, len);
    struct fields response;
    struct groups groups, ended;

    must(exact != NULL);
    memcpy(exact, bytes, len);
    fields_init(&response, arena, 4);
    fields_add(&response, TEXT("Cache-Groups"), value);
    fields_add(&response, TEXT("Cache-Group-Invalidation"), value);
    groups_of(&response, arena, &groups);
    check_names(&groups);
    groups_ended_by(METHOD_POST, &response, arena, &ended);
    must(ended.count == groups.count && ended.is_cut == groups.is_cut);
    groups_tags(&response, TEXT("cache-groups"), &groups);
    check_names(&groups);
    check_tags(&groups, value);
    arena_free(&arena);
    mem_free(exact);
    return 0;
}
