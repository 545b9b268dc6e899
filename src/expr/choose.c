// SPDX-License-Identifier: MIT
/* One hash map each for exact keys, leading and trailing wildcards; regular expressions are a list,
 * since their order counts. A wildcard is looked up once per dot of the subject, and not at all for
 * pieces longer than the longest key, so that a client's text of ten thousand dots costs little. */
#include "expr/choose.h"

#include <errno.h>

#include "base/map.h"

enum { DEPTH_MOST = 32 };                /* of maps that ask maps */

struct regex_choice {
    struct regex_choice   *next;
    const struct regex    *regex;
    const struct template *value;
};

struct choose {
    struct arena          *arena;
    const struct template *subject;
    bool                   has_hostnames, is_volatile;
    unsigned               slot;
    struct map            *exact, *leading, *trailing;   /* text -> const struct template * */
    size_t                 leading_most, trailing_most;
    struct regex_choice   *first_regex, **last_regex;
    const struct template *otherwise;    /* NULL: empty */
    const struct choose_value *values, **last_value;
};

static void map_undo(void *object)
{
    struct map *map = object;

    map_free(&map);
}

static struct map *arena_map(struct arena *arena)
{
    struct map *map = map_new(true);

    arena_defer(arena, map_undo, map);
    return map;
}

struct choose *choose_new(struct arena *arena, const struct template *subject, bool has_hostnames,
                          bool is_volatile, unsigned slot)
{
    struct choose *choose = ARENA_NEW(arena, struct choose);

    choose->arena = arena;
    choose->slot = slot;
    choose_begin(choose, subject, has_hostnames, is_volatile);
    return choose;
}

void choose_begin(struct choose *choose, const struct template *subject, bool has_hostnames,
                  bool is_volatile)
{
    *choose = (struct choose){ .arena = choose->arena, .slot = choose->slot, .subject = subject,
                               .has_hostnames = has_hostnames, .is_volatile = is_volatile };
    choose->exact = arena_map(choose->arena);
    choose->leading = arena_map(choose->arena);
    choose->trailing = arena_map(choose->arena);
    choose->last_regex = &choose->first_regex;
    choose->last_value = &choose->values;
}

/* ---- building ---- */

static void value_note(struct choose *choose, const struct template *value)
{
    struct choose_value *noted = ARENA_NEW(choose->arena, struct choose_value);

    noted->value = value;
    *choose->last_value = noted;
    choose->last_value = &noted->next;
}

static int keep(struct map *map, size_t *most, struct text key, const struct template *value)
{
    if (!map_add(map, key, (void *)value))
        return -EEXIST;
    if (most != NULL && key.len > *most)
        *most = key.len;
    return 0;
}

int choose_add(struct choose *choose, struct text key, const struct template *value)
{
    struct text kept = key.len == 0 ? TEXT("") : arena_copy(choose->arena, key);

    value_note(choose, value);
    if (!choose->has_hostnames)
        return keep(choose->exact, NULL, kept, value);
    if (text_has_prefix(kept, TEXT("*.")))
        return keep(choose->leading, &choose->leading_most, text_from_offset(kept, 1), value);
    if (text_has_prefix(kept, TEXT("."))) {
        /* ".x" is "x" and "*.x". */
        if (keep(choose->exact, NULL, text_from_offset(kept, 1), value) < 0)
            return -EEXIST;
        return keep(choose->leading, &choose->leading_most, kept, value);
    }
    if (text_has_suffix(kept, TEXT(".*")))
        return keep(choose->trailing, &choose->trailing_most, text_part(kept, 0, kept.len - 1),
                    value);
    return keep(choose->exact, NULL, kept, value);
}

void choose_add_regex(struct choose *choose, const struct regex *regex,
                      const struct template *value)
{
    struct regex_choice *choice = ARENA_NEW(choose->arena, struct regex_choice);

    *choice = (struct regex_choice){ .regex = regex, .value = value };
    *choose->last_regex = choice;
    choose->last_regex = &choice->next;
    value_note(choose, value);
}

void choose_set_default(struct choose *choose, const struct template *value)
{
    choose->otherwise = value;
    value_note(choose, value);
}

const struct choose_value *choose_values(const struct choose *choose)
{
    return choose->values;
}

/* ---- choosing ---- */

static const struct template *find_leading(const struct choose *choose, struct text key)
{
    size_t at = key.len > choose->leading_most ? key.len - choose->leading_most : 0;

    for (; at < key.len && choose->leading_most > 0; at++) {
        const struct template *value;

        /* There must be something before the dot. */
        if (key.ptr[at] != '.' || at == 0)
            continue;
        value = map_get(choose->leading, text_from_offset(key, at));
        if (value != NULL)
            return value;
    }
    return NULL;
}

static const struct template *find_trailing(const struct choose *choose, struct text key)
{
    size_t len = key.len > choose->trailing_most ? choose->trailing_most : key.len;

    for (; len > 0; len--) {
        const struct template *value;

        if (key.ptr[len - 1] != '.' || len == key.len)
            continue;
        value = map_get(choose->trailing, text_part(key, 0, len));
        if (value != NULL)
            return value;
    }
    return NULL;
}

static const struct template *find_host(const struct choose *choose, struct text key)
{
    const struct template *value;

    if (key.len > 0 && key.ptr[key.len - 1] == '.')
        key.len--;
    value = map_get(choose->exact, key);
    if (value == NULL)
        value = find_leading(choose, key);
    return value != NULL ? value : find_trailing(choose, key);
}

static const struct template *find(const struct choose *choose, struct scope *scope,
                                   struct text key)
{
    const struct template *value =
        choose->has_hostnames ? find_host(choose, key) : map_get(choose->exact, key);

    for (const struct regex_choice *at = choose->first_regex; at != NULL && value == NULL;
         at = at->next)
        if (regex_match(at->regex, key, scope))
            value = at->value;
    return value != NULL ? value : choose->otherwise;
}

struct text choose_get(struct scope *scope, const struct variable *self)
{
    const struct choose   *choose = self->object;
    const struct template *value;
    struct text            result = TEXT("");

    if (!choose->is_volatile && scope->slots[choose->slot].ptr != NULL)
        return scope->slots[choose->slot];
    if (scope->depth >= DEPTH_MOST)
        return TEXT_NONE;
    scope->depth++;
    value = find(choose, scope, template_eval(choose->subject, scope));
    if (value != NULL)
        result = template_eval(value, scope);
    scope->depth--;
    if (!choose->is_volatile)
        scope_set_slot(scope, choose->slot, result);
    return result;
}
