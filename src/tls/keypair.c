// SPDX-License-Identifier: MIT
/* PEM texts become a certificate with chain and key. What is wrong with them is said as nginx says it. */
#include "tls/keypair.h"

#include <stdatomic.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/mem.h"

void tls_keypair_ref(struct tls_keypair *pair)
{
    (void)atomic_fetch_add_explicit(&pair->refs, 1, memory_order_relaxed);
}

void tls_keypair_unref(struct tls_keypair **pair)
{
    struct tls_keypair *done = *pair;

    *pair = NULL;
    if (done == NULL || atomic_fetch_sub_explicit(&done->refs, 1, memory_order_acq_rel) > 1)
        return;
    X509_free(done->leaf);
    sk_X509_pop_free(done->chain, X509_free);
    EVP_PKEY_free(done->key);
    mem_free(done);
}

static int chain_read(struct tls_setup *setup, const struct tls_file *file,
                      struct tls_keypair *pair)
{
    BIO  *reader = tls_reader(file->text);
    X509 *next;
    int   error = 0;

    pair->chain = sk_X509_new_null();
    must(pair->chain != NULL);
    pair->leaf = PEM_read_bio_X509_AUX(reader, NULL, NULL, NULL);
    if (pair->leaf == NULL)
        error =
            tls_complain(setup, "cannot load certificate \"%.*s\": PEM_read_bio_X509_AUX() failed",
                             TEXT_ARGS(file->path));
    else {
        while ((next = PEM_read_bio_X509(reader, NULL, NULL, NULL)) != NULL)
            must(sk_X509_push(pair->chain, next) > 0);
        if (!tls_is_end_of_pem())
            error =
                tls_complain(setup, "cannot load certificate \"%.*s\": PEM_read_bio_X509() failed",
                                 TEXT_ARGS(file->path));
    }
    BIO_free(reader);
    return error;
}

/* OpenSSL's pem_password_cb. Nothing is ever asked on a terminal. */
static int password_give(char *buffer, int size, int is_writing, void *argument)
{
    const struct text *password = argument;

    (void)is_writing;
    if (password == NULL || size < 0 || password->len > (size_t)size)
        return -1;
    memcpy(buffer, password->ptr, password->len);
    return (int)password->len;
}

static EVP_PKEY *key_try(const struct tls_file *file, struct text *password)
{
    BIO      *reader = tls_reader(file->text);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(reader, NULL, password_give, password);

    BIO_free(reader);
    return key;
}

/* Each line of the files is tried in turn. */
static EVP_PKEY *key_read(const struct tls_file *file, const struct tls_text_list *passwords)
{
    EVP_PKEY *key = passwords == NULL ? key_try(file, NULL) : NULL;

    for (; passwords != NULL && key == NULL; passwords = passwords->next) {
        struct text rest = passwords->file.text, line;

        while (key == NULL && text_split(&rest, '\n', &line)) {
            ERR_clear_error();
            if (line.len > 0 && line.ptr[line.len - 1] == '\r')
                line.len--;
            key = key_try(file, &line);
        }
    }
    return key;
}

int tls_keypair_read(struct tls_setup *setup, const struct tls_file *certificate,
                     const struct tls_file *key, const struct tls_text_list *passwords,
                     struct tls_keypair **ret_pair)
{
    struct tls_keypair *pair = mem_new(sizeof(*pair));
    int                 error;

    pair->refs = 1;
    error = chain_read(setup, certificate, pair);
    if (error == 0) {
        pair->key = key_read(key, passwords);
        if (pair->key == NULL)
            error = tls_complain(
                setup, "cannot load certificate key \"%.*s\": PEM_read_bio_PrivateKey() failed",
                                 TEXT_ARGS(key->path));
    }
    if (error == 0 && X509_check_private_key(pair->leaf, pair->key) != 1)
        error =
            tls_complain(setup, "SSL_CTX_use_PrivateKey(\"%.*s\") failed", TEXT_ARGS(key->path));
    if (error == 0) {
        ERR_clear_error();
        *ret_pair = pair;
    } else
        tls_keypair_unref(&pair);
    return error;
}
