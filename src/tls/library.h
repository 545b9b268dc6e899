// SPDX-License-Identifier: MIT
/* OpenSSL as a library: started once (tls_start in server.h), and its errors in nginx's words. Any thread. */
#ifndef TLS_LIBRARY_H
#define TLS_LIBRARY_H

#include <openssl/evp.h>

#include "base/writer.h"
#include "tls/server.h"

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
