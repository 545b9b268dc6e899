// SPDX-License-Identifier: MIT
/* What a directive is: a row that says where it may stand, how many arguments it takes, which field
 * it fills and how. Rows are const tables, one file per topic (rows_*.c); docs/directives.md is
 * printed from them.
 *
 * A block is compiled in passes: what others refer to by name (log_format, map, upstream), then its
 * own directives, then each block within it, which starts from a copy of the finished struct. So
 * inheritance needs no "unset" values and no merging. */
#ifndef CONFIG_DIRECTIVE_H
#define CONFIG_DIRECTIVE_H

#include "config/tls_files.h"
#include "config/tree.h"
#include "config/variables_table.h"

enum where {
    IN_MAIN = 1u << 0, IN_EVENTS = 1u << 1, IN_HTTP = 1u << 2, IN_SERVER = 1u << 3,
    IN_LOCATION = 1u << 4, IN_UPSTREAM = 1u << 5
};
#define EVERYWHERE (IN_HTTP | IN_SERVER | IN_LOCATION)

enum { ARGS_MANY = 255 };

enum directive_flag {
    IS_BLOCK = 1u << 0,                  /* { } follows */
    IS_EARLY = 1u << 1,                  /* others refer to it by name */
    IS_CHILD = 1u << 2,                  /* inherits from the block that it stands in */
    IS_LIST = 1u << 3,                   /* may stand more than once; the first one at a level
                                            replaces what was inherited */
    HAS_NO_EFFECT = 1u << 4              /* checked for form only */
};

/* The struct that holds the field. */
enum base { BASE_NONE = 0, BASE_CORE, BASE_SERVER, BASE_LOCATION, BASE_UPSTREAM, BASE_LEVEL };
#define FIELD_NONE BASE_NONE, 0
#define FIELD_CORE(member) BASE_CORE, offsetof(struct core, member)
#define FIELD_SERVER(member) BASE_SERVER, offsetof(struct server, member)
#define FIELD_LOCATION(member) BASE_LOCATION, offsetof(struct location, member)
#define FIELD_UPSTREAM(member) BASE_UPSTREAM, offsetof(struct upstream, member)
#define FIELD_LEVEL(member) BASE_LEVEL, offsetof(struct level, member)

struct compiler;

struct directive {
    const char *name;
    unsigned    where;                   /* enum where */
    uint8_t     min_args, max_args;
    unsigned    flags;                   /* enum directive_flag */
    void      (*apply)(struct compiler *compiler, const struct node *node, void *field);
    enum base   base;
    size_t      offset;
    const char *syntax;                  /* of the arguments */
    const char *initial;                 /* the default; "": none */
    const char *help;
};

struct directive_rows {
    const char             *topic;
    const struct directive *rows;
    unsigned                count;
};
#define DIRECTIVE_ROWS(topic, rows) { topic, rows, sizeof(rows) / sizeof((rows)[0]) }
extern const struct directive_rows rows_core, rows_http, rows_server, rows_listen, rows_location, rows_rewrite,
    rows_access, rows_limit, rows_real_ip, rows_answer, rows_tls, rows_http2, rows_proxy,
    rows_proxy_answer, rows_proxy_tls, rows_grpc, rows_grpc_tls,
    rows_cache_zone, rows_cache, rows_cache_stale, rows_cache_fields, rows_store,
    rows_upstream, rows_resolver, rows_balance, rows_sticky, rows_crowd, rows_health, rows_match, rows_map,
    rows_tls_keys, rows_log,
    rows_ignored;
extern const struct directive_rows *const directive_tables[];
extern const unsigned                     directive_table_count;

/* The block that is being compiled. */
struct level {
    struct level    *outer;
    enum where       where;
    const struct node *node;
    struct core     *core;
    struct server   *server;
    struct location *location;
    struct upstream *upstream;
    const void     **touched;            /* fields that this level has set */
    unsigned         touched_count, touched_capacity;
    struct map      *location_names;     /* of the locations within: "/x", "=/x" */
    struct location **children_end;
    uint64_t         busy_size;          /* proxy_busy_buffers_size as given; 0: derived */
    struct word      busy_place;         /* of the directive that is to blame for the buffers */
    bool             has_default_redirect;   /* "proxy_redirect default" was written */
    struct check    *checks;             /* health_check */
    const struct node *check_place;      /* of the last one */
    bool             is_log_off;         /* "access_log off" was written here */
    bool             has_cache, has_store;   /* "proxy_cache", "proxy_store" were written here */
    struct tls_items tls, proxy_tls, grpc_tls;   /* certificates of ssl_*, proxy_ssl_*, grpc_ssl_* */
    const struct word *verify_place;     /* of ssl_verify_client */
    bool             is_ssl;             /* "ssl on" */
    struct proxy_policy grpc;            /* grpc_*; takes the place of location->proxy in the end */
};

struct compiler {
    struct arena                *arena;
    struct diagnoses            *diagnoses;
    struct config_source        *source; /* for addresses of names */
    const struct config_options *options;
    struct config               *config;
    struct variables_table       variables;
    struct map                  *rows;   /* name -> the first row of that name */
    struct level                *level;
    const struct directive      *row;    /* being applied */
    bool                         is_first;   /* of the row's field at this level */
    struct server               *http;   /* what servers start from */
    struct map                  *formats;    /* log_format by name */
    struct map                  *log_files;  /* by path */
    struct map                  *implicit;   /* upstreams of proxy_pass by host:port */
    struct map                  *listens;    /* by address */
    struct map                  *matches;    /* match by name */
    unsigned                     upstream_capacity;
    struct diagnosis            *finding;    /* the last error */
    bool                         has_buffers_fault;   /* complained of inherited ones */
    struct access_log           *default_log;    /* logs/access.log combined */
    struct tls_table            *tls;    /* what blocks share (tls_block.c) */
};

/* Compiles the nodes of a block into compiler->level. */
void block_compile(struct compiler *compiler, const struct node *nodes);
/* A level within the present one, which it becomes until level_leave(). */
void level_enter(struct compiler *compiler, struct level *level, enum where where,
                 const struct node *node);
void level_leave(struct compiler *compiler);
/* The row of that name for such a block; NULL: none. */
const struct directive *directive_find(const struct compiler *compiler, struct text name,
                                       unsigned where);

/* Findings at a word, with nginx's sentence. */
struct diagnosis *complain(struct compiler *compiler, const struct word *word, const char *format,
                           ...) PRINTF_LIKE(3, 4);
struct diagnosis *warn(struct compiler *compiler, const struct word *word, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* `"gzip" is not supported by frontdesk yet`, where `what` says which part of the word's directive. */
void complain_unsupported(struct compiler *compiler, const struct word *word, const char *what,
                          struct text value);

/* `is a ";" missing at the end of line 3?` when a later line's word may begin a directive of its own
 * (or certainly does); else empty. */
struct text hint_of_lines(struct compiler *compiler, const struct node *node, bool is_sure);

struct place node_place(const struct node *node);

#endif
