// SPDX-License-Identifier: MIT
/* What outlives a reload: counted state found again by kind, name and shape.
 *
 * A configuration asks for a zone by ("upstream", "backend", hash of what its layout depends on); if
 * the running process has one it gets that very one, counters and all. Taken and dropped on the
 * control thread only; what is inside protects itself. */
#ifndef BASE_ZONE_H
#define BASE_ZONE_H

#include <stdint.h>

#include "base/text.h"

struct zone;

/* Finds or builds. `build(arg)` returns the state and must not fail; `destroy` is called with it
 * when the last reference goes. Kind must be a literal. */
struct zone *zone_ref(const char *kind, struct text name, uint64_t shape, void *(*build)(void *arg),
                      void *arg, void (*destroy)(void *state));
void  zone_unref(struct zone **zone);
void *zone_state(const struct zone *zone);
/* The next one of that kind, the youngest first; NULL: no more. Start with NULL. */
const struct zone *zone_next(const char *kind, const struct zone *after);
struct text        zone_name(const struct zone *zone);

#endif
