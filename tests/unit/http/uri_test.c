// SPDX-License-Identifier: MIT
/* uri: normalising and escaping as nginx does them, hosts as RFC 3986 has them.
 *
 * The tables of normalise and escape were recorded from nginx 1.22.1: `return 200 $uri` with
 * merge_slashes on and off, and the request line that `proxy_pass http://host/` sends. */
#include "base/unit.h"

#include <errno.h>
#include <string.h>

#include "http/uri.h"

/* path, $uri with merge_slashes on, off; NULL: 400 */
static const struct { const char *path, *merged, *kept; } normal_forms[] = {
    { "/", "/", "/" },
    { "/a", "/a", "/a" },
    { "/a/", "/a/", "/a/" },
    { "/a/b", "/a/b", "/a/b" },
    { "//", "/", "//" },
    { "///a//b///", "/a/b/", "///a//b///" },
    { "/./a", "/a", "/a" },
    { "/a/.", "/a/", "/a/" },
    { "/a/./", "/a/", "/a/" },
    { "/a/..", "/", "/" },
    { "/a/../", "/", "/" },
    { "/a/b/../c", "/a/c", "/a/c" },
    { "/a/b/..", "/a/", "/a/" },
    { "/..", NULL, NULL },
    { "/../a", NULL, NULL },
    { "/a/../..", NULL, NULL },
    { "/a/../../b", NULL, NULL },
    { "/a/...", "/a/...", "/a/..." },
    { "/.../a", "/.../a", "/.../a" },
    { "/.a", "/.a", "/.a" },
    { "/..a", "/..a", "/..a" },
    { "/a/.b/..c", "/a/.b/..c", "/a/.b/..c" },
    { "/a/..%2f", "/", "/" },
    { "/a%2fb", "/a/b", "/a/b" },
    { "/a%2Fb", "/a/b", "/a/b" },
    { "/%2e", "/", "/" },
    { "/%2e/a", "/a", "/a" },
    { "/a/%2e%2e/b", "/b", "/b" },
    { "/a/.%2e/b", "/b", "/b" },
    { "/a/%2E./b", "/b", "/b" },
    { "/%2e%2e/a", NULL, NULL },
    { "/a/%2e%2e%2fb", "/b", "/b" },
    { "/a%2f%2e%2e%2fb", "/b", "/b" },
    { "/%25", "/%", "/%" },
    { "/%2525", "/%25", "/%25" },
    { "/%23", "/#", "/#" },
    { "/%3f", "/?", "/?" },
    { "/%3F", "/?", "/?" },
    { "/a%3fb/..", "/", "/" },
    { "/%", NULL, NULL },
    { "/%2", NULL, NULL },
    { "/%zz", NULL, NULL },
    { "/%2g", NULL, NULL },
    { "/a%00b", NULL, NULL },
    { "/%41%62", "/Ab", "/Ab" },
    { "/%20", "/ ", "/ " },
    { "/%0a%0d", "/\n\r", "/\n\r" },
    { "/%7f%80%ff", "/\x7f\x80\xff", "/\x7f\x80\xff" },
    { "/a\\b", "/a\\b", "/a\\b" },
    { "/a;b/c", "/a;b/c", "/a;b/c" },
    { "/a+b", "/a+b", "/a+b" },
    { "/%2b", "/+", "/+" },
    { "//a", "/a", "//a" },
    { "/a//../b", "/b", "/a/b" },
    { "/a///../b", "/b", "/a//b" },
    { "/a/b//../../c", "/c", "/a/c" },
    { "/%2f%2f", "/", "///" },
    { "/%2f/a", "/a", "///a" },
    { "/./", "/", "/" },
    { "/.", "/", "/" },
    { "/.%2f", "/", "/" },
    { "/a/.%2f..", "/", "/" },
    { "/a/b/..%2f..", "/", "/" },
    { "/a/%2e%2e", "/", "/" },
    { "/%252e%252e/a", "/%2e%2e/a", "/%2e%2e/a" },
    { "/\xc3\xa4", "/\xc3\xa4", "/\xc3\xa4" },
    { "/%c3%a4", "/\xc3\xa4", "/\xc3\xa4" },
    { "/a/..b/../c", "/a/c", "/a/c" },
    { "/a/%25../b", "/a/%../b", "/a/%../b" },
    { "/a/%23/../b", "/a/b", "/a/b" },
    { "/%3f/../b", "/b", "/b" },
    { "/a/.../..", "/a/", "/a/" },
    { "/a/..%00", NULL, NULL },
    { "/a/..?x", "/", "/" },
    { "/a/./?x", "/a/", "/a/" },
    { "/a#b", "/a", "/a" },
    { "/a/..#b", "/", "/" },
    { "/a%2e", "/a.", "/a." },
    { "/a%2e%2e/b", "/a../b", "/a../b" },
    { "/a/%2e", "/a/", "/a/" },
    { "/a/b%2f..%2fc", "/a/c", "/a/c" },
    { "/%2e%2e", NULL, NULL },
    { "", NULL, NULL },
    { "a", NULL, NULL },
    { "*", NULL, NULL },
    { "%2fa", NULL, NULL },
};

static void check_normal_form(struct arena *arena, const char *path, bool may_merge,
                              const char *wanted)
{
    struct text result;
    int         rc = uri_normalise(arena, text_from(path), may_merge, &result);

    if (wanted == NULL) {
        CHECK_CASE(rc == -EINVAL, path);
        return;
    }
    CHECK_CASE(rc == 0, path);
    if (!text_is_equal(result, text_from(wanted)))
        fail_msg("%s gives \"%.*s\", wanted \"%s\"", path, TEXT_ARGS(result), wanted);
}

static void normal_forms_are_those_of_nginx(void **state)
{
    for (size_t i = 0; i < COUNT_OF(normal_forms); i++) {
        check_normal_form(*state, normal_forms[i].path, true, normal_forms[i].merged);
        check_normal_form(*state, normal_forms[i].path, false, normal_forms[i].kept);
    }
}

static void a_normal_path_is_not_copied(void **state)
{
    static const char *const paths[] = { "/", "/a/b.c/d", "/.well-known/x", "/a/..b", "/a~;b@c" };

    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct text result;
        assert_int_equal(uri_normalise(*state, text_from(paths[i]), true, &result), 0);
        CHECK_CASE(result.ptr == paths[i], paths[i]);
    }
}

static void paths_are_escaped_as_nginx_escapes_them(void **state)
{
    static const char escaped[] = " \"#%<>?\\^`{|}";

    for (int c = 0; c < 256; c++) {
        char        path[3] = { '/', (char)c, 'y' }, wanted[8];
        bool        is_escaped = c < 0x20 || c >= 0x7f || strchr(escaped, c) != NULL;
        struct text result = uri_escape_path(*state, text_of(path, 3));
        int         len = is_escaped ? snprintf(wanted, sizeof(wanted), "/%%%02Xy", (unsigned)c)
                                     : snprintf(wanted, sizeof(wanted), "/%cy", c);
        assert_true(text_is_equal(result, text_of(wanted, (size_t)len)));
    }
}

static void splitting_tells_an_empty_query_from_none(void **state)
{
    struct uri_parts parts = uri_split(TEXT("/a?b?c"));

    (void)state;
    CHECK_TEXT(parts.path, "/a");
    CHECK_TEXT(parts.query, "b?c");
    assert_true(parts.has_query);
    parts = uri_split(TEXT("/a?"));
    CHECK_TEXT(parts.path, "/a");
    CHECK_TEXT(parts.query, "");
    assert_true(parts.has_query);
    parts = uri_split(TEXT("/a"));
    CHECK_TEXT(parts.path, "/a");
    CHECK_TEXT(parts.query, "");
    assert_false(parts.has_query);
}

/* query, what nginx's $arg_a says; NULL: nothing */
static void arguments_are_found_as_nginx_finds_them(void **state)
{
    static const struct { const char *query, *value; } rows[] = {
        { "a=1", "1" }, { "A=1", "1" }, { "b=2&a=3", "3" }, { "a", NULL }, { "a=", "" },
        { "a=1&a=2", "1" }, { "xa=1", NULL }, { "&a=1&", "1" }, { "a=b=c", "b=c" },
        { "a%3d=1", NULL }, { "a&a=2", "2" }, { "%61=1", NULL }, { "b=a=4", NULL },
        { "b;a=4", NULL }, { "", NULL },
    };

    (void)state;
    assert_false(uri_arg(TEXT("=1"), TEXT(""), &(struct text){ 0 }));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct text value = TEXT_NONE;
        bool        was_found = uri_arg(text_from(rows[i].query), TEXT("a"), &value);
        CHECK_CASE(was_found == (rows[i].value != NULL), rows[i].query);
        CHECK_CASE(!was_found || text_is_equal(value, text_from(rows[i].value)), rows[i].query);
    }
}

/* authority, host (NULL: refused), port */
static void hosts_follow_rfc_3986(void **state)
{
    static const struct { const char *authority, *host; int port; } rows[] = {
        { "example.com", "example.com", -1 }, { "EXAMPLE.com:80", "EXAMPLE.com", 80 },
        { "a:", "a", -1 }, { "a:0", "a", 0 }, { "a:65535", "a", 65535 }, { "a:65536", NULL, 0 },
        { "a:00080", "a", 80 }, { "a:000080", NULL, 0 }, { "a:99999999999", NULL, 0 },
        { "a:8x", NULL, 0 }, { "a:-1", NULL, 0 }, { "a:+1", NULL, 0 }, { "a:80:80", NULL, 0 },
        { "127.0.0.1:8080", "127.0.0.1", 8080 }, { "[::1]", "[::1]", -1 },
        { "[2001:db8::1]:443", "[2001:db8::1]", 443 }, { "[::ffff:1.2.3.4]", "[::ffff:1.2.3.4]", -1 },
        { "[::1]x", NULL, 0 }, { "[::1", NULL, 0 }, { "[zz]", NULL, 0 }, { "[]", NULL, 0 },
        { "[1.2.3.4]", NULL, 0 }, { "[fe80::1%25eth0]", NULL, 0 }, { "[v1.a]", NULL, 0 },
        { "::1", NULL, 0 }, { "", NULL, 0 }, { ":80", NULL, 0 }, { "a?x", NULL, 0 },
        { "u@a", NULL, 0 }, { "a/b", NULL, 0 }, { "a b", NULL, 0 }, { "a#b", NULL, 0 },
        { "a\\b", NULL, 0 }, { "a_b!$&'()*+,;=~", "a_b!$&'()*+,;=~", -1 }, { "a%41b", "a%41b", -1 },
        { "a%4", NULL, 0 }, { "a%zz", NULL, 0 }, { "a%", NULL, 0 }, { "\xc3\xa4", NULL, 0 },
        { "a,b", "a,b", -1 }, { "a\"b", NULL, 0 }, { "<a>", NULL, 0 }, { "a]", NULL, 0 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct text host = TEXT_NONE;
        int         port = 0, rc = uri_host_parse(text_from(rows[i].authority), &host, &port);
        CHECK_CASE(rc == (rows[i].host == NULL ? -EINVAL : 0), rows[i].authority);
        CHECK_CASE(text_is_equal(host, text_from(rows[i].host)), rows[i].authority);
        CHECK_CASE(port == rows[i].port, rows[i].authority);
    }
    assert_int_equal(uri_host_parse(TEXT("[::1\0]"), &(struct text){ 0 }, &(int){ 0 }), -EINVAL);
}

static void urls_are_taken_apart(void **state)
{
    struct uri_url url;

    (void)state;
    assert_int_equal(uri_url_parse(TEXT("http://a:80/b?c"), &url), 0);
    CHECK_TEXT(url.scheme, "http");
    CHECK_TEXT(url.authority, "a:80");
    CHECK_TEXT(url.rest, "/b?c");
    assert_int_equal(uri_url_parse(TEXT("x-1.2+3://a?c"), &url), 0);
    CHECK_TEXT(url.authority, "a");
    CHECK_TEXT(url.rest, "?c");
    assert_int_equal(uri_url_parse(TEXT("HTTPS://[::1]"), &url), 0);
    CHECK_TEXT(url.rest, "");
    static const char *const refused[] = { "", "/a", "a", "http:/a", "http:a", "://a", "http://",
                                           "http:///a", "1http://a", "ht tp://a", "http//a:b" };
    for (size_t i = 0; i < COUNT_OF(refused); i++)
        CHECK_CASE(uri_url_parse(text_from(refused[i]), &url) == -EINVAL, refused[i]);
}

static void targets_have_no_control_space_or_fragment(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char byte = (char)c;
        bool is_fine = c > 0x20 && c != 0x7f && c != '#';
        assert_int_equal(uri_target_is_valid(text_of(&byte, 1)), is_fine);
    }
    assert_false(uri_target_is_valid(TEXT("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(normal_forms_are_those_of_nginx),
        WITH_ARENA(a_normal_path_is_not_copied),
        WITH_ARENA(paths_are_escaped_as_nginx_escapes_them),
        cmocka_unit_test(splitting_tells_an_empty_query_from_none),
        cmocka_unit_test(arguments_are_found_as_nginx_finds_them),
        cmocka_unit_test(hosts_follow_rfc_3986),
        cmocka_unit_test(urls_are_taken_apart),
        cmocka_unit_test(targets_have_no_control_space_or_fragment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
