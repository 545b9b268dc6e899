// SPDX-License-Identifier: MIT
/* What contexts of both sides have in common: how each part of a policy gets into an SSL_CTX, and what
 * is said when it does not. Inside the layer. Used where configurations are made, by one thread. */
#ifndef TLS_SETUP_H
#define TLS_SETUP_H

#include <openssl/ssl.h>

#include "tls/server.h"

struct tls_setup {
    SSL_CTX              *made;
    struct arena         *arena;
    struct tls_complaint *complaint;     /* filled in by whoever fails */
    const char           *file;          /* to blame, where nothing better is known */
    unsigned              line;
};

/* Fills in the complaint, with OpenSSL's errors behind the words; returns -EINVAL. */
int tls_complain(struct tls_setup *setup, const char *format, ...) PRINTF_LIKE(2, 3);

/* Each: 0, or -EINVAL with the complaint filled in. */
int tls_setup_versions(struct tls_setup *setup, unsigned versions);
int tls_setup_ciphers(struct tls_setup *setup, const char *ciphers);
int tls_setup_curves(struct tls_setup *setup, const char *curves);
int tls_setup_commands(struct tls_setup *setup, const struct tls_command *command, unsigned side);
/* Adds the certificates of a file to those that are trusted; names too: to those that are asked for. */
int tls_setup_trust(struct tls_setup *setup, const struct tls_file *file, bool has_names);
int tls_setup_crl(struct tls_setup *setup, const struct tls_file *file);

/* A reader of the text; never NULL. */
BIO *tls_reader(struct text text);
/* True when the queue holds nothing but "no more PEM blocks", which is then taken. */
bool tls_is_end_of_pem(void);

#endif
