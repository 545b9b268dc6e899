// SPDX-License-Identifier: MIT
/* h2_head: RFC 9113 section 8, RFC 8441, and that what comes out is what HTTP/1.1 would have brought. */
#include "h2_check.h"

#include <string.h>


#define GET ":method GET\n:scheme https\n:authority a.example\n:path /x?y\n"
#define POST ":method POST\n:scheme https\n:authority a.example\n:path /x\n"
#define CHAT ":method CONNECT\n:protocol websocket\n:scheme https\n:authority a.example\n:path /chat\n"

/* ---- what comes out ---- */

static void a_request_is_as_if_http1_had_brought_it(void **state)
{
    struct h2_head block;

    assert_int_equal(h2_request(&block, *state, GET "user-agent u\nx-one 1\naccept */*\n", true),
                     FAULT_NONE);
    CHECK_TEXT(block.head->method_name, "GET");
    assert_int_equal(block.head->method, METHOD_GET);
    CHECK_TEXT(block.head->target, "/x?y");
    CHECK_TEXT(block.head->path, "/x?y");
    CHECK_TEXT(block.head->authority, "a.example");
    CHECK_TEXT(block.head->host, "a.example");
    assert_int_equal(block.head->port, -1);
    CHECK_TEXT(block.head->line, "GET /x?y HTTP/2.0");
    assert_int_equal(block.head->version, 20);
    assert_int_equal(block.head->body, BODY_NONE);
    assert_true(block.head->may_persist);
    assert_false(block.head->is_absolute);
    assert_false(block.head->has_odd_fields);
    assert_int_equal(block.head->upgrade.len, 0);
    assert_int_equal(block.head->wire_bytes, block.bytes);
    CHECK_TEXT(h2_fields_text(&block.head->fields, *state),
               "Host: a.example\nUser-Agent: u\nx-one: 1\nAccept: */*\n");
}

static void bodies_are_announced_by_length_or_by_the_frames(void **state)
{
    struct h2_head block;

    assert_int_equal(h2_request(&block, *state, POST, false), FAULT_NONE);
    assert_int_equal(block.head->body, BODY_CHUNKED);
    assert_int_equal(h2_request(&block, *state, POST "content-length 12\n", false), FAULT_NONE);
    assert_int_equal(block.head->body, BODY_SIZED);
    assert_int_equal(block.head->length, 12);
    assert_int_equal(h2_request(&block, *state, POST "content-length 0\n", true), FAULT_NONE);
    assert_int_equal(block.head->body, BODY_SIZED);
    assert_int_equal(block.head->length, 0);
}

static void continue_is_expected_as_in_http1(void **state)
{
    struct h2_head block;

    assert_int_equal(h2_request(&block, *state, POST "expect 100-continue\n", false), FAULT_NONE);
    assert_true(block.head->expects_continue);
    assert_int_equal(h2_request(&block, *state, POST "expect 100-continue\n", true), FAULT_NONE);
    assert_false(block.head->expects_continue);
    assert_int_equal(h2_request(&block, *state, POST "expect a-pony\n", false), FAULT_BAD_EXPECT);
}

static void odd_names_are_marked(void **state)
{
    struct h2_head block;

    assert_int_equal(h2_request(&block, *state, GET "x_y 1\nx-z 2\n", true), FAULT_NONE);
    assert_true(block.head->has_odd_fields);
    assert_true(fields_find_name(&block.head->fields, TEXT("x_y"))->is_odd);
    assert_false(fields_find_name(&block.head->fields, TEXT("x-z"))->is_odd);
}

static void host_stands_in_where_there_is_no_authority(void **state)
{
    struct h2_head block;

    assert_int_equal(h2_request(&block, *state,
                                ":method GET\n:scheme http\n:path /\nx-a 1\nhost B.example:81\n",
                                true),
                     FAULT_NONE);
    CHECK_TEXT(block.head->authority, "B.example:81");
    CHECK_TEXT(block.head->host, "B.example");
    assert_int_equal(block.head->port, 81);
    CHECK_TEXT(h2_fields_text(&block.head->fields, *state), "x-a: 1\nHost: B.example:81\n");
}

static void host_beside_authority_may_say_the_same(void **state)
{
    struct h2_head block;

    assert_int_equal(h2_request(&block, *state, GET "x-a 1\nhost A.Example\n", true), FAULT_NONE);
    CHECK_TEXT(h2_fields_text(&block.head->fields, *state), "Host: a.example\nx-a: 1\n");
}

static void cookie_crumbs_are_one_field(void **state)
{
    struct h2_head block;

    assert_int_equal(h2_request(&block, *state, GET "cookie a=1\nx-a 1\ncookie b=2\ncookie c=3\n", true),
                     FAULT_NONE);
    CHECK_TEXT(h2_fields_text(&block.head->fields, *state),
               "Host: a.example\nCookie: a=1; b=2; c=3\nx-a: 1\n");
    assert_int_equal(h2_request(&block, *state, GET "cookie \ncookie a=1\ncookie \n", true), FAULT_NONE);
    CHECK_TEXT(h2_fields_text(&block.head->fields, *state), "Host: a.example\nCookie: a=1\n");
    assert_int_equal(h2_request(&block, *state, GET "cookie \ncookie \n", true), FAULT_NONE);
    CHECK_TEXT(h2_fields_text(&block.head->fields, *state), "Host: a.example\n");
}

/* ---- what is refused, by section ---- */

struct refusal {
    const char *lines;
    int         fault;                   /* FAULT_NONE: it is not */
    bool        is_open;                 /* END_STREAM is not set */
};

static const struct refusal refusals[] = {
    /* 8.2.1: names and values; 8.2.2: the connection's fields */
    { GET "X-Upper 1\n", H2_MALFORMED, false },
    { GET "x-uppeR 1\n", H2_MALFORMED, false },
    { GET "Accept 1\n", H2_MALFORMED, false },
    { GET "x:y 1\n", H2_MALFORMED, false },
    { GET "x\ty 1\n", H2_MALFORMED, false },
    { GET "x\x7fy 1\n", H2_MALFORMED, false },
    { GET "x\x80y 1\n", H2_MALFORMED, false },
    { GET "x-a  1\n", H2_MALFORMED, false },
    { GET "x-a 1 \n", H2_MALFORMED, false },
    { GET "x-a \t1\n", H2_MALFORMED, false },
    { GET "x-a 1\t\n", H2_MALFORMED, false },
    { GET "x-a 1\r\n", H2_MALFORMED, false },
    { GET "x-a 1\x01" "2\n", H2_MALFORMED, false },
    { GET "x-a 1\x7f" "2\n", H2_MALFORMED, false },
    { GET "x-a 1 \t2\n", FAULT_NONE, false },
    { GET "x-a \xe2\x82\xac\n", FAULT_NONE, false },
    { GET "x-a \n", FAULT_NONE, false },
    { GET "connection close\n", H2_MALFORMED, false },
    { GET "keep-alive timeout=5\n", H2_MALFORMED, false },
    { GET "proxy-connection keep-alive\n", H2_MALFORMED, false },
    { GET "upgrade h2c\n", H2_MALFORMED, false },
    { POST "transfer-encoding chunked\n", H2_MALFORMED, true },
    { POST "transfer-encoding identity\n", H2_MALFORMED, true },
    { GET "te trailers\n", FAULT_NONE, false },
    { GET "te Trailers\n", FAULT_NONE, false },
    { GET "te trailers, gzip\n", H2_MALFORMED, false },
    { GET "te gzip\n", H2_MALFORMED, false },
    { GET "te \n", H2_MALFORMED, false },
    { GET "trailer x-sum\n", FAULT_NONE, false },

    /* 8.3: pseudo fields, known, once, first, none of them empty */
    { ":method GET\n:scheme https\n:authority a\n", H2_MALFORMED, false },
    { ":method GET\n:authority a\n:path /\n", H2_MALFORMED, false },
    { ":scheme https\n:authority a\n:path /\n", H2_MALFORMED, false },
    { "x-a 1\n", H2_MALFORMED, false },
    { GET ":method GET\n", H2_MALFORMED, false },
    { GET ":path /x?y\n", H2_MALFORMED, false },
    { GET ":scheme https\n", H2_MALFORMED, false },
    { GET ":authority a.example\n", H2_MALFORMED, false },
    { GET ":status 200\n", H2_MALFORMED, false },
    { GET ":foo bar\n", H2_MALFORMED, false },
    { GET ":Method GET\n", H2_MALFORMED, false },
    { GET ":protocol websocket\n", H2_MALFORMED, false },
    { ":method GET\n:scheme https\nx-a 1\n:path /\n:authority a\n", H2_MALFORMED, false },
    { ":method \n:scheme https\n:authority a\n:path /\n", H2_MALFORMED, false },
    { ":method GET\n:scheme \n:authority a\n:path /\n", H2_MALFORMED, false },
    { ":method GET\n:scheme https\n:authority \n:path /\n", H2_MALFORMED, false },
    { ":method GET\n:scheme https\n:authority a\n:path \n", H2_MALFORMED, false },
    { ":method G T\n:scheme https\n:authority a\n:path /\n", H2_MALFORMED, false },
    { ":method GET\r\n:scheme https\n:authority a\n:path /\n", H2_MALFORMED, false },
    { ":method get\n:scheme https\n:authority a\n:path /\n", FAULT_NONE, false },

    /* :path by the rules of a request target */
    { ":method GET\n:scheme https\n:authority a\n:path x\n", FAULT_BAD_TARGET, false },
    { ":method GET\n:scheme https\n:authority a\n:path http://b/\n", FAULT_BAD_TARGET, false },
    { ":method GET\n:scheme https\n:authority a\n:path /a b\n", FAULT_BAD_TARGET, false },
    { ":method GET\n:scheme https\n:authority a\n:path /a#b\n", FAULT_BAD_TARGET, false },
    { ":method GET\n:scheme https\n:authority a\n:path /a\tb\n", FAULT_BAD_TARGET, false },
    { ":method GET\n:scheme https\n:authority a\n:path /a\x01\n", H2_MALFORMED, false },
    { ":method GET\n:scheme https\n:authority a\n:path /a HTTP/1.1\r\n", H2_MALFORMED, false },
    { ":method GET\n:scheme https\n:authority a\n:path *\n", FAULT_BAD_TARGET, false },
    { ":method OPTIONS\n:scheme https\n:authority a\n:path *\n", FAULT_NONE, false },
    { ":method OPTIONS\n:scheme https\n:authority a\n:path *x\n", FAULT_BAD_TARGET, false },

    /* :scheme, :authority, Host */
    { ":method GET\n:scheme http\n:authority a\n:path /\n", FAULT_NONE, false },
    { ":method GET\n:scheme HTTPS\n:authority a\n:path /\n", FAULT_NONE, false },
    { ":method GET\n:scheme ftp\n:authority a\n:path /\n", FAULT_BAD_TARGET, false },
    { ":method GET\n:scheme https://b/\n:authority a\n:path /\n", FAULT_BAD_TARGET, false },
    { ":method GET\n:scheme https\n:authority u@a\n:path /\n", H2_MALFORMED, false },
    { ":method GET\n:scheme https\n:authority a/evil\n:path /\n", FAULT_BAD_HOST, false },
    { ":method GET\n:scheme https\n:authority a:99999\n:path /\n", FAULT_BAD_HOST, false },
    { ":method GET\n:scheme https\n:authority a b\n:path /\n", FAULT_BAD_HOST, false },
    { ":method GET\n:scheme https\n:authority [::1]:443\n:path /\n", FAULT_NONE, false },
    { ":method GET\n:scheme https\n:path /\n", FAULT_NO_HOST, false },
    { ":method GET\n:scheme https\n:path /\nhost a?b\n", FAULT_BAD_HOST, false },
    { ":method GET\n:scheme https\n:path /\nhost a\nhost a\n", FAULT_TWO_HOSTS, false },
    { GET "host b.example\n", FAULT_TWO_HOSTS, false },
    { GET "host a.example:443\n", FAULT_TWO_HOSTS, false },
    { GET "host a.example\nhost a.example\n", FAULT_TWO_HOSTS, false },
    { GET "host a?\n", FAULT_BAD_HOST, false },
    { GET "host \n", FAULT_BAD_HOST, false },

    /* 8.1.1 and RFC 9110 8.6: lengths */
    { POST "content-length 5\n", H2_MALFORMED, false },
    { POST "content-length 5\n", FAULT_NONE, true },
    { POST "content-length 0\n", FAULT_NONE, false },
    { POST "content-length +5\n", FAULT_BAD_LENGTH, true },
    { POST "content-length 5, 5\n", FAULT_BAD_LENGTH, true },
    { POST "content-length \n", FAULT_BAD_LENGTH, true },
    { POST "content-length 5\ncontent-length 5\n", FAULT_BAD_LENGTH, true },
    { POST "content-length 9223372036854775807\n", FAULT_NONE, true },
    { POST "content-length 9223372036854775808\n", FAULT_BAD_LENGTH, true },

    /* 8.5: CONNECT; RFC 8441: with :protocol */
    { ":method CONNECT\n:authority a:443\n", FAULT_METHOD_REFUSED, true },
    { ":method CONNECT\n:authority a:443\n:path /\n", H2_MALFORMED, true },
    { ":method CONNECT\n:authority a:443\n:scheme https\n", H2_MALFORMED, true },
    { ":method CONNECT\n", H2_MALFORMED, true },
    { ":method CONNECT\n:authority u@a:443\n", H2_MALFORMED, true },
    { CHAT, FAULT_NONE, true },
    { CHAT, H2_MALFORMED, false },
    { CHAT "content-length 3\n", H2_MALFORMED, true },
    { ":method CONNECT\n:protocol websocket\n:authority a\n:path /\n", H2_MALFORMED, true },
    { ":method CONNECT\n:protocol websocket\n:authority a\n:scheme https\n", H2_MALFORMED, true },
    { ":method CONNECT\n:protocol websocket\n:scheme https\n:path /\n", H2_MALFORMED, true },
    { ":method CONNECT\n:protocol connect-udp\n:scheme https\n:path /\n:authority a\n",
      FAULT_UNKNOWN_PROTOCOL, true },
    { ":method CONNECT\n:protocol h2c\n:scheme https\n:path /\n:authority a\n",
      FAULT_UNKNOWN_PROTOCOL, true },
};

static void what_is_refused_and_how(void **state)
{
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        const struct refusal *row = &refusals[i];
        struct h2_head        block;
        int                   fault = h2_request(&block, *state, row->lines, !row->is_open);

        CHECK_CASE(fault == row->fault, row->lines);
        CHECK_CASE(block.fault == fault, row->lines);
        CHECK_CASE(block.head->line.len > 0 && block.head->version == 20, row->lines);
    }
}

/* Bytes that end a line in HTTP/1, wherever they stand. */
static void line_ends_stand_nowhere(void **state)
{
    static const char *const names[] = { ":method", ":scheme", ":path", ":authority", "x-a",
                                         "cookie", "host" };
    static const char        bytes[] = { '\r', '\n', '\0' };

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        for (size_t j = 0; j < sizeof(bytes); j++) {
            char           value[] = "/ab", name[] = "x-ab";
            struct h2_head block;

            value[2] = bytes[j];
            h2_head_begin(&block, H2_HEAD_REQUEST, &h2_limits, *state);
            h2_head_add(&block, text_from(names[i]), text_of(value, 3));
            assert_int_equal(block.fault, H2_MALFORMED);

            name[3] = bytes[j];
            h2_head_begin(&block, H2_HEAD_REQUEST, &h2_limits, *state);
            h2_head_add(&block, text_of(name, 4), TEXT("1"));
            assert_int_equal(block.fault, H2_MALFORMED);
        }
    }
}

static void an_empty_name_is_malformed(void **state)
{
    struct h2_head block;

    h2_head_begin(&block, H2_HEAD_REQUEST, &h2_limits, *state);
    h2_head_add(&block, TEXT(""), TEXT("1"));
    assert_int_equal(block.fault, H2_MALFORMED);
}

/* ---- limits ---- */

static void add_filled(struct h2_head *block, const char *name, size_t bytes)
{
    char *value = arena_bytes(block->arena, bytes);

    memset(value, name[0] == ':' ? '/' : 'v', bytes);
    h2_head_add(block, text_from(name), text_of(value, bytes));
}

static int sized_request(struct h2_head *block, struct arena *arena, size_t path, size_t field)
{
    h2_head_begin(block, H2_HEAD_REQUEST, &h2_limits, arena);
    h2_feed(block, ":method GET\n:scheme https\n:authority a\n");
    add_filled(block, ":path", path);
    add_filled(block, "x-a", field);
    return h2_head_end_request(block, true, h2_key);
}

static void long_targets_and_fields_are_refused(void **state)
{
    const size_t   path = h2_limits.line_bytes - strlen("GET  HTTP/2.0");
    const size_t   field = h2_limits.field_bytes - strlen("x-a: ");
    struct h2_head block;

    assert_int_equal(sized_request(&block, *state, path, field), FAULT_NONE);
    assert_int_equal(sized_request(&block, *state, path + 1, 1), FAULT_LINE_TOO_LONG);
    assert_int_equal(sized_request(&block, *state, h2_limits.head_bytes, 1), FAULT_LINE_TOO_LONG);
    assert_int_equal(sized_request(&block, *state, 1, field + 1), FAULT_HEAD_TOO_LARGE);
    CHECK_TEXT(block.head->line, "GET / HTTP/2.0");
}

static void decoded_bytes_are_bounded_as_they_come(void **state)
{
    struct h2_head block;
    uint32_t       rest;

    h2_head_begin(&block, H2_HEAD_REQUEST, &h2_limits, *state);
    h2_feed(&block, GET);
    while (h2_limits.head_bytes - block.bytes > 4096)
        add_filled(&block, "x-a", 2000);
    rest = h2_limits.head_bytes - block.bytes;
    add_filled(&block, "x-a", rest - H2_FIELD_OVERHEAD - 3);
    assert_int_equal(block.bytes, h2_limits.head_bytes);
    assert_int_equal(h2_head_end_request(&block, true, h2_key), FAULT_NONE);

    block.fault = FAULT_NONE;
    h2_head_add(&block, TEXT("x"), TEXT(""));
    assert_int_equal(block.fault, FAULT_HEAD_TOO_LARGE);
}

/* A table entry of four kilobytes, named again and again (CVE-2016-6581). */
static void a_bomb_costs_no_memory(void **state)
{
    struct h2_head block;
    size_t         size;
    char          *value = arena_bytes(*state, 4000);

    memset(value, 'v', 4000);
    h2_head_begin(&block, H2_HEAD_REQUEST, &h2_limits, *state);
    h2_feed(&block, GET);
    for (int i = 0; i < 10; i++)
        h2_head_add(&block, TEXT("cookie"), text_of(value, 4000));
    assert_int_equal(block.fault, FAULT_HEAD_TOO_LARGE);
    size = arena_size(*state);
    for (int i = 0; i < 2000000; i++)
        h2_head_add(&block, TEXT("cookie"), text_of(value, 4000));
    assert_int_equal(arena_size(*state), size);
    assert_int_equal(block.bytes, UINT32_MAX);
    assert_int_equal(h2_head_end_request(&block, true, h2_key), FAULT_HEAD_TOO_LARGE);
}

static int counted_request(struct h2_head *block, struct arena *arena, const char *name,
                           unsigned count)
{
    h2_head_begin(block, H2_HEAD_REQUEST, &h2_limits, arena);
    h2_feed(block, GET);
    for (unsigned i = 0; i < count; i++)
        h2_head_add(block, text_from(name), TEXT("a=b"));
    return h2_head_end_request(block, true, h2_key);
}

static void fields_are_counted_and_crumbs_are_one(void **state)
{
    struct h2_head block;

    assert_int_equal(counted_request(&block, *state, "x-a", 128), FAULT_NONE);
    assert_int_equal(counted_request(&block, *state, "x-a", 129), FAULT_HEAD_TOO_LARGE);
    assert_int_equal(counted_request(&block, *state, "cookie", 700), FAULT_NONE);
    assert_int_equal(fields_value(&block.head->fields, FIELD_COOKIE).len, 700 * 5 - 2);
    assert_int_equal(counted_request(&block, *state, "cookie", 1000), FAULT_HEAD_TOO_LARGE);
}

/* ---- extended CONNECT ---- */

static void a_websocket_is_the_get_that_asks_for_it(void **state)
{
    struct h2_head block;

    assert_int_equal(h2_request(&block, *state,
                                CHAT "sec-websocket-version 13\nsec-websocket-key theirs\n"
                                     "origin https://a.example\nexpect 100-continue\n",
                                false),
                     FAULT_NONE);
    assert_int_equal(block.head->method, METHOD_GET);
    CHECK_TEXT(block.head->line, "GET /chat HTTP/2.0");
    CHECK_TEXT(block.head->upgrade, "websocket");
    assert_int_equal(block.head->body, BODY_NONE);
    assert_false(block.head->expects_continue);
    assert_true(block.head->may_persist);
    CHECK_TEXT(h2_fields_text(&block.head->fields, *state),
               "Host: a.example\nsec-websocket-version: 13\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jAA==\norigin: https://a.example\n"
               "Expect: 100-continue\nConnection: upgrade\nUpgrade: websocket\n");
}

/* ---- responses ---- */

static int response(struct h2_head *block, struct arena *arena, const char *lines, bool is_end,
                    enum method asked)
{
    struct head request;

    head_init(&request, arena, 0);
    request.method = asked;
    h2_head_begin(block, H2_HEAD_RESPONSE, &h2_limits, arena);
    h2_feed(block, lines);
    return h2_head_end_response(block, is_end, &request, false);
}

static void responses_have_a_status_and_a_body(void **state)
{
    static const struct {
        const char    *lines;
        bool           is_end;
        enum method    asked;
        enum body_kind body;
        uint64_t       length;
    } rows[] = {
        { ":status 200\n", false, METHOD_GET, BODY_CHUNKED, 0 },
        { ":status 200\n", true, METHOD_GET, BODY_SIZED, 0 },
        { ":status 200\ncontent-length 7\n", false, METHOD_GET, BODY_SIZED, 7 },
        { ":status 200\ncontent-length 0\n", true, METHOD_GET, BODY_SIZED, 0 },
        { ":status 200\ncontent-length 7\n", true, METHOD_HEAD, BODY_NONE, 7 },
        { ":status 304\ncontent-length 7\n", true, METHOD_GET, BODY_NONE, 7 },
        { ":status 204\n", true, METHOD_GET, BODY_NONE, 0 },
        { ":status 204\n", false, METHOD_GET, BODY_NONE, 0 },
        { ":status 103\nlink </a>\n", false, METHOD_GET, BODY_NONE, 0 },
        { ":status 799\n", false, METHOD_GET, BODY_CHUNKED, 0 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct h2_head block;
        int fault = response(&block, *state, rows[i].lines, rows[i].is_end, rows[i].asked);

        CHECK_CASE(fault == FAULT_NONE, rows[i].lines);
        CHECK_CASE(block.head->body == rows[i].body, rows[i].lines);
        CHECK_CASE(block.head->length == rows[i].length, rows[i].lines);
        CHECK_CASE(block.head->version == 20 && block.head->may_persist, rows[i].lines);
    }
}

static void responses_that_are_refused(void **state)
{
    static const char *const lines[] = {
        "x-a 1\n", ":status 20\n", ":status 2000\n", ":status 2x0\n", ":status 099\n",
        ":status 101\n", ":status \n", ":status 200\n:status 200\n", ":status 200\n:path /\n",
        "x-a 1\n:status 200\n", ":status 200\nX-Upper 1\n", ":status 200\nconnection close\n",
        ":status 200\ntransfer-encoding chunked\n", ":status 200\ncontent-length x\n",
        ":status 200\ncontent-length 1\ncontent-length 1\n", ":status 200\nx-a 1\x01\n",
        ":status 200\nte trailers, x\n", ":status 200\nte trailers\n", ":status 200\ncontent-length 7\n", ":status 103\n",
    };

    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct h2_head block;
        CHECK_CASE(response(&block, *state, lines[i], true, METHOD_GET) == FAULT_BAD_RESPONSE,
                   lines[i]);
    }
}

static void large_responses_have_a_fault_of_their_own(void **state)
{
    struct h2_head block;
    struct head    request;

    head_init(&request, *state, 0);
    h2_head_begin(&block, H2_HEAD_RESPONSE, &h2_limits, *state);
    h2_feed(&block, ":status 200\n");
    add_filled(&block, "x-a", 9000);
    assert_int_equal(h2_head_end_response(&block, true, &request, false), FAULT_RESPONSE_LARGE);
}

static void an_accepted_websocket_is_the_101_of_http1(void **state)
{
    struct h2_head block;
    struct head    request;

    head_init(&request, *state, 0);
    request.method = METHOD_GET;
    fields_add(&request.fields, TEXT("Sec-WebSocket-Key"), TEXT("dGhlIHNhbXBsZSBub25jZQ=="));
    h2_head_begin(&block, H2_HEAD_RESPONSE, &h2_limits, *state);
    h2_feed(&block, ":status 200\nsec-websocket-protocol chat\n");
    assert_int_equal(h2_head_end_response(&block, false, &request, true), FAULT_NONE);
    assert_int_equal(block.head->status, 101);
    CHECK_TEXT(block.head->upgrade, "websocket");
    assert_int_equal(block.head->body, BODY_NONE);
    CHECK_TEXT(h2_fields_text(&block.head->fields, *state),
               "sec-websocket-protocol: chat\nConnection: upgrade\nUpgrade: websocket\n"
               "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\n");

    h2_head_begin(&block, H2_HEAD_RESPONSE, &h2_limits, *state);
    h2_feed(&block, ":status 403\n");
    assert_int_equal(h2_head_end_response(&block, true, &request, true), FAULT_NONE);
    assert_int_equal(block.head->status, 403);
    assert_int_equal(block.head->upgrade.len, 0);
}

/* ---- trailers ---- */

static int trailers(struct h2_head *block, struct arena *arena, const char *lines, bool is_end)
{
    h2_head_begin(block, H2_HEAD_TRAILERS, &h2_limits, arena);
    h2_feed(block, lines);
    return h2_head_end_trailers(block, is_end);
}

static void trailers_are_fields_that_may_be_one(void **state)
{
    struct h2_head block;

    assert_int_equal(trailers(&block, *state,
                              "grpc-status 0\ncontent-length 5\nhost b\nset-cookie a=b\n"
                              "authorization x\nx-sum 1\n",
                              true),
                     FAULT_NONE);
    CHECK_TEXT(h2_fields_text(&block.head->fields, *state), "grpc-status: 0\nx-sum: 1\n");
    assert_int_equal(trailers(&block, *state, "", true), FAULT_NONE);
}

static void trailers_that_are_malformed(void **state)
{
    static const char *const lines[] = { ":path /\n", ":status 200\n", ":method GET\n",
                                         "X-Upper 1\n", "transfer-encoding chunked\n",
                                         "connection x\n", "x-a 1\r\n" };
    struct h2_head           block;

    for (size_t i = 0; i < COUNT_OF(lines); i++)
        CHECK_CASE(trailers(&block, *state, lines[i], true) == H2_MALFORMED, lines[i]);
    assert_int_equal(trailers(&block, *state, "x-a 1\n", false), H2_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(a_request_is_as_if_http1_had_brought_it),
        WITH_ARENA(bodies_are_announced_by_length_or_by_the_frames),
        WITH_ARENA(continue_is_expected_as_in_http1),
        WITH_ARENA(odd_names_are_marked),
        WITH_ARENA(host_stands_in_where_there_is_no_authority),
        WITH_ARENA(host_beside_authority_may_say_the_same),
        WITH_ARENA(cookie_crumbs_are_one_field),
        WITH_ARENA(what_is_refused_and_how),
        WITH_ARENA(line_ends_stand_nowhere),
        WITH_ARENA(an_empty_name_is_malformed),
        WITH_ARENA(long_targets_and_fields_are_refused),
        WITH_ARENA(decoded_bytes_are_bounded_as_they_come),
        WITH_ARENA(a_bomb_costs_no_memory),
        WITH_ARENA(fields_are_counted_and_crumbs_are_one),
        WITH_ARENA(a_websocket_is_the_get_that_asks_for_it),
        WITH_ARENA(responses_have_a_status_and_a_body),
        WITH_ARENA(responses_that_are_refused),
        WITH_ARENA(large_responses_have_a_fault_of_their_own),
        WITH_ARENA(an_accepted_websocket_is_the_101_of_http1),
        WITH_ARENA(trailers_are_fields_that_may_be_one),
        WITH_ARENA(trailers_that_are_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
