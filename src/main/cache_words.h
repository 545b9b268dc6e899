// SPDX-License-Identifier: MIT
/* What `frontdesk cache ...` can be asked for, as words: read by the client, so that a mistake needs no
 * running frontdesk to be told of, and by the worker, which believes nobody. Pure functions. */
#ifndef MAIN_CACHE_WORDS_H
#define MAIN_CACHE_WORDS_H

#include "base/arena.h"
#include "base/must.h"
#include "base/text.h"

enum { CACHE_FIELDS_MOST = 32 };

enum cache_verb { CACHE_PURGE = 0, CACHE_SHOW, CACHE_STAT };

enum cache_target {
    CACHE_NOTHING = 0,
    CACHE_URL,                           /* http://host/path?query */
    CACHE_URL_PREFIX,                    /* the same before its "*" */
    CACHE_KEY,                           /* as proxy_cache_key makes them */
    CACHE_KEY_PREFIX,
    CACHE_TAG,
    CACHE_HOST,
    CACHE_ALL
};

/* Of `show`: a field of the request whose variant is meant. */
struct cache_field { struct text name, value; };

struct cache_wish {
    enum cache_verb    verb;
    enum cache_target  target;
    struct text        value;
    struct text        zone;             /* empty: all of them */
    bool               is_soft;
    struct cache_field fields[CACHE_FIELDS_MOST];
    unsigned           field_count;
};

/* Words behind "cache purge" and so on; -EINVAL with a sentence. Texts borrow from the words. */
int cache_words_read(enum cache_verb verb, const struct text *words, unsigned count,
                     struct arena *arena, struct cache_wish *ret_wish,
                     struct text *reterr_message) WARN_UNUSED;

#endif
