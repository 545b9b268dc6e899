// SPDX-License-Identifier: MIT
/* Definitions win over the families of built-ins ($http_x, $arg_x), as in nginx; a built-in of
 * exactly that name may be defined only if it is a changeable one. */
#include "config/variables_table.h"

#include "base/map.h"
#include "config/directive.h"
#include "config/unsupported.h"
#include "proxy/variables.h"

struct variables_entry {
    struct variables_entry *next;        /* in order of first mention */
    struct text             name;
    struct choose          *choose;      /* NULL: a plain slot */
    unsigned                slot;
    bool                    is_made;
    struct word             first_use;
};

static struct text lower_copy(struct arena *arena, struct text text)
{
    char *copy = arena_bytes(arena, text.len);

    for (size_t i = 0; i < text.len; i++)
        copy[i] = text_lower_char(text.ptr[i]);
    return text_of(copy, text.len);
}

static struct variables_entry *entry_of(struct variables_table *table, struct text name)
{
    struct compiler        *compiler = table->compiler;
    struct text             lower = lower_copy(compiler->arena, name);
    struct variables_entry *entry = map_get(table->entries, lower);

    if (entry != NULL)
        return entry;
    entry = ARENA_NEW(compiler->arena, struct variables_entry);
    entry->name = lower;
    entry->slot = compiler->config->site.slot_count++;
    must(map_add(table->entries, lower, entry));
    *table->end = entry;
    table->end = &entry->next;
    return entry;
}

static struct variable variable_of(const struct variables_entry *entry)
{
    return (struct variable){
        .get = entry->choose != NULL ? choose_get : scope_get_slot,
        .argument = TEXT(""),
        .object = entry->choose,
        .slot = entry->slot,
    };
}

static bool find_name(struct names *names, struct text name, struct variable *ret_variable)
{
    struct variables_table *table = container_of(names, struct variables_table, names);
    struct variables_entry *entry = map_get(table->entries, name);

    if (entry == NULL && variables_find(name, ret_variable))
        return true;
    if (entry == NULL)
        entry = entry_of(table, name);
    if (!entry->is_made && entry->first_use.file == NULL && table->place != NULL)
        entry->first_use = *table->place;
    *ret_variable = variable_of(entry);
    return true;
}

/* True: a built-in of just this name, which is not one of a family. */
static bool is_taken(struct text name)
{
    struct variable built_in;

    return variables_find(name, &built_in) && built_in.argument.len == 0 &&
           !variables_is_changeable(name);
}

static struct variables_entry *make(struct variables_table *table, struct text name,
                                    const struct word *place)
{
    struct variables_entry *entry = entry_of(table, name);

    if (!entry->is_made && is_taken(entry->name))
        complain(table->compiler, place, "the duplicate \"%.*s\" variable", TEXT_ARGS(entry->name));
    entry->is_made = true;
    return entry;
}

static unsigned find_slot(struct slots *slots, struct text name)
{
    struct variables_table *table = container_of(slots, struct variables_table, slots);

    return make(table, name, table->place)->slot;
}

unsigned variables_table_add_slot(struct variables_table *table, struct text name,
                                  const struct word *place)
{
    return make(table, name, place)->slot;
}

struct choose *variables_table_add_map(struct variables_table *table, struct text name,
                                       const struct word *place)
{
    struct variables_entry *entry = make(table, name, place);

    if (entry->choose == NULL)
        entry->choose = choose_new(table->compiler->arena, NULL, false, false, entry->slot);
    return entry->choose;
}

void variables_table_init(struct variables_table *table, struct compiler *compiler)
{
    *table = (struct variables_table){ .names = { .find = find_name }, .slots = { .find = find_slot },
                                       .compiler = compiler, .entries = map_new(false),
                                       .end = &table->first };
}

static struct text hint_of(const struct variables_table *table, struct text name)
{
    struct text nearest = variables_nearest(name);

    for (const struct variables_entry *at = table->first; at != NULL; at = at->next)
        if (at->is_made && text_distance(name, at->name, 1) <= 1)
            nearest = at->name;
    return nearest.ptr == NULL ? TEXT("")
                               : arena_format(table->compiler->diagnoses->arena,
                                              "did you mean \"$%.*s\"?", TEXT_ARGS(nearest));
}

void variables_table_check(struct variables_table *table)
{
    for (const struct variables_entry *at = table->first; at != NULL; at = at->next) {
        const struct word *word = at->first_use.file == NULL ? NULL : &at->first_use;

        if (at->is_made)
            continue;
        if (unsupported_variable_is_known(at->name))
            complain_unsupported(table->compiler, word, "variable", at->name);
        else
            complain(table->compiler, word, "unknown \"%.*s\" variable", TEXT_ARGS(at->name))
                ->hint = hint_of(table, at->name);
    }
}

void variables_table_done(struct variables_table *table)
{
    map_free(&table->entries);
}
