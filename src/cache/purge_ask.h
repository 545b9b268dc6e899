// SPDX-License-Identifier: MIT
/* What a purging request wants to be purged, by fields of its own: Purge-Tag, or the field that responses
 * carry their tags in (Surrogate-Key, Cache-Tag, ...), Purge-Host, Purge-All, Purge-Soft. Without any of
 * them it is the key of its URL. Strict: a purge that was misunderstood is found out too late. Pure
 * functions; texts lie in the fields or in the arena. */
#ifndef CACHE_PURGE_ASK_H
#define CACHE_PURGE_ASK_H

#include "cache/groups.h"

enum purge_target { PURGE_OF_KEY = 0, PURGE_OF_TAGS, PURGE_OF_HOST, PURGE_OF_ALL };

struct purge_ask {
    enum purge_target target;
    bool              is_soft;
    struct groups     tags;              /* PURGE_OF_TAGS: at least one */
    struct text       host;              /* PURGE_OF_HOST: as purge_ask_host() makes it */
};

/* `tag_field`: of responses; empty: none. -EINVAL: *reterr_why is a sentence for whoever asked. */
int purge_ask_read(const struct fields *fields, struct text tag_field, struct arena *arena,
                   struct purge_ask *ret_ask, struct text *reterr_why) WARN_UNUSED;

/* A host by the name that is stored with what was asked of it: lower case, without port and last dot.
 * -EINVAL: no name of a host. */
int purge_ask_host(struct text authority, struct arena *arena, struct text *ret_host) WARN_UNUSED;

#endif
