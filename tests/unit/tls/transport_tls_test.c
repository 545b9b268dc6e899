// SPDX-License-Identifier: MIT
/* transport_tls: bytes both ways, little room, a full socket, bytes that came early, what is held back, the end. */
#include <openssl/ssl.h>

#include "pairing.h"

static struct cert   cert;
static struct arena *arena;

static struct tls_pair        pair;
static struct tls_policy      policy;
static struct tls_peer_policy peer;
static struct tls_server     *server;
static struct tls_client     *client;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new();
    cert = cert_make((struct cert_wish){ .name = "example.com", .alt = "DNS:example.com" });
    pair = pair_of(&cert);
    policy = policy_of(&pair);
    peer = peer_policy();
    server = server_of(arena, &policy);
    client = client_of(arena, &peer);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    cert_free(&cert);
    return 0;
}

static void shaken(struct pairing *pairing)
{
    pairing_open(pairing, server, client, "example.com", NULL);
    pairing_shake(pairing);
    assert_int_equal(pairing->server_error, 0);
    assert_int_equal(pairing->client_error, 0);
}

static char *noise(size_t len)
{
    char *bytes = mem_new(len);

    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(i * 7 + i / 251);
    return bytes;
}

static void both_sides_talk(void **state)
{
    struct pairing pairing = { 0 };

    (void)state;
    shaken(&pairing);
    pairing_talk(&pairing);
    CHECK_TEXT(tls_protocol(&pairing.server), "TLSv1.3");
    assert_true(tls_is_tls(&pairing.server));
    assert_true(tls_may_serve(&pairing.server, server));
    assert_false(tls_is_early(&pairing.server));
    pairing_close(&pairing);
}

static void much_goes_through(void **state)
{
    struct pairing pairing = { 0 };
    size_t         len = 3 * 1024 * 1024 + 17;
    char          *bytes = noise(len);

    (void)state;
    shaken(&pairing);
    pairing_send(&pairing.server, &pairing.client, bytes, len);
    pairing_send(&pairing.client, &pairing.server, bytes, len);
    mem_free(bytes);
    pairing_close(&pairing);
}

static void a_full_socket_keeps_the_rest(void **state)
{
    struct pairing pairing = { 0 };
    size_t         len = 8 * 1024 * 1024, taken = 0, got = 0;
    char          *bytes = noise(len), *room = mem_new(len);
    ssize_t        n;

    (void)state;
    shaken(&pairing);
    for (;;) {
        struct iovec iov = { .iov_base = bytes + taken, .iov_len = len - taken };

        n = pairing.server.ops->write(&pairing.server, &iov, 1);
        if (n == -EAGAIN)
            break;
        assert_true(n > 0);
        taken += (size_t)n;
    }
    assert_true(pairing.server.has_unsent);
    assert_true(taken < len);
    assert_int_equal(pairing.server.ops->flush(&pairing.server), -EAGAIN);
    while (got < taken) {
        n = pairing.client.ops->read(&pairing.client, room + got, len - got);
        assert_true(n > 0 || n == -EAGAIN);
        got += n > 0 ? (size_t)n : 0;
        (void)pairing.server.ops->flush(&pairing.server);
    }
    assert_false(pairing.server.has_unsent);
    assert_memory_equal(room, bytes, taken);
    mem_free(bytes);
    mem_free(room);
    pairing_close(&pairing);
}

static void little_room_loses_nothing(void **state)
{
    struct pairing pairing = { 0 };
    char          *bytes = noise(40000), got[40001];
    struct iovec   iov[3] = { { bytes, 100 }, { bytes + 100, 20000 }, { bytes + 20100, 19900 } };
    size_t         in = 0;
    ssize_t        n;

    (void)state;
    shaken(&pairing);
    assert_int_equal(pairing.server.ops->write(&pairing.server, iov, 3), 40000);
    while (in < 40000) {
        n = pairing.client.ops->read(&pairing.client, got + in, 7);
        assert_true(n > 0);
        in += (size_t)n;
    }
    assert_int_equal(pairing.client.ops->read(&pairing.client, got, 7), -EAGAIN);
    assert_memory_equal(got, bytes, 40000);
    mem_free(bytes);
    pairing_close(&pairing);
}

static void what_was_read_before_is_used(void **state)
{
    struct pairing pairing = { 0 };
    char           bytes[8192];
    ssize_t        n;
    int            fd;

    (void)state;
    pairing_open(&pairing, server, client, "example.com", NULL);
    assert_int_equal(pairing.client.ops->handshake(&pairing.client), -EAGAIN);
    n = recv(pairing.server.fd, bytes, sizeof(bytes), 0);
    assert_true(n > 100);
    fd = dup(pairing.server.fd);
    pairing.server.ops->close(&pairing.server);
    pairing.server = tls_accept(fd, server, &pairing.at_server.host, text_of(bytes, (size_t)n));
    pairing_shake(&pairing);
    assert_int_equal(pairing.server_error, 0);
    pairing_talk(&pairing);
    pairing_close(&pairing);
}

static void a_hello_comes_byte_by_byte(void **state)
{
    struct pairing pairing = { 0 };
    char           bytes[8192];
    ssize_t        n;

    (void)state;
    pairing_open(&pairing, server, client, "example.com", NULL);
    assert_int_equal(pairing.client.ops->handshake(&pairing.client), -EAGAIN);
    n = recv(pairing.server.fd, bytes, sizeof(bytes), 0);
    for (ssize_t i = 0; i < n; i++) {
        assert_int_equal(pairing.server.ops->handshake(&pairing.server), -EAGAIN);
        assert_int_equal(send(pairing.client.fd, bytes + i, 1, 0), 1);
    }
    pairing_shake(&pairing);
    assert_int_equal(pairing.server_error, 0);
    pairing_talk(&pairing);
    pairing_close(&pairing);
}

/* The ticket of TLS 1.3 goes out with the first answer, or when the connection rests. */
static void a_ticket_waits_for_company(void **state)
{
    struct pairing pairing = { 0 };
    char           byte;

    (void)state;
    shaken(&pairing);
    assert_false(pairing.server.has_unsent);
    assert_int_equal(recv(pairing.client.fd, &byte, 1, MSG_PEEK), -1);
    pairing.server.ops->rest(&pairing.server);
    assert_int_equal(recv(pairing.client.fd, &byte, 1, MSG_PEEK), 1);
    pairing.client.ops->rest(&pairing.client);
    pairing_talk(&pairing);
    pairing_close(&pairing);
}

static void the_end_is_told(void **state)
{
    struct pairing pairing = { 0 };
    char           byte;

    (void)state;
    shaken(&pairing);
    pairing_talk(&pairing);
    pairing.client.ops->shutdown(&pairing.client);
    assert_int_equal(pairing.server.ops->read(&pairing.server, &byte, 1), 0);
    pairing_send(&pairing.server, &pairing.client, "still", 5);
    pairing.server.ops->close(&pairing.server);
    assert_int_equal(pairing.client.ops->read(&pairing.client, &byte, 1), 0);
    pairing_close(&pairing);
}

static void a_goodbye_is_not_returned(void **state)
{
    struct pairing pairing = { 0 };
    char           byte;

    (void)state;
    shaken(&pairing);
    pairing_talk(&pairing);
    pairing.client.ops->shutdown(&pairing.client);
    assert_int_equal(pairing.server.ops->read(&pairing.server, &byte, 1), 0);
    pairing.server.ops->close(&pairing.server);
    assert_int_equal(recv(pairing.client.fd, &byte, 1, 0), 0);
    pairing_close(&pairing);
}

static void the_host_may_choose_alone(void **state)
{
    struct pairing pairing = { .at_server = { .is_choosing = true, .chosen = server } };

    (void)state;
    pairing_open(&pairing, NULL, client, "example.com", NULL);
    pairing_shake(&pairing);
    assert_int_equal(pairing.server_error, 0);
    pairing_talk(&pairing);
    pairing_close(&pairing);
    memset(&pairing, 0, sizeof(pairing));
    pairing_open(&pairing, NULL, client, "example.com", NULL);
    pairing_shake(&pairing);
    assert_true(pairing.server_error < 0);
    assert_non_null(strstr(pairing.at_client.words, "unrecognized name"));
    pairing_close(&pairing);
}

static void a_cut_is_told_from_an_end(void **state)
{
    struct pairing pairing = { 0 };
    char           byte;

    (void)state;
    shaken(&pairing);
    (void)shutdown(pairing.client.fd, SHUT_WR);
    (void)shutdown(pairing.server.fd, SHUT_WR);
    assert_int_equal(pairing.server.ops->read(&pairing.server, &byte, 1), 0);
    assert_int_equal(pairing.client.ops->read(&pairing.client, &byte, 1), -ECONNRESET);
    pairing_close(&pairing);
}

static void noise_is_an_error(void **state)
{
    struct pairing pairing = { 0 };
    char           byte;

    (void)state;
    shaken(&pairing);
    assert_int_equal(send(pairing.client.fd, "this is no record at all", 24, 0), 24);
    assert_int_equal(pairing.server.ops->read(&pairing.server, &byte, 1), -EPROTO);
    assert_int_equal(pairing.server.ops->read(&pairing.server, &byte, 1), -EPROTO);
    pairing_close(&pairing);
}

static size_t largest_record(struct transport *from, int to, size_t len)
{
    char         *bytes = noise(len), *raw = mem_new(2 * len + 4096);
    struct iovec  iov = { bytes, len };
    size_t        at = 0, largest = 0, size;
    ssize_t       n;

    assert_int_equal(from->ops->write(from, &iov, 1), (ssize_t)len);
    n = recv(to, raw, 2 * len + 4096, 0);
    for (; at + 5 <= (size_t)n; at += 5 + size) {
        size = (size_t)(unsigned char)raw[at + 3] << 8 | (unsigned char)raw[at + 4];
        largest = size > largest ? size : largest;
    }
    mem_free(bytes);
    mem_free(raw);
    return largest;
}

static void records_are_small_at_first(void **state)
{
    struct pairing pairing = { 0 };

    (void)state;
    shaken(&pairing);
    assert_in_range(largest_record(&pairing.server, pairing.client.fd, 13000), 1369, 1400);
    (void)largest_record(&pairing.server, pairing.client.fd, 20000);
    assert_in_range(largest_record(&pairing.server, pairing.client.fd, 20000), 16384, 16500);
    pairing_close(&pairing);
}

/* Each KeyUpdate makes us derive keys. */
static void floods_of_messages_end_it(void **state)
{
    struct pairing pairing = { 0 };
    SSL_CTX       *made = SSL_CTX_new(TLS_client_method());
    SSL           *ssl = SSL_new(made);
    int            ends[2], error = -EAGAIN;
    char           byte;
    unsigned       updates = 0;

    (void)state;
    sockets_make(ends);
    listener_start(&pairing.at_server);
    pairing.server = tls_accept(ends[0], server, &pairing.at_server.host, TEXT_NONE);
    SSL_set_fd(ssl, ends[1]);
    SSL_set_connect_state(ssl);
    while (error == -EAGAIN) {
        (void)SSL_do_handshake(ssl);
        error = pairing.server.ops->handshake(&pairing.server);
    }
    assert_int_equal(error, 0);
    do {
        assert_int_equal(SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(ssl), 1);
        error = (int)pairing.server.ops->read(&pairing.server, &byte, 1);
    } while (error == -EAGAIN && ++updates < 1000);
    assert_int_equal(error, -EPROTO);
    assert_in_range(updates, 10, 200);
    SSL_free(ssl);
    SSL_CTX_free(made);
    close(ends[1]);
    pairing_close(&pairing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_talk),
        cmocka_unit_test(much_goes_through),
        cmocka_unit_test(a_full_socket_keeps_the_rest),
        cmocka_unit_test(little_room_loses_nothing),
        cmocka_unit_test(what_was_read_before_is_used),
        cmocka_unit_test(a_hello_comes_byte_by_byte),
        cmocka_unit_test(a_ticket_waits_for_company),
        cmocka_unit_test(the_end_is_told),
        cmocka_unit_test(a_goodbye_is_not_returned),
        cmocka_unit_test(the_host_may_choose_alone),
        cmocka_unit_test(a_cut_is_told_from_an_end),
        cmocka_unit_test(noise_is_an_error),
        cmocka_unit_test(records_are_small_at_first),
        cmocka_unit_test(floods_of_messages_end_it),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
