// SPDX-License-Identifier: MIT
/* What a response belongs to or puts an end to, as names: Cache-Groups and Cache-Group-Invalidation
 * (RFC 9875), and the tags of a field that an administrator chose (Surrogate-Key, Cache-Tag, ...). Pure
 * functions; names lie in the arena or in the fields. */
#ifndef CACHE_GROUPS_H
#define CACHE_GROUPS_H

#include <stdbool.h>

#include "http/fields.h"
#include "http/method.h"

/* RFC 9875 2 asks for at least 32 groups of at least 32 characters; a page that is made of many pieces
 * may have a tag for each. Both kinds, the key and the host are as many as an object has labels. */
enum { GROUPS_MAX = 255, GROUPS_NAME_MAX = 256 };

struct groups {
    struct text names[GROUPS_MAX];       /* each once, as written: case counts */
    unsigned    count;
    bool        is_cut;                  /* there were more, or longer ones: a purge could miss it */
};

/* The groups of a response to be stored; a group is one only within its origin (RFC 9875 2.1). A field
 * that is not a List of Strings counts as absent, parameters are ignored. */
void groups_of(const struct fields *response, struct arena *arena, struct groups *ret_groups);

/* The groups of its origin that a response invalidates; none if the method is safe (RFC 9875 3). */
void groups_ended_by(enum method method, const struct fields *response, struct arena *arena,
                     struct groups *ret_groups);

/* The tags in all lines of field `name`, separated by blanks or commas. */
void groups_tags(const struct fields *response, struct text name, struct groups *ret_groups);

#endif
