// SPDX-License-Identifier: MIT
/* What a client's certificate says, in the forms of nginx's $ssl_client_* variables. */
#include "tls/info.h"

#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/clock.h"
#include "base/writer.h"
#include "tls/link.h"

static struct text copy_of(BIO *bio, struct arena *arena)
{
    char *bytes = NULL;
    long  len = BIO_get_mem_data(bio, &bytes);

    return arena_copy(arena, text_of(bytes, len > 0 ? (size_t)len : 0));
}

static void pem_write(X509 *leaf, BIO *bio)
{
    (void)PEM_write_bio_X509(bio, leaf);
}

static void subject_write(X509 *leaf, BIO *bio)
{
    (void)X509_NAME_print_ex(bio, X509_get_subject_name(leaf), 0, XN_FLAG_RFC2253);
}

static void issuer_write(X509 *leaf, BIO *bio)
{
    (void)X509_NAME_print_ex(bio, X509_get_issuer_name(leaf), 0, XN_FLAG_RFC2253);
}

static void oneline_write(const X509_NAME *name, BIO *bio)
{
    char *line = X509_NAME_oneline(name, NULL, 0);

    if (line != NULL)
        (void)BIO_puts(bio, line);
    OPENSSL_free(line);
}

static void subject_legacy_write(X509 *leaf, BIO *bio)
{
    oneline_write(X509_get_subject_name(leaf), bio);
}

static void issuer_legacy_write(X509 *leaf, BIO *bio)
{
    oneline_write(X509_get_issuer_name(leaf), bio);
}

static void serial_write(X509 *leaf, BIO *bio)
{
    (void)i2a_ASN1_INTEGER(bio, X509_get_serialNumber(leaf));
}

static void fingerprint_write(X509 *leaf, BIO *bio)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned      len = 0;

    if (X509_digest(leaf, EVP_sha1(), digest, &len) != 1)
        return;
    for (unsigned i = 0; i < len; i++)
        (void)BIO_printf(bio, "%02x", digest[i]);
}

static void since_write(X509 *leaf, BIO *bio)
{
    (void)ASN1_TIME_print(bio, X509_get0_notBefore(leaf));
}

static void until_write(X509 *leaf, BIO *bio)
{
    (void)ASN1_TIME_print(bio, X509_get0_notAfter(leaf));
}

/* Whole days. */
static void remain_write(X509 *leaf, BIO *bio)
{
    int days = 0, seconds = 0;

    if (ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(leaf)) == 1)
        (void)BIO_printf(bio, "%d", days < 0 || seconds < 0 ? 0 : days);
}

/* For a field of HTTP: each line but the first begins with a tab, the last has no end. */
static struct text pem_fold(struct text pem, struct arena *arena)
{
    struct writer writer = writer_arena(arena, pem.len + 64);

    for (size_t i = 0; i + 1 < pem.len; i++) {
        writer_char(&writer, pem.ptr[i]);
        if (pem.ptr[i] == '\n')
            writer_char(&writer, '\t');
    }
    return writer_done(&writer);
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~", c) != NULL);
}

static struct text pem_escape(struct text pem, struct arena *arena)
{
    struct writer writer = writer_arena(arena, pem.len * 3 / 2);

    for (size_t i = 0; i < pem.len; i++)
        if (is_unreserved(pem.ptr[i]))
            writer_char(&writer, pem.ptr[i]);
        else
            writer_format(&writer, "%%%02X", (unsigned char)pem.ptr[i]);
    return writer_done(&writer);
}

static struct text verdict(const struct transport *transport, struct arena *arena)
{
    bool has_certificate;
    long result = tls_verify_result(transport, &has_certificate);

    if (!has_certificate)
        return TEXT("NONE");
    if (result == X509_V_OK)
        return TEXT("SUCCESS");
    return arena_format(arena, "FAILED:%s", X509_verify_cert_error_string(result));
}

/* As TLS 1.3 calls it (RFC 8446 4.2.3): of the key's kind, the padding and the digest. */
static struct text signature(SSL *ssl, X509 *leaf, struct arena *arena)
{
    static const struct {
        int         kind, digest;
        const char *name;
    } rows[] = {
        { EVP_PKEY_EC, NID_sha256, "ecdsa_secp256r1_sha256" },
        { EVP_PKEY_EC, NID_sha384, "ecdsa_secp384r1_sha384" },
        { EVP_PKEY_EC, NID_sha512, "ecdsa_secp521r1_sha512" },
        { EVP_PKEY_EC, NID_sha1, "ecdsa_sha1" },
        { EVP_PKEY_RSA, NID_sha256, "rsa_pkcs1_sha256" },
        { EVP_PKEY_RSA, NID_sha384, "rsa_pkcs1_sha384" },
        { EVP_PKEY_RSA, NID_sha512, "rsa_pkcs1_sha512" },
        { EVP_PKEY_RSA, NID_sha1, "rsa_pkcs1_sha1" },
        { EVP_PKEY_ED25519, NID_undef, "ed25519" },
        { EVP_PKEY_ED448, NID_undef, "ed448" },
    };
    int kind = NID_undef, digest = NID_undef;

    if (SSL_get_peer_signature_type_nid(ssl, &kind) != 1)
        return TEXT("");
    (void)SSL_get_peer_signature_nid(ssl, &digest);
    if (kind == EVP_PKEY_RSA_PSS)
        return arena_format(arena, "rsa_pss_%s_%s",
                            EVP_PKEY_is_a(X509_get0_pubkey(leaf), "RSA-PSS") ? "pss" : "rsae",
                            digest == NID_sha256   ? "sha256"
                            : digest == NID_sha384 ? "sha384"
                                                   : "sha512");
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].kind == kind && (rows[i].digest == digest || rows[i].digest == NID_undef))
            return text_from(rows[i].name);
    return TEXT("");
}

static struct text written(X509 *leaf, void (*write)(X509 *leaf, BIO *bio), struct arena *arena)
{
    BIO        *bio = BIO_new(BIO_s_mem());
    struct text text;

    if (bio == NULL)
        return TEXT("");
    write(leaf, bio);
    text = copy_of(bio, arena);
    BIO_free(bio);
    return text;
}

struct text tls_client_fact(const struct transport *transport, enum tls_client_fact fact,
                            struct arena *arena)
{
    static void (*const writers[])(X509 *leaf, BIO *bio) = {
        [TLS_CLIENT_CERT] = pem_write,
        [TLS_CLIENT_RAW_CERT] = pem_write,
        [TLS_CLIENT_ESCAPED_CERT] = pem_write,
        [TLS_CLIENT_S_DN] = subject_write,
        [TLS_CLIENT_I_DN] = issuer_write,
        [TLS_CLIENT_S_DN_LEGACY] = subject_legacy_write,
        [TLS_CLIENT_I_DN_LEGACY] = issuer_legacy_write,
        [TLS_CLIENT_SERIAL] = serial_write,
        [TLS_CLIENT_FINGERPRINT] = fingerprint_write,
        [TLS_CLIENT_V_START] = since_write,
        [TLS_CLIENT_V_END] = until_write,
        [TLS_CLIENT_V_REMAIN] = remain_write,
        [TLS_CLIENT_SIGALG] = NULL,
    };
    SSL        *ssl = tls_is_tls(transport) ? link_of(transport)->ssl : NULL;
    X509       *leaf = ssl == NULL ? NULL : SSL_get0_peer_certificate(ssl);
    struct text text;

    if (fact == TLS_CLIENT_VERIFY)
        return ssl == NULL ? TEXT("") : verdict(transport, arena);
    if (leaf == NULL)
        return TEXT("");
    if (fact == TLS_CLIENT_SIGALG)
        return signature(ssl, leaf, arena);
    text = written(leaf, writers[fact], arena);
    if (fact == TLS_CLIENT_CERT)
        return pem_fold(text, arena);
    return fact == TLS_CLIENT_ESCAPED_CERT ? pem_escape(text, arena) : text;
}
