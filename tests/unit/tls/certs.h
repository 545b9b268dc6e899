// SPDX-License-Identifier: MIT
/* Certificates of the tests, made as they run: an authority, and what it signs; as PEM, as files have it. */
#ifndef TESTS_UNIT_TLS_CERTS_H
#define TESTS_UNIT_TLS_CERTS_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "base/mem.h"
#include "base/unit.h"
#include "tls/policy.h"

struct cert {
    EVP_PKEY   *key;
    X509       *x509;
    struct text pem, key_pem;
};

struct cert_wish {
    const char        *name;             /* CN */
    const char        *alt;              /* "DNS:a,IP:1.2.3.4"; NULL: none */
    const struct cert *issuer;           /* NULL: signs itself */
    const char        *password;         /* of the key's PEM; NULL: none */
    const char        *responder;        /* OCSP; NULL: none */
    bool               is_rsa, is_authority, is_expired;
    long               serial;
};

static inline struct text cert_pem(BIO *bio)
{
    char       *bytes;
    long        len = BIO_get_mem_data(bio, &bytes);
    struct text text = text_of(mem_string(bytes, (size_t)len), (size_t)len);

    BIO_free(bio);
    return text;
}

static inline void cert_extend(X509 *x509, const struct cert *issuer, int kind, const char *value)
{
    X509V3_CTX      about;
    X509_EXTENSION *extension;

    X509V3_set_ctx(&about, issuer == NULL ? x509 : issuer->x509, x509, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &about, kind, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(x509, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static inline struct text cert_key_pem(EVP_PKEY *key, const char *password)
{
    BIO *bio = BIO_new(BIO_s_mem());

    assert_int_equal(PEM_write_bio_PrivateKey(bio, key, password == NULL ? NULL : EVP_aes_128_cbc(),
                                              (const unsigned char *)password,
                                              password == NULL ? 0 : (int)strlen(password), NULL,
                                              NULL), 1);
    return cert_pem(bio);
}

static inline struct cert cert_make(struct cert_wish wish)
{
    struct cert cert = { .x509 = X509_new() };
    X509_NAME  *name = X509_get_subject_name(cert.x509);
    BIO        *bio = BIO_new(BIO_s_mem());
    char        responder[200];

    cert.key = wish.is_rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    X509_set_version(cert.x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert.x509), wish.serial == 0 ? 7 : wish.serial);
    X509_gmtime_adj(X509_getm_notBefore(cert.x509), -20 * 86400L);
    X509_gmtime_adj(X509_getm_notAfter(cert.x509), wish.is_expired ? -86400L : 10 * 86400L + 3600);
    X509_set_pubkey(cert.x509, cert.key);
    X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC, (const unsigned char *)"Desk, Inc", -1, -1, 0);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)wish.name, -1, -1, 0);
    X509_set_issuer_name(cert.x509, wish.issuer == NULL ? name
                                                        : X509_get_subject_name(wish.issuer->x509));
    cert_extend(cert.x509, wish.issuer, NID_basic_constraints, wish.is_authority ? "CA:TRUE" : "CA:FALSE");
    cert_extend(cert.x509, wish.issuer, NID_subject_key_identifier, "hash");
    if (wish.alt != NULL)
        cert_extend(cert.x509, wish.issuer, NID_subject_alt_name, wish.alt);
    if (wish.responder != NULL) {
        (void)snprintf(responder, sizeof(responder), "OCSP;URI:%s", wish.responder);
        cert_extend(cert.x509, wish.issuer, NID_info_access, responder);
    }
    assert_true(X509_sign(cert.x509, wish.issuer == NULL ? cert.key : wish.issuer->key, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_X509(bio, cert.x509), 1);
    cert.pem = cert_pem(bio);
    cert.key_pem = cert_key_pem(cert.key, wish.password);
    return cert;
}

static inline void cert_free(struct cert *cert)
{
    EVP_PKEY_free(cert->key);
    X509_free(cert->x509);
    mem_free((void *)cert->pem.ptr);
    mem_free((void *)cert->key_pem.ptr);
    memset(cert, 0, sizeof(*cert));
}

/* A list of the authority that revokes `serial`. */
static inline struct text cert_crl(const struct cert *issuer, long serial)
{
    X509_CRL     *crl = X509_CRL_new();
    X509_REVOKED *revoked = X509_REVOKED_new();
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    ASN1_TIME    *now = X509_gmtime_adj(NULL, -60), *next = X509_gmtime_adj(NULL, 86400);
    BIO          *bio = BIO_new(BIO_s_mem());

    ASN1_INTEGER_set(number, serial);
    X509_CRL_set_version(crl, 1);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->x509));
    X509_CRL_set1_lastUpdate(crl, now);
    X509_CRL_set1_nextUpdate(crl, next);
    X509_REVOKED_set_serialNumber(revoked, number);
    X509_REVOKED_set_revocationDate(revoked, now);
    X509_CRL_add0_revoked(crl, revoked);
    X509_CRL_sort(crl);
    assert_true(X509_CRL_sign(crl, issuer->key, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_X509_CRL(bio, crl), 1);
    X509_CRL_free(crl);
    ASN1_INTEGER_free(number);
    ASN1_TIME_free(now);
    ASN1_TIME_free(next);
    return cert_pem(bio);
}

#endif
