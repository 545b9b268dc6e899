// SPDX-License-Identifier: MIT
/* Names of groups and tags. Each function fills a list of bounded size; what does not fit is said, for
 * a response whose tags we do not know all of cannot be purged by each of them. */
#include "cache/groups.h"

#include <errno.h>

#include "http/structured.h"

static void add(struct groups *groups, struct text name)
{
    for (unsigned i = 0; i < groups->count; i++)
        if (text_is_equal(groups->names[i], name))
            return;
    if (groups->count == GROUPS_MAX || name.len > GROUPS_NAME_MAX) {
        groups->is_cut = true;
        return;
    }
    groups->names[groups->count++] = name;
}

static bool is_strings(const struct structured *list)
{
    for (; list != NULL; list = list->next)
        if (list->kind != STRUCTURED_STRING)
            return false;
    return true;
}

static void read_strings(const struct fields *response, struct text name, struct arena *arena,
                         struct groups *groups)
{
    struct structured *list = NULL;
    struct text        value = fields_joined(response, name, arena);
    int                error = structured_parse_list(value, arena, &list);

    groups->count = 0;
    groups->is_cut = error == -E2BIG;
    if (error == 0 && is_strings(list))
        for (; list != NULL; list = list->next)
            add(groups, list->text);
}

void groups_of(const struct fields *response, struct arena *arena, struct groups *ret_groups)
{
    read_strings(response, TEXT("Cache-Groups"), arena, ret_groups);
}

void groups_ended_by(enum method method, const struct fields *response, struct arena *arena,
                     struct groups *ret_groups)
{
    if (method_is_safe(method)) {
        ret_groups->count = 0;
        ret_groups->is_cut = false;
        return;
    }
    read_strings(response, TEXT("Cache-Group-Invalidation"), arena, ret_groups);
}

static void add_tags(struct groups *groups, struct text value)
{
    size_t from = 0;

    for (size_t i = 0; i <= value.len; i++) {
        if (i < value.len && value.ptr[i] != ' ' && value.ptr[i] != '\t' && value.ptr[i] != ',')
            continue;
        if (i > from)
            add(groups, text_part(value, from, i - from));
        from = i + 1;
    }
}

void groups_tags(const struct fields *response, struct text name, struct groups *ret_groups)
{
    ret_groups->count = 0;
    ret_groups->is_cut = false;
    for (const struct field *field = fields_find_name(response, name); field != NULL;
         field = fields_find_next(response, field))
        add_tags(ret_groups, field->value);
}
