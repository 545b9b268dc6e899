// SPDX-License-Identifier: MIT
/* An upstream as the configuration says it: plain data in the snapshot's arena. What lives (peers,
 * their counters, idle connections) is the group (balance/group.h), a zone that outlives reloads. */
#ifndef BALANCE_UPSTREAM_H
#define BALANCE_UPSTREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "balance/queue.h"
#include "base/text.h"
#include "net/resolver.h"

struct bindings;
struct group;
struct check;
struct template;
struct zone;

enum { RETRY_UNBOUNDED = UINT32_MAX };

/* One `server` line of an upstream, or the host of a proxy_pass. */
struct upstream_server {
    struct text     name;                /* as written: "app:3000", "10.0.0.1", "unix:/x" */
    struct text     host;                /* to resolve; empty when `address` is set */
    unsigned        port;
    bool            has_address;         /* a literal: no name to resolve */
    struct address  address;
    unsigned        weight;              /* 1 */
    unsigned        max_conns;           /* 0: no limit */
    unsigned        max_fails;           /* 1 */
    uint32_t        fail_timeout_ms;     /* 10000 */
    uint32_t        slow_start_ms;       /* 0: whoever is back has its whole weight at once */
    bool            is_backup, is_down;
    bool            is_resolved;         /* "resolve": by the upstream's resolver, not the system's */
    struct text     service;             /* "_http._tcp.app.test" to ask for SRV; empty: none */
    bool            is_draining;         /* only for whom is bound to it */
    struct text     route;               /* what it is called by whom is bound; empty: by its address */
};

/* outlier_ejection: whoever answers much worse than the others is left out for a while. */
struct ejection {
    bool     is_on;
    unsigned consecutive;                /* bad answers in a row; 0: however many */
    unsigned rate;                       /* percentage points above the others' share; 0: any */
    unsigned requests;                   /* fewer in an interval prove nothing */
    uint32_t interval_ms;
    uint32_t base_ms;                    /* of the first ejection; the next takes twice as long */
    unsigned most;                       /* percent of the group, 1 to 50 */
};

enum balance_method {
    BALANCE_ROUND_ROBIN = 0, BALANCE_LEAST_CONN, BALANCE_LEAST_TIME, BALANCE_RANDOM, BALANCE_HASH,
    BALANCE_IP_HASH
};

/* How a server is chosen. */
struct balance {
    enum balance_method    method;
    const struct template *key;          /* HASH */
    bool                   is_consistent;/* HASH: ketama's ring */
    uint32_t               bound_percent;/* of the average load that a server of the ring may have; 0: any */
    bool                   has_two;      /* RANDOM: the better of two */
    bool                   is_timed;     /* LEAST_TIME, RANDOM two: by time, not by requests alone */
    bool                   is_whole;     /* timed: until the last byte, not until the head */
    bool                   has_inflight; /* timed: incomplete requests tell, too */
};

/* Which requests go to the server that their client had before, whatever the method says. */
enum sticky_kind { STICKY_OFF = 0, STICKY_COOKIE, STICKY_ROUTE, STICKY_LEARN };
struct sticky_value {
    struct sticky_value   *next;
    const struct template *value;
};
struct sticky {
    enum sticky_kind       kind;
    struct text            cookie;       /* COOKIE: its name, */
    const struct template *expires, *domain, *path, *samesite;   /* its attributes; NULL: without */
    bool                   is_httponly, is_secure;
    struct sticky_value   *lookups;      /* ROUTE, LEARN: the first that is not empty counts */
    struct sticky_value   *creates;      /* LEARN */
    bool                   is_at_head;   /* LEARN: when the answer's head is there, not at its end */
    struct text            zone_name;
    uint64_t               zone_bytes;
    uint32_t               timeout_ms;   /* 600000 */
    struct bindings       *bindings;     /* as upstream.group; and what holds them: */
    struct zone           *zone;
};

struct upstream {
    struct text             name;        /* "backend", or host:port of an implicit one */
    struct text             key;         /* its group is found by; empty: by the name */
    bool                    is_implicit; /* made by a proxy_pass, not by an upstream block */
    const char             *file;
    unsigned                line;
    struct upstream_server *servers;
    unsigned                server_count;
    struct balance          balance;
    struct sticky           sticky;
    struct ejection         ejection;
    struct check           *checks;      /* health_check of its locations (balance/check.h) */
    uint32_t                keepalive;            /* idle connections per loop; 32; 0: none */
    uint32_t                keepalive_requests;   /* 1000 */
    uint32_t                keepalive_timeout_ms; /* 60000 */
    uint32_t                keepalive_time_ms;    /* 3600000 */
    struct text             state;       /* file that has the servers; empty: none */
    const struct resolver_policy *resolver;       /* NULL: the system's way */
    uint32_t                resolver_timeout_ms;  /* 30000 */
    unsigned                addresses_most;       /* of a name; 0: RESOLVER_ADDRESSES_MOST */
    struct queue_limits     queue;                /* most 0: nobody waits for a place */
    const struct template  *queue_key;            /* whose line a request stands in; NULL: no queue */
    uint32_t                retry_percent;        /* retries in flight of requests in flight; 20 */
    uint32_t                retry_least;          /* so many always; 3 */
    struct group           *group;       /* set when a snapshot is made; NULL in the supervisor */
};

#endif
