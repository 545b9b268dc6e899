// SPDX-License-Identifier: MIT
/* OCSP answers that go out with certificates (ssl_stapling; RFC 6066 8, RFC 6960): what is to be asked of
 * whom, and where the answer is put. Who fetches lives above. Handshakes take no lock. */
#ifndef TLS_STAPLE_H
#define TLS_STAPLE_H

#include "base/writer.h"
#include "tls/server.h"

struct tls_staple_ask {
    struct text url;                     /* http://...: where the request is POSTed to */
    struct text request;                 /* application/ocsp-request, DER */
    struct text name;                    /* of the certificate's file: for messages */
};

/* Certificates that stand in the configuration without variables; those of a staple are below it. */
unsigned tls_server_pairs(const struct tls_server *server);

/* What to ask for the pair's certificate, in the arena. False: nothing (no ssl_stapling, or a file of it, no issuer,
 * no responder), with nginx's words in *reterr_words, if there is something to say. Any thread. */
bool tls_staple_ask(const struct tls_server *server, unsigned pair, struct arena *arena,
                    struct tls_staple_ask *ret_ask, struct writer *reterr_words);

/* Checks the answer (its signature, too, with ssl_stapling_verify) and sends it from now on, until *ret_until_s
 * (wall clock; INT64_MAX: for good). -EBADMSG, with words, and nothing is changed: it is none. One thread at a
 * time for each server. */
int tls_server_set_staple(const struct tls_server *server, unsigned pair, struct text der,
                          int64_t *ret_until_s, struct writer *reterr_words);

#endif
