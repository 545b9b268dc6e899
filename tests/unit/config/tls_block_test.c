// SPDX-License-Identifier: MIT
/* tls_block: what says the same shares a context, what differs has one of its own, and what needs none has
 * none. */
#include "check.h"

#include "tls/client.h"

static const struct server *server_at(const struct config *config, unsigned number)
{
    const struct server *server = config->site.servers;

    while (number-- > 0)
        server = server->next;
    return server;
}

static void test_servers(void **state)
{
    struct bundle *bundle = bundle_of(
        "http { ssl_reject_handshake on; ssl_ciphers HIGH;"
        "server { server_name a; } server { server_name b; ssl_ciphers HIGH; }"
        "server { server_name c; ssl_ciphers MEDIUM:HIGH; } server { server_name d; http2 on; }"
        "server { server_name e; ssl_reject_handshake off; } }");
    struct config *config = loaded(bundle, *state);

    assert_non_null(server_at(config, 0)->tls);
    assert_ptr_equal(server_at(config, 0)->tls, server_at(config, 1)->tls);
    assert_ptr_not_equal(server_at(config, 0)->tls, server_at(config, 2)->tls);
    assert_ptr_not_equal(server_at(config, 0)->tls, server_at(config, 3)->tls);
    assert_null(server_at(config, 4)->tls);
    assert_true(server_at(config, 3)->tls_policy.has_http2);
    CHECK_TEXT(server_at(config, 1)->tls_policy.ciphers, "HIGH");
    config_free(&config);
    bundle_free(&bundle);
}

static const struct location *location_at(const struct config *config, unsigned number)
{
    const struct location *location = config->site.servers->level.children;

    while (number-- > 0)
        location = location->next;
    return location;
}

static const struct tls_client *client_at(const struct config *config, unsigned number)
{
    return location_at(config, number)->proxy.tls;
}

static void test_clients(void **state)
{
    struct bundle *bundle = bundle_of(
        "server { location /a { proxy_pass https://127.0.0.1; }"
        "location /b { proxy_pass https://127.0.0.2; }"
        "location /c { proxy_pass https://127.0.0.1; proxy_ssl_name c; }"
        "location /d { proxy_pass http://127.0.0.1; location /d/d { proxy_pass https://127.0.0.1; } }"
        "location /e { grpc_pass grpcs://127.0.0.1:1; location /e/e { proxy_pass http://127.0.0.1; } }"
        "location /f { proxy_pass http$arg_s://127.0.0.1; }"
        "location /g { proxy_pass http://$host; }"
        "location /h { proxy_pass https://127.0.0.1; location /h/h { proxy_pass http://127.0.0.1; } } }");
    struct config         *config = loaded(bundle, *state);
    const struct location *last = config->site.servers->level.children;

    assert_non_null(client_at(config, 0));
    assert_ptr_equal(client_at(config, 0), client_at(config, 1));
    assert_ptr_not_equal(client_at(config, 0), client_at(config, 2));
    assert_null(client_at(config, 3));
    assert_ptr_not_equal(client_at(config, 0), client_at(config, 4));
    assert_true(location_at(config, 4)->proxy.tls_policy.must_be_http2);
    assert_ptr_equal(client_at(config, 0), client_at(config, 5));
    assert_null(client_at(config, 6));
    while (last->next != NULL)
        last = last->next;
    assert_ptr_equal(last->proxy.tls, client_at(config, 0));
    assert_null(last->children->proxy.tls);
    config_free(&config);
    bundle_free(&bundle);
}

int main(void)
{
    const struct CMUnitTest tests[] = { WITH_ARENA(test_servers), WITH_ARENA(test_clients) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
