// SPDX-License-Identifier: MIT
/* Regular expressions: PCRE2 with JIT, one match block per thread, bounded in steps and memory so
 * that no subject can make a pattern run away. Immutable after compile; any thread matches. */
#ifndef EXPR_REGEX_H
#define EXPR_REGEX_H

#include <stdbool.h>

#include "expr/scope.h"

struct regex;

/* Gives a slot number for a named group ("?<name>"); shared with `set` variables of that name. */
struct slots {
    unsigned (*find)(struct slots *slots, struct text name);
};

/* -EINVAL with PCRE2's message. `slots` may be NULL: named groups are then ignored. */
int regex_compile(struct arena *arena, struct text pattern, bool is_nocase, struct slots *slots,
                  const struct regex **ret_regex, struct text *reterr_message) WARN_UNUSED;

/* On a match sets the scope's captures and slots (pointing into `subject`). A match that runs into
 * a limit counts as no match. `scope` may be NULL. */
bool regex_match(const struct regex *regex, struct text subject, struct scope *scope);

struct text regex_pattern(const struct regex *regex);

#endif
