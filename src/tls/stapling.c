// SPDX-License-Identifier: MIT
/* A slot holds a block that is never changed. The one before it is freed a minute after it was replaced: a handshake
 * that still copies it has long gone on by then (a loop that stands still for ten seconds ends the
 * process). So handshakes need neither lock nor count. */
#include "tls/stapling.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ocsp.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tls/library.h"
#include "tls/server_made.h"
#include "tls/staple.h"

enum { RETIRED_MS = 60 * 1000, SKEW_S = 300 };

struct staple {
    struct staple *former;               /* retired */
    int64_t        retired_ms;
    int64_t        until_s;
    size_t         len;
    unsigned char  der[];
};

struct tls_staple_slot {
    _Atomic(struct staple *) staple;
    struct staple           *retired;    /* of the one thread that fills slots */
};

static void retired_free(struct staple **from)
{
    struct staple *staple = *from, *former;

    *from = NULL;
    for (; staple != NULL; staple = former) {
        former = staple->former;
        mem_free(staple);
    }
}

/* The youngest comes first, so what follows one that is old enough is older. */
static void retire(struct tls_staple_slot *slot, struct staple *old)
{
    int64_t now_ms = clock_mono_ms();

    if (old != NULL) {
        old->retired_ms = now_ms;
        old->former = slot->retired;
        slot->retired = old;
    }
    for (struct staple **at = &slot->retired; *at != NULL; at = &(*at)->former)
        if (now_ms - (*at)->retired_ms > RETIRED_MS) {
            retired_free(at);
            return;
        }
}

static void slot_fill(struct tls_staple_slot *slot, struct text der, int64_t until_s)
{
    struct staple *staple = mem_new(sizeof(*staple) + der.len);

    staple->until_s = until_s;
    staple->len = der.len;
    memcpy(staple->der, der.ptr, der.len);
    retire(slot, atomic_exchange_explicit(&slot->staple, staple, memory_order_acq_rel));
}

/* Undo of the arena. */
static void slots_free(void *object)
{
    struct tls_server *server = object;

    for (unsigned i = 0; i < server->pair_count; i++) {
        retired_free(&server->staples[i].retired);
        mem_free(atomic_load(&server->staples[i].staple));
    }
}

static bool is_issuer(X509 *candidate, X509 *leaf)
{
    return X509_check_issued(candidate, leaf) == X509_V_OK;
}

/* In the chain that is sent, or among those that are trusted. The caller frees it. */
static X509 *issuer_find(const struct tls_server *server, const struct tls_keypair *pair)
{
    X509_STORE_CTX *search;
    X509           *issuer = NULL;

    for (int i = 0; i < sk_X509_num(pair->chain); i++)
        if (is_issuer(sk_X509_value(pair->chain, i), pair->leaf)) {
            issuer = sk_X509_value(pair->chain, i);
            X509_up_ref(issuer);
            return issuer;
        }
    search = X509_STORE_CTX_new();
    must(search != NULL &&
         X509_STORE_CTX_init(search, SSL_CTX_get_cert_store(server->made), NULL, NULL) == 1);
    if (X509_STORE_CTX_get1_issuer(&issuer, search, pair->leaf) != 1)
        issuer = NULL;
    X509_STORE_CTX_free(search);
    ERR_clear_error();
    return issuer;
}

static const struct tls_pair *pair_policy(const struct tls_server *server, unsigned number)
{
    const struct tls_pair *pair = server->policy->pairs;

    for (;; pair = pair->next)
        if (pair->certificate_template == NULL && pair->key_template == NULL && number-- == 0)
            return pair;
}

unsigned tls_server_pairs(const struct tls_server *server)
{
    return server->pair_count;
}

static bool url_find(const struct tls_server *server, const struct tls_keypair *pair,
                     struct arena *arena, struct text *ret_url)
{
    STACK_OF(OPENSSL_STRING) *urls;

    *ret_url = server->policy->stapling_responder;
    if (ret_url->len == 0) {
        urls = X509_get1_ocsp(pair->leaf);
        if (sk_OPENSSL_STRING_num(urls) > 0)
            *ret_url = arena_copy(arena, text_from(sk_OPENSSL_STRING_value(urls, 0)));
        X509_email_free(urls);
    }
    return ret_url->len > 0;
}

static struct text request_make(X509 *leaf, X509 *issuer, struct arena *arena)
{
    OCSP_REQUEST  *request = OCSP_REQUEST_new();
    OCSP_CERTID   *id = OCSP_cert_to_id(NULL, leaf, issuer);
    unsigned char *der = NULL;
    struct text    copy;
    int            len;

    must(request != NULL && id != NULL && OCSP_request_add0_id(request, id) != NULL);
    len = i2d_OCSP_REQUEST(request, &der);
    must(len > 0);
    copy = arena_copy(arena, text_of((const char *)der, (size_t)len));
    OPENSSL_free(der);
    OCSP_REQUEST_free(request);
    return copy;
}

bool tls_staple_ask(const struct tls_server *server, unsigned number, struct arena *arena,
                    struct tls_staple_ask *ret_ask, struct writer *reterr_words)
{
    const struct tls_policy  *policy = server->policy;
    const struct tls_keypair *pair = server->pairs[number];
    struct text               name = pair_policy(server, number)->certificate.path;
    struct tls_staple_ask     ask = { .name = name };
    X509                     *issuer;

    if (!policy->is_stapling || policy->stapling_file.path.len > 0)
        return false;
    issuer = issuer_find(server, pair);
    if (issuer == NULL)
        writer_format(reterr_words,
                      "\"ssl_stapling\" ignored, issuer certificate not found for "
                      "certificate \"%.*s\"",
                      TEXT_ARGS(name));
    else if (!url_find(server, pair, arena, &ask.url))
        writer_format(reterr_words,
                      "\"ssl_stapling\" ignored, no OCSP responder URL in the "
                      "certificate \"%.*s\"",
                      TEXT_ARGS(name));
    else if (!text_has_prefix_nocase(ask.url, TEXT("http://")))
        writer_format(reterr_words,
                      "\"ssl_stapling\" ignored, invalid URL prefix in OCSP "
                                    "responder \"%.*s\" in the certificate \"%.*s\"",
                      TEXT_ARGS(ask.url), TEXT_ARGS(name));
    else {
        ask.request = request_make(pair->leaf, issuer, arena);
        *ret_ask = ask;
        X509_free(issuer);
        return true;
    }
    X509_free(issuer);
    return false;
}

static int64_t until_of(const ASN1_GENERALIZEDTIME *next)
{
    int days = 0, seconds = 0;

    if (next == NULL || ASN1_TIME_diff(&days, &seconds, NULL, next) != 1)
        return INT64_MAX;
    return clock_wall_ms() / 1000 + (int64_t)days * 86400 + seconds;
}

/* What the answer says of the certificate: NULL, or why it will not do. */
static const char *status_judge(OCSP_BASICRESP *basic, X509 *leaf, X509 *issuer,
                                int64_t *ret_until_s)
{
    OCSP_CERTID          *id = OCSP_cert_to_id(NULL, leaf, issuer);
    ASN1_GENERALIZEDTIME *since = NULL, *next = NULL;
    int                   status = -1, is_found;

    is_found =
        id != NULL && OCSP_resp_find_status(basic, id, &status, NULL, NULL, &since, &next) == 1;
    OCSP_CERTID_free(id);
    if (!is_found)
        return "certificate status not found in the OCSP response";
    if (status != V_OCSP_CERTSTATUS_GOOD)
        return status == V_OCSP_CERTSTATUS_REVOKED
                   ? "certificate status \"revoked\" in the OCSP response"
                                                   : "certificate status \"unknown\" in the OCSP response";
    if (OCSP_check_validity(since, next, SKEW_S, -1) != 1)
        return "OCSP_check_validity() failed";
    *ret_until_s = until_of(next);
    return NULL;
}

static const char *basic_judge(const struct tls_server *server, const struct tls_keypair *pair,
                               OCSP_BASICRESP *basic, int64_t *ret_until_s)
{
    unsigned long flags = server->policy->is_stapling_verified ? OCSP_TRUSTOTHER : OCSP_NOVERIFY;
    X509         *issuer;
    const char   *wrong;

    if (OCSP_basic_verify(basic, pair->chain, SSL_CTX_get_cert_store(server->made), flags) != 1)
        return "OCSP_basic_verify() failed";
    issuer = issuer_find(server, pair);
    if (issuer == NULL)
        return "issuer certificate not found";
    wrong = status_judge(basic, pair->leaf, issuer, ret_until_s);
    X509_free(issuer);
    return wrong;
}

static const char *judge(const struct tls_server *server, const struct tls_keypair *pair,
                         struct text der, int64_t *ret_until_s)
{
    const unsigned char *at = (const unsigned char *)der.ptr;
    OCSP_RESPONSE       *answer = d2i_OCSP_RESPONSE(NULL, &at, (long)der.len);
    OCSP_BASICRESP      *basic = NULL;
    const char          *wrong = NULL;

    if (answer == NULL)
        wrong = "d2i_OCSP_RESPONSE() failed";
    else if (OCSP_response_status(answer) != OCSP_RESPONSE_STATUS_SUCCESSFUL)
        wrong = "OCSP response not successful";
    else if ((basic = OCSP_response_get1_basic(answer)) == NULL)
        wrong = "OCSP_response_get1_basic() failed";
    else
        wrong = basic_judge(server, pair, basic, ret_until_s);
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(answer);
    return wrong;
}

int tls_server_set_staple(const struct tls_server *server, unsigned number, struct text der,
                          int64_t *ret_until_s, struct writer *reterr_words)
{
    const char *wrong;

    tls_errors_drop();
    wrong = judge(server, server->pairs[number], der, ret_until_s);
    if (wrong != NULL) {
        writer_string(reterr_words, wrong);
        tls_errors_write(reterr_words);
        return -EBADMSG;
    }
    slot_fill(&server->staples[number], der, *ret_until_s);
    return 0;
}

/* As nginx does, a file is sent as it is; but never with a certificate that it does not speak of. */
static void file_use(const struct tls_server *server, struct text der)
{
    const unsigned char *at = (const unsigned char *)der.ptr;
    OCSP_RESPONSE       *answer = d2i_OCSP_RESPONSE(NULL, &at, (long)der.len);
    OCSP_BASICRESP      *basic = OCSP_response_get1_basic(answer);

    for (unsigned i = 0; i < server->pair_count; i++) {
        X509        *issuer = issuer_find(server, server->pairs[i]);
        OCSP_CERTID *id = issuer == NULL ? NULL : OCSP_cert_to_id(NULL, server->pairs[i]->leaf, issuer);

        if (id == NULL || basic == NULL || OCSP_resp_find(basic, id, -1) >= 0)
            slot_fill(&server->staples[i], der, INT64_MAX);
        OCSP_CERTID_free(id);
        X509_free(issuer);
    }
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(answer);
    ERR_clear_error();
}

int tls_server_staple(struct tls_setup *setup, struct tls_server *server)
{
    const struct tls_file *file = &server->policy->stapling_file;
    const unsigned char   *at = (const unsigned char *)file->text.ptr;
    OCSP_RESPONSE         *answer;

    if (!server->policy->is_stapling || server->pair_count == 0)
        return 0;
    server->staples = ARENA_ARRAY(setup->arena, struct tls_staple_slot, server->pair_count);
    arena_defer(setup->arena, slots_free, server);
    if (file->path.len == 0)
        return 0;
    answer = file->text.len == 0 ? NULL : d2i_OCSP_RESPONSE(NULL, &at, (long)file->text.len);
    if (answer == NULL)
        return tls_complain(setup, "d2i_OCSP_RESPONSE_bio(\"%.*s\") failed", TEXT_ARGS(file->path));
    OCSP_RESPONSE_free(answer);
    file_use(server, file->text);
    return 0;
}

int tls_staple_give(const struct tls_server *server, SSL *ssl)
{
    const X509          *leaf = SSL_get_certificate(ssl);
    const struct staple *staple = NULL;
    unsigned char       *copy;

    for (unsigned i = 0; i < server->pair_count && staple == NULL; i++)
        if (server->pairs[i]->leaf == leaf)
            staple = atomic_load_explicit(&server->staples[i].staple, memory_order_acquire);
    if (staple == NULL || staple->until_s < clock_wall_ms() / 1000)
        return SSL_TLSEXT_ERR_NOACK;
    copy = OPENSSL_memdup(staple->der, staple->len);
    if (copy == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)staple->len);
    return SSL_TLSEXT_ERR_OK;
}
