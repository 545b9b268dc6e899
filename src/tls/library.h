// SPDX-License-Identifier: MIT
/* OpenSSL as a library: started once, and its errors in nginx's words. Any thread. */
#ifndef TLS_LIBRARY_H
#define TLS_LIBRARY_H

#include <openssl/evp.h>

#include "base/writer.h"

/* Starts it, if nobody has: without its configuration file (it would be read whenever a process first
 * comes here), without anything at exit (loops may still run then). */
void tls_start(void);

/* Fetched once: a look-up of an algorithm by name costs as much as hashing a kilobyte. */
const EVP_MD     *tls_sha256(void);
const EVP_CIPHER *tls_aes256(void);
const EVP_CIPHER *tls_aes128(void);

/* Takes all errors that wait in this thread's queue, as ` (SSL: error:0A000086:SSL routines::...)`;
 * nothing, if there are none. */
void tls_errors_write(struct writer *writer);
/* The same, unread. */
void tls_errors_drop(void);

#endif
