// SPDX-License-Identifier: MIT
/* Threads share a server, a client and a peer's memory, while keys rotate. */
#include <pthread.h>
#include <stdatomic.h>

#include "pairing.h"
#include "tls/tickets.h"

enum { THREADS = 3, VISITS = 40 };

static struct cert        cert;
static struct tls_pair    pair;
static struct tls_server *server;
static struct tls_client *client;
static struct tls_memory *memory;
static atomic_uint        finished, good, resumed;

static void *visit_often(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < VISITS; i++) {
        struct pairing pairing = { .server_error = 0 };

        pairing_open(&pairing, server, client, "a.example", memory);
        pairing_shake(&pairing);
        if (pairing.server_error == 0 && pairing.client_error == 0) {
            pairing_talk(&pairing);
            good++;
            resumed += tls_is_resumed(&pairing.client);
        }
        pairing_close(&pairing);
    }
    finished++;
    return NULL;
}

static void check(struct tls_policy policy)
{
    struct tls_peer_policy peer = peer_policy();
    struct arena          *arena = arena_new();
    struct tls_ticket_keys keys = { .count = 0 };
    pthread_t              threads[THREADS];

    finished = good = resumed = 0;
    server = server_of(arena, &policy);
    client = client_of(arena, &peer);
    memory = tls_memory_new();
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, visit_often, NULL), 0);
    while (finished < THREADS) {
        assert_int_equal(tls_tickets_rotate(&keys), 0);
        tls_tickets_use(&keys);
        (void)usleep(20000);
    }
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(good, THREADS * VISITS);
    assert_true(resumed > 0);
    tls_memory_free(&memory);
    arena_free(&arena);
}

static void with_tickets(void **state)
{
    (void)state;
    check(policy_of(&pair));
}

static void with_a_zone(void **state)
{
    struct tls_policy policy = policy_of(&pair);

    (void)state;
    policy.has_tickets = false;
    policy.cache = TLS_CACHE_SHARED;
    policy.cache_name = TEXT("SSL");
    policy.cache_bytes = 64 * 1024;
    check(policy);
    policy.versions = TLS_VERSION_1_2;
    check(policy);
}

static int set_up(void **state)
{
    (void)state;
    cert = cert_make((struct cert_wish){ .name = "a.example" });
    pair = pair_of(&cert);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cert_free(&cert);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_tickets),
        cmocka_unit_test(with_a_zone),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
