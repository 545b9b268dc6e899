// SPDX-License-Identifier: MIT
/* resuming: with tickets, with what a zone remembers, over reloads and rotations of keys; never on a server with
 * other rules; early data, and that nobody repeats it. */
#include <time.h>

#include <openssl/ssl.h>

#include "pairing.h"
#include "tls/tickets.h"

static struct cert            authority, cert, client_cert;
static struct tls_pair        pair;
static struct tls_peer_policy peer;
static struct arena          *arena;
static struct tls_memory     *memory;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new();
    authority = cert_make((struct cert_wish){ .name = "Authority", .is_authority = true });
    cert = cert_make((struct cert_wish){ .name = "example" });
    client_cert = cert_make((struct cert_wish){ .name = "client", .issuer = &authority });
    pair = pair_of(&cert);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    cert_free(&authority);
    cert_free(&cert);
    cert_free(&client_cert);
    return 0;
}

static int begin(void **state)
{
    (void)state;
    memory = tls_memory_new();
    peer = peer_policy();
    return 0;
}

static int end(void **state)
{
    (void)state;
    tls_memory_free(&memory);
    return 0;
}

/* One connection; was it resumed? Both sides must agree. */
static bool visit(const struct tls_server *server, const struct tls_client *client)
{
    struct pairing pairing = { .server_error = 0 };
    bool           is_resumed;

    pairing_open(&pairing, server, client, "a.example", memory);
    pairing_shake(&pairing);
    assert_int_equal(pairing.server_error, 0);
    assert_int_equal(pairing.client_error, 0);
    pairing_talk(&pairing);
    is_resumed = tls_is_resumed(&pairing.server);
    assert_int_equal(is_resumed, tls_is_resumed(&pairing.client));
    pairing_close(&pairing);
    return is_resumed;
}

static void tickets_resume(void **state)
{
    static const unsigned versions[] = { TLS_VERSION_1_2, TLS_VERSION_1_3 };

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(versions); i++) {
        struct tls_policy  policy = policy_of(&pair), none = policy_of(&pair);
        struct tls_server *server, *again, *without;
        struct tls_client *client = client_of(arena, &peer);

        policy.versions = none.versions = versions[i];
        none.has_tickets = false;
        server = server_of(arena, &policy);
        again = server_of(arena, &policy);
        without = server_of(arena, &none);
        (void)visit(server, client);
        assert_true(visit(server, client));
        assert_true(visit(server, client));
        assert_true(visit(again, client));     /* as after a reload */
        assert_false(visit(without, client));
        assert_false(visit(without, client));
    }
}

static void who_does_not_reuse_resumes_nothing(void **state)
{
    struct tls_policy  policy = policy_of(&pair);
    struct tls_server *server = server_of(arena, &policy);
    struct tls_client *client;

    (void)state;
    peer.is_reusing = false;
    client = client_of(arena, &peer);
    assert_false(visit(server, client));
    assert_false(visit(server, client));
}

static void a_zone_remembers(void **state)
{
    static const unsigned versions[] = { TLS_VERSION_1_2, TLS_VERSION_1_3 };

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(versions); i++) {
        struct tls_policy  policy = policy_of(&pair);
        struct tls_server *server;
        struct tls_client *client = client_of(arena, &peer);
        struct arena      *former = arena_new();

        policy.versions = versions[i];
        policy.has_tickets = false;
        policy.cache = TLS_CACHE_SHARED;
        policy.cache_name = TEXT("SSL");
        policy.cache_bytes = 1024 * 1024;
        (void)visit(server_of(former, &policy), client);
        server = server_of(arena, &policy);    /* the zone lives through it */
        arena_free(&former);
        assert_true(visit(server, client));
        assert_true(visit(server, client));
    }
}

static void rotation_keeps_some_keys(void **state)
{
    struct tls_policy      policy = policy_of(&pair);
    struct tls_server     *server = server_of(arena, &policy);
    struct tls_client     *client = client_of(arena, &peer);
    struct tls_ticket_keys keys = { .count = 0 };

    (void)state;
    assert_int_equal(tls_tickets_rotate(&keys), 0);
    tls_tickets_use(&keys);
    assert_false(visit(server, client));
    for (unsigned i = 1; i < TLS_TICKET_KEYS; i++)
        assert_int_equal(tls_tickets_rotate(&keys), 0);
    tls_tickets_use(&keys);
    assert_true(visit(server, client));        /* by the oldest key; the new ticket is of the newest */
    for (unsigned i = 0; i < TLS_TICKET_KEYS; i++)
        assert_int_equal(tls_tickets_rotate(&keys), 0);
    tls_tickets_use(&keys);
    assert_false(visit(server, client));
}

static void keys_of_files(void **state)
{
    static const char      bytes[80] = "0123456789abcdefABCDEFGHIJKLMNOP0123456789012345-----------------";
    struct tls_text_list   short_key = { .file = { .path = TEXT("/48"), .text = text_of(bytes, 48) } };
    struct tls_text_list   long_key = { .next = &short_key,
                                        .file = { .path = TEXT("/80"), .text = text_of(bytes + 0, 80) } };
    struct tls_policy      policy = policy_of(&pair);
    struct tls_client     *client = client_of(arena, &peer);
    struct tls_ticket_keys keys = { .count = 0 };
    struct tls_server     *server;

    (void)state;
    policy.ticket_keys = &short_key;
    server = server_of(arena, &policy);
    assert_false(visit(server, client));
    assert_int_equal(tls_tickets_rotate(&keys), 0);
    tls_tickets_use(&keys);                    /* is nothing to them */
    assert_true(visit(server, client));
    short_key.file.text.ptr = "fedcba9876543210ABCDEFGHIJKLMNOP0123456789012345";
    assert_false(visit(server_of(arena, &policy), client));
    policy.ticket_keys = &long_key;
    server = server_of(arena, &policy);
    assert_true(visit(server, client));        /* the short one still decrypts */
    assert_true(visit(server, client));
}

static void other_rules_are_another_door(void **state)
{
    struct tls_policy      open = policy_of(&pair), closed = policy_of(&pair), same = policy_of(&pair);
    struct tls_text_list   key = { .file = { .path = TEXT("/k"), .text = text_of(
        "0123456789abcdefABCDEFGHIJKLMNOP0123456789012345", 48) } };
    struct tls_client     *client = client_of(arena, &peer);
    struct tls_server     *servers[3];

    (void)state;
    closed.verify = TLS_VERIFY_ON;
    closed.client_cas = (struct tls_file){ .path = TEXT("/ca"), .text = authority.pem };
    open.ticket_keys = closed.ticket_keys = same.ticket_keys = &key;
    open.cache = closed.cache = same.cache = TLS_CACHE_SHARED;
    open.cache_name = closed.cache_name = same.cache_name = TEXT("all");
    open.cache_bytes = closed.cache_bytes = same.cache_bytes = 1024 * 1024;
    for (unsigned i = 0; i < 2; i++) {
        servers[0] = server_of(arena, &open);
        servers[1] = server_of(arena, &closed);
        servers[2] = server_of(arena, &same);
        (void)visit(servers[0], client);
        assert_true(visit(servers[2], client));
        assert_false(visit(servers[1], client));
        assert_true(visit(servers[1], client));
        assert_false(visit(servers[0], client));
        open.versions = closed.versions = same.versions = TLS_VERSION_1_2;
        open.has_tickets = closed.has_tickets = same.has_tickets = false;
    }
}

/* By what the connection knows itself: its server may be gone. */
static void a_connection_outlives_its_server(void **state)
{
    struct tls_policy  open = policy_of(&pair), closed = policy_of(&pair);
    struct arena      *former = arena_new();
    struct pairing     pairing = { .server_error = 0 };

    (void)state;
    closed.verify = TLS_VERIFY_ON;
    closed.client_cas = (struct tls_file){ .path = TEXT("/ca"), .text = authority.pem };
    pairing_open(&pairing, server_of(former, &open), client_of(former, &peer), "a.example", memory);
    pairing_shake(&pairing);
    assert_int_equal(pairing.server_error, 0);
    arena_free(&former);
    assert_true(tls_may_serve(&pairing.server, server_of(arena, &open)));
    assert_false(tls_may_serve(&pairing.server, server_of(arena, &closed)));
    pairing_talk(&pairing);
    pairing_close(&pairing);
}

static void a_clients_certificate_is_remembered(void **state)
{
    struct tls_policy  policy = policy_of(&pair);
    struct tls_pair    own = pair_of(&client_cert);
    struct tls_server *server;
    struct tls_client *client;
    struct pairing     pairing = { .server_error = 0 };

    (void)state;
    policy.verify = TLS_VERIFY_ON;
    policy.client_cas = (struct tls_file){ .path = TEXT("/ca"), .text = authority.pem };
    peer.pair = &own;
    server = server_of(arena, &policy);
    client = client_of(arena, &peer);
    assert_false(visit(server, client));
    pairing_open(&pairing, server, client, "a.example", memory);
    pairing_shake(&pairing);
    assert_true(tls_is_resumed(&pairing.server));
    CHECK_TEXT(tls_client_fact(&pairing.server, TLS_CLIENT_VERIFY, arena), "SUCCESS");
    CHECK_TEXT(tls_client_fact(&pairing.server, TLS_CLIENT_S_DN, arena), "CN=client,O=Desk\\, Inc");
    pairing_close(&pairing);
}

static void contexts_and_names_are_kept_apart(void **state)
{
    struct tls_policy      policy = policy_of(&pair);
    struct tls_server     *server = server_of(arena, &policy);
    struct tls_peer_policy verifying = peer;
    struct tls_client     *client = client_of(arena, &peer), *same = client_of(arena, &peer), *other;

    (void)state;
    verifying.ciphers = TEXT("HIGH");
    other = client_of(arena, &verifying);
    assert_true(tls_client_identity(client) == tls_client_identity(same));
    assert_true(tls_client_identity(client) != tls_client_identity(other));
    assert_false(visit(server, client));
    assert_true(visit(server, same));
    assert_false(visit(server, other));
}

/* A client of OpenSSL's own, since ours sends no early data. */
struct early_client {
    SSL_CTX *made;
    SSL     *ssl;
    int      ends[2];
};

static void early_open(struct early_client *client, SSL_SESSION *kept)
{
    client->made = SSL_CTX_new(TLS_client_method());
    client->ssl = SSL_new(client->made);
    sockets_make(client->ends);
    SSL_set_fd(client->ssl, client->ends[1]);
    SSL_set_connect_state(client->ssl);
    if (kept != NULL)
        assert_int_equal(SSL_set_session(client->ssl, kept), 1);
}

static void early_close(struct early_client *client)
{
    SSL_set_shutdown(client->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(client->ssl);
    SSL_CTX_free(client->made);
    close(client->ends[1]);
}

static SSL_SESSION *early_ticket(const struct tls_server *server)
{
    struct early_client client;
    struct transport    transport;
    struct iovec        iov = { "x", 1 };
    SSL_SESSION        *kept;
    int                 error;
    char                byte;

    early_open(&client, NULL);
    transport = tls_accept(client.ends[0], server, NULL, TEXT_NONE);
    do {
        (void)SSL_do_handshake(client.ssl);
        error = transport.ops->handshake(&transport);
    } while (error == -EAGAIN);
    assert_int_equal(error, 0);
    assert_int_equal(transport.ops->write(&transport, &iov, 1), 1);
    assert_int_equal(SSL_read(client.ssl, &byte, 1), 1);
    kept = SSL_get1_session(client.ssl);
    transport.ops->close(&transport);
    early_close(&client);
    return kept;
}

/* Sends early data and keeps the bytes of its flight, to be sent by somebody else. */
static size_t early_flight(struct early_client *client, char *bytes, size_t room)
{
    size_t  written;
    ssize_t n;

    assert_int_equal(SSL_write_early_data(client->ssl, "GET / HTTP/1.1\r\n\r\n", 18, &written), 1);
    n = recv(client->ends[0], bytes, room, 0);
    assert_true(n > 0);
    return (size_t)n;
}

/* Tickets of the second in which a process began may be those of a former one. */
static struct tls_server *early_server(void)
{
    static struct tls_policy policy;
    struct tls_server       *server;

    policy = policy_of(&pair);
    policy.has_early_data = true;
    server = server_of(arena, &policy);
    for (time_t now_s = time(NULL); time(NULL) == now_s;)   /* the clock that tickets are dated by */
        (void)usleep(10000);
    return server;
}

static void early_data_is_read_as_any_other(void **state)
{
    struct tls_server  *server = early_server();
    SSL_SESSION        *kept = early_ticket(server);
    struct early_client client;
    struct iovec        iov = { "HTTP/1.1 200 OK\r\n\r\n", 19 };
    struct transport    transport;
    char                bytes[8192];
    size_t              len;

    (void)state;
    assert_true(SSL_SESSION_get_max_early_data(kept) > 0);
    early_open(&client, kept);
    len = early_flight(&client, bytes, sizeof(bytes));
    transport = tls_accept(client.ends[0], server, NULL, text_of(bytes, len));
    assert_int_equal(transport.ops->handshake(&transport), 0);
    assert_true(tls_is_early(&transport));
    assert_int_equal(transport.ops->read(&transport, bytes, sizeof(bytes)), 18);
    assert_memory_equal(bytes, "GET / HTTP/1.1\r\n\r\n", 18);
    assert_int_equal(transport.ops->read(&transport, bytes, sizeof(bytes)), -EAGAIN);
    assert_int_equal(transport.ops->write(&transport, &iov, 1), 19);   /* before the client is done */
    assert_int_equal(SSL_do_handshake(client.ssl), 1);
    assert_int_equal(SSL_get_early_data_status(client.ssl), SSL_EARLY_DATA_ACCEPTED);
    assert_int_equal(SSL_read(client.ssl, bytes, 19), 19);
    assert_int_equal(SSL_write(client.ssl, "more", 4), 4);
    assert_int_equal(transport.ops->read(&transport, bytes, sizeof(bytes)), 4);
    assert_false(tls_is_early(&transport));
    assert_int_equal(transport.ops->write(&transport, &iov, 1), 19);
    assert_int_equal(SSL_read(client.ssl, bytes, 19), 19);
    transport.ops->close(&transport);
    early_close(&client);
    SSL_SESSION_free(kept);
}

/* Who records a flight and sends it again gets no request through. */
static void early_data_is_taken_once(void **state)
{
    struct tls_server  *server = early_server();
    SSL_SESSION        *kept = early_ticket(server);
    struct early_client client;
    struct transport    transport, again;
    char                bytes[8192], room[8192];
    int                 ends[2];
    size_t              len;

    (void)state;
    early_open(&client, kept);
    len = early_flight(&client, bytes, sizeof(bytes));
    transport = tls_accept(client.ends[0], server, NULL, text_of(bytes, len));
    assert_int_equal(transport.ops->handshake(&transport), 0);
    sockets_make(ends);
    again = tls_accept(ends[0], early_server(), NULL, text_of(bytes, len));
    assert_int_equal(again.ops->handshake(&again), -EAGAIN);
    assert_int_equal(again.ops->read(&again, room, sizeof(room)), -EAGAIN);
    transport.ops->close(&transport);
    again.ops->close(&again);
    close(ends[1]);
    early_close(&client);
    SSL_SESSION_free(kept);
}

static void early_data_is_refused_by_default(void **state)
{
    struct tls_policy   policy = policy_of(&pair);
    SSL_SESSION        *kept = early_ticket(early_server());
    struct early_client client;
    struct transport    transport;
    char                bytes[8192];
    size_t              len;

    (void)state;
    early_open(&client, kept);
    len = early_flight(&client, bytes, sizeof(bytes));
    transport = tls_accept(client.ends[0], server_of(arena, &policy), NULL, text_of(bytes, len));
    assert_int_equal(transport.ops->handshake(&transport), -EAGAIN);
    assert_int_equal(SSL_do_handshake(client.ssl), 1);
    assert_int_equal(SSL_get_early_data_status(client.ssl), SSL_EARLY_DATA_REJECTED);
    assert_int_equal(transport.ops->handshake(&transport), 0);
    assert_int_equal(transport.ops->read(&transport, bytes, sizeof(bytes)), -EAGAIN);
    transport.ops->close(&transport);
    early_close(&client);
    SSL_SESSION_free(kept);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tickets_resume),
        TEST(who_does_not_reuse_resumes_nothing),
        TEST(a_zone_remembers),
        TEST(rotation_keeps_some_keys),
        TEST(keys_of_files),
        TEST(other_rules_are_another_door),
        TEST(a_connection_outlives_its_server),
        TEST(a_clients_certificate_is_remembered),
        TEST(contexts_and_names_are_kept_apart),
        TEST(early_data_is_read_as_any_other),
        TEST(early_data_is_taken_once),
        TEST(early_data_is_refused_by_default),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
