// SPDX-License-Identifier: MIT
/* How a `$name` gets its value.
 *
 * At load a name becomes a struct variable: a getter and what it needs to know. At run time a getter
 * is given the scope, which the exchange embeds (tests make their own). Values of `set`, named
 * captures and maps live in numbered slots of the scope. Values point into the scope's arena or into
 * whatever lives as long. One thread. */
#ifndef EXPR_SCOPE_H
#define EXPR_SCOPE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"

struct scope;

struct variable {
    struct text (*get)(struct scope *scope, const struct variable *self);   /* ptr NULL: not found */
    struct text   argument;              /* "x_id" of $http_x_id; the capture's digit; else empty */
    const void   *object;                /* a map; else NULL */
    unsigned      slot;                  /* for variables that live in a slot */
};

/* Finds variables by name while a configuration is compiled. */
struct names {
    bool (*find)(struct names *names, struct text name, struct variable *ret_variable);
};

enum { SCOPE_CAPTURES = 10 };            /* $0 (whole match, internal) to $9 */

struct scope {
    struct arena *arena;
    struct text  *slots;                 /* by slot number; ptr NULL: not set yet */
    unsigned      slot_count;
    struct text   captures[SCOPE_CAPTURES];   /* of the last regular expression that matched */
    unsigned      depth;                 /* of maps within maps, against cycles */
};

/* A getter for user variables and named captures: reads slots[self->slot]. */
struct text scope_get_slot(struct scope *scope, const struct variable *self);
/* A getter for $1 to $9: argument is the digit. */
struct text scope_get_capture(struct scope *scope, const struct variable *self);
void        scope_set_slot(struct scope *scope, unsigned slot, struct text value);

#endif
