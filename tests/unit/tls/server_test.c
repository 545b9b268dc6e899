// SPDX-License-Identifier: MIT
/* server: which one is chosen by name and what follows from it; certificates side by side, with passwords,
 * with variables; and the words about what cannot be. */
#include <openssl/ssl.h>

#include "pairing.h"

static struct cert   first, second, rsa;
static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new();
    first = cert_make((struct cert_wish){ .name = "first.example", .alt = "DNS:first.example" });
    second = cert_make((struct cert_wish){ .name = "second.example", .password = "sesame" });
    rsa = cert_make((struct cert_wish){ .name = "rsa.example", .is_rsa = true });
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    cert_free(&first);
    cert_free(&second);
    cert_free(&rsa);
    return 0;
}

static void check_peer(const struct transport *client, const char *name)
{
    struct text subject = tls_client_fact(client, TLS_CLIENT_S_DN, arena);

    if (!text_has_prefix(subject, arena_format(arena, "CN=%s,", name)))
        fail_msg("met %.*s, wanted %s", TEXT_ARGS(subject), name);
}

static void the_name_decides(void **state)
{
    struct tls_text_list   passwords = { .file = { .text = TEXT("wrong\nsesame\n") } };
    struct tls_pair        pairs[2] = { pair_of(&first), pair_of(&second) };
    struct tls_policy      policies[2] = { policy_of(&pairs[0]), policy_of(&pairs[1]) };
    struct tls_peer_policy peer = peer_policy();
    struct tls_server     *servers[2];
    struct pairing         pairing = { .at_server.is_choosing = true };

    (void)state;
    policies[1].versions = TLS_VERSION_1_2;
    policies[1].ciphers = TEXT("ECDHE-ECDSA-AES256-GCM-SHA384");
    policies[1].curves = TEXT("P-384");
    policies[1].has_http2 = true;
    policies[1].passwords = &passwords;
    servers[0] = server_of(arena, &policies[0]);
    servers[1] = server_of(arena, &policies[1]);
    pairing.at_server.chosen = servers[1];
    peer.has_http2 = true;
    pairing_open(&pairing, servers[0], client_of(arena, &peer), "Second.Example.", NULL);
    pairing_shake(&pairing);
    assert_int_equal(pairing.server_error, 0);
    assert_int_equal(pairing.client_error, 0);
    assert_string_equal(pairing.at_server.name, "second.example");
    CHECK_TEXT(tls_protocol(&pairing.server), "TLSv1.2");
    CHECK_TEXT(tls_cipher(&pairing.server), "ECDHE-ECDSA-AES256-GCM-SHA384");
    CHECK_TEXT(tls_curve(&pairing.server, arena), "secp384r1");
    CHECK_TEXT(tls_alpn(&pairing.server), "h2");
    CHECK_TEXT(tls_alpn(&pairing.client), "h2");
    CHECK_TEXT(tls_server_name(&pairing.server, arena), "second.example");
    check_peer(&pairing.client, "second.example");
    pairing_talk(&pairing);
    pairing_close(&pairing);
}

static void check_refused(struct pairing *pairing, const struct tls_server *server, const char *at_server,
                          const char *at_client)
{
    struct tls_peer_policy peer = peer_policy();

    pairing_open(pairing, server, client_of(arena, &peer), "a.example", NULL);
    pairing_shake(pairing);
    assert_true(pairing->server_error < 0);
    assert_true(pairing->client_error < 0);
    assert_non_null(strstr(pairing->at_server.words, at_server));
    assert_non_null(strstr(pairing->at_client.words, at_client));
    pairing_close(pairing);
}

static void a_name_may_be_refused(void **state)
{
    struct tls_pair   pair = pair_of(&first);
    struct tls_policy policy = policy_of(&pair), rejecting = policy_of(NULL);
    struct pairing    nobody = { .at_server.is_choosing = true }, rejected = { .server_error = 0 };

    (void)state;
    check_refused(&nobody, server_of(arena, &policy), "callback failed", "unrecognized name");
    rejecting.is_rejecting = true;
    check_refused(&rejected, server_of(arena, &rejecting), "callback failed", "unrecognized name");
    assert_int_equal(rejected.at_server.level, LOG_INFO);
    assert_int_equal(rejected.at_client.level, LOG_ERROR);
}

static void alpn_must_agree(void **state)
{
    struct tls_pair        pair = pair_of(&first);
    struct tls_policy      policy = policy_of(&pair);
    struct tls_peer_policy peer = peer_policy();
    struct pairing         pairing = { .server_error = 0 };

    (void)state;
    peer.has_http2 = true;
    pairing_open(&pairing, server_of(arena, &policy), client_of(arena, &peer), "a", NULL);
    pairing_shake(&pairing);
    CHECK_TEXT(tls_alpn(&pairing.server), "http/1.1");
    pairing_close(&pairing);
    memset(&pairing, 0, sizeof(pairing));
    peer.must_be_http2 = true;
    pairing_open(&pairing, server_of(arena, &policy), client_of(arena, &peer), "a", NULL);
    pairing_shake(&pairing);
    assert_true(pairing.client_error < 0);
    assert_non_null(strstr(pairing.at_client.words, "no application protocol"));
    pairing_close(&pairing);
}

/* A client that knows RSA only gets that certificate. */
static void two_kinds_of_keys_side_by_side(void **state)
{
    struct tls_pair        pairs[2] = { pair_of(&first), pair_of(&rsa) };
    struct tls_policy      policy = policy_of(pairs);
    struct tls_command     rsa_only = { .name = TEXT("SignatureAlgorithms"),
                                        .value = TEXT("RSA-PSS+SHA256") };
    struct tls_peer_policy peer = peer_policy();
    struct pairing         pairing = { .server_error = 0 };
    struct tls_server     *server;

    (void)state;
    pairs[0].next = &pairs[1];
    server = server_of(arena, &policy);
    pairing_open(&pairing, server, client_of(arena, &peer), "a", NULL);
    pairing_shake(&pairing);
    check_peer(&pairing.client, "first.example");
    pairing_close(&pairing);
    memset(&pairing, 0, sizeof(pairing));
    peer.commands = &rsa_only;
    pairing_open(&pairing, server, client_of(arena, &peer), "a", NULL);
    pairing_shake(&pairing);
    check_peer(&pairing.client, "rsa.example");
    pairing_close(&pairing);
}

static void paths_with_variables(void **state)
{
    struct tls_candidate   key = { .file = { .path = TEXT("/first.key"), .text = first.key_pem } };
    struct tls_candidate   pem = { .next = &key,
                                   .file = { .path = TEXT("/first.pem"), .text = first.pem } };
    struct tls_pair        pair = { .certificate_template = (const void *)&key,
                                    .key_template = (const void *)&key };
    struct tls_policy      policy = policy_of(&pair);
    struct tls_peer_policy peer = peer_policy();
    struct pairing         pairing = { .server_error = 0 };
    struct tls_server     *server;

    (void)state;
    policy.candidates = &pem;
    server = server_of(arena, &policy);
    for (unsigned i = 0; i < 2; i++) {   /* read, and then kept */
        pairing.at_server.certificate = "/first.pem";
        pairing.at_server.key = "/first.key";
        pairing_open(&pairing, server, client_of(arena, &peer), "a", NULL);
        pairing_shake(&pairing);
        check_peer(&pairing.client, "first.example");
        pairing_close(&pairing);
    }
    memset(&pairing, 0, sizeof(pairing));
    pairing.at_server.certificate = arena_format(arena, "data:%.*s", TEXT_ARGS(rsa.pem)).ptr;
    pairing.at_server.key = arena_format(arena, "data:%.*s", TEXT_ARGS(rsa.key_pem)).ptr;
    pairing_open(&pairing, server, client_of(arena, &peer), "a", NULL);
    pairing_shake(&pairing);
    check_peer(&pairing.client, "rsa.example");
    pairing_close(&pairing);
    memset(&pairing, 0, sizeof(pairing));
    pairing.at_server.certificate = "/other.pem";
    pairing.at_server.key = "/first.key";
    check_refused(&pairing, server, "cannot load certificate \"/other.pem\"", "internal error");
    memset(&pairing, 0, sizeof(pairing));
    check_refused(&pairing, server, "cannot evaluate", "internal error");
}

static void check_complaint(const struct tls_policy *policy, const char *words, unsigned line)
{
    struct tls_complaint complaint = { .words = TEXT_NONE };
    struct text          wanted = text_from(words);

    assert_null(tls_server_new(arena, policy, &complaint));
    if (text_find_text(complaint.words, wanted) == complaint.words.len)
        fail_msg("said %.*s, wanted %s", TEXT_ARGS(complaint.words), words);
    assert_int_equal(complaint.line, line);
}

static void what_cannot_be_is_said(void **state)
{
    struct tls_pair      good = pair_of(&first), pair = good;
    struct tls_policy    policy = policy_of(&pair);
    struct tls_text_list bad_key = { .file = { .path = TEXT("/t.key"), .text = TEXT("short") } };
    struct tls_command   command = { .name = TEXT("Nonsense"), .value = TEXT("on"), .line = 8 };
    struct tls_file      noise = { .path = TEXT("/noise"), .text = TEXT("-----BEGIN noise-----\n") };

    (void)state;
    pair.certificate.text = TEXT("no certificate");
    check_complaint(&policy, "cannot load certificate \"/cert.pem\": PEM_read_bio_X509_AUX() failed "
                             "(SSL: error:", 5);
    pair = good;
    pair.key.text = TEXT("no key");
    check_complaint(&policy, "cannot load certificate key \"/key.pem\": PEM_read_bio_PrivateKey() failed", 5);
    pair.key.text = second.key_pem;
    check_complaint(&policy, "cannot load certificate key \"/key.pem\": PEM_read_bio_PrivateKey() failed", 5);
    pair.key.text = rsa.key_pem;
    check_complaint(&policy, "SSL_CTX_use_PrivateKey(\"/key.pem\") failed (SSL: error:", 5);
    pair = good;
    policy.ciphers = TEXT("NONSENSE");
    check_complaint(&policy, "SSL_CTX_set_cipher_list(\"NONSENSE\") failed (SSL: error:", 3);
    policy = policy_of(&pair);
    policy.curves = TEXT("P-1");
    check_complaint(&policy, "SSL_CTX_set1_curves_list(\"P-1\") failed", 3);
    policy = policy_of(&pair);
    policy.ticket_keys = &bad_key;
    check_complaint(&policy, "\"/t.key\" must be 48 or 80 bytes", 3);
    policy = policy_of(&pair);
    policy.commands = &command;
    check_complaint(&policy, "SSL_CONF_cmd(\"Nonsense\", \"on\") failed (SSL: error:", 8);
    policy = policy_of(&pair);
    policy.dhparam = noise;
    check_complaint(&policy, "PEM_read_bio_Parameters(\"/noise\") failed", 3);
    policy = policy_of(&pair);
    policy.client_cas = noise;
    check_complaint(&policy, "SSL_CTX_load_verify_locations(\"/noise\") failed", 3);
    policy = policy_of(&pair);
    policy.crl = noise;
    check_complaint(&policy, "X509_load_crl_file(\"/noise\") failed", 3);
    policy = policy_of(&pair);
    policy.is_stapling = true;
    policy.stapling_file = noise;
    check_complaint(&policy, "d2i_OCSP_RESPONSE_bio(\"/noise\") failed", 3);
}

static void commands_that_read_files_are_none(void **state)
{
    struct tls_pair    pair = pair_of(&first);
    struct tls_policy  policy = policy_of(&pair);
    struct tls_command command = { .name = TEXT("Certificate"), .value = TEXT("/etc/x.pem") };

    (void)state;
    policy.commands = &command;
    check_complaint(&policy, "SSL_CONF_cmd(\"Certificate\", \"/etc/x.pem\") failed", 0);
}

static void plain_text_is_no_hello(void **state)
{
    struct tls_pair   pair = pair_of(&first);
    struct tls_policy policy = policy_of(&pair);
    struct listener   listener = { .level = LOG_DEBUG };
    struct transport  transport;
    int               ends[2];

    (void)state;
    sockets_make(ends);
    listener_start(&listener);
    transport = tls_accept(ends[0], server_of(arena, &policy), &listener.host,
                           TEXT("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_int_equal(transport.ops->handshake(&transport), -EPROTO);
    assert_non_null(strstr(listener.words, "http request"));
    assert_int_equal(transport.ops->handshake(&transport), -EPROTO);
    transport.ops->close(&transport);
    close(ends[1]);
}

static void who_hangs_up_is_noticed(void **state)
{
    struct tls_pair   pair = pair_of(&first);
    struct tls_policy policy = policy_of(&pair);
    struct listener   listener = { .level = LOG_DEBUG };
    struct transport  transport;
    int               ends[2];

    (void)state;
    sockets_make(ends);
    listener_start(&listener);
    transport = tls_accept(ends[0], server_of(arena, &policy), &listener.host, TEXT("\x16\x03\x01"));
    assert_int_equal(transport.ops->handshake(&transport), -EAGAIN);
    close(ends[1]);
    assert_int_equal(transport.ops->handshake(&transport), -ECONNRESET);
    assert_string_equal(listener.words, "peer closed connection in SSL handshake");
    tls_forget_host(&transport, &listener.host);
    transport.ops->close(&transport);
}

static void old_versions_when_asked_for(void **state)
{
    struct tls_pair        pair = pair_of(&rsa);
    struct tls_policy      policy = policy_of(&pair);
    struct tls_peer_policy peer = peer_policy();
    struct pairing         pairing = { .server_error = 0 };

    (void)state;
    policy.versions = peer.versions = TLS_VERSION_1_0 | TLS_VERSION_1_1;
    policy.ciphers = peer.ciphers = TEXT("ALL:@SECLEVEL=0");
    pairing_open(&pairing, server_of(arena, &policy), client_of(arena, &peer), "a", NULL);
    pairing_shake(&pairing);
    CHECK_TEXT(tls_protocol(&pairing.server), "TLSv1.1");
    pairing_talk(&pairing);
    pairing_close(&pairing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_name_decides),
        cmocka_unit_test(a_name_may_be_refused),
        cmocka_unit_test(alpn_must_agree),
        cmocka_unit_test(two_kinds_of_keys_side_by_side),
        cmocka_unit_test(paths_with_variables),
        cmocka_unit_test(what_cannot_be_is_said),
        cmocka_unit_test(commands_that_read_files_are_none),
        cmocka_unit_test(plain_text_is_no_hello),
        cmocka_unit_test(who_hangs_up_is_noticed),
        cmocka_unit_test(old_versions_when_asked_for),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
