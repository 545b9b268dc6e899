// SPDX-License-Identifier: MIT
/* staple: what is asked, which answers are taken, that clients get them; from a file as well. */
#include <time.h>

#include <openssl/ocsp.h>
#include <openssl/ssl.h>

#include "base/clock.h"
#include "pairing.h"
#include "tls/staple.h"

static struct cert   authority, other, cert;
static struct arena *arena;
static char          words[512];

static int set_up(void **state)
{
    (void)state;
    arena = arena_new();
    authority = cert_make((struct cert_wish){ .name = "Authority", .is_authority = true });
    other = cert_make((struct cert_wish){ .name = "Other", .is_authority = true });
    cert = cert_make((struct cert_wish){ .name = "a.example", .issuer = &authority, .serial = 77,
                                         .responder = "http://ocsp.example/" });
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    cert_free(&authority);
    cert_free(&other);
    cert_free(&cert);
    return 0;
}

/* An answer of `signer` about the certificate, good for `seconds` from now. */
static struct text answer(const struct cert *signer, int status, long seconds)
{
    OCSP_BASICRESP       *basic = OCSP_BASICRESP_new();
    OCSP_CERTID          *id = OCSP_cert_to_id(NULL, cert.x509, authority.x509);
    ASN1_GENERALIZEDTIME *since = ASN1_GENERALIZEDTIME_adj(NULL, time(NULL), 0, -7200);
    ASN1_GENERALIZEDTIME *until = ASN1_GENERALIZEDTIME_adj(NULL, time(NULL), 0, seconds);
    OCSP_RESPONSE        *response;
    unsigned char        *der = NULL;
    struct text           copy;
    int                   len;

    OCSP_basic_add1_status(basic, id, status, 0, since, since, until);
    assert_int_equal(OCSP_basic_sign(basic, signer->x509, signer->key, EVP_sha256(), NULL, 0), 1);
    response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    len = i2d_OCSP_RESPONSE(response, &der);
    copy = arena_copy(arena, text_of((const char *)der, (size_t)len));
    OPENSSL_free(der);
    OCSP_RESPONSE_free(response);
    OCSP_BASICRESP_free(basic);
    OCSP_CERTID_free(id);
    ASN1_GENERALIZEDTIME_free(since);
    ASN1_GENERALIZEDTIME_free(until);
    return copy;
}

static struct tls_pair chained(void)
{
    struct tls_pair pair = pair_of(&cert);

    pair.certificate.text = arena_format(arena, "%.*s%.*s", TEXT_ARGS(cert.pem), TEXT_ARGS(authority.pem));
    return pair;
}

static const struct tls_server *stapling(struct tls_pair *pair, struct tls_policy *policy)
{
    *pair = chained();
    *policy = policy_of(pair);
    policy->is_stapling = true;
    return server_of(arena, policy);
}

static int set(const struct tls_server *server, struct text der, int64_t *ret_until_s)
{
    struct writer writer = writer_fixed(words, sizeof(words) - 1);

    memset(words, 0, sizeof(words));
    return tls_server_set_staple(server, 0, der, ret_until_s, &writer);
}

/* What a client that asks for it gets. */
static struct text received(const struct tls_server *server)
{
    SSL_CTX             *made = SSL_CTX_new(TLS_client_method());
    SSL                 *ssl = SSL_new(made);
    struct transport     transport;
    const unsigned char *der;
    struct text          copy;
    int                  ends[2], error;
    long                 len;

    sockets_make(ends);
    SSL_set_tlsext_status_type(ssl, TLSEXT_STATUSTYPE_ocsp);
    SSL_set_fd(ssl, ends[1]);
    SSL_set_connect_state(ssl);
    transport = tls_accept(ends[0], server, NULL, TEXT_NONE);
    do {
        (void)SSL_do_handshake(ssl);
        error = transport.ops->handshake(&transport);
    } while (error == -EAGAIN);
    assert_int_equal(error, 0);
    len = SSL_get_tlsext_status_ocsp_resp(ssl, &der);
    copy = len > 0 ? arena_copy(arena, text_of((const char *)der, (size_t)len)) : TEXT_NONE;
    transport.ops->close(&transport);
    SSL_free(ssl);
    SSL_CTX_free(made);
    close(ends[1]);
    return copy;
}

static void the_right_thing_is_asked(void **state)
{
    struct tls_pair          pair;
    struct tls_policy        policy;
    const struct tls_server *server = stapling(&pair, &policy);
    struct writer            writer = writer_fixed(words, sizeof(words) - 1);
    struct tls_staple_ask    ask;
    const unsigned char     *at;
    OCSP_REQUEST            *request;

    (void)state;
    assert_int_equal(tls_server_pairs(server), 1);
    assert_true(tls_staple_ask(server, 0, arena, &ask, &writer));
    CHECK_TEXT(ask.url, "http://ocsp.example/");
    CHECK_TEXT(ask.name, "/cert.pem");
    at = (const unsigned char *)ask.request.ptr;
    request = d2i_OCSP_REQUEST(NULL, &at, (long)ask.request.len);
    assert_non_null(request);
    assert_int_equal(OCSP_request_onereq_count(request), 1);
    OCSP_REQUEST_free(request);
    policy.stapling_responder = TEXT("http://own.example/x");
    assert_true(tls_staple_ask(server_of(arena, &policy), 0, arena, &ask, &writer));
    CHECK_TEXT(ask.url, "http://own.example/x");
}

static void check_unasked(struct tls_policy *policy, const char *wanted)
{
    struct writer         writer = writer_fixed(words, sizeof(words) - 1);
    struct tls_staple_ask ask;

    memset(words, 0, sizeof(words));
    assert_false(tls_staple_ask(server_of(arena, policy), 0, arena, &ask, &writer));
    if (strstr(words, wanted) == NULL || (*wanted == '\0' && words[0] != '\0'))
        fail_msg("said %s, wanted %s", words, wanted);
}

static void why_nothing_is_asked(void **state)
{
    struct tls_pair   pair = pair_of(&cert), self = pair_of(&other);
    struct tls_policy policy = policy_of(&pair);

    (void)state;
    check_unasked(&policy, "");
    policy.is_stapling = true;
    check_unasked(&policy, "\"ssl_stapling\" ignored, issuer certificate not found for certificate "
                           "\"/cert.pem\"");
    policy.trusted = (struct tls_file){ .path = TEXT("/ca"), .text = authority.pem };
    policy.stapling_responder = TEXT("https://x/");
    check_unasked(&policy, "\"ssl_stapling\" ignored, invalid URL prefix in OCSP responder \"https://x/\"");
    policy.pairs = &self;
    policy.trusted.text = other.pem;
    policy.stapling_responder = TEXT("");
    check_unasked(&policy, "\"ssl_stapling\" ignored, no OCSP responder URL in the certificate");
}

static void good_answers_go_out(void **state)
{
    struct tls_pair          pair;
    struct tls_policy        policy;
    const struct tls_server *server = stapling(&pair, &policy);
    struct text              der = answer(&authority, V_OCSP_CERTSTATUS_GOOD, 3600);
    int64_t                  until_s = 0;

    (void)state;
    assert_int_equal(received(server).len, 0);
    assert_int_equal(set(server, der, &until_s), 0);
    assert_in_range(until_s, clock_wall_ms() / 1000 + 3500, clock_wall_ms() / 1000 + 3600);
    assert_true(text_is_equal(received(server), der));
    der = answer(&authority, V_OCSP_CERTSTATUS_GOOD, 7200);
    assert_int_equal(set(server, der, &until_s), 0);
    assert_true(text_is_equal(received(server), der));
}

static void others_are_refused(void **state)
{
    struct tls_pair          pair;
    struct tls_policy        policy;
    const struct tls_server *server = stapling(&pair, &policy);
    int64_t                  until_s;

    (void)state;
    assert_int_equal(set(server, TEXT("noise"), &until_s), -EBADMSG);
    assert_non_null(strstr(words, "d2i_OCSP_RESPONSE() failed"));
    assert_int_equal(set(server, answer(&authority, V_OCSP_CERTSTATUS_REVOKED, 3600), &until_s), -EBADMSG);
    assert_non_null(strstr(words, "revoked"));
    assert_int_equal(set(server, answer(&authority, V_OCSP_CERTSTATUS_GOOD, -3600), &until_s), -EBADMSG);
    assert_non_null(strstr(words, "OCSP_check_validity() failed"));
    assert_int_equal(received(server).len, 0);
}

static void signatures_are_verified_if_wanted(void **state)
{
    struct tls_pair          pair;
    struct tls_policy        policy;
    const struct tls_server *server;
    int64_t                  until_s;

    (void)state;
    (void)stapling(&pair, &policy);
    policy.is_stapling_verified = true;
    policy.trusted = (struct tls_file){ .path = TEXT("/ca"), .text = authority.pem };
    server = server_of(arena, &policy);
    assert_int_equal(set(server, answer(&other, V_OCSP_CERTSTATUS_GOOD, 3600), &until_s), -EBADMSG);
    assert_non_null(strstr(words, "OCSP_basic_verify() failed (SSL: error:"));
    assert_int_equal(set(server, answer(&authority, V_OCSP_CERTSTATUS_GOOD, 3600), &until_s), 0);
}

static void a_file_is_sent(void **state)
{
    struct tls_pair          pair;
    struct tls_policy        policy;
    const struct tls_server *server;

    (void)state;
    (void)stapling(&pair, &policy);
    policy.stapling_file = (struct tls_file){ .path = TEXT("/x.der"),
                                              .text = answer(&authority, V_OCSP_CERTSTATUS_GOOD, 60) };
    check_unasked(&policy, "");
    server = server_of(arena, &policy);
    assert_true(text_is_equal(received(server), policy.stapling_file.text));
    pair = pair_of(&other);                    /* of which the file does not speak */
    policy.trusted = (struct tls_file){ .path = TEXT("/ca"), .text = other.pem };
    assert_int_equal(received(server_of(arena, &policy)).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_right_thing_is_asked),
        cmocka_unit_test(why_nothing_is_asked),
        cmocka_unit_test(good_answers_go_out),
        cmocka_unit_test(others_are_refused),
        cmocka_unit_test(signatures_are_verified_if_wanted),
        cmocka_unit_test(a_file_is_sent),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
