// SPDX-License-Identifier: MIT
/* What a configuration says about TLS, as plain data: the config layer fills it in (rows_tls.c,
 * rows_proxy_tls.c), tls/server.c and tls/client.c make contexts of it. Texts of files are those of the
 * bundle, so neither opens one. Lives in the configuration's arena; never changes. */
#ifndef TLS_POLICY_H
#define TLS_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

struct template;

/* A file as the bundle has it. `path` is for messages; empty: not configured. */
struct tls_file { struct text path, text; };

/* ssl_certificate with its ssl_certificate_key. With variables (paths or "data:...") the templates are
 * set, and the files among which a handshake finds its own are the policy's `candidates`. */
struct tls_pair {
    struct tls_pair       *next;
    struct tls_file        certificate, key;
    const struct template *certificate_template, *key_template;   /* NULL: as above */
    const char            *file;         /* where the directive stood */
    unsigned               line;
};
struct tls_candidate {
    struct tls_candidate *next;
    struct tls_file       file;
};

enum tls_version { TLS_VERSION_1_0 = 1u << 0, TLS_VERSION_1_1 = 1u << 1, TLS_VERSION_1_2 = 1u << 2,
                   TLS_VERSION_1_3 = 1u << 3 };

struct tls_command {                     /* ssl_conf_command, proxy_ssl_conf_command */
    struct tls_command *next;
    struct text         name, value;
    const char         *file;
    unsigned            line;
};

struct tls_text_list { struct tls_text_list *next; struct tls_file file; };

enum tls_verify { TLS_VERIFY_OFF = 0, TLS_VERIFY_ON, TLS_VERIFY_OPTIONAL, TLS_VERIFY_OPTIONAL_NO_CA };
enum tls_cache { TLS_CACHE_NONE = 0, TLS_CACHE_OFF, TLS_CACHE_SHARED };   /* builtin: is SHARED, unnamed */

/* Towards clients: of a server block. */
struct tls_policy {
    struct tls_pair      *pairs;
    struct tls_candidate *candidates;
    unsigned              versions;      /* enum tls_version */
    struct text           ciphers;       /* ssl_ciphers; empty: ours */
    bool                  prefers_server_ciphers;
    struct text           curves;        /* ssl_ecdh_curve; empty: ours ("auto") */
    struct tls_file       dhparam;
    struct tls_command   *commands;
    enum tls_cache        cache;
    struct text           cache_name;    /* shared:NAME:SIZE */
    uint64_t              cache_bytes;
    uint32_t              session_timeout_s;     /* 300 */
    bool                  has_tickets;   /* ssl_session_tickets */
    struct tls_text_list *ticket_keys;   /* ssl_session_ticket_key: 48 or 80 bytes each, first encrypts */
    enum tls_verify       verify;
    unsigned              verify_depth;  /* 1 */
    struct tls_file       client_cas;    /* ssl_client_certificate: names are sent */
    struct tls_file       trusted;       /* ssl_trusted_certificate: names are not sent */
    struct tls_file       crl;
    struct tls_text_list *passwords;     /* ssl_password_file: one password per line */
    bool                  is_stapling, is_stapling_verified;
    struct tls_file       stapling_file; /* ssl_stapling_file: DER */
    struct text           stapling_responder;    /* ssl_stapling_responder: URL; empty: the certificate's */
    bool                  has_early_data;
    uint32_t              buffer_size;   /* ssl_buffer_size: largest record, 16384 */
    bool                  is_rejecting;  /* ssl_reject_handshake */
    bool                  has_http2;     /* offers "h2" in ALPN (set when the server block ends) */
    const char           *file;          /* of the server block */
    unsigned              line;
};

/* Towards upstreams: of a location. */
struct tls_peer_policy {
    struct tls_pair      *pair;          /* proxy_ssl_certificate; NULL: none */
    struct tls_candidate *candidates;
    unsigned              versions;
    struct text           ciphers;       /* empty: OpenSSL's DEFAULT */
    const struct template *name;         /* proxy_ssl_name; NULL: $proxy_host's host */
    bool                  has_server_name;       /* proxy_ssl_server_name: SNI */
    bool                  is_verifying;  /* proxy_ssl_verify */
    unsigned              verify_depth;  /* 1 */
    struct tls_file       trusted;       /* proxy_ssl_trusted_certificate; none: the system's, if verifying */
    struct tls_file       crl;
    struct tls_text_list *passwords;
    bool                  is_reusing;    /* proxy_ssl_session_reuse */
    struct tls_command   *commands;
    bool                  has_http2;     /* ALPN "h2" (and "http/1.1", unless it must be h2: gRPC) */
    bool                  must_be_http2;
    const char           *file;
    unsigned              line;
};

#endif
