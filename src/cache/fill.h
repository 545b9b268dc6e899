// SPDX-License-Identifier: MIT
/* A response that is being asked for, or is on its way into the cache: one per key at a time.
 *
 * Whoever misses first claims the key and leads: it asks the origin and hands on what comes. Others
 * follow: they are woken when the head is known and whenever bytes have come, and read at their own
 * pace while the leader fills. Counted; any thread; the leader alone writes. What a fill holds is an
 * object in the end, kept by the cache, or nothing. */
#ifndef CACHE_FILL_H
#define CACHE_FILL_H

#include "cache/object.h"
#include "net/loop.h"

struct cache;
struct disk;
struct fill;
struct large_body;

enum fill_state {
    FILL_ASKED = 0,                      /* no head yet */
    FILL_FLOWING,                        /* head known, body on its way */
    FILL_WHOLE,
    FILL_FAILED,                         /* no answer, or it was cut */
    FILL_PRIVATE                         /* an answer that others may not have */
};

/* Who is told of news. Owner: fill_follow()'s caller until fill_leave(). */
struct follower;

/* ---- the table of claims: inside cache.c there is one per cache ---- */

struct fills;

enum claim { CLAIM_LEAD = 0, CLAIM_FOLLOW, CLAIM_ALONE /* lead, but nobody shall wait for it */ };

struct fills *fills_new(void);
void          fills_free(struct fills **fills);
size_t        fills_bytes(struct fills *fills);          /* of the table */
/* A reference to the fill of this hash. LEAD: it is the caller's to write; also when the one that leads has
 * been asking for longer than `age_ms`, which then goes on alone. ALONE: such answers were private of
 * late. */
struct fill *fills_claim(struct fills *fills, struct cache_hash hash, int64_t now_ms,
                         int64_t age_ms, enum claim *ret_claim);
/* A fill that nobody else knows of. */
struct fill *fill_new_alone(void);

struct fill *fill_ref(struct fill *fill);
void         fill_unref(struct fill *fill);

/* ---- the leader ---- */

/* The head is known: `skeleton` has all of the object but its body; `length`: of the body, or
 * FILL_LENGTH_UNKNOWN. Takes the reference. Bodies beyond `most` bytes go to a file of their own on
 * `disk`, or are not kept (NULL). */
#define FILL_LENGTH_UNKNOWN UINT64_MAX
void   fill_head(struct fill *fill, struct object *skeleton, uint64_t length, uint64_t most,
                 struct disk *disk);
/* How many bytes may be appended now; 0: followers must read first, or the disk must write; the leader is
 * woken then. */
size_t fill_room(struct fill *fill);
/* Copies. More than is kept: it goes on as a stream to those who follow by now, and nothing will be
 * stored. False: no memory; it lacks some of these bytes, and must be given up. */
bool   fill_append(struct fill *fill, struct text bytes);
/* What it brings is asked for now: purges with a larger serial concern it. */
void   fill_set_serial(struct fill *fill, uint64_t serial);
/* Who is woken with WAKE_LETTER when there is room again; until the fill ends. */
void   fill_lead(struct fill *fill, struct loop *loop, struct task *leader);
/* Whoever comes now does not find it: its object is where others look, or it is not for them. Any
 * thread. */
void   fill_unlist(struct fill *fill);
/* The body is whole: followers may read to its end. */
void fill_end(struct fill *fill);
/* After fill_end(). False: the disk is still writing, the leader will be woken. Else the finished object,
 * with a reference of the caller's; NULL: it is not kept. */
bool fill_commit(struct fill *fill, struct object **ret_object);
/* Ends it with an object that was made otherwise (a 304 refreshed it): takes no reference. */
void   fill_finish_with(struct fill *fill, struct object *object);
/* FILL_FAILED with the status that the leader's client gets, or FILL_PRIVATE until `until_ms`. */
void   fill_give_up(struct fill *fill, enum fill_state state, unsigned status, int64_t until_ms);

/* ---- everybody ---- */

/* NULL: too late, its beginning has been let go; not while somebody follows who has not read on yet. */
struct follower *fill_follow(struct fill *fill, struct loop *loop, struct task *waiter);
void             fill_leave(struct fill *fill, struct follower **follower);

enum fill_state fill_state(struct fill *fill);
int64_t         fill_claimed_ms(const struct fill *fill);
unsigned        fill_status(struct fill *fill);      /* why it failed */
bool            fill_is_kept(struct fill *fill);     /* not (any more) a mere stream */
bool            fill_has_followers(struct fill *fill);
uint64_t        fill_serial(const struct fill *fill);    /* 0: nobody was asked yet */
/* The skeleton, or once WHOLE the object; a reference. NULL: ASKED, or given up. */
struct object  *fill_object(struct fill *fill);
uint64_t        fill_length(struct fill *fill);      /* FILL_LENGTH_UNKNOWN until it is known */
/* Up to `most` bytes at `from`, with a reference; len 0: nothing there yet, or the end. Notes how far
 * the follower is. *ret_large (else NULL): they are on disk by now, in this file; a reference. */
struct slice    fill_slice(struct fill *fill, struct follower *follower, uint64_t from,
                           uint32_t most, struct large_body **ret_large);

#endif
