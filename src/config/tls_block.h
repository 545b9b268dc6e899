// SPDX-License-Identifier: MIT
/* From ssl_* and proxy_ssl_* directives to policies, once a block is complete. Whatever is the same in
 * several blocks is made once: thousands of servers may have one certificate. */
#ifndef CONFIG_TLS_BLOCK_H
#define CONFIG_TLS_BLOCK_H

#include "config/directive.h"

/* Debian's bundle, and that of most others. */
#define TLS_SYSTEM_CAS "/etc/ssl/certs/ca-certificates.crt"

/* A server block, until all are read: what is offered depends on the addresses that it shares. */
struct tls_draft {
    struct tls_draft  *next;
    struct server     *server;
    const struct node *node;
    bool               is_fine;          /* nothing was wrong with its certificates so far */
};
struct tls_candidate_list { struct tls_candidate *first; };

/* What blocks share while a configuration is compiled. */
struct tls_table {
    struct map        *files;            /* paths of all that were read */
    struct map        *candidates;       /* paths that variables may name, of the whole configuration */
    uint64_t           candidate_bytes;
    struct map        *candidate_lists;  /* patterns -> struct tls_candidate_list */
    struct map        *caches;           /* ssl_session_cache shared: name -> uint64_t, its size */
    struct map        *servers, *clients;    /* what a policy says -> struct tls_server, tls_client */
    struct map        *complaints;       /* of the library, each once: words and place */
    const struct node *http;             /* the directives of the http block */
    struct tls_draft  *drafts, **drafts_end;
};

void tls_table_init(struct compiler *compiler);
void tls_table_done(struct compiler *compiler);

/* The server block at `node` has been read. */
void tls_server_finish(struct compiler *compiler, const struct node *node);
/* All of them have been. */
void tls_site_finish(struct compiler *compiler);
/* The location's own directives have been read. */
void tls_location_finish(struct compiler *compiler);

#endif
