// SPDX-License-Identifier: MIT
/* h1_parse and h1_framing: what is read from a head, and every reason to refuse one.
 * The tables follow section 2.1 and 2.5 of the list of hostile input. */
#include "base/unit.h"

#include <string.h>

#include "http/h1_parse.h"

static const struct head_limits limits = {
    .line_bytes = 8192, .field_bytes = 8192, .head_bytes = 32768, .fields = 128,
};

static int parse(struct arena *arena, const char *bytes, struct head *head)
{
    return h1_parse_request(text_from(bytes), &limits, arena, head);
}

static void check_fault(int got, int wanted, const char *name)
{
    if (got != wanted)
        fail_msg("fault is %s, wanted %s in case: %s", fault_row(got)->name,
                 fault_row(wanted)->name, name);
}

/* ---- h1_scan ---- */

/* Shows `bytes` in growing pieces; what every step finds must be what one look finds. */
static enum h1_scan_result scan_in_steps(struct text bytes, const struct head_limits *with,
                                         size_t step, size_t *ret_size, int *reterr_fault)
{
    struct h1_scan      scan = { 0 };
    enum h1_scan_result result = H1_SCAN_MORE;

    for (size_t len = step; result == H1_SCAN_MORE; len += step) {
        size_t shown = len < bytes.len ? len : bytes.len;
        result = h1_scan(&scan, bytes.ptr, shown, with, ret_size, reterr_fault);
        if (shown == bytes.len)
            break;
    }
    return result;
}

static void check_scan(const char *bytes, const struct head_limits *with, enum h1_scan_result result,
                       size_t size, int fault)
{
    for (size_t step = 1; step <= strlen(bytes); step++) {
        size_t got_size = 0;
        int    got_fault = FAULT_NONE;
        CHECK_CASE(scan_in_steps(text_from(bytes), with, step, &got_size, &got_fault) == result,
                   bytes);
        CHECK_CASE(got_size == size, bytes);
        check_fault(got_fault, fault, bytes);
    }
}

static void scan_finds_the_empty_line(void **state)
{
    (void)state;
    check_scan("GET / HTTP/1.1\r\n\r\n", &limits, H1_SCAN_DONE, 18, FAULT_NONE);
    check_scan("GET / HTTP/1.1\r\nA: b\r\n\r\n", &limits, H1_SCAN_DONE, 24, FAULT_NONE);
    check_scan("GET / HTTP/1.1\r\nA: b\r\n", &limits, H1_SCAN_MORE, 0, FAULT_NONE);
    check_scan("GET / HTTP/1.1\r\nA: b\r\n\r", &limits, H1_SCAN_MORE, 0, FAULT_NONE);
    check_scan("G", &limits, H1_SCAN_MORE, 0, FAULT_NONE);
}

static void scan_stops_at_the_first_bad_byte(void **state)
{
    (void)state;
    check_scan("GET / HTTP/1.1\n\n", &limits, H1_SCAN_BAD, 0, FAULT_BAD_LINE);
    check_scan("GET /\rHTTP/1.1\r\n\r\n", &limits, H1_SCAN_BAD, 0, FAULT_BAD_LINE);
    check_scan("GET / HTTP/1.1\r\nA: b\n\r\n", &limits, H1_SCAN_BAD, 0, FAULT_BAD_FIELD);
    check_scan("GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", &limits, H1_SCAN_BAD, 0, FAULT_BAD_FIELD);
    check_scan("GET / HTTP/1.1\r\nA: b\x01\r\n\r\n", &limits, H1_SCAN_BAD, 0, FAULT_BAD_FIELD);
    check_scan("\x16\x03\x01", &limits, H1_SCAN_BAD, 0, FAULT_BAD_LINE);
    check_scan("GET / HTTP/1.1\r\nA: b\r\n\rX", &limits, H1_SCAN_BAD, 0, FAULT_BAD_FIELD);
}

static void scan_keeps_to_its_limits(void **state)
{
    /* Limits that this head just keeps to, then each one less. */
    static const char      head[] = "GET / HTTP/1.1\r\nA: bcd\r\nE: f\r\n\r\n";
    const struct head_limits exact = {
        .line_bytes = 14, .field_bytes = 6, .head_bytes = sizeof(head) - 1, .fields = 2,
    };
    struct head_limits less;

    (void)state;
    check_scan(head, &exact, H1_SCAN_DONE, sizeof(head) - 1, FAULT_NONE);
    less = exact;
    less.line_bytes--;
    check_scan(head, &less, H1_SCAN_BAD, 0, FAULT_LINE_TOO_LONG);
    less = exact;
    less.field_bytes--;
    check_scan(head, &less, H1_SCAN_BAD, 0, FAULT_HEAD_TOO_LARGE);
    less = exact;
    less.head_bytes--;
    check_scan(head, &less, H1_SCAN_BAD, 0, FAULT_HEAD_TOO_LARGE);
    less = exact;
    less.fields--;
    check_scan(head, &less, H1_SCAN_BAD, 0, FAULT_HEAD_TOO_LARGE);
    less.line_bytes = 100;
    less.head_bytes = 10;
    check_scan(head, &less, H1_SCAN_BAD, 0, FAULT_LINE_TOO_LONG);
}

static void trailers_may_be_the_empty_line_alone(void **state)
{
    struct h1_scan scan = { 0 };
    size_t         size = 0;
    int            fault = FAULT_NONE;

    (void)state;
    assert_int_equal(h1_scan_trailers(&scan, "\r\n", 2, &limits, &size, &fault), H1_SCAN_DONE);
    assert_int_equal(size, 2);
    scan = (struct h1_scan){ 0 };
    assert_int_equal(h1_scan_trailers(&scan, "A: b\r\n\r\nX", 9, &limits, &size, &fault),
                     H1_SCAN_DONE);
    assert_int_equal(size, 8);
    scan = (struct h1_scan){ 0 };
    assert_int_equal(h1_scan_trailers(&scan, "\n", 1, &limits, &size, &fault), H1_SCAN_BAD);
    assert_int_equal(fault, FAULT_BAD_FIELD);
    scan = (struct h1_scan){ 0 };
    assert_int_equal(h1_scan(&scan, "\r\n", 2, &limits, &size, &fault), H1_SCAN_BAD);
    assert_int_equal(fault, FAULT_BAD_LINE);
}

/* ---- requests: what is read ---- */

static void a_request_is_taken_apart(void **state)
{
    struct head head;
    const char *bytes = "POST /a/b?c=d HTTP/1.1\r\nHost: Example.com:8080\r\nX_odd:\t v \t\r\n"
                        "accept:\r\nContent-Length: 0012\r\n\r\n";

    assert_int_equal(parse(*state, bytes, &head), FAULT_NONE);
    assert_int_equal(head.method, METHOD_POST);
    CHECK_TEXT(head.method_name, "POST");
    CHECK_TEXT(head.target, "/a/b?c=d");
    CHECK_TEXT(head.path, "/a/b?c=d");
    CHECK_TEXT(head.authority, "Example.com:8080");
    assert_false(head.is_absolute);
    assert_int_equal(head.version, 11);
    assert_int_equal(head.body, BODY_SIZED);
    assert_int_equal(head.length, 12);
    assert_true(head.may_persist);
    assert_false(head.expects_continue);
    assert_int_equal(head.upgrade.len, 0);
    assert_int_equal(head.wire_bytes, strlen(bytes));
    assert_true(head.has_odd_fields);
    assert_int_equal(head.fields.count, 4);
    CHECK_TEXT(head.fields.items[1].name, "X_odd");
    CHECK_TEXT(head.fields.items[1].value, "v");
    assert_true(head.fields.items[1].is_odd);
    assert_false(head.fields.items[2].is_odd);
    assert_int_equal(head.fields.items[2].id, FIELD_ACCEPT);
    CHECK_TEXT(head.fields.items[2].value, "");
}

/* start line (without CRLF), expected authority and path */
static void target_forms_give_authority_and_path(void **state)
{
    static const struct { const char *line, *authority, *path; bool is_absolute; } rows[] = {
        { "GET / HTTP/1.1", "h", "/", false },
        { "GET //a HTTP/1.1", "h", "//a", false },
        { "GET /?q HTTP/1.1", "h", "/?q", false },
        { "GET http://a:80/b?c HTTP/1.1", "a:80", "/b?c", true },
        { "GET HTTPS://A HTTP/1.1", "A", "/", true },
        { "GET http://a?b HTTP/1.1", "a", "/?b", true },
        { "OPTIONS * HTTP/1.1", "h", "*", false },
        { "OPTIONS http://a HTTP/1.1", "a", "*", true },
        { "OPTIONS http://a/ HTTP/1.1", "a", "/", true },
        { "CONNECT a:443 HTTP/1.1", "a:443", "", false },
        { "CONNECT [::1]:443 HTTP/1.1", "[::1]:443", "", false },
        { "BREW /pot-\xc3\xa4 HTTP/1.1", "h", "/pot-\xc3\xa4", false },
        { "GET /a|b\"<>{}\\^` HTTP/1.1", "h", "/a|b\"<>{}\\^`", false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct head head;
        struct text bytes = arena_format(*state, "%s\r\nHost: h\r\n\r\n", rows[i].line);
        int         fault = h1_parse_request(bytes, &limits, *state, &head);
        check_fault(fault, FAULT_NONE, rows[i].line);
        CHECK_CASE(text_is_equal(head.authority, text_from(rows[i].authority)), rows[i].line);
        CHECK_CASE(text_is_equal(head.path, text_from(rows[i].path)), rows[i].line);
        CHECK_CASE(head.is_absolute == rows[i].is_absolute, rows[i].line);
        if (rows[i].is_absolute)
            CHECK_TEXT(fields_value(&head.fields, FIELD_HOST), rows[i].authority);
    }
}

static void http_1_0_needs_no_host_and_closes(void **state)
{
    struct head head;

    assert_int_equal(parse(*state, "GET / HTTP/1.0\r\n\r\n", &head), FAULT_NONE);
    assert_int_equal(head.version, 10);
    assert_int_equal(head.authority.len, 0);
    assert_false(head.may_persist);
    assert_int_equal(
        parse(*state, "GET / HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n", &head),
        FAULT_NONE);
    assert_true(head.may_persist);
    assert_int_equal(parse(*state, "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", &head),
                     FAULT_NONE);
    assert_false(head.may_persist);
    assert_int_equal(parse(*state, "GET / HTTP/1.0\r\nExpect: x\r\nUpgrade: y\r\n"
                                   "Connection: upgrade\r\n\r\n", &head), FAULT_NONE);
    assert_false(head.expects_continue);
    assert_int_equal(head.upgrade.len, 0);
}

/* fields, persists, upgrade */
static void connection_options_are_facts(void **state)
{
    static const struct { const char *fields; bool may_persist; const char *upgrade; } rows[] = {
        { "", true, "" },
        { "Connection: close\r\n", false, "" },
        { "Connection: keep-alive\r\n", true, "" },
        { "Connection: foo, CLOSE\r\n", false, "" },
        { "Connection: foo\r\nConnection: ,close ,\r\n", false, "" },
        { "Connection: closed\r\n", true, "" },
        { "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n", true, "websocket" },
        { "Upgrade: websocket\r\n", true, "" },
        { "Connection: upgrade\r\n", true, "" },
        { "Connection: upgrade\r\nUpgrade: a\r\nUpgrade: b\r\n", true, "a, b" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct head head;
        struct text bytes =
            arena_format(*state, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", rows[i].fields);
        check_fault(h1_parse_request(bytes, &limits, *state, &head), FAULT_NONE, rows[i].fields);
        CHECK_CASE(head.may_persist == rows[i].may_persist, rows[i].fields);
        CHECK_CASE(text_is_equal(head.upgrade, text_from(rows[i].upgrade)), rows[i].fields);
    }
}

static void expectations_need_a_body(void **state)
{
    struct head head;

    assert_int_equal(parse(*state, "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n"
                                   "Content-Length: 1\r\n\r\n", &head), FAULT_NONE);
    assert_true(head.expects_continue);
    assert_int_equal(parse(*state, "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                                   "Transfer-Encoding: chunked\r\n\r\n", &head), FAULT_NONE);
    assert_true(head.expects_continue);
    assert_int_equal(
        parse(*state, "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", &head),
        FAULT_NONE);
    assert_false(head.expects_continue);
}

/* ---- requests: what is refused ---- */

struct refusal {
    const char *bytes;
    int         fault;
};

static void check_refusals(struct arena *arena, const char *form, const struct refusal *rows,
                           size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct head   head;
        struct writer {
            char   bytes[512];
            size_t len;
        } whole = { .len = 0 };
        const char *mark = strchr(form, '@');
        whole.len = (size_t)snprintf(whole.bytes, sizeof(whole.bytes), "%.*s%s%s",
                                     (int)(mark - form), form, rows[i].bytes, mark + 1);
        check_fault(h1_parse_request(text_of(whole.bytes, whole.len), &limits, arena, &head),
                    rows[i].fault, rows[i].bytes);
    }
}

static void bad_request_lines_are_refused(void **state)
{
    static const struct refusal rows[] = {
        { "GET / HTTP/1.1", FAULT_NONE },
        { "", FAULT_BAD_LINE }, { "GET", FAULT_BAD_LINE }, { "GET /", FAULT_BAD_LINE },
        { "GET / ", FAULT_BAD_LINE }, { "GET  / HTTP/1.1", FAULT_BAD_LINE },
        { "GET /  HTTP/1.1", FAULT_BAD_LINE }, { "GET / HTTP/1.1 ", FAULT_BAD_LINE },
        { "GET / a HTTP/1.1", FAULT_BAD_LINE }, { "GET / http/1.1", FAULT_BAD_LINE },
        { "GET / HTTP/1.10", FAULT_BAD_LINE }, { "GET / HTTP/1,1", FAULT_BAD_LINE },
        { "GET / HTTP/1.", FAULT_BAD_LINE }, { "GET / HTTP/11", FAULT_BAD_LINE },
        { "GET / HTTP/0.9", FAULT_BAD_LINE }, { "GET / HTTP/1.2", FAULT_BAD_LINE },
        { "GET / HTTP/1.9", FAULT_BAD_LINE }, { "GET / HTTP/1.x", FAULT_BAD_LINE },
        { "GET / HTTP/2.0", FAULT_BAD_VERSION }, { "PRI * HTTP/2.0", FAULT_BAD_VERSION },
        { "GET / HTTP/9.9", FAULT_BAD_VERSION }, { "GET / HTTPS/1.1", FAULT_BAD_LINE },
        { " GET / HTTP/1.1", FAULT_BAD_METHOD }, { "GET\t/ HTTP/1.1", FAULT_BAD_METHOD },
        { "G@T / HTTP/1.1", FAULT_BAD_METHOD }, { "G:T / HTTP/1.1", FAULT_BAD_METHOD },
        { "G\xc3T / HTTP/1.1", FAULT_BAD_METHOD }, { "GET /\tHTTP/1.1", FAULT_BAD_LINE },
        { "GET /\ta HTTP/1.1", FAULT_BAD_TARGET }, { "GET /#a HTTP/1.1", FAULT_BAD_TARGET },
        { "GET a HTTP/1.1", FAULT_BAD_TARGET }, { "GET * HTTP/1.1", FAULT_BAD_TARGET },
        { "OPTIONS ** HTTP/1.1", FAULT_BAD_TARGET }, { "GET ?a HTTP/1.1", FAULT_BAD_TARGET },
        { "GET ftp://a/ HTTP/1.1", FAULT_BAD_TARGET }, { "GET http:/a HTTP/1.1", FAULT_BAD_TARGET },
        { "GET http:///a HTTP/1.1", FAULT_BAD_TARGET }, { "GET //a HTTP/1.1", FAULT_NONE },
        { "GET http://u@a/ HTTP/1.1", FAULT_BAD_HOST }, { "GET http://a:x/ HTTP/1.1", FAULT_BAD_HOST },
        { "GET a:80 HTTP/1.1", FAULT_BAD_TARGET }, { "CONNECT / HTTP/1.1", FAULT_BAD_TARGET },
        { "CONNECT a HTTP/1.1", FAULT_BAD_TARGET }, { "CONNECT a: HTTP/1.1", FAULT_BAD_TARGET },
        { "CONNECT http://a:1/ HTTP/1.1", FAULT_BAD_TARGET },
    };

    check_refusals(*state, "@\r\nHost: a\r\n\r\n", rows, COUNT_OF(rows));
}

static void bad_field_lines_are_refused(void **state)
{
    static const struct refusal rows[] = {
        { "A: b", FAULT_NONE }, { "A:", FAULT_NONE }, { "A: \xc3\xa4\tb", FAULT_NONE },
        { "A : b", FAULT_BAD_FIELD }, { "A\t: b", FAULT_BAD_FIELD }, { ": b", FAULT_BAD_FIELD },
        { "A", FAULT_BAD_FIELD }, { "A b: c", FAULT_BAD_FIELD }, { " A: b", FAULT_BAD_FIELD },
        { "\tA: b", FAULT_BAD_FIELD }, { "A: b\r\n c", FAULT_BAD_FIELD },
        { "A: b\r\n\tc: d", FAULT_BAD_FIELD }, { "A: b\r\n ", FAULT_BAD_FIELD },
        { "A: b\nC: d", FAULT_BAD_FIELD }, { "A: b\rC: d", FAULT_BAD_FIELD },
        { "A: \x01", FAULT_BAD_FIELD }, { "A: \x7f", FAULT_BAD_FIELD }, { "A: \v", FAULT_BAD_FIELD },
        { "A(: b", FAULT_BAD_FIELD }, { "\xc3\xa4: b", FAULT_BAD_FIELD },
        { "A\x01: b", FAULT_BAD_FIELD }, { "A=b", FAULT_BAD_FIELD }, { "\"A\": b", FAULT_BAD_FIELD },
        { "X!#$%&'*+-.^_`|~9: b", FAULT_NONE },
    };
    struct head head;

    check_refusals(*state, "GET / HTTP/1.1\r\nHost: a\r\n@\r\n\r\n", rows, COUNT_OF(rows));
    assert_int_equal(h1_parse_request(TEXT("GET / HTTP/1.1\r\nHost: a\r\nB: \0\r\n\r\n"), &limits,
                                      *state, &head), FAULT_BAD_FIELD);
    assert_int_equal(parse(*state, "GET / HTTP/1.1\r\nHost: a\r\n", &head), FAULT_BAD_FIELD);
    assert_int_equal(parse(*state, "GET / HTTP/1.1\r\nHost: a", &head), FAULT_BAD_FIELD);
    assert_int_equal(parse(*state, "GET / HTTP/1.1\r\nHost", &head), FAULT_BAD_FIELD);
    assert_int_equal(parse(*state, "GET / HTTP/1.1\r\nHost: a\r\n\r\nX", &head), FAULT_BAD_FIELD);
    assert_int_equal(parse(*state, "GET / HTTP/1.1\r\nHost: a\r\n\r", &head), FAULT_BAD_FIELD);
    assert_int_equal(parse(*state, "GET / HTTP/1.1", &head), FAULT_BAD_LINE);
    assert_int_equal(parse(*state, "GET / HTTP/1.1\nHost: a\r\n\r\n", &head), FAULT_BAD_LINE);
}

static void hosts_must_be_one_and_valid(void **state)
{
    static const struct refusal rows[] = {
        { "Host: a\r\n", FAULT_NONE }, { "", FAULT_NO_HOST }, { "Hostt: a\r\n", FAULT_NO_HOST },
        { "Host: a\r\nHost: a\r\n", FAULT_TWO_HOSTS }, { "Host: a\r\nhost: b\r\n", FAULT_TWO_HOSTS },
        { "Host:\r\n", FAULT_BAD_HOST }, { "Host: a?x\r\n", FAULT_BAD_HOST },
        { "Host: u@a\r\n", FAULT_BAD_HOST }, { "Host: [zz]\r\n", FAULT_BAD_HOST },
        { "Host: a:65536\r\n", FAULT_BAD_HOST }, { "Host: a, b\r\n", FAULT_BAD_HOST },
        { "Host: a/b\r\n", FAULT_BAD_HOST }, { "Host: [::1]:65535\r\n", FAULT_NONE },
    };
    static const struct refusal old_rows[] = {
        { "", FAULT_NONE }, { "Host: a\r\nHost: a\r\n", FAULT_TWO_HOSTS },
        { "Host: a b\r\n", FAULT_BAD_HOST },
    };

    check_refusals(*state, "GET / HTTP/1.1\r\n@\r\n", rows, COUNT_OF(rows));
    check_refusals(*state, "GET / HTTP/1.0\r\n@\r\n", old_rows, COUNT_OF(old_rows));
    check_refusals(*state, "GET http://x/ HTTP/1.1\r\n@\r\n", rows, COUNT_OF(rows));
}

static void lengths_must_be_one_and_decimal(void **state)
{
    static const struct refusal rows[] = {
        { "Content-Length: 0", FAULT_NONE }, { "Content-Length: 9223372036854775807", FAULT_NONE },
        { "content-length: \t5 ", FAULT_NONE }, { "Content-Length:", FAULT_BAD_LENGTH },
        { "Content-Length: +5", FAULT_BAD_LENGTH }, { "Content-Length: -1", FAULT_BAD_LENGTH },
        { "Content-Length: 0x5", FAULT_BAD_LENGTH }, { "Content-Length: 5,5", FAULT_BAD_LENGTH },
        { "Content-Length: 5, 6", FAULT_BAD_LENGTH }, { "Content-Length: 5 5", FAULT_BAD_LENGTH },
        { "Content-Length: 9223372036854775808", FAULT_BAD_LENGTH },
        { "Content-Length: 18446744073709551616", FAULT_BAD_LENGTH },
        { "Content-Length: 00000000000000000005", FAULT_BAD_LENGTH },
        { "Content-Length: 5\r\nContent-Length: 5", FAULT_BAD_LENGTH },
        { "Content-Length: 5\r\nContent-Length: 6", FAULT_BAD_LENGTH },
        { "Content-Length: \xa0" "5", FAULT_BAD_LENGTH }, { "Content-Length: 5;", FAULT_BAD_LENGTH },
        { "Content_Length: x", FAULT_NONE },
    };

    check_refusals(*state, "GET / HTTP/1.1\r\nHost: a\r\n@\r\n\r\n", rows, COUNT_OF(rows));
}

static void codings_must_be_one_chunked(void **state)
{
    static const struct refusal rows[] = {
        { "Transfer-Encoding: chunked", FAULT_NONE }, { "Transfer-Encoding: Chunked", FAULT_NONE },
        { "Transfer-Encoding: , chunked ,", FAULT_NONE },
        { "Transfer-Encoding:\r\nTransfer-Encoding: chunked", FAULT_NONE },
        { "Transfer-Encoding:", FAULT_BAD_CODING }, { "Transfer-Encoding: ,", FAULT_BAD_CODING },
        { "Transfer-Encoding: chunked, chunked", FAULT_BAD_CODING },
        { "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", FAULT_BAD_CODING },
        { "Transfer-Encoding: chunked;a=b", FAULT_BAD_CODING },
        { "Transfer-Encoding: chun ked", FAULT_BAD_CODING },
        { "Transfer-Encoding: \"chunked\"", FAULT_BAD_CODING },
        { "Transfer-Encoding: chunked\xa0", FAULT_BAD_CODING },
        { "Transfer-Encoding: \xc5\xbf", FAULT_BAD_CODING },
        { "Transfer-Encoding: xchunked", FAULT_UNKNOWN_CODING },
        { "Transfer-Encoding: identity", FAULT_UNKNOWN_CODING },
        { "Transfer-Encoding: gzip, chunked", FAULT_UNKNOWN_CODING },
        { "Transfer-Encoding: chunked, gzip", FAULT_UNKNOWN_CODING },
        { "Transfer-Encoding: gzip;q=\",\", chunked", FAULT_UNKNOWN_CODING },
        { "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", FAULT_UNKNOWN_CODING },
        { "Transfer-Encoding: chunked\r\nContent-Length: 5", FAULT_TWO_FRAMINGS },
        { "Content-Length: 5\r\nTransfer-Encoding: gzip", FAULT_TWO_FRAMINGS },
        { "Content-Length: 5\r\ntransfer-encoding:", FAULT_TWO_FRAMINGS },
    };
    static const struct refusal old_rows[] = {
        { "Transfer-Encoding: chunked", FAULT_BAD_CODING },
        { "Transfer-Encoding: chunked\r\nContent-Length: 5", FAULT_TWO_FRAMINGS },
    };
    struct head head;

    check_refusals(*state, "POST / HTTP/1.1\r\nHost: a\r\n@\r\n\r\n", rows, COUNT_OF(rows));
    check_refusals(*state, "POST / HTTP/1.0\r\n@\r\n\r\n", old_rows, COUNT_OF(old_rows));
    assert_int_equal(
        parse(*state, "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", &head), 0);
    assert_int_equal(head.body, BODY_CHUNKED);
}

static void expectations_must_be_known(void **state)
{
    static const struct refusal rows[] = {
        { "Expect: 100-continue", FAULT_NONE }, { "Expect: 200-maybe", FAULT_BAD_EXPECT },
        { "Expect: 100-continue, x", FAULT_BAD_EXPECT },
        { "Expect: 100-continue\r\nExpect: x", FAULT_BAD_EXPECT },
        { "Expect: 100-continue=1", FAULT_BAD_EXPECT },
    };

    check_refusals(*state, "PUT / HTTP/1.1\r\nHost: a\r\n@\r\n\r\n", rows, COUNT_OF(rows));
}

static void too_many_fields_are_refused(void **state)
{
    struct head_limits few = limits;
    struct head      head;
    struct text      bytes = TEXT("GET / HTTP/1.1\r\nHost: a\r\nB: c\r\nD: efgh\r\n\r\n");

    few.fields = 3;
    few.field_bytes = 7;
    assert_int_equal(h1_parse_request(bytes, &few, *state, &head), FAULT_NONE);
    few.fields = 2;
    assert_int_equal(h1_parse_request(bytes, &few, *state, &head), FAULT_HEAD_TOO_LARGE);
    few.fields = 3;
    few.field_bytes = 6;
    assert_int_equal(h1_parse_request(bytes, &few, *state, &head), FAULT_HEAD_TOO_LARGE);
}

/* ---- responses ---- */

static int parse_answer(struct arena *arena, const char *bytes, enum method asked,
                        struct head *head)
{
    return h1_parse_response(text_from(bytes), &limits, asked, arena, head);
}

static void a_response_is_taken_apart(void **state)
{
    struct head head;

    assert_int_equal(parse_answer(*state, "HTTP/1.1 404 Not  Found\xe4\r\nContent-Length: 3\r\n\r\n",
                                  METHOD_GET, &head), FAULT_NONE);
    assert_int_equal(head.status, 404);
    CHECK_TEXT(head.reason, "Not  Found\xe4");
    assert_int_equal(head.body, BODY_SIZED);
    assert_int_equal(head.length, 3);
    assert_true(head.may_persist);
    assert_int_equal(parse_answer(*state, "HTTP/1.0 200\r\n\r\n", METHOD_GET, &head), FAULT_NONE);
    assert_int_equal(head.version, 10);
    assert_int_equal(head.reason.len, 0);
    assert_non_null(head.reason.ptr);
    assert_int_equal(head.body, BODY_UNTIL_CLOSE);
    assert_false(head.may_persist);
}

/* status line and fields, method asked, body, length */
static void response_bodies_are_framed(void **state)
{
    static const struct {
        const char    *bytes;
        enum method    asked;
        enum body_kind body;
        uint64_t       length;
        bool           may_persist;
    } rows[] = {
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", METHOD_GET, BODY_SIZED, 5, true },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", METHOD_GET, BODY_CHUNKED, 0, true },
        { "HTTP/1.1 200 OK\r\n", METHOD_GET, BODY_UNTIL_CLOSE, 0, false },
        { "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n", METHOD_GET, BODY_UNTIL_CLOSE, 0, false },
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", METHOD_HEAD, BODY_NONE, 5, true },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", METHOD_HEAD, BODY_NONE, 0, true },
        { "HTTP/1.1 200 OK\r\n", METHOD_HEAD, BODY_NONE, 0, true },
        { "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n", METHOD_GET, BODY_NONE, 7, true },
        { "HTTP/1.1 204 No Content\r\n", METHOD_GET, BODY_NONE, 0, true },
        { "HTTP/1.1 100 Continue\r\n", METHOD_GET, BODY_NONE, 0, true },
        { "HTTP/1.1 103 Early Hints\r\nLink: a\r\n", METHOD_GET, BODY_NONE, 0, true },
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", METHOD_CONNECT, BODY_NONE, 0, true },
        { "HTTP/1.1 407 No\r\nContent-Length: 5\r\n", METHOD_CONNECT, BODY_SIZED, 5, true },
        { "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n", METHOD_GET, BODY_SIZED,
          5, false },
        { "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n", METHOD_GET, BODY_SIZED, 5, false },
        { "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n", METHOD_GET,
          BODY_SIZED, 5, true },
        { "HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n", METHOD_GET, BODY_SIZED, 0, true },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct head head;
        struct text bytes = arena_format(*state, "%s\r\n", rows[i].bytes);
        check_fault(h1_parse_response(bytes, &limits, rows[i].asked, *state, &head), FAULT_NONE,
                    rows[i].bytes);
        CHECK_CASE(head.body == rows[i].body, rows[i].bytes);
        CHECK_CASE(head.length == rows[i].length, rows[i].bytes);
        CHECK_CASE(head.may_persist == rows[i].may_persist, rows[i].bytes);
    }
}

static void bad_responses_are_refused(void **state)
{
    static const char *const rows[] = {
        "", "HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 20", "HTTP/1.1 20x", "HTTP/1.1  200",
        "HTTP/1.1 2000", "HTTP/1.1 099 x", "HTTP/1.1 200OK", "HTTP/1.1\t200 OK", "HTTP/1.1 200\tOK",
        "HTTP/2.0 200 OK", "HTTP/1.2 200 OK", "HTTP/0.9 200 OK", "http/1.1 200 OK", "ICY 200 OK",
        "<html>", " HTTP/1.1 200 OK", "HTTP/1.1 200 O\x01K", "HTTP/1.1 -20 OK",
        "HTTP/1.1 200 OK\r\nA : b", "HTTP/1.1 200 OK\r\nA", "HTTP/1.1 200 OK\r\n A: b",
        "HTTP/1.1 200 OK\r\nA: b\r\n \x01", "HTTP/1.1 200 OK\r\nA: b\x01", "HTTP/1.1 200 OK\nA: b",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5",
        "HTTP/1.1 200 OK\r\nContent-Length: 5, 5", "HTTP/1.1 200 OK\r\nContent-Length: x",
        "HTTP/1.1 304 OK\r\nContent-Length: x",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity", "HTTP/1.1 200 OK\r\nTransfer-Encoding:",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n 0",
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct head head;
        struct text bytes = arena_format(*state, "%s\r\n\r\n", rows[i]);
        check_fault(h1_parse_response(bytes, &limits, METHOD_GET, *state, &head),
                    FAULT_BAD_RESPONSE, rows[i]);
    }
}

static void folded_response_fields_become_one_line(void **state)
{
    struct head head;

    assert_int_equal(parse_answer(*state, "HTTP/1.1 200 OK\r\nA: b\r\n  c  \r\n\td\r\nE:\r\n f\r\n"
                                          "G: h\r\n \r\n\r\n", METHOD_HEAD, &head), FAULT_NONE);
    CHECK_TEXT(fields_find_name(&head.fields, TEXT("A"))->value, "b c d");
    CHECK_TEXT(fields_find_name(&head.fields, TEXT("E"))->value, "f");
    CHECK_TEXT(fields_find_name(&head.fields, TEXT("G"))->value, "h");
}

static void too_large_responses_have_their_own_fault(void **state)
{
    struct head_limits few = limits;
    struct head      head;

    few.fields = 1;
    check_fault(h1_parse_response(TEXT("HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n\r\n"), &few, METHOD_GET,
                                  *state, &head), FAULT_RESPONSE_LARGE, "two fields");
}

/* ---- trailers ---- */

static void trailers_keep_what_may_come_late(void **state)
{
    struct fields fields;
    unsigned      left = 0;

    assert_int_equal(h1_parse_trailers(TEXT("ETag: 1\r\nX-Sum: 2\r\nHost: a\r\nContent-Length: 3\r\n"
                                            "Transfer-Encoding: x\r\nAuthorization: y\r\nTE: z\r\n"
                                            "Cookie: a\r\nSet-Cookie: b\r\nContent-Type: c\r\n"
                                            "X-Forwarded-For: d\r\nX-Accel-Redirect: /e\r\n\r\n"),
                                       &limits, *state, &fields), FAULT_NONE);
    FIELDS_EACH(&fields, field)
        left++;
    assert_int_equal(left, 2);
    CHECK_TEXT(fields_value(&fields, FIELD_ETAG), "1");
    assert_int_equal(h1_parse_trailers(TEXT("\r\n"), &limits, *state, &fields), FAULT_NONE);
    assert_int_equal(fields.count, 0);
    assert_int_equal(h1_parse_trailers(TEXT("A: b\r\n c\r\n\r\n"), &limits, *state, &fields),
                     FAULT_BAD_FIELD);
    assert_int_equal(h1_parse_trailers(TEXT("GET / HTTP/1.1\r\n\r\n"), &limits, *state, &fields),
                     FAULT_BAD_FIELD);
}

/* ---- the line of a head that was refused ---- */

static void a_lone_line_gives_what_it_has(void **state)
{
    struct arena *arena = *state;
    struct head   head;

    head_init(&head, arena, 0);
    h1_parse_request_line(TEXT("HEAD /a?b HTTP/1.0"), arena, &head);
    assert_int_equal(head.method, METHOD_HEAD);
    assert_int_equal(head.version, 10);
    CHECK_CASE(text_is_equal(head.path, TEXT("/a?b")), "path");
    head_init(&head, arena, 0);
    h1_parse_request_line(TEXT(""), arena, &head);
    assert_int_equal(head.method_name.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scan_finds_the_empty_line),
        cmocka_unit_test(scan_stops_at_the_first_bad_byte),
        cmocka_unit_test(scan_keeps_to_its_limits),
        cmocka_unit_test(trailers_may_be_the_empty_line_alone),
        WITH_ARENA(a_request_is_taken_apart),
        WITH_ARENA(a_lone_line_gives_what_it_has),
        WITH_ARENA(target_forms_give_authority_and_path),
        WITH_ARENA(http_1_0_needs_no_host_and_closes),
        WITH_ARENA(connection_options_are_facts),
        WITH_ARENA(expectations_need_a_body),
        WITH_ARENA(bad_request_lines_are_refused),
        WITH_ARENA(bad_field_lines_are_refused),
        WITH_ARENA(hosts_must_be_one_and_valid),
        WITH_ARENA(lengths_must_be_one_and_decimal),
        WITH_ARENA(codings_must_be_one_chunked),
        WITH_ARENA(expectations_must_be_known),
        WITH_ARENA(too_many_fields_are_refused),
        WITH_ARENA(a_response_is_taken_apart),
        WITH_ARENA(response_bodies_are_framed),
        WITH_ARENA(bad_responses_are_refused),
        WITH_ARENA(folded_response_fields_become_one_line),
        WITH_ARENA(too_large_responses_have_their_own_fault),
        WITH_ARENA(trailers_keep_what_may_come_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
