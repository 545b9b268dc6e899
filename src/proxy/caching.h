// SPDX-License-Identifier: MIT
/* An exchange's part in a cache: what it found, what it waits for, what it fills.
 *
 * The steps lookup, load and follow (steps_cache.c), store, fill and serve (steps_fill.c) and purge move it; the
 * rest of the exchange asks here. Lives in the exchange's arena; caching_end() gives back what it holds. */
#ifndef PROXY_CACHING_H
#define PROXY_CACHING_H

#include "cache/cache.h"
#include "cache/reader.h"
#include "http/cache_control.h"
#include "http/cache_status.h"
#include "proxy/exchange.h"

/* May what we hold be used, and how? */
enum cache_use {
    USE_FRESH = 0,
    USE_STALE,                           /* the client takes it so */
    USE_WHILE_RENEWING,                  /* stale, and the origin is asked besides */
    USE_WHILE_OTHERS_RENEW,              /* stale, if somebody else asks the origin by now */
    USE_AFTER_VALIDATION                 /* the origin first; perhaps this, if it fails */
};

enum { CACHING_PRIVATE_MS = 2000 };      /* so long nobody waits for answers that were private */

enum caching_role {
    ROLE_NONE = 0,                       /* looks, or forwards without storing */
    ROLE_LEADER,                         /* writes `fill` */
    ROLE_FOLLOWER                        /* waits for it, or reads it */
};

struct caching {
    struct exchange           *x;
    const struct cache_policy *policy;
    struct cache              *cache;
    struct cache_key           key;
    struct variant_ask         ask;
    struct text                variant;      /* of the last Vary that was asked for; ptr NULL: none */
    struct object             *stored;       /* found; or NULL */
    struct disk_read          *read;
    struct purging            *purging;      /* while the disk is told */
    struct fill               *fill;
    struct follower           *follower;     /* while the head is waited for */
    struct reader              reader;       /* to the client */
    struct pipe                peer_body;    /* from the peer, while the fill is between */
    struct piece              *pieces;       /* what the client gets of the body */
    unsigned                   piece_count;
    enum caching_role          role;
    struct cache_control       asked;        /* what the client's request says of caches */
    enum cache_forward         fwd;          /* why the origin is asked, if it is */
    unsigned                   fwd_status;   /* what it said; 0: it was not asked */
    struct text                detail;       /* why its answer was not stored; or empty */
    int64_t                    asked_ms;     /* wall clock when the request went out */
    int64_t                    give_up_ms;   /* waiting for a leader or a disk */
    uint64_t                   serial;       /* of what will be stored */
    struct arrival             arrival;      /* while something may come of it for the cache */
    unsigned                   rounds;       /* of following */
    unsigned                   strays;       /* of those: to what was another variant */
    bool                       is_purged;    /* stored is, softly */
    bool                       has_rescued;  /* what is stored stands in for the origin's answer */
    bool                       is_bypass;    /* not looked up */
    bool                       may_be_stale; /* stored may be used while somebody else asks */
    bool                       may_store;    /* the answer, by what the request says */
    bool                       is_validating;    /* the request to the peer is conditional, by `stored` */
    bool                       is_stored, is_collapsed;   /* the origin's answer; the wait for it */
    bool                       has_waited;   /* in vain: who was followed had nothing for us */
    bool                       must_judge;   /* a purge came between the leader and us */
    bool                       is_head_as_get;   /* the peer is asked by GET for a client's HEAD */
};

/* Ours for the location's cache, or NULL: the request is not for it. */
struct caching *caching_begin(struct exchange *x);
/* Gives back what is held; a fill that is led and not over fails. Also before another round. */
void            caching_end(struct exchange *x);

/* The location has a cache, and requests like this one may be answered from it, stored in it, or make
 * what it holds invalid. */
bool caching_is_on(const struct exchange *x);
/* For the steps: what is held under the key from now on (takes the reference); no part in the fill any more;
 * on to serve what is stored. */
void      caching_replace_stored(struct caching *caching, struct object *object);
void      caching_drop_fill(struct caching *caching);
enum turn caching_serve(struct exchange *x, enum cache_outcome outcome);

/* The answer may be stored, so the peer is asked for the whole: without the client's conditions and
 * ranges. */
static inline bool caching_wants_whole(const struct exchange *x)
{
    return x->caching != NULL && x->caching->role == ROLE_LEADER;
}
/* A client that goes leaves a fill behind that others may want; if it has said all of its request. */
bool caching_outlives_client(const struct exchange *x);
/* The client has gone. */
void caching_client_left(struct exchange *x);
/* The peer's answer is for this client only: those who follow need not wait for the end of it. */
void caching_share_nothing(struct exchange *x);
/* None came, x->status is ours: those who follow hear of it before the client does. */
void caching_no_answer(struct exchange *x);
/* No answer came, for this condition (NEXT_*) and status: goes to serve what is stale, if it may. */
bool caching_rescues(struct exchange *x, unsigned condition, unsigned status);
/* Cache-Status, and no fields that were for caches only: into the client's answer. */
void caching_finish_head(struct exchange *x, struct head *answer);
/* If-None-Match and If-Modified-Since of what is stored, into the peer's request. */
void caching_add_conditions(struct exchange *x, struct head *head);

#endif
