// SPDX-License-Identifier: MIT
/* Every built-in variable: found by name, and its value. */
#include "proxy/variables.h"

#include <sys/socket.h>
#include <unistd.h>

#include "desk.h"

#define CHECK_VALUE(source, wanted) CHECK_TEXT(desk_eval(source), wanted)

/* The value itself, in which "not found" and empty differ. */
static struct text get(const char *name)
{
    struct variable variable;

    if (!variables_find(text_from(name), &variable))
        fail_msg("$%s is unknown", name);
    return variable.get(&desk->x.scope, &variable);
}

static void check_not_found(const char *name)
{
    struct text value = get(name);

    if (value.ptr != NULL)
        fail_msg("$%s is \"%.*s\"", name, TEXT_ARGS(value));
}

static void all_names_are_known(void **state)
{
    static const char *const names[] = {
        "remote_addr", "remote_port", "binary_remote_addr", "remote_user", "host", "hostname",
        "http_x", "arg_x", "cookie_x", "sent_http_x", "sent_trailer_x", "upstream_http_x",
        "upstream_trailer_x", "upstream_cookie_x", "args", "query_string", "is_args", "uri",
        "document_uri", "request_uri", "request", "request_method", "request_time", "request_id",
        "request_length", "request_completion", "request_body", "status", "body_bytes_sent",
        "bytes_sent", "connection", "connection_requests", "connection_time", "msec",
        "time_local", "time_iso8601", "pid", "nginx_version", "scheme", "https", "server_name",
        "server_addr", "server_port", "server_protocol", "proxy_host", "proxy_port",
        "proxy_add_x_forwarded_for", "upstream_addr", "upstream_status",
        "upstream_response_time", "upstream_connect_time", "upstream_header_time",
        "upstream_response_length", "upstream_bytes_sent", "upstream_bytes_received",
        "content_length", "content_type", "limit_rate", "http2", "http3", "pipe", "request_port",
        "is_request_port", "tcpinfo_rtt", "tcpinfo_rttvar", "tcpinfo_snd_cwnd",
        "tcpinfo_rcv_space", "realip_remote_addr", "realip_remote_port",
        "proxy_protocol_addr", "proxy_protocol_port", "proxy_protocol_server_addr",
        "proxy_protocol_server_port", "proxy_protocol_tlv_alpn", "proxy_protocol_tlv_0x03",
        "proxy_protocol_tlv_ssl_verify", "upstream_cache_status", "upstream_cache_age",
        "upstream_cache_last_modified", "slice_range", "Host", "HTTP_X",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        (void)get(names[i]);
}

static void other_names_are_unknown(void **state)
{
    static const char *const names[] = { "", "x", "http_", "arg_", "hos", "hosts", "upstream",
                                         "upstream_cache_key", "document_root",
                                         "proxy_protocol_tlv_", "proxy_protocol_tlv_alp", "sent_http_" };
    struct variable variable;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (variables_find(text_from(names[i]), &variable))
            fail_msg("$%s is known", names[i]);
}

static void the_request_is_told(void **state)
{
    (void)state;
    desk_request("POST /a%20b/../c?x=1&Y=2 HTTP/1.0\r\nHost: a\r\nContent-Length: 5\r\n"
                 "Content-Type: text/x\r\n\r\n");
    CHECK_VALUE("$request", "POST /a%20b/../c?x=1&Y=2 HTTP/1.0");
    CHECK_VALUE("$request_method|$request_uri|$uri|$document_uri",
                "POST|/a%20b/../c?x=1&Y=2|/c|/c");
    CHECK_VALUE("$args|$query_string|$is_args|$arg_x|$arg_y|$arg_z", "x=1&Y=2|x=1&Y=2|?|1|2|");
    CHECK_VALUE("$server_protocol|$content_length|$content_type", "HTTP/1.0|5|text/x");
    CHECK_VALUE("$scheme|$https|$http2|$http3|$pipe", "http||||.");
}

static void what_the_cache_did_is_told(void **state)
{
    static const char *const names[] = { "", "MISS", "BYPASS", "EXPIRED", "STALE", "UPDATING",
                                         "REVALIDATED", "HIT" };

    (void)state;
    desk_request("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    check_not_found("upstream_cache_status");
    check_not_found("upstream_cache_age");
    check_not_found("upstream_cache_last_modified");
    assert_non_null(get("slice_range").ptr);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        desk->x.cache_outcome = (enum cache_outcome)i;
        CHECK_VALUE("$upstream_cache_status", names[i]);
    }
    desk->x.has_cache_age = true;
    CHECK_VALUE("$upstream_cache_age", "0");
    desk->x.cache_age_s = 12;
    desk->x.cache_last_modified = TEXT("Thu, 01 Jan 1970 00:00:01 GMT");
    desk->x.slice_range = TEXT("bytes=0-9");
    CHECK_VALUE("$upstream_cache_age|$upstream_cache_last_modified|$slice_range",
                "12|Thu, 01 Jan 1970 00:00:01 GMT|bytes=0-9");
}

static void an_empty_query_is_none(void **state)
{
    (void)state;
    desk_request("GET /a? HTTP/1.1\r\nHost: a\r\n\r\n");
    check_not_found("args");
    CHECK_VALUE("$uri$is_args$args", "/a");
}

static void a_request_that_could_not_be_read_has_no_line(void **state)
{
    (void)state;
    memset(&desk->request, 0, sizeof(desk->request));
    check_not_found("request");
    check_not_found("request_method");
    check_not_found("server_protocol");
    check_not_found("http_user_agent");
    assert_int_equal(get("status").len, 3);
}

static void absolute_targets_lose_their_host(void **state)
{
    (void)state;
    desk_request("GET http://a.example:81/x?y HTTP/1.1\r\nHost: a.example:81\r\n\r\n");
    CHECK_VALUE("$request_uri", "/x?y");
    CHECK_VALUE("$request", "GET http://a.example:81/x?y HTTP/1.1");
    CHECK_VALUE("$request_port$is_request_port", "81:");
}

static void hosts_fall_back_to_the_server(void **state)
{
    (void)state;
    CHECK_VALUE("$host|$server_name|$request_port|$is_request_port", "site.example|Site.Example||");
    desk->x.host = TEXT("");
    CHECK_VALUE("$host", "Site.Example");
}

static void fields_are_found_by_folded_name(void **state)
{
    (void)state;
    desk_request("GET / HTTP/1.1\r\nHost: a:8080\r\nX-Request-Tag: t\r\nAccept: b\r\nAccept: c\r\n"
                 "X-More: 1\r\nx-more: 2\r\nUser-Agent: me\r\nX-Empty:\r\n\r\n");
    CHECK_VALUE("$http_host|$http_x_request_tag|$http_user_agent", "a:8080|t|me");
    CHECK_VALUE("$http_accept|$http_x_more", "b, c|1, 2");
    assert_non_null(get("http_x_empty").ptr);
    check_not_found("http_x_none");
    check_not_found("http_referer");
}

static void cookies_are_found_without_case(void **state)
{
    (void)state;
    desk_request("GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1; Session=x=y; b\r\nCookie: c=3\r\n\r\n");
    CHECK_VALUE("$cookie_a|$cookie_session|$cookie_c", "1|x=y|3");
    CHECK_VALUE("$http_cookie", "a=1; Session=x=y; b; c=3");
    check_not_found("cookie_b");
    check_not_found("cookie_sess");
}

static void basic_users_are_decoded(void **state)
{
    static const struct { const char *value, *user; } cases[] = {
        { "Basic dXNlcjpwYXNz", "user" },        /* user:pass */
        { "basic  dTpw", "u" },                  /* u:p */
        { "Basic YTpiOmM=", "a" },               /* a:b:c */
        { "Basic dXNlcg==", NULL },              /* user */
        { "Basic OnBhc3M=", NULL },              /* :pass */
        { "Basic d!!", NULL },
        { "Bearer dXNlcjpwYXNz", NULL },
        { "Basic", NULL },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        desk_request("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\n\r\n");
        fields_set(&desk->request.fields, FIELD_AUTHORIZATION, text_from(cases[i].value));
        struct text user = get("remote_user");
        if (!text_is_equal(user, text_from(cases[i].user)) ||
            (user.ptr == NULL) != (cases[i].user == NULL))
            fail_msg("%s gives \"%.*s\"", cases[i].value, TEXT_ARGS(user));
    }
}

static void addresses_are_told(void **state)
{
    (void)state;
    CHECK_VALUE("$remote_addr|$remote_port|$server_addr|$server_port", "192.0.2.1|4711|127.0.0.1|80");
    CHECK_VALUE("$realip_remote_addr|$realip_remote_port", "198.51.100.1|99");
    struct text binary = get("binary_remote_addr");
    assert_int_equal(binary.len, 4);
    assert_memory_equal(binary.ptr, "\xc0\x00\x02\x01", 4);
    assert_int_equal(address_parse_ip(TEXT("2001:db8::1"), 1, &desk->remote), 0);
    CHECK_VALUE("$remote_addr", "2001:db8::1");
    assert_int_equal(get("binary_remote_addr").len, 16);
    assert_int_equal(address_parse_unix(TEXT("/x"), &desk->remote), 0);
    CHECK_VALUE("$remote_addr|$remote_port|$binary_remote_addr", "unix:||unix:");
}

/* Two values: alpn, and that of TLS with its verification and a version. */
static void a_preface_is_told(void **state)
{
    static const char values[] = "\1\0\2h2\x20\0\x0c\1\0\0\0\x12\x21\0\4TLSx";
    struct preface   *preface = mem_new(sizeof(*preface) + sizeof(values));
    struct address    source, destination;

    (void)state;
    assert_null(get("proxy_protocol_addr").ptr);
    assert_null(get("proxy_protocol_server_port").ptr);
    assert_null(get("proxy_protocol_tlv_alpn").ptr);
    assert_null(get("proxy_protocol_tlv_ssl_verify").ptr);
    assert_int_equal(address_parse_ip(TEXT("2001:db8::1"), 4712, &source), 0);
    assert_int_equal(address_parse_ip(TEXT("2001:db8::2"), 0, &destination), 0);
    preface->source = address_shorten(&source);
    preface->destination = address_shorten(&destination);
    preface->value_bytes = sizeof(values) - 1;
    memcpy(preface->values, values, sizeof(values));
    desk->preface = preface;
    CHECK_VALUE("$proxy_protocol_addr|$proxy_protocol_port|$proxy_protocol_server_addr|"
                "$proxy_protocol_server_port", "2001:db8::1|4712|2001:db8::2|");
    CHECK_VALUE("$proxy_protocol_tlv_alpn|$proxy_protocol_tlv_0x01|$proxy_protocol_tlv_ssl_verify|"
                "$proxy_protocol_tlv_ssl_version|$proxy_protocol_tlv_authority", "h2|h2|18|TLSx|");
    mem_free(preface);
}

static void forwarded_for_grows(void **state)
{
    (void)state;
    CHECK_VALUE("$proxy_add_x_forwarded_for", "192.0.2.1");
    desk_request("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.0.0.1\r\n"
                 "X-Forwarded-For: 10.0.0.2\r\n\r\n");
    CHECK_VALUE("$proxy_add_x_forwarded_for", "10.0.0.1, 10.0.0.2, 192.0.2.1");
}

static void a_request_has_one_id(void **state)
{
    struct text id = get("request_id");

    (void)state;
    assert_int_equal(id.len, 32);
    for (size_t i = 0; i < id.len; i++)
        assert_true(text_hex_digit(id.ptr[i]) >= 0 && id.ptr[i] == text_lower_char(id.ptr[i]));
    assert_true(text_is_equal(get("request_id"), id));
    desk->x.request_id = TEXT_NONE;
    assert_false(text_is_equal(get("request_id"), id));
}

static void numbers_and_times_have_their_forms(void **state)
{
    (void)state;
    desk->x.status = 200;
    desk->stream.rx_bytes = 123;
    desk->stream.tx_bytes = UINT64_C(5000000000);
    desk->stream.started_us = loop_now_us(desk->loop) - 1234567;
    CHECK_VALUE("$status|$request_length|$bytes_sent|$request_time", "200|123|5000000000|1.234");
    CHECK_VALUE("$connection|$connection_requests|$connection_time", "7|3|1.234");
    desk->stream.started_us = loop_now_us(desk->loop) + 5000;
    CHECK_VALUE("$request_time", "0.000");
    desk->x.status = 9;
    CHECK_VALUE("$status", "009");
    CHECK_VALUE("$pid", arena_format(desk->arena, "%d", (int)getpid()).ptr);
    assert_int_equal(get("time_iso8601").len, 25);
    assert_int_equal(get("time_local").len, 26);
    struct text msec = get("msec");
    assert_int_equal(text_find(msec, '.'), msec.len - 4);
    assert_true(get("hostname").len > 0);
}

static void bodies_are_counted(void **state)
{
    struct pipe pipe = { .total_out = 42 };

    (void)state;
    CHECK_VALUE("$body_bytes_sent", "0");
    desk->stream.tx_body = &pipe;
    CHECK_VALUE("$body_bytes_sent|$request_completion", "42|");
    desk->stream.is_tx_done = true;
    CHECK_VALUE("$request_completion", "OK");
    desk->stream.fault = FAULT_CLIENT_GONE;
    CHECK_VALUE("$request_completion", "");
}

static void a_body_in_memory_is_shown_whole(void **state)
{
    struct pipe *pipe = &desk->x.request_body;

    (void)state;
    check_not_found("request_body");
    pipe_init(pipe, 65536);
    pipe_put(pipe, slice_copy(TEXT("one ")));
    check_not_found("request_body");
    pipe_put(pipe, slice_copy(TEXT("two")));
    pipe_end(pipe);
    CHECK_VALUE("$request_body", "one two");
    pipe_drop(pipe, 3);
    CHECK_VALUE("$request_body", "one two");
    pipe_drop(pipe, 2);
    check_not_found("request_body");
    pipe_done(pipe);
}

static void attempts_are_listed(void **state)
{
    struct attempt third = { .address = TEXT("10.0.0.3:80"), .status = 200, .started_us = 1000,
                             .connected_us = 2000, .head_us = 13000, .done_us = 2001000,
                             .bytes_sent = 10, .bytes_received = 20, .body_bytes = 5,
                             .is_redirect = true };
    struct attempt second = { .next = &third, .address = TEXT("10.0.0.2:80"), .status = 502,
                              .started_us = 500, .connected_us = 500, .done_us = 1400 };
    struct attempt first = { .next = &second, .address = TEXT("unix:/a"), .started_us = 1 };

    (void)state;
    check_not_found("upstream_addr");
    check_not_found("upstream_response_time");
    desk->x.attempts = &first;
    CHECK_VALUE("$upstream_addr", "unix:/a, 10.0.0.2:80 : 10.0.0.3:80");
    CHECK_VALUE("$upstream_status", "-, 502 : 200");
    CHECK_VALUE("$upstream_connect_time", "-, 0.000 : 0.001");
    CHECK_VALUE("$upstream_header_time", "-, - : 0.012");
    CHECK_VALUE("$upstream_response_time", "-, 0.000 : 2.000");
    CHECK_VALUE("$upstream_response_length|$upstream_bytes_sent|$upstream_bytes_received",
                "0, 0 : 5|0, 0 : 10|0, 0 : 20");
}

static void the_upstream_is_told(void **state)
{
    (void)state;
    CHECK_VALUE("$proxy_host|$proxy_port", "app:3000|3000");
    desk->x.upstream_host = TEXT("other");
    desk->x.upstream_port = TEXT("80");
    CHECK_VALUE("$proxy_host|$proxy_port", "other|80");
    check_not_found("upstream_http_x_tag");
    desk_response("HTTP/1.1 200 OK\r\nX-Tag: 1\r\nX-Tag: 2\r\nServer: s\r\n"
                  "Set-Cookie: a=1; Path=/\r\nSet-Cookie: B=2\r\nContent-Length: 0\r\n\r\n");
    CHECK_VALUE("$upstream_http_x_tag|$upstream_http_server|$upstream_http_content_length",
                "1, 2|s|0");
    CHECK_VALUE("$upstream_cookie_a|$upstream_cookie_b", "1|2");
    check_not_found("upstream_cookie_path");
    check_not_found("upstream_trailer_x");
}

static void the_answer_is_told(void **state)
{
    struct head answer = { .status = 200, .body = BODY_SIZED, .length = 17 };

    (void)state;
    check_not_found("sent_http_content_type");
    fields_init(&answer.fields, desk->arena, 4);
    fields_add(&answer.fields, TEXT("Content-Type"), TEXT("text/x"));
    fields_add(&answer.fields, TEXT("X-A"), TEXT("1"));
    desk->x.answer = &answer;
    CHECK_VALUE("$sent_http_content_type|$sent_http_x_a|$sent_http_content_length|"
                "$sent_http_connection", "text/x|1|17|keep-alive");
    check_not_found("sent_http_transfer_encoding");
    answer.body = BODY_CHUNKED;
    desk->stream.is_last = true;
    CHECK_VALUE("$sent_http_transfer_encoding|$sent_http_connection", "chunked|close");
    check_not_found("sent_http_content_length");
    check_not_found("sent_trailer_x");
    desk->stream.tx_trailers = &answer.fields;
    CHECK_VALUE("$sent_trailer_x_a", "1");
}

static void the_kernel_is_asked_for_tcp_figures(void **state)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    (void)state;
    check_not_found("tcpinfo_rtt");
    assert_true(fd >= 0);
    desk->conn.transport.fd = fd;
    assert_true(get("tcpinfo_snd_cwnd").len > 0);
    assert_true(get("tcpinfo_rtt").len > 0);
    close(fd);
}

static void args_may_be_set(void **state)
{
    (void)state;
    assert_true(variables_is_changeable(TEXT("args")));
    assert_true(variables_is_changeable(TEXT("limit_rate")));
    assert_false(variables_is_changeable(TEXT("host")));
    variables_set(&desk->x.scope, TEXT("args"), TEXT("q=1"));
    CHECK_VALUE("$is_args$args|$arg_q", "?q=1|1");
    variables_set(&desk->x.scope, TEXT("args"), TEXT(""));
    CHECK_VALUE("$is_args$args", "");
    CHECK_VALUE("$limit_rate", "0");
    desk->location.limit_rate = desk_template("10k");
    CHECK_VALUE("$limit_rate", "10240");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DESK(all_names_are_known),
        WITH_DESK(other_names_are_unknown),
        WITH_DESK(the_request_is_told),
        WITH_DESK(an_empty_query_is_none), WITH_DESK(what_the_cache_did_is_told),
        WITH_DESK(a_request_that_could_not_be_read_has_no_line),
        WITH_DESK(absolute_targets_lose_their_host),
        WITH_DESK(hosts_fall_back_to_the_server),
        WITH_DESK(fields_are_found_by_folded_name),
        WITH_DESK(cookies_are_found_without_case),
        WITH_DESK(basic_users_are_decoded),
        WITH_DESK(addresses_are_told),
        WITH_DESK(a_preface_is_told),
        WITH_DESK(forwarded_for_grows),
        WITH_DESK(a_request_has_one_id),
        WITH_DESK(numbers_and_times_have_their_forms),
        WITH_DESK(bodies_are_counted),
        WITH_DESK(a_body_in_memory_is_shown_whole),
        WITH_DESK(attempts_are_listed),
        WITH_DESK(the_upstream_is_told),
        WITH_DESK(the_answer_is_told),
        WITH_DESK(the_kernel_is_asked_for_tcp_figures),
        WITH_DESK(args_may_be_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
