// SPDX-License-Identifier: MIT
/* A tree of named values, for whoever wants to know: gathered once (main/status.c), printed in one form
 * or another. Names are words with "_" between them; the last word may be a unit: ms, s or bytes.
 *
 * All of it lives in one arena, names are literals. One thread. */
#ifndef MAIN_FACTS_H
#define MAIN_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"

enum fact_kind { FACT_GROUP = 0, FACT_LIST, FACT_NUMBER, FACT_TEXT, FACT_NOTHING };

struct fact {
    struct fact   *next;
    const char    *name;                 /* NULL: an item of a list */
    enum fact_kind kind;
    struct arena  *arena;
    struct fact   *first, **end;         /* GROUP, LIST */
    uint64_t       number;
    struct text    text;
};

/* The root: a group. */
struct fact *facts_new(struct arena *arena);
/* Behind those that are in it. A list's items are all groups with the same names in the same order. */
struct fact *fact_group(struct fact *in, const char *name);
struct fact *fact_list(struct fact *in, const char *name);
struct fact *fact_item(struct fact *list);
void         fact_number(struct fact *in, const char *name, uint64_t number);
void         fact_text(struct fact *in, const char *name, struct text text);
/* There is no value just now. */
void         fact_nothing(struct fact *in, const char *name);
/* A number, or nothing when it is not known. */
void         fact_maybe(struct fact *in, const char *name, bool is_known, uint64_t number);

/* No group and no list is in it. */
bool         fact_has_values_only(const struct fact *fact);

/* In the arena, with line breaks; for people, and as JSON (RFC 8259), whose members keep the names. Text that
 * is no UTF-8 is made so. */
struct text facts_print(const struct fact *root);
struct text facts_print_json(const struct fact *root);

#endif
