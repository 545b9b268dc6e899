// SPDX-License-Identifier: MIT
/* `map`: a value chosen by another. Order as in nginx: exact (case ignored), with `hostnames` the
 * longest leading wildcard, then the longest trailing one, then regular expressions in file order,
 * then the default. Built once in the snapshot's arena, evaluated by any thread. */
#ifndef EXPR_CHOOSE_H
#define EXPR_CHOOSE_H

#include "expr/regex.h"
#include "expr/template.h"

struct choose;

struct choose *choose_new(struct arena *arena, const struct template *subject, bool has_hostnames,
                          bool is_volatile, unsigned slot);
/* Begins anew, without keys. Maps may ask each other, so the subject may come after all of them have
 * a name. */
void choose_begin(struct choose *choose, const struct template *subject, bool has_hostnames,
                  bool is_volatile);
/* -EEXIST: the same key again. Keys "*.x", ".x", "x.*" are wildcards with has_hostnames only. */
int  choose_add(struct choose *choose, struct text key, const struct template *value) WARN_UNUSED;
void choose_add_regex(struct choose *choose, const struct regex *regex, const struct template *value);
void choose_set_default(struct choose *choose, const struct template *value);

/* All values in file order, the default among them. */
struct choose_value { const struct choose_value *next; const struct template *value; };
const struct choose_value *choose_values(const struct choose *choose);

/* A getter: self->object is the struct choose; the result is kept in its slot unless volatile. */
struct text choose_get(struct scope *scope, const struct variable *self);

#endif
