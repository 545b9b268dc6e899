// SPDX-License-Identifier: MIT
/* OpenSSL is started by whoever needs it first: without its configuration file, since a worker may read none, and
 * without anything at exit, since loops may still run then. Algorithms that each handshake needs are fetched.
 * Of a handshake's seven hundred pieces of memory most are free again at its end, so they are spares. */
#include "tls/library.h"

#include <pthread.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/spare.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_MD        *sha256;
static EVP_CIPHER    *aes256, *aes128;

static void *take(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return spare_take(size);
}

static void *resize(void *memory, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return spare_resize(memory, size);
}

static void give(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    spare_give(memory);
}

/* Before OpenSSL takes its first piece; later it refuses, and goes on with malloc. */
static void start(void)
{
    (void)CRYPTO_set_mem_functions(take, resize, give);
    must(OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT |
                              OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CRYPTO_STRINGS,
                          NULL) == 1);
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    aes256 = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    aes128 = EVP_CIPHER_fetch(NULL, "AES-128-CBC", NULL);
    must(sha256 != NULL && aes256 != NULL && aes128 != NULL);
}

void tls_start(void)
{
    must(pthread_once(&once, start) == 0);
}

const EVP_MD *tls_sha256(void)
{
    tls_start();
    return sha256;
}

const EVP_CIPHER *tls_aes256(void)
{
    tls_start();
    return aes256;
}

const EVP_CIPHER *tls_aes128(void)
{
    tls_start();
    return aes128;
}

void tls_errors_write(struct writer *writer)
{
    char          words[256];
    const char   *more;
    unsigned long error;
    int           flags;

    if (ERR_peek_error() == 0)
        return;
    writer_string(writer, " (SSL:");
    while ((error = ERR_get_error_all(NULL, NULL, NULL, &more, &flags)) != 0) {
        ERR_error_string_n(error, words, sizeof(words));
        writer_char(writer, ' ');
        writer_string(writer, words);
        if ((flags & ERR_TXT_STRING) != 0 && more != NULL && *more != '\0') {
            writer_char(writer, ':');
            writer_string(writer, more);
        }
    }
    writer_char(writer, ')');
}

void tls_errors_drop(void)
{
    if (ERR_peek_error() != 0)
        ERR_clear_error();
}
