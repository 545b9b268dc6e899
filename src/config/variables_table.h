// SPDX-License-Identifier: MIT
/* The variables that a configuration makes (`set`, `map`, named groups of regular expressions) beside
 * the built-in ones. A name may be used before the line that makes it, so a name that nobody knows
 * yet gets a slot, and is complained of at the end if nobody has made it by then. */
#ifndef CONFIG_VARIABLES_TABLE_H
#define CONFIG_VARIABLES_TABLE_H

#include "config/lexer.h"
#include "expr/choose.h"

struct compiler;
struct variables_entry;

struct variables_table {
    struct names      names;             /* for template_compile() */
    struct slots      slots;             /* for regex_compile() */
    struct compiler  *compiler;
    struct map       *entries;           /* lower-case name -> struct variables_entry */
    struct variables_entry *first, **end;    /* the same, in order of first mention */
    const struct word *place;            /* of the value that is being compiled */
};

void variables_table_init(struct variables_table *table, struct compiler *compiler);
/* `set $name` or a named group; complains of a built-in's name. */
unsigned variables_table_add_slot(struct variables_table *table, struct text name,
                                  const struct word *place);
/* `map ... $name`: one per name, begun anew by each block of that name. */
struct choose *variables_table_add_map(struct variables_table *table, struct text name,
                                       const struct word *place);
/* Complains of every name that was used and never made. */
void variables_table_check(struct variables_table *table);
void variables_table_done(struct variables_table *table);

#endif
