// SPDX-License-Identifier: MIT
/* The ledger of what origins of caches say: each answer is a version of its key, with bytes that are a
 * function of both. Askers compare what they get with it, whoever they get it from. */
#ifndef TESTS_SIM_VERSIONS_H
#define TESTS_SIM_VERSIONS_H

#include "bodies.h"

enum { VERSIONS_MOST = 4096, KEYS = 6 };

/* What an answer says of itself. */
enum keeping { KEEP_FRESH = 0, KEEP_NOT, KEEP_BY_VARIANT, KEEPINGS };

struct version {
    unsigned     number;                 /* its place, from 1 on */
    unsigned     room, key;
    unsigned     status;
    enum framing framing;
    enum keeping keeping;
    char         variant;                /* the request's X-V */
    size_t       length;
    unsigned     age_most_s;             /* max-age */
    int64_t      fresh_us;               /* when it was said, or found good again */
    int64_t      cut_us;                 /* when it was cut; 0: it was not */
    bool         is_post, is_cut;
};

/* A location with a cache. */
struct cached_room {
    const char *path, *lines;
    bool        may_be_stale;
    bool        is_strict;               /* one request at a time for a key that is kept */
    unsigned    tries_most;
};

extern const struct cached_room cached_rooms[];
extern const unsigned           cached_room_count;

void            versions_begin(void);
struct version *version_new(unsigned room, unsigned key);
struct version *version_find(unsigned number);     /* fails the test when there is none */
/* The last whole one of a key; NULL: none. */
struct version *version_last(unsigned room, unsigned key);

/* ---- origins at 10.0.0.1 to 10.0.0.3 ---- */

void     sources_begin(unsigned kindness);
void     sources_end(void);
unsigned sources_asked(void);

/* ---- clients ---- */

void askers_begin(void);
void askers_end(void);
void asker_come(unsigned kindness);
bool askers_are_gone(void);
void askers_check_patience(void);
/* whole bodies, parts and 304, answers of ours, cut */
void askers_count(unsigned ret_counts[4]);
void post_is_seen(unsigned number);

#endif
