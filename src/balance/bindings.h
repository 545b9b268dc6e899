// SPDX-License-Identifier: MIT
/* Who is bound to whom: `sticky learn`'s table from what a client shows (a cookie of the application,
 * say) to the identity of a server. All loops share it and it outlives reloads: a zone, found again by
 * name and size. It holds a bounded number; the longest unused goes first. Any thread, but for
 * bindings_ref() and bindings_unref(): the control thread. */
#ifndef BALANCE_BINDINGS_H
#define BALANCE_BINDINGS_H

#include <stdbool.h>

#include "balance/identity.h"

struct bindings;
struct zone;

/* What one binding takes of the size that a configuration gives to a zone. */
enum { BINDING_BYTES = 128 };

/* The table of that name and size, made if new. Sets *ret_zone, which bindings_unref() takes back. */
struct bindings *bindings_ref(struct text name, uint64_t bytes, struct zone **ret_zone);
void             bindings_unref(struct zone **zone);

/* Whom `key` is bound to, unless that was last used more than timeout_ms ago. */
bool bindings_find(struct bindings *bindings, struct text key, uint32_t timeout_ms, int64_t now_ms,
                   struct identity *ret_identity);
/* Binds it anew, or for the first time if it may. */
void bindings_set(struct bindings *bindings, struct text key, const struct identity *identity,
                  bool may_add, int64_t now_ms);
/* How many there are. */
uint64_t bindings_count(struct bindings *bindings);

#endif
