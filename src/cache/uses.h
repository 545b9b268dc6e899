// SPDX-License-Identifier: MIT
/* How often keys that are not stored have been asked for of late (proxy_cache_min_uses): a table of
 * fixed size in which a newer key may push out an older one. Any thread. */
#ifndef CACHE_USES_H
#define CACHE_USES_H

#include "cache/key.h"

struct uses;

struct uses *uses_new(void);
void         uses_free(struct uses **uses);
size_t       uses_bytes(const struct uses *uses);         /* NULL: 0 */
/* One more; how many by now. */
unsigned     uses_count(struct uses *uses, struct cache_hash hash);

#endif
