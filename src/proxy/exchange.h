// SPDX-License-Identifier: MIT
/* One request through us.
 *
 * An exchange joins a client's stream with a peer's stream or a local answer. It is a task; its
 * journey is a table of steps (steps.def). It lives in the arena that came with the request and dies
 * with it in exchange_end(). One loop for life. */
#ifndef PROXY_EXCHANGE_H
#define PROXY_EXCHANGE_H

#include "balance/connector.h"
#include "http/stream.h"
#include "limit/conns.h"
#include "proxy/site.h"
#include "proxy/snapshot.h"

struct caching;
struct client;
struct dynamic_ask;
struct exchange;
struct hedge;
struct preface;
struct relay;
struct slices;

enum turn { TURN_NEXT = 0, TURN_WAIT, TURN_DONE };

/* What guards a waiting step against waiting for ever (rule 3). */
enum guard {
    GUARD_NONE = 0,                      /* never waits */
    GUARD_CLIENT,                        /* the client conn's deadlines (body, send) */
    GUARD_PEER,                          /* the peer conn's deadlines (send, read) */
    GUARD_BOTH,                          /* one of the two */
    GUARD_TIMER                          /* the exchange's own timer */
};

struct step {
    const char *name;                    /* in logs, status page, core dumps */
    enum turn (*run)(struct exchange *x);
    enum guard  guard;
};

/* steps.def: S(name, guard, what it does) */
#define S(name, guard, words) extern const struct step step_##name;
#include "proxy/steps.def"
#undef S

/* One attempt at a peer, for $upstream_*: newest last. */
struct attempt {
    struct attempt *next;
    struct text     address;             /* "127.0.0.1:3000" or the group's name when there was no peer */
    unsigned        status;              /* 0: "-" unless fault tells: 502, 504 */
    int64_t         started_us, connected_us, head_us, done_us;   /* loop_now_us(); 0: not reached */
    int64_t         picked_ms;           /* loop_now_ms() of the choice */
    uint64_t        bytes_sent, bytes_received, body_bytes;
    int64_t         queued_us;           /* when it joined the upstream's queue; 0: it did not */
    bool            is_redirect;         /* came after an internal redirect: " : ", not ", " */
};

/* What limit_req or limit_conn said of it. */
enum limit_outcome { LIMIT_UNASKED = 0, LIMIT_PASSED, LIMIT_DELAYED, LIMIT_REJECTED,
                     LIMIT_DELAYED_DRY_RUN, LIMIT_REJECTED_DRY_RUN };

/* What the cache said of it, in nginx's words. */
enum cache_outcome { CACHE_UNASKED = 0, CACHE_MISS, CACHE_BYPASS, CACHE_EXPIRED, CACHE_STALE,
                     CACHE_UPDATING, CACHE_REVALIDATED, CACHE_HIT };

struct exchange {
    struct task             task;
    const struct step      *step;
    struct arena           *arena;
    struct loop            *loop;
    struct snapshot        *snapshot;    /* pinned until exchange_end */
    struct client          *client_conn; /* front's side of the connection */
    struct stream          *client;
    struct timer            timer;

    /* request */
    const struct listen    *listen;
    const struct server    *server;
    const struct location  *location;    /* the server's level until one is chosen */
    struct head            *request;     /* = client->rx_head; never NULL */
    struct text             host;        /* lower case, without port: $host */
    struct text             path;        /* normalised: $uri */
    struct text             query;       /* $args */
    struct transport        secured;     /* what TLS knows of its connection (tls/info.h) */
    bool                    is_tls;      /* https: came over TLS */
    struct text             asked_name;  /* by SNI, of an imagined exchange during a handshake (opening.c) */
    bool                    has_query;
    bool                    has_asked_host;  /* `host` is the client's, not the server's name */
    struct scope            scope;
    struct text             request_id;  /* made on demand */
    const struct address   *remote;      /* exchange_remote()'s, once somebody has asked */
    bool                    is_remote_replaced;   /* by realip_apply() */

    /* limits */
    enum limit_outcome      limit_req, limit_conn;
    int64_t                 limit_until_ms;  /* delayed by limit_req; 0: not */
    struct conns_place     *limit_places;    /* taken of limit_conn */

    /* cache */
    struct caching         *caching;     /* its part in a cache; NULL: none */
    enum cache_outcome      cache_outcome;
    struct text             cache_last_modified;  /* as stored; ptr NULL: nothing was found */
    uint64_t                cache_age_s;     /* of what was found; 0 too when nothing was */
    bool                    has_cache_age;
    struct text             slice_range;     /* "bytes=0-1048575"; empty: no slice is asked for */
    struct slices          *slices;      /* that the answer is put together of; or NULL */

    /* upstream */
    struct connector        connector;
    struct stream          *peer;        /* NULL: none at present */
    struct attempt         *attempts, *last_attempt;
    unsigned                attempt_count;
    const struct upstream  *upstream;
    struct peer            *chosen;      /* by pick: counted, given back by group_done() */
    struct pick_ask         ask;         /* whom we have tried */
    struct text             last_server;     /* the `server` line of whom we chose last */
    struct text             sticky_key;      /* that a `sticky learn` was looked up by */
    struct text             sticky_cookie;   /* for the answer's Set-Cookie; ptr NULL: none */
    struct hedge           *hedge;       /* another attempt at the same time, in the wings; or NULL */
    struct wait            *wait;        /* for a place at one of them; NULL: does not */
    struct text             upstream_host;   /* $proxy_host */
    struct text             upstream_port;   /* $proxy_port */
    struct text             upstream_uri;    /* from a proxy_pass with variables, or empty */
    bool                    has_upstream_uri;
    bool                    is_upstream_tls;
    bool                    has_missed_body;   /* $request_body was asked for, and was too long or not there yet */
    struct head            *response;    /* the peer's, or NULL */
    struct fields          *response_trailers;
    struct fields          *kept_fields; /* beside an X-Accel-Redirect, or NULL */
    struct relay           *relay;       /* between the peer's body and the client's; or NULL */
    struct timer            pace_timer;  /* limit_rate */

    /* answer */
    struct head            *answer;      /* what the client gets; = client->tx_head */
    unsigned                status;      /* of the answer; 0: none yet */
    struct text             answer_text; /* body of a local answer */
    struct text             answer_type; /* its Content-Type */
    struct text             answer_location;   /* Location of a local redirect */
    int                     fault;       /* first failure wins */
    unsigned                redirects;   /* internal ones so far */
    bool                    is_internal; /* came by error_page: `internal` locations are open */
    unsigned                error_status;    /* that an error_page stands in for */
    int                     error_answer;    /* struct error_page's answer, once has_error_page */
    int                     refusal;         /* fault of the head, or no room: answered at once */
    int                     noted_fault;     /* of the client's stream */
    struct text             set_rate;        /* `set $limit_rate`, X-Accel-Limit-Rate; or NULL */
    int64_t                 pace_started_ms, peer_paced_ms;
    int64_t                 name_wait_ms;    /* until when pick waits for a name */
    unsigned                name_looks;      /* meanwhile; up to a few */
    int64_t                 queued_us;       /* when it joined the upstream's queue, until it is noted */
    int64_t                 hedge_due_ms;    /* when another attempt begins; 0: none does */
    int64_t                 hold_until_ms;   /* so long a retry waits for the budget */
    bool                    is_retry, has_retry_place;   /* in the budget: this attempt, the next one */
    unsigned                refusals;        /* of streams, before anything was done with them */
    unsigned                retry_after_s;   /* for a 503; 0: says nothing */
    struct dynamic_ask     *dynamic;         /* resolve's question; it holds `upstream` once taken */
    uint64_t                tunnel_moved;
    bool                    is_hedge_turn;   /* what was in the wings has the stage for a moment */
    bool                    has_error_page, must_be_new, is_new_round;
    bool                    is_head_sent, is_client_gone, is_error_answer, is_tunnel;
    bool                    is_unattended;   /* the client is nobody (nobody.h): nothing is logged */
    bool                    is_over;         /* but its dependants need its texts */
    struct exchange        *parent;      /* whose texts it borrows (exchange_fork()); or NULL */
    unsigned                dependants;  /* forks of ours */
    struct log_scope        log_scope;
    struct corpse           corpse;

    /* Last, and not zeroed with the rest: pipe_init() sets what matters of them. */
    struct pipe             request_body, response_body;
};

struct exchange *exchange_of_scope(struct scope *scope);
/* Whose task this is, or NULL: some other task. */
const struct exchange *exchange_of_task(const struct task *task);

/* Called by front: builds an exchange for the stream in its arena and wakes it. */
void exchange_begin(struct client *client, struct stream *stream, struct snapshot *snapshot,
                    const struct listen *listen, struct loop *loop);

/* Another exchange for the same request without a body, which nobody waits for and no access log tells of; it borrows x's texts,
 * which stay. It begins at `step` in its own turn. NULL: memory is short. */
struct exchange *exchange_fork(struct exchange *x, const struct step *step);
/* Of a client with many streams at a time each has a part of what one may make us hold. NULL: it has one, or is nobody. */
struct pipe_share *exchange_share(const struct exchange *x);
/* The client goes, with what it has got, and the exchange goes on for nobody. */
void exchange_leave_client(struct exchange *x);

/* Sets the step and says NEXT: the only assignment of x->step. */
enum turn exchange_go(struct exchange *x, const struct step *next);
/* Notes the fault and goes to `retry`, which decides. */
enum turn exchange_fail(struct exchange *x, int fault);
/* Answers locally with that status (error_page applies). */
enum turn exchange_answer(struct exchange *x, unsigned status);

/* The error log of the exchange's location: nginx's line with client, server, request, upstream,
 * host behind it. */
void exchange_log(struct exchange *x, enum log_level level, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* "https" or "http", as the client asked; and the port that goes without saying. */
static inline struct text exchange_scheme(const struct exchange *x)
{
    return x->is_tls ? TEXT("https") : TEXT("http");
}

static inline unsigned exchange_scheme_port(const struct exchange *x)
{
    return x->is_tls ? 443 : 80;
}

/* Facts about the connection, for variables and headers. */
const struct address *exchange_remote(struct exchange *x);      /* the client, as far as is known */
const struct address *exchange_sender(struct exchange *x);      /* who is connected to us */
const struct preface *exchange_preface(const struct exchange *x);   /* NULL: nothing was said */
const struct address *exchange_local(struct exchange *x);       /* asks the kernel when it must */
uint64_t              exchange_serial(const struct exchange *x);
unsigned              exchange_request_number(const struct exchange *x);   /* on its connection */
int64_t               exchange_connected_ms(const struct exchange *x);     /* monotonic */

#endif
