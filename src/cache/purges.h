// SPDX-License-Identifier: MIT
/* What has been purged: labels (keys, hosts, tags, groups), prefixes of keys, everything.
 *
 * A purge is a line in this book with the serial of the moment: what was stored before and bears the
 * label is purged. So a purge costs the same however large the cache is, and takes effect at once;
 * the bytes go when eviction or a sweep comes by. An object that was looked up in the book remembers
 * the epoch, so a hit costs one comparison until the next purge; what was stored after the latest
 * purge needs no looking up at all. One book per cache, any thread.
 *
 * The book is bounded: PURGES_LABELS_MOST labels (some 12 MB) and PURGES_PREFIXES_MOST prefixes.
 * When it is full, the older half of its lines become one: all that was stored before the last of
 * them is purged. So no purge is ever refused for length, and none forgotten; who lets the book get
 * that long loses the oldest part of the cache. Upkeep (upkeep.h) prevents it: it sweeps in time, and then
 * forgets. */
#ifndef CACHE_PURGES_H
#define CACHE_PURGES_H

#include "cache/object.h"

struct purges;

enum { PURGES_LABELS_MOST = 256 * 1024, PURGES_PREFIXES_MOST = 256 };

enum purge_kind { PURGE_LABEL = 0, PURGE_PREFIX, PURGE_ALL };
struct purge {
    enum purge_kind kind;
    bool            is_soft;             /* stale from now on, instead of gone */
    uint64_t        serial;              /* concerns what was stored with a smaller one */
    uint64_t        label;               /* PURGE_LABEL */
    struct text     prefix;              /* PURGE_PREFIX: of keys; copied */
};

enum purge_verdict { PURGE_KEPT = 0, PURGE_STALE, PURGE_GONE };

struct purges *purges_new(void);
void           purges_free(struct purges **purges);

/* False: no memory for it, nothing is purged. */
bool purges_add(struct purges *purges, const struct purge *purge) WARN_UNUSED;
/* What concerns this object; remembers the epoch in it when nothing does. */
enum purge_verdict purges_judge(struct purges *purges, struct object *object);
/* The same for what is known of an object on disk only. */
enum purge_verdict purges_judge_record(struct purges *purges, uint64_t serial, struct text key,
                                       const uint64_t *labels, uint32_t label_count);
/* Forgets purges up to these serials: nobody is left whom the hard, and the soft ones, concern. */
void     purges_forget(struct purges *purges, uint64_t hard, uint64_t soft);
/* All its memory. */
size_t   purges_bytes(struct purges *purges);
/* Lines in the book; for sweeping when it gets long. */
size_t   purges_count(struct purges *purges);
/* The largest serial of a purge, those that are forgotten included; 0: there was none. */
uint64_t purges_newest(const struct purges *purges);
/* All of them, oldest first, for a snapshot; `each` gets texts that are valid during the call. They
 * are copied before, so no lock is held meanwhile. */
void     purges_each(struct purges *purges, void (*each)(const struct purge *purge, void *arg),
                     void *arg);

#endif
