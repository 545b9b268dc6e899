// SPDX-License-Identifier: MIT
/* The request as the peer gets it: target, fields, body and connection. */
#include "proxy/forward_head.h"

#include "desk.h"

static struct head *build(void)
{
    struct head *head = forward_head_build(&desk->x);

    assert_non_null(head);
    return head;
}

/* The whole head as bytes. */
static void check_head(const char *wanted)
{
    struct writer writer = writer_arena(desk->arena, 1024);

    h1_write_request(&writer, build(), H1_CONNECTION_NONE);
    CHECK_TEXT(writer_done(&writer), wanted);
}

/* ---- fields ---- */

static void end_to_end_fields_travel_in_order(void **state)
{
    (void)state;
    desk_request("GET /a?b HTTP/1.1\r\nHost: site.example\r\nAccept: x\r\nX-One: 1\r\n"
                 "Connection: keep-alive\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nTE: trailers\r\n"
                 "Expect: 100-continue\r\nUpgrade: h2c\r\nx-one: 2\r\nCookie: c\r\n\r\n");
    check_head("GET /a?b HTTP/1.1\r\nHost: app:3000\r\nAccept: x\r\nX-One: 1\r\nx-one: 2\r\n"
               "Cookie: c\r\n\r\n");
}

static void set_headers_replace_and_remove(void **state)
{
    (void)state;
    desk_request("GET / HTTP/1.1\r\nHost: a\r\nX-Real-IP: 1.1.1.1\r\nx-real-ip: 2.2.2.2\r\n"
                 "Accept-Encoding: gzip\r\nX-Keep: 1\r\nX-Gone: 1\r\nContent-Length: 0\r\n\r\n");
    desk_set_header("X-Real-IP", "$remote_addr");
    desk_set_header("Host", "$host");
    desk_set_header("Accept-Encoding", "");
    desk_set_header("x-gone", "$http_none");
    desk_set_header("X-New", "n");
    desk_set_header("X-New", "m");
    desk_set_header("Content-Length", "99");
    desk_set_header("Transfer-Encoding", "chunked");
    check_head("GET / HTTP/1.1\r\nX-Real-IP: 192.0.2.1\r\nHost: site.example\r\nX-New: n\r\n"
               "X-New: m\r\nX-Keep: 1\r\nContent-Length: 0\r\n\r\n");
}

static void fields_that_connection_names_stay_behind(void **state)
{
    (void)state;
    desk_request("GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Hop\r\nX-Hop: 1\r\nX-End: 2\r\n\r\n");
    check_head("GET / HTTP/1.1\r\nHost: app:3000\r\nX-End: 2\r\n\r\n");
}

static void connection_may_not_strip_who_asks(void **state)
{
    (void)state;
    desk_request("GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Forwarded-For\r\n\r\n");
    assert_null(forward_head_build(&desk->x));
    assert_int_equal(desk->x.fault, FAULT_BAD_CONNECTION);
}

static void client_fields_may_be_left_out(void **state)
{
    (void)state;
    desk->location.proxy.is_passing_headers = false;
    desk_request("GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nContent-Length: 3\r\n\r\n");
    desk_set_header("X-Set", "1");
    check_head("GET / HTTP/1.1\r\nHost: app:3000\r\nX-Set: 1\r\nContent-Length: 3\r\n\r\n");
}

static void a_request_is_built_twice_alike(void **state)
{
    (void)state;
    desk_request("GET / HTTP/1.1\r\nHost: a\r\nConnection: x-hop\r\nX-Hop: 1\r\nY: 2\r\n\r\n");
    for (int i = 0; i < 2; i++)
        check_head("GET / HTTP/1.1\r\nHost: app:3000\r\nY: 2\r\n\r\n");
    CHECK_TEXT(desk_eval("$http_x_hop|$http_host"), "1|a");
}

/* ---- body ---- */

static void bodies_keep_their_framing(void **state)
{
    (void)state;
    desk_request("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    check_head("POST / HTTP/1.1\r\nHost: app:3000\r\nTransfer-Encoding: chunked\r\n\r\n");
    desk_request("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n");
    check_head("POST / HTTP/1.1\r\nHost: app:3000\r\nContent-Length: 7\r\n\r\n");
    desk->location.proxy.is_passing_body = false;
    check_head("POST / HTTP/1.1\r\nHost: app:3000\r\n\r\n");
}

static void a_body_may_be_set(void **state)
{
    (void)state;
    assert_null(forward_body(&desk->x).ptr);
    desk->location.proxy.body = desk_template("who=$remote_addr");
    CHECK_TEXT(forward_body(&desk->x), "who=192.0.2.1");
    check_head("GET / HTTP/1.1\r\nHost: app:3000\r\nContent-Length: 13\r\n\r\n");
}

static void the_method_may_be_set(void **state)
{
    (void)state;
    desk->location.proxy.method = desk_template("POST");
    check_head("POST / HTTP/1.1\r\nHost: app:3000\r\n\r\n");
    assert_int_equal(build()->method, METHOD_POST);
}

/* ---- connection ---- */

static void check_upgrade(const char *request, const char *wanted)
{
    desk_request(request);
    CHECK_TEXT(build()->upgrade, wanted);
}

#define WEBSOCKET "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" \
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

static void websockets_pass_by_themselves(void **state)
{
    (void)state;
    check_upgrade(WEBSOCKET, "websocket");
    check_upgrade("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", "");
    check_upgrade("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n"
                  "Upgrade: websocket\r\n\r\n", "");
    check_upgrade("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", "");
    check_upgrade("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n"
                  "Upgrade: websocket, h2c\r\n\r\n", "");
    check_upgrade("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: upgrade\r\n"
                  "Upgrade: websocket\r\n\r\n", "");
    desk->location.proxy.http_version = 10;
    check_upgrade(WEBSOCKET, "");
}

static void configured_upgrades_pass(void **state)
{
    (void)state;
    desk_set_header("Upgrade", "$http_upgrade");
    desk_set_header("Connection", "Upgrade");
    check_upgrade(WEBSOCKET, "websocket");
    check_upgrade("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "");
    check_upgrade("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: upgrade\r\n"
                  "Upgrade: other/1\r\n\r\n", "other/1");
    check_upgrade("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", "");
    check_upgrade("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n"
                  "Upgrade: a, H2C, b\r\n\r\n", "a, b");
}

static void an_upgrade_needs_both_fields_and_a_client(void **state)
{
    (void)state;
    desk_set_header("Upgrade", "websocket");
    check_upgrade(WEBSOCKET, "");
    desk_set_header("Connection", "keep-alive, upgrade");
    check_upgrade(WEBSOCKET, "websocket");
    check_upgrade("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "");
}

static void a_configured_connection_stops_the_default(void **state)
{
    (void)state;
    desk_set_header("Connection", "");
    check_upgrade(WEBSOCKET, "");
    assert_true(build()->may_persist);
}

static void persistence_follows_version_and_configuration(void **state)
{
    (void)state;
    assert_true(build()->may_persist);
    desk->location.proxy.http_version = 10;
    assert_false(build()->may_persist);
    assert_int_equal(build()->version, 10);
    desk_set_header("Connection", "keep-alive");
    assert_true(build()->may_persist);
    desk->location.proxy.http_version = 11;
    assert_true(build()->may_persist);
    desk_set_header("Connection", "close");
    assert_false(build()->may_persist);
}

/* ---- target ---- */

static void check_target(const char *target, const char *wanted)
{
    char *request = arena_string(desk->arena, arena_format(desk->arena,
                                 "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", target));

    desk_request(request);
    CHECK_TEXT(forward_target(&desk->x), wanted);
}

static void targets_without_uri_part_are_unchanged(void **state)
{
    (void)state;
    check_target("/a%20b/../%2f//c?x=%20&y", "/a%20b/../%2f//c?x=%20&y");
    check_target("/?", "/?");
    check_target("/a\"<>?", "/a\"<>?");
    check_target("http://other:99/p?q", "/p?q");
}

static void a_uri_part_replaces_the_prefix(void **state)
{
    (void)state;
    desk->location.name = TEXT("/app/");
    desk->pass.has_uri = true;
    desk->pass.uri = TEXT("/base/");
    check_target("/app/x/y?q=1", "/base/x/y?q=1");
    check_target("/app/", "/base/");
    check_target("/app/x?", "/base/x");
    check_target("/app/a%20b%2Fc", "/base/a%20b/c");
    check_target("/app/%7Bx%3f", "/base/%7Bx%3F");
    check_target("/app/./a{\"/../b{", "/base/b{");
    check_target("/app/\xc3\xa4", "/base/\xc3\xa4");
    check_target("/app/\xc3\xa4%20", "/base/%C3%A4%20");
    desk->pass.uri = TEXT("/");
    check_target("/app//x", "/x");
}

static void a_uri_given_by_variables_is_taken_as_it_is(void **state)
{
    (void)state;
    desk->x.has_upstream_uri = true;
    desk->x.upstream_uri = TEXT("/as/is?x");
    check_target("/y", "/as/is?x");
}

static void another_path_is_escaped(void **state)
{
    (void)state;
    desk_request("GET /old?q=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    desk->x.is_internal = true;
    CHECK_TEXT(forward_target(&desk->x), "/old?q=1");
    desk->x.path = TEXT("/new page?");
    CHECK_TEXT(forward_target(&desk->x), "/new%20page%3F?q=1");
    desk->x.query = TEXT("");
    desk->x.has_query = false;
    CHECK_TEXT(forward_target(&desk->x), "/new%20page%3F");
}

static void another_query_is_sent(void **state)
{
    (void)state;
    desk_request("GET /a?old HTTP/1.1\r\nHost: a\r\n\r\n");
    variables_set(&desk->x.scope, TEXT("args"), TEXT("new"));
    CHECK_TEXT(forward_target(&desk->x), "/a?new");
    variables_set(&desk->x.scope, TEXT("args"), TEXT(""));
    CHECK_TEXT(forward_target(&desk->x), "/a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DESK(end_to_end_fields_travel_in_order),
        WITH_DESK(set_headers_replace_and_remove),
        WITH_DESK(fields_that_connection_names_stay_behind),
        WITH_DESK(connection_may_not_strip_who_asks),
        WITH_DESK(client_fields_may_be_left_out),
        WITH_DESK(a_request_is_built_twice_alike),
        WITH_DESK(bodies_keep_their_framing),
        WITH_DESK(a_body_may_be_set),
        WITH_DESK(the_method_may_be_set),
        WITH_DESK(websockets_pass_by_themselves),
        WITH_DESK(configured_upgrades_pass),
        WITH_DESK(an_upgrade_needs_both_fields_and_a_client),
        WITH_DESK(a_configured_connection_stops_the_default),
        WITH_DESK(persistence_follows_version_and_configuration),
        WITH_DESK(targets_without_uri_part_are_unchanged),
        WITH_DESK(a_uri_part_replaces_the_prefix),
        WITH_DESK(a_uri_given_by_variables_is_taken_as_it_is),
        WITH_DESK(another_path_is_escaped),
        WITH_DESK(another_query_is_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
