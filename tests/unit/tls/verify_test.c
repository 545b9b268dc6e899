// SPDX-License-Identifier: MIT
/* Verification both ways: what is found out about a client is told and ends nothing, an upstream that is not
 * who it should be is not spoken to; and the facts of a certificate in nginx's forms. */
#include <openssl/ssl.h>

#include "pairing.h"

static struct cert   authority, other, server_cert, client_cert, stranger, old;
static struct text   crl;
static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new();
    authority = cert_make((struct cert_wish){ .name = "Authority", .is_authority = true });
    other = cert_make((struct cert_wish){ .name = "Other", .is_authority = true });
    server_cert = cert_make((struct cert_wish){ .name = "origin", .issuer = &authority,
                                                .alt = "DNS:origin.example,IP:127.0.0.1" });
    client_cert = cert_make((struct cert_wish){ .name = "client", .issuer = &authority, .serial = 0xabc });
    stranger = cert_make((struct cert_wish){ .name = "stranger", .issuer = &other });
    old = cert_make((struct cert_wish){ .name = "old", .issuer = &authority, .is_expired = true });
    crl = cert_crl(&authority, 0xabc);
    return 0;
}

static int tear_down(void **state)
{
    struct cert *all[] = { &authority, &other, &server_cert, &client_cert, &stranger, &old };

    (void)state;
    arena_free(&arena);
    for (unsigned i = 0; i < COUNT_OF(all); i++)
        cert_free(all[i]);
    mem_free((void *)crl.ptr);
    return 0;
}

static struct tls_file file_of(const struct cert *cert)
{
    return (struct tls_file){ .path = TEXT("/ca.pem"), .text = cert->pem };
}

/* A handshake between a server that asks and a client with `cert`, or none. */
static void meet(struct pairing *pairing, struct tls_policy *policy, const struct cert *cert)
{
    struct tls_peer_policy peer = peer_policy();
    struct tls_pair        pair = pair_of(&server_cert), own;

    memset(pairing, 0, sizeof(*pairing));
    policy->pairs = &pair;
    if (cert != NULL) {
        own = pair_of(cert);
        peer.pair = &own;
    }
    pairing_open(pairing, server_of(arena, policy), client_of(arena, &peer), "a", NULL);
    pairing_shake(pairing);
    assert_int_equal(pairing->server_error, 0);
    assert_int_equal(pairing->client_error, 0);
}

static void check_verdict(struct tls_policy *policy, const struct cert *cert, const char *verdict)
{
    struct pairing pairing;

    meet(&pairing, policy, cert);
    CHECK_TEXT(tls_client_fact(&pairing.server, TLS_CLIENT_VERIFY, arena), verdict);
    pairing_close(&pairing);
}

static void clients_are_judged(void **state)
{
    struct tls_policy policy = policy_of(NULL);
    bool              has_certificate;
    struct pairing    pairing;

    (void)state;
    check_verdict(&policy, &client_cert, "NONE");   /* it was not asked */
    policy.verify = TLS_VERIFY_ON;
    policy.client_cas = file_of(&authority);
    check_verdict(&policy, NULL, "NONE");
    check_verdict(&policy, &client_cert, "SUCCESS");
    check_verdict(&policy, &stranger, "FAILED:unable to verify the first certificate");
    check_verdict(&policy, &old, "FAILED:certificate has expired");
    meet(&pairing, &policy, &stranger);
    assert_int_equal(tls_verify_result(&pairing.server, &has_certificate),
                     X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE);
    assert_true(has_certificate);
    pairing_close(&pairing);
    policy.crl = (struct tls_file){ .path = TEXT("/crl.pem"), .text = crl };
    check_verdict(&policy, &client_cert, "FAILED:certificate revoked");
    policy.crl = (struct tls_file){ .path = TEXT_NONE };
    policy.client_cas = (struct tls_file){ .path = TEXT_NONE };
    policy.trusted = file_of(&authority);
    policy.verify = TLS_VERIFY_OPTIONAL_NO_CA;
    check_verdict(&policy, &client_cert, "SUCCESS");
}

static void facts_in_nginxs_forms(void **state)
{
    static const struct {
        enum tls_client_fact fact;
        const char          *wanted;
    } rows[] = {
        { TLS_CLIENT_S_DN, "CN=client,O=Desk\\, Inc" },
        { TLS_CLIENT_I_DN, "CN=Authority,O=Desk\\, Inc" },
        { TLS_CLIENT_S_DN_LEGACY, "/O=Desk, Inc/CN=client" },
        { TLS_CLIENT_I_DN_LEGACY, "/O=Desk, Inc/CN=Authority" },
        { TLS_CLIENT_SERIAL, "0ABC" },
        { TLS_CLIENT_V_REMAIN, "10" },
        { TLS_CLIENT_VERIFY, "SUCCESS" },
        { TLS_CLIENT_SIGALG, "ecdsa_secp256r1_sha256" },
    };
    struct tls_policy policy = policy_of(NULL);
    struct pairing    pairing;
    struct text       raw, folded, escaped;

    (void)state;
    policy.verify = TLS_VERIFY_OPTIONAL;
    policy.client_cas = file_of(&authority);
    meet(&pairing, &policy, &client_cert);
    for (unsigned i = 0; i < COUNT_OF(rows); i++)
        CHECK_TEXT(tls_client_fact(&pairing.server, rows[i].fact, arena), rows[i].wanted);
    raw = tls_client_fact(&pairing.server, TLS_CLIENT_RAW_CERT, arena);
    assert_true(text_is_equal(raw, client_cert.pem));
    folded = tls_client_fact(&pairing.server, TLS_CLIENT_CERT, arena);
    assert_true(text_has_prefix(folded, TEXT("-----BEGIN CERTIFICATE-----\n\tMII")));
    assert_true(text_has_suffix(folded, TEXT("\n\t-----END CERTIFICATE-----")));
    escaped = tls_client_fact(&pairing.server, TLS_CLIENT_ESCAPED_CERT, arena);
    assert_true(text_has_prefix(escaped, TEXT("-----BEGIN%20CERTIFICATE-----%0AMII")));
    assert_true(text_has_suffix(escaped, TEXT("-----END%20CERTIFICATE-----%0A")));
    assert_int_equal(tls_client_fact(&pairing.server, TLS_CLIENT_FINGERPRINT, arena).len, 40);
    assert_true(text_has_suffix(tls_client_fact(&pairing.server, TLS_CLIENT_V_END, arena), TEXT("GMT")));
    assert_true(text_has_suffix(tls_client_fact(&pairing.server, TLS_CLIENT_V_START, arena), TEXT("GMT")));
    assert_int_equal(tls_session_id(&pairing.server, arena).len, 64);
    assert_true(text_find_text(tls_ciphers(&pairing.server, arena), TEXT("TLS_AES_256_GCM_SHA384:")) <
                tls_ciphers(&pairing.server, arena).len);
    assert_true(text_has_prefix(tls_curves(&pairing.server, arena), TEXT("X25519:prime256v1")));
    CHECK_TEXT(tls_curve(&pairing.server, arena), "X25519");
    pairing_close(&pairing);
}

static void plain_transports_say_nothing(void **state)
{
    struct transport plain = { .ops = &transport_tcp, .fd = -1 };
    bool             has_certificate = true;

    (void)state;
    CHECK_TEXT(tls_protocol(&plain), "");
    CHECK_TEXT(tls_cipher(&plain), "");
    CHECK_TEXT(tls_ciphers(&plain, arena), "");
    CHECK_TEXT(tls_curve(&plain, arena), "");
    CHECK_TEXT(tls_curves(&plain, arena), "");
    CHECK_TEXT(tls_alpn(&plain), "");
    CHECK_TEXT(tls_server_name(&plain, arena), "");
    CHECK_TEXT(tls_session_id(&plain, arena), "");
    CHECK_TEXT(tls_client_fact(&plain, TLS_CLIENT_VERIFY, arena), "");
    CHECK_TEXT(tls_client_fact(&plain, TLS_CLIENT_S_DN, arena), "");
    assert_false(tls_is_tls(&plain) || tls_is_early(&plain) || tls_is_resumed(&plain));
    assert_int_equal(tls_verify_result(&plain, &has_certificate), 0);
    assert_false(has_certificate);
    assert_true(tls_may_serve(&plain, NULL));
}

static void check_upstream(struct tls_peer_policy *peer, const struct cert *cert, const char *name,
                           const char *words)
{
    struct tls_pair   pair = pair_of(cert);
    struct tls_policy policy = policy_of(&pair);
    struct pairing    pairing = { .server_error = 0 };
    char              byte;

    pairing_open(&pairing, server_of(arena, &policy), client_of(arena, peer), name, NULL);
    pairing_shake(&pairing);
    assert_string_equal(pairing.at_client.words, words);
    assert_int_equal(pairing.client_error, *words == '\0' ? 0 : -EPROTO);
    if (*words != '\0')
        assert_true(pairing.client.ops->read(&pairing.client, &byte, 1) < 0);
    pairing_close(&pairing);
}

static void upstreams_are_judged(void **state)
{
    struct tls_peer_policy peer = peer_policy();

    (void)state;
    check_upstream(&peer, &stranger, "origin.example", "");
    peer.is_verifying = true;
    peer.trusted = file_of(&authority);
    check_upstream(&peer, &server_cert, "origin.example", "");
    check_upstream(&peer, &server_cert, "127.0.0.1", "");
    check_upstream(&peer, &server_cert, "other.example",
                   "upstream SSL certificate does not match \"other.example\"");
    check_upstream(&peer, &server_cert, "127.0.0.2",
                   "upstream SSL certificate does not match \"127.0.0.2\"");
    check_upstream(&peer, &stranger, "stranger",
                   "upstream SSL certificate verify error: (21:unable to verify the first certificate)");
    check_upstream(&peer, &old, "old", "upstream SSL certificate verify error: (10:certificate has expired)");
}

static void names_that_are_sent(void **state)
{
    static const struct { const char *name, *sent; bool is_sent; } rows[] = {
        { "Origin.example", "origin.example", true },
        { "origin.example", "", false },
        { "127.0.0.1", "", true },
        { "[::1]", "", true },
    };
    struct tls_pair        pair = pair_of(&server_cert);
    struct tls_policy      policy = policy_of(&pair);
    struct tls_peer_policy peer = peer_policy();

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        struct pairing pairing = { .at_server.is_choosing = true };

        peer.has_server_name = rows[i].is_sent;
        pairing.at_server.chosen = server_of(arena, &policy);
        pairing_open(&pairing, pairing.at_server.chosen, client_of(arena, &peer), rows[i].name, NULL);
        pairing_shake(&pairing);
        assert_int_equal(pairing.server_error, 0);
        assert_string_equal(pairing.at_server.name, rows[i].sent);
        assert_int_equal(pairing.at_server.asked, 1);
        pairing_close(&pairing);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_are_judged),
        cmocka_unit_test(facts_in_nginxs_forms),
        cmocka_unit_test(plain_transports_say_nothing),
        cmocka_unit_test(upstreams_are_judged),
        cmocka_unit_test(names_that_are_sent),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
