// SPDX-License-Identifier: MIT
#include "main/facts.h"

static struct fact *add(struct fact *in, const char *name, enum fact_kind kind)
{
    struct fact *fact = ARENA_NEW(in->arena, struct fact);

    *fact = (struct fact){ .name = name, .kind = kind, .arena = in->arena };
    fact->end = &fact->first;
    *in->end = fact;
    in->end = &fact->next;
    return fact;
}

struct fact *facts_new(struct arena *arena)
{
    struct fact *root = ARENA_NEW(arena, struct fact);

    *root = (struct fact){ .kind = FACT_GROUP, .arena = arena };
    root->end = &root->first;
    return root;
}

struct fact *fact_group(struct fact *in, const char *name)
{
    return add(in, name, FACT_GROUP);
}

struct fact *fact_list(struct fact *in, const char *name)
{
    return add(in, name, FACT_LIST);
}

struct fact *fact_item(struct fact *list)
{
    return add(list, NULL, FACT_GROUP);
}

void fact_number(struct fact *in, const char *name, uint64_t number)
{
    add(in, name, FACT_NUMBER)->number = number;
}

void fact_text(struct fact *in, const char *name, struct text text)
{
    add(in, name, FACT_TEXT)->text = text;
}

void fact_nothing(struct fact *in, const char *name)
{
    (void)add(in, name, FACT_NOTHING);
}

void fact_maybe(struct fact *in, const char *name, bool is_known, uint64_t number)
{
    if (is_known)
        fact_number(in, name, number);
    else
        fact_nothing(in, name);
}

bool fact_has_values_only(const struct fact *fact)
{
    for (const struct fact *at = fact->first; at != NULL; at = at->next)
        if (at->kind == FACT_GROUP || at->kind == FACT_LIST)
            return false;
    return true;
}
