// SPDX-License-Identifier: MIT
/* What a handshake has agreed on and who is at the other end: for ALPN and $ssl_* variables. For transports
 * of TLS whose handshake is over; on any other they say "". Texts live in the arena, or for ever. */
#ifndef TLS_INFO_H
#define TLS_INFO_H

#include "base/arena.h"
#include "net/transport.h"
#include "tls/server.h"

bool        tls_is_tls(const struct transport *transport);
struct text tls_alpn(const struct transport *transport);          /* "h2", "http/1.1" or "" */
/* May a request of this connection be for `server`? Yes when neither it nor the one whose handshake it was asks for
 * client certificates, or both by the same rules. */
bool        tls_may_serve(const struct transport *transport, const struct tls_server *server);
/* The request came before the handshake was over, and may have been replayed (RFC 8470). */
bool        tls_is_early(const struct transport *transport);
/* Server side: 0, or X509_V_ERR_*; has_certificate tells whether the client sent one. */
long        tls_verify_result(const struct transport *transport, bool *ret_has_certificate);

/* What is known may be asked for beyond the connection's end: a transport for this file's functions alone. Of one that
 * is not of TLS, or has been closed: one that knows nothing. On the connection's loop. */
struct transport tls_facts_ref(const struct transport *transport);
void             tls_facts_unref(struct transport *facts);

struct text tls_protocol(const struct transport *transport);      /* "TLSv1.3" */
struct text tls_cipher(const struct transport *transport);
struct text tls_ciphers(const struct transport *transport, struct arena *arena);    /* the client's */
struct text tls_curve(const struct transport *transport, struct arena *arena);
struct text tls_curves(const struct transport *transport, struct arena *arena);
struct text tls_server_name(const struct transport *transport, struct arena *arena);
struct text tls_session_id(const struct transport *transport, struct arena *arena);
bool        tls_is_resumed(const struct transport *transport);
enum tls_client_fact { TLS_CLIENT_CERT, TLS_CLIENT_RAW_CERT, TLS_CLIENT_ESCAPED_CERT, TLS_CLIENT_S_DN, TLS_CLIENT_I_DN,
                       TLS_CLIENT_S_DN_LEGACY, TLS_CLIENT_I_DN_LEGACY, TLS_CLIENT_SERIAL,
                       TLS_CLIENT_FINGERPRINT, TLS_CLIENT_VERIFY, TLS_CLIENT_V_START, TLS_CLIENT_V_END,
                       TLS_CLIENT_V_REMAIN, TLS_CLIENT_SIGALG };
struct text tls_client_fact(const struct transport *transport, enum tls_client_fact fact, struct arena *arena);

#endif
