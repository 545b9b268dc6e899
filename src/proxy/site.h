// SPDX-License-Identifier: MIT
/* What a configuration means: servers, locations and their policies as plain data.
 *
 * The `config` layer fills these structs, the `proxy` layer only reads them. Everything lives in one
 * arena and never changes after it is published (but for pointers to living things that
 * snapshot_build() fills in: sinks, groups). Inheritance has happened already: a location holds
 * the final value of every policy. All times are milliseconds, all sizes bytes. */
#ifndef PROXY_SITE_H
#define PROXY_SITE_H

#include <stdbool.h>
#include <stdint.h>

#include "balance/upstream.h"
#include "base/log.h"
#include "base/map.h"
#include "base/prefix_tree.h"
#include "expr/choose.h"
#include "expr/regex.h"
#include "expr/template.h"
#include "http/fields.h"
#include "http/h2_settings.h"
#include "limit/limit.h"
#include "net/proxy_protocol.h"
#include "net/socket.h"
#include "net/syslog.h"
#include "tls/client.h"

struct cache;
struct sink;
struct zone;

/* Where a directive stood: for logs and explanations. */
struct place { const char *file; unsigned line; };

/* Where log lines go to, one per path in the whole site. */
enum log_kind { LOG_TO_FILE = 0, LOG_TO_SYSLOG, LOG_TO_NAMED /* a path with variables */ };
struct log_file {
    struct log_file *next;
    enum log_kind    kind;
    struct text      path;               /* absolute; "stderr"; "syslog:..."; "/logs/$host.log" */
    struct syslog    syslog;
    uint32_t         flush_ms, buffer_bytes;   /* of access logs; 0: default */
    struct sink     *sink;               /* filled in by the worker */
};

/* error_log: one line of the chain that lines go to. */
struct error_log {
    struct error_log *next;
    struct log_file  *file;
    enum log_level    level;
    struct log        log;               /* filled in by the worker; .next chained */
};

enum log_escape { LOG_ESCAPE_DEFAULT = 0, LOG_ESCAPE_JSON, LOG_ESCAPE_NONE };
struct log_format {
    struct text            name;
    enum log_escape        escape;
    const struct template *line;         /* all its strings joined */
};

struct access_log {
    struct access_log       *next;
    struct log_file         *file;
    const struct template   *path;           /* of a path with variables, or NULL */
    const struct log_format *format;
    uint32_t                 flush_ms;       /* 0: default */
    uint32_t                 buffer_bytes;   /* 0: default */
    const struct template   *condition;      /* if=; NULL: always */
};

/* name: template lists */
struct set_header {                      /* proxy_set_header */
    struct set_header     *next;
    enum field_id          id;           /* of the name */
    struct text            name;
    const struct template *value;        /* evaluates to "": the field is not sent */
};
struct add_header {                      /* add_header, add_trailer */
    struct add_header     *next;
    struct text            name;
    const struct template *value;
    bool                   is_always;
};
struct name_list {                       /* proxy_hide_header, proxy_pass_header */
    struct name_list *next;
    struct text       name;
};

enum expires_kind { EXPIRES_OFF = 0, EXPIRES_EPOCH, EXPIRES_MAX, EXPIRES_ACCESS, EXPIRES_MODIFIED,
                    EXPIRES_DAILY, EXPIRES_VARIABLE };
struct expires {
    enum expires_kind      kind;
    int64_t                seconds;      /* ACCESS, MODIFIED: offset; DAILY: second of the day */
    const struct template *value;        /* VARIABLE: evaluated, then parsed by expires_parse() */
};

struct error_page {
    struct error_page     *next;
    unsigned               status;       /* that it stands for */
    int                    answer;       /* -1: keep; 0: "=" take the page's own; else this one */
    const struct template *uri;          /* "/x.html", "@name" or "http://..." */
    struct place           place;
};

struct access_rule {
    struct access_rule *next;            /* in file order, first match wins */
    bool                is_allow;
    bool                is_all, is_unix;
    uint8_t             family_bytes;    /* 4 or 16 */
    uint8_t             bits;
    unsigned char       network[16];
    struct place        place;
};

/* set_real_ip_from: whose word counts. The tree answers, the list remembers what was written. */
struct network {
    unsigned char bytes[16];             /* network order; what lies behind the bits is 0 */
    uint8_t       len;                   /* 4 or 16 */
    uint8_t       bits;
};
struct trusted {
    struct trusted *next;
    struct network  network;
};
struct trust {
    struct prefix_tree *networks;
    struct trusted     *list;
    bool                has_unix;
};
struct real_ip {
    struct trust *trust;                 /* NULL: nobody's */
    struct text   field;                 /* real_ip_header */
    enum field_id id;                    /* of that name */
    bool          is_of_proxy_protocol;  /* what the PROXY header says, no field */
    bool          is_recursive;
};

/* The rewrite step's instructions, in file order: set and return (more with the rewrite module). */
enum rewrite_kind { REWRITE_SET = 0, REWRITE_RETURN };
struct rewrite {
    struct rewrite        *next;
    enum rewrite_kind      kind;
    unsigned               slot;         /* SET */
    const struct template *value;        /* SET: the value; RETURN: text or URL, or NULL */
    unsigned               status;       /* RETURN */
    struct place           place;
    struct text            built_in;     /* SET of "args" or "limit_rate": variables_set(), no slot */
};

/* proxy_redirect, proxy_cookie_domain, proxy_cookie_path */
struct replacement {
    struct replacement    *next;
    const struct regex    *regex;        /* or NULL: */
    const struct template *from;         /* prefix (redirect), whole (domain), prefix (path) */
    const struct template *to;
};
enum cookie_flag {                       /* proxy_cookie_flags */
    COOKIE_SECURE = 1u << 0, COOKIE_HTTPONLY = 1u << 1, COOKIE_SAMESITE = 1u << 2,
    COOKIE_SAMESITE_STRICT = 1u << 3, COOKIE_SAMESITE_LAX = 1u << 4, COOKIE_SAMESITE_NONE = 1u << 5,
    COOKIE_NO_SECURE = 1u << 6, COOKIE_NO_HTTPONLY = 1u << 7, COOKIE_NO_SAMESITE = 1u << 8
};
struct cookie_flags {
    struct cookie_flags   *next;
    const struct regex    *regex;        /* of the cookie's name, or NULL: */
    const struct template *name;
    unsigned               flags;        /* enum cookie_flag */
};

enum { NEXT_ERROR = 1u << 0, NEXT_TIMEOUT = 1u << 1, NEXT_INVALID_HEADER = 1u << 2,
       NEXT_500 = 1u << 3, NEXT_502 = 1u << 4, NEXT_503 = 1u << 5, NEXT_504 = 1u << 6,
       NEXT_403 = 1u << 7, NEXT_404 = 1u << 8, NEXT_429 = 1u << 9,
       NEXT_NON_IDEMPOTENT = 1u << 10, NEXT_OFF = 1u << 11,
       STALE_UPDATING = 1u << 12 /* of proxy_cache_use_stale only */ };
enum { IGNORE_ACCEL_REDIRECT = 1u << 0, IGNORE_ACCEL_EXPIRES = 1u << 1,
       IGNORE_ACCEL_LIMIT_RATE = 1u << 2, IGNORE_ACCEL_BUFFERING = 1u << 3,
       IGNORE_ACCEL_CHARSET = 1u << 4, IGNORE_EXPIRES = 1u << 5, IGNORE_CACHE_CONTROL = 1u << 6,
       IGNORE_SET_COOKIE = 1u << 7, IGNORE_VARY = 1u << 8 };

/* Where proxy_pass or grpc_pass leads. */
struct pass {
    struct place           place;
    struct text            url;          /* as written, scheme included */
    const struct template *url_template; /* with variables: evaluated per request; else NULL */
    struct upstream       *upstream;     /* NULL with variables */
    struct text            host;         /* $proxy_host: "app", "app:3000", "localhost" for unix: */
    struct text            port;         /* $proxy_port: "3000", "80"; empty for unix: and groups */
    bool                   is_tls;       /* https://, grpcs://; with variables: as far as is known */
    bool                   has_uri;
    struct text            uri;          /* "/prefix/" part that replaces the location's prefix */
};

/* hedge_ms: when most answers would have begun. */
#define HEDGE_BY_PERCENTILE UINT32_MAX

/* proxy_cache_path: one cache, found again by name over reloads. */
struct cache_zone {
    struct cache_zone     *next;
    struct place           place;
    struct text            name;         /* keys_zone=name:size */
    struct text            path;         /* absolute; ptr NULL: in memory only */
    uint64_t               memory;       /* memory=, or what keys_zone says */
    uint64_t               object_max;   /* max_object=: largest body in memory; 0: by `memory` */
    uint64_t               max_size, min_free;   /* 0: default, any */
    int64_t                inactive_ms;
    struct zone           *zone;         /* filled in by the worker, as is: */
    struct cache          *cache;
};
struct cache_valid {                     /* proxy_cache_valid */
    struct cache_valid    *next;
    unsigned               status;       /* 0: any */
    int64_t                seconds;
};
enum cache_status_field { CACHE_STATUS_OFF = 0, CACHE_STATUS_ON, CACHE_STATUS_WITH_KEY };
struct cache_policy {
    struct cache_zone     *zone;         /* NULL: off */
    const struct template *zone_name;    /* with variables, or NULL */
    const struct template *key;          /* NULL: scheme, host, port, path and query */
    struct cache_valid    *valid;
    unsigned               methods;      /* 1 << enum method; GET and HEAD always in it */
    uint32_t               min_uses;
    struct template_list  *bypass, *no_cache, *purge;   /* any of them is true: yes */
    bool                   is_locking;   /* one request to the origin per key; on by default */
    uint32_t               lock_timeout_ms, lock_age_ms;
    unsigned               use_stale;    /* NEXT_* and STALE_UPDATING */
    int64_t                stale_most_s; /* proxy_cache_stale_most: nothing older is served so */
    bool                   is_background_update, is_revalidating, is_converting_head,
                           is_forcing_ranges, is_ignoring_request;
    uint64_t               max_range_offset;     /* UINT64_MAX: any */
    struct text            tag_field;    /* proxy_cache_tag; empty: none */
    struct name_list      *targeted;     /* RFC 9213: fields that win over Cache-Control, in order */
    bool                   is_hiding_targeted;
    enum cache_status_field status_field;
    struct text            status_name;  /* our name in Cache-Status */
    uint64_t               slice_bytes;  /* slice; 0: off */
    bool                   is_storing;   /* proxy_store on */
    const struct template *store_path;   /* proxy_store with a path; NULL: none, or root/uri */
    unsigned               store_mode;   /* proxy_store_access */
};

struct proxy_policy {
    const struct pass     *pass;         /* NULL: not proxied */
    unsigned               http_version; /* 10, 11 (default) or 20 */
    bool                   is_grpc;      /* grpc_pass: the values are those of grpc_* */
    struct tls_peer_policy tls_policy;   /* proxy_ssl_*, grpc_ssl_* */
    const struct tls_client *tls;        /* made of it; NULL: never `https://` from here */
    const struct template *method;       /* NULL: the client's */
    const struct template *body;         /* proxy_set_body; NULL: the client's */
    struct set_header     *set_headers;  /* the block's own list; see has_default_headers */
    bool                   is_passing_headers, is_passing_body, is_passing_trailers,
                           is_passing_request_trailers;  /* to HTTP/1.1 as well */
    struct name_list      *hide_headers, *pass_headers;
    unsigned               ignore_headers;        /* IGNORE_* */
    bool                   is_redirect_default;   /* proxy_redirect default is in force */
    struct replacement    *redirects;             /* explicit ones, in order; after/without default */
    struct replacement    *cookie_domains, *cookie_paths;
    struct cookie_flags   *cookie_flags;
    const struct template *bind;         /* proxy_bind; NULL: off */
    bool                   is_buffering, is_request_buffering, is_ignoring_abort,
                           is_intercepting_errors, has_socket_keepalive;
    uint32_t               connect_timeout_ms, send_timeout_ms, read_timeout_ms;
    uint64_t               buffer_size;  /* most bytes of a response head */
    uint32_t               buffers_count;
    uint64_t               buffers_size; /* each */
    uint64_t               busy_size;
    enum proxy_protocol_version proxy_protocol;   /* proxy_send_proxy_protocol */
    uint64_t               limit_rate;   /* bytes/s from the upstream; 0: off */
    unsigned               next_upstream;         /* NEXT_* */
    uint32_t               hedge_ms;              /* a second attempt; 0: none, or HEDGE_* */
    uint32_t               next_tries;            /* 0: no limit */
    uint32_t               next_timeout_ms;       /* 0: no limit */
    struct cache_policy    cache;
};

enum location_kind { LOCATION_PREFIX = 0, LOCATION_PREFIX_FINAL /* ^~ */, LOCATION_EXACT,
                     LOCATION_REGEX, LOCATION_NAMED, LOCATION_SERVER /* a server's own level */ };
enum tokens { TOKENS_ON = 0, TOKENS_OFF, TOKENS_BUILD };
enum lingering { LINGERING_ON = 0, LINGERING_OFF, LINGERING_ALWAYS };

struct locations;                        /* an index made by route_prepare() */

#define BODY_RATE_UNSAID UINT32_MAX      /* see client.c: body_rate() */

struct location {
    struct location       *next;         /* sibling, in file order */
    struct location       *children;     /* nested ones */
    struct locations      *index;        /* of the children */
    enum location_kind     kind;
    struct text            name;         /* prefix, exact path, "@name" with its @; regex source */
    const struct regex    *regex;
    struct place           place;

    struct rewrite        *rewrites;     /* this level's own */
    bool                   is_internal;
    bool                   is_stub_status;   /* answers with its counts */

    /* body and rates */
    uint64_t               body_max;             /* client_max_body_size; 0: no limit */
    uint32_t               body_buffer;          /* client_body_buffer_size */
    uint32_t               body_timeout_ms, send_timeout_ms;
    uint32_t               body_rate;            /* client_body_min_rate; 0: any; or BODY_RATE_UNSAID */
    uint32_t               body_rate_after_ms;   /* 0: as long as body_timeout_ms, or half a minute */
    const struct template *limit_rate, *limit_rate_after;   /* NULL: off */

    /* limits */
    struct limit_req      *limit_reqs;
    struct limit_conn     *limit_conns;
    unsigned               limit_req_status, limit_conn_status;   /* 503 */
    enum log_level         limit_req_log, limit_conn_log;         /* of refusals */
    bool                   is_limit_req_dry, is_limit_conn_dry;

    /* connection */
    uint32_t               keepalive_timeout_ms; /* 0: no keep-alive */
    uint32_t               keepalive_header_s;   /* 0: no Keep-Alive field */
    uint32_t               keepalive_requests;
    uint32_t               keepalive_time_ms;
    enum lingering         lingering;
    uint32_t               lingering_time_ms, lingering_timeout_ms;
    bool                   has_nodelay, is_reset_on_timeout;

    /* answers */
    enum tokens            tokens;
    struct text            default_type;
    const struct map      *types;        /* extension -> struct text * */
    struct error_page     *error_pages;
    bool                   is_absolute_redirect, has_port_in_redirect, has_name_in_redirect,
                           has_recursive_error_pages, is_chunking;
    struct add_header     *headers, *trailers;
    struct template_list  *early_hints;  /* any of them is true: a server's 103 passes */
    struct expires         expires;

    /* names in proxy_pass with variables */
    const struct resolver_policy *resolver;      /* NULL: the system's way */
    uint32_t               resolver_timeout_ms;

    /* access */
    struct real_ip         real_ip;
    struct access_rule    *access_rules;
    bool                   is_satisfy_any;

    /* logs */
    struct access_log     *access_logs;  /* NULL: off */
    struct error_log      *error_log;    /* never NULL */

    struct proxy_policy    proxy;
};

struct server_name {
    struct server_name    *next;
    struct text            name;         /* lower case; "*.x", ".x", "x.*"; regex source without ~ */
    const struct regex    *regex;        /* or NULL */
};

struct server {
    struct server         *next;
    struct place           place;
    struct server_name    *names;        /* may be empty */
    struct text            first_name;   /* $server_name: as written; may be empty */
    struct location        level;        /* kind LOCATION_SERVER; its children are the locations */
    struct map            *named;        /* "@name" -> struct location * (nested ones too); or NULL */

    /* of the request head; the listen's default server decides */
    uint32_t               head_timeout_ms;
    uint32_t               head_buffer;          /* client_header_buffer_size */
    uint32_t               large_count, large_size;
    uint32_t               max_headers;          /* 1000 */
    bool                   is_ignoring_invalid, has_underscores, may_merge_slashes;

    struct tls_policy      tls_policy;
    const struct tls_server *tls;        /* made of it; NULL: no `listen ... ssl` leads here, or no certificate */
    bool                   is_http2;     /* http2 on */
    struct h2_settings     h2;           /* the listen's default server decides */
};

struct server_index;                     /* made by route_prepare() */

struct listen {
    struct listen         *next;
    struct address         address;
    struct text            written;      /* "80", "127.0.0.1:8080", "unix:/x" */
    struct listen_options  options;
    bool                   has_options;
    bool                   has_proxy_protocol;
    bool                   is_ssl;
    bool                   is_http2;     /* listen ... http2, or some server of it has `http2 on` */
    struct place           place;
    struct server        **servers;      /* default first */
    unsigned               server_count;
    bool                   has_explicit_default;
    struct server_index   *index;
};

struct site {
    struct arena          *arena;
    struct server         *servers;
    struct listen         *listens;      /* one per address */
    struct upstream      **upstreams;    /* explicit and implicit */
    unsigned               upstream_count;
    struct map            *upstream_names;   /* explicit ones: name -> struct upstream * */
    struct limit_zone     *limit_zones;
    struct cache_zone     *cache_zones;
    struct name_list      *store_directories;    /* that paths of proxy_store begin with */
    struct log_file       *log_files;
    struct location        defaults;     /* the http level: what servers started from */
    unsigned               slot_count;   /* of scopes */
    struct names          *names;        /* for expires_parse and the like: never at run time */
};

#endif
