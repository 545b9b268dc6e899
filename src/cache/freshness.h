// SPDX-License-Identifier: MIT
/* How long an answer is fresh, how old it is, and what may be done with it now (RFC 9111 4.2, 5.2,
 * RFC 5861, RFC 9213). Pure functions; texts are borrowed; any thread.
 *
 * Seconds are whole and never above 2^31 (RFC 9111 1.2.2). Wall clocks are asked once, when the answer
 * has come; from then on age grows by a monotonic clock. */
#ifndef CACHE_FRESHNESS_H
#define CACHE_FRESHNESS_H

#include "cache/object.h"
#include "http/cache_control.h"
#include "http/head.h"

/* An answer that has come, complete or not. */
struct received {
    const struct head          *request, *answer;
    const struct cache_control *asked;         /* cache_control_of_request() of the client's request */
    const struct cache_control *targeted;      /* the first valid one of the target list; NULL: none */
    struct text                 scheme;        /* of the target URI */
    int64_t                     request_ms;    /* wall clock when the request was sent */
    int64_t                     response_ms;   /* when the answer's head came */
};

/* proxy_ignore_headers, as far as storing is concerned. A targeted field is no Cache-Control. */
enum storing_ignored {
    STORING_IGNORES_ACCEL_EXPIRES = 1u << 0, STORING_IGNORES_EXPIRES = 1u << 1,
    STORING_IGNORES_CACHE_CONTROL = 1u << 2, STORING_IGNORES_SET_COOKIE = 1u << 3,
    STORING_IGNORES_VARY = 1u << 4
};

/* RFC 9110 9.3.3 for POST. */
enum storing_post {
    STORING_POST_AT_LOCATION = 0,              /* explicitly fresh, and its Content-Location is the target:
                                                  for later GETs */
    STORING_POST_AS_ASKED                      /* proxy_cache_methods says so: by its own key */
};

struct storing_policy {
    unsigned          ignored;                 /* enum storing_ignored */
    int64_t           valid_s;                 /* what proxy_cache_valid says for this status; -1: nothing */
    unsigned          heuristic_percent;       /* of the time since Last-Modified; usually 10 */
    uint32_t          heuristic_max_s;         /* usually a day */
    enum storing_post post;
    bool              is_ignoring_request;     /* the request's Cache-Control and Pragma are nothing */
    bool              may_be_partial;          /* a 206 is kept by a key that names the part */
    bool              is_stale_useful;         /* proxy_cache_use_stale names something */
};

/* Who said how long it is fresh; the first that says anything is believed. */
enum freshness_source {
    FRESHNESS_BY_NOBODY = 0, FRESHNESS_BY_HEURISTIC, FRESHNESS_BY_VALID, FRESHNESS_BY_EXPIRES,
    FRESHNESS_BY_MAX_AGE, FRESHNESS_BY_S_MAXAGE, FRESHNESS_BY_ACCEL
};

struct freshness {
    struct object_facts   facts;               /* all but its serial */
    enum freshness_source source;
    bool                  is_off;              /* X-Accel-Expires or proxy_cache_valid say 0: not stored */
    struct cache_control  control;             /* what holds: targeted, or Cache-Control, or nothing */
};

/* The facts of an answer, whether it may be stored or not. In facts, seconds of staleness are 0 where
 * must-revalidate, proxy-revalidate or no-cache forbid it. Without X-Accel-Expires saying so, nothing
 * overrules what `control` forbids. */
struct freshness freshness_of(const struct received *received, const struct storing_policy *policy,
                              struct arena *arena);

/* current_age (RFC 9111 4.2.3); `resident_s` since it came, by a monotonic clock. */
int64_t freshness_age_s(const struct object_facts *facts, int64_t resident_s);

/* Heuristically cacheable (RFC 9110 15.1). */
bool freshness_is_heuristic_status(unsigned status);

/* ---- what may be done with a stored answer ---- */

/* What the configuration allows beyond what the answer itself does. */
struct stale_policy {
    int64_t most_s;                            /* no longer stale than that, by proxy_cache_use_stale or by
                                                  a client's max-stale */
    bool    is_on_error;                       /* proxy_cache_use_stale names some error */
    bool    is_while_updating;                 /* and `updating` */
};

enum judged {
    JUDGED_FRESH = 0,
    JUDGED_STALE_ACCEPTED,                     /* stale, but the client's max-stale takes it */
    JUDGED_STALE_REVALIDATING,                 /* stale-while-revalidate: serve it, ask the origin besides */
    JUDGED_STALE_UPDATING,                     /* only while another request or a background update asks */
    JUDGED_STALE_ON_ERROR,                     /* ask the origin; if it fails, see the two below */
    JUDGED_VALIDATE,                           /* ask the origin with its validator; else not at all */
    JUDGED_UNUSABLE                            /* ask the origin; there is nothing to ask with */
};

struct judgement {
    enum judged judged;
    int64_t     age_s;
    int64_t     stale_s;                       /* 0: fresh, or stale since this second */
    bool        is_fresh;                      /* if it is not used, it is the request that asks for more */
    /* May it be served if the origin fails (no answer, 500, 502, 503, 504): because the answer or the
     * client says so; because the configuration does, for the errors that it names. */
    bool        is_for_errors, is_for_named_errors;
};

/* `asked`: the request's directives, NULL: none, or ignored. `is_purged`: by a soft purge, it is stale
 * whatever its age. Of only-if-cached see freshness_needs_origin(); no-store of a request does not
 * concern what is stored already (RFC 9111 5.2.1.5). */
struct judgement freshness_judge(const struct object_facts *facts, int64_t age_s, bool is_purged,
                                 const struct cache_control *asked,
                                 const struct stale_policy  *policy);
/* Whether nothing can be served before the origin was asked: with only-if-cached that is a 504. */
bool freshness_needs_origin(enum judged judged);

#endif
