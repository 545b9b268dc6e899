// SPDX-License-Identifier: MIT
/* Values with variables, compiled once at load: "http://$host$request_uri". Immutable, in the
 * snapshot's arena; evaluated by any thread, each with its own scope. */
#ifndef EXPR_TEMPLATE_H
#define EXPR_TEMPLATE_H

#include <stdbool.h>

#include "base/writer.h"
#include "expr/scope.h"

struct template;
struct template_list {
    struct template_list  *next;
    const struct template *value;
};

/* Knows "$name", "${name}", "$1"; everything else is literal. -EINVAL with a message in the arena
 * ("unknown \"x\" variable", "invalid variable name in ..."). */
int template_compile(struct arena *arena, struct text source, struct names *names,
                     const struct template **ret_template, struct text *reterr_message) WARN_UNUSED;
/* A template without variables. */
const struct template *template_literal(struct arena *arena, struct text text);

/* Constant templates give their literal without copying; never a NULL ptr. */
struct text template_eval(const struct template *template, struct scope *scope);
/* Appends to a writer instead; `escape` (may be NULL) writes each variable's value (ptr NULL: not
 * found), literals go through as they are. For log lines. */
void template_write(const struct template *template, struct scope *scope, struct writer *writer,
                    void (*escape)(struct writer *writer, struct text value));

bool        template_is_constant(const struct template *template);
struct text template_source(const struct template *template);   /* as it was written */
/* The variable that it consists of; NULL: there is more to it, or less. */
const struct variable *template_variable(const struct template *template);
/* For glob(): a star in the place of each variable, and no other wildcards. */
struct text template_pattern(const struct template *template, struct arena *arena);
/* Empty or "0" is false, as in nginx's `if=` and bypass conditions. */
bool        template_is_true(const struct template *template, struct scope *scope);
bool        template_is_any_true(const struct template_list *list, struct scope *scope);

#endif
