// SPDX-License-Identifier: MIT
/* cache_key: under which text an answer is stored, and what another path of the same origin is called. */
#include "proxy/cache_key.h"

#include "desk.h"

static void the_key_is_what_was_asked_for(void **state)
{
    (void)state;
    desk_request("GET /a/../b%20c?x=1&y HTTP/1.1\r\nHost: site.example\r\n\r\n");
    CHECK_TEXT(cache_key_text(&desk->x), "http://site.example/a/../b%20c?x=1&y");
    CHECK_TEXT(cache_key_origin(&desk->x), "http://site.example");
    desk_request("GET / HTTP/1.1\r\nHost: site.example:80\r\n\r\n");
    CHECK_TEXT(cache_key_text(&desk->x), "http://site.example/");
    desk_request("GET /? HTTP/1.1\r\nHost: site.example:8080\r\n\r\n");
    CHECK_TEXT(cache_key_text(&desk->x), "http://site.example:8080/?");
    desk->x.has_asked_host = false;      /* HTTP/1.0 without Host: the server's name, which has no port */
    CHECK_TEXT(cache_key_text(&desk->x), "http://site.example/?");
}

/* An internal redirect asks for another path than the client did. */
static void the_key_after_an_internal_redirect(void **state)
{
    (void)state;
    desk_request("GET /a?x HTTP/1.1\r\nHost: site.example\r\n\r\n");
    desk->x.is_internal = true;
    desk->x.path = TEXT("/page");
    desk->x.query = TEXT_NONE;
    desk->x.has_query = false;
    CHECK_TEXT(cache_key_text(&desk->x), "http://site.example/page");
    desk->x.query = TEXT("q");
    desk->x.has_query = true;
    CHECK_TEXT(cache_key_text(&desk->x), "http://site.example/page?q");
}

static void proxy_cache_key_says_otherwise(void **state)
{
    (void)state;
    desk_request("GET /a?x=1 HTTP/1.1\r\nHost: site.example\r\nX-V: v\r\n\r\n");
    desk->location.proxy.cache.key = desk_template("$host|$uri|$args|$request_uri|$http_x_v");
    CHECK_TEXT(cache_key_text(&desk->x), "site.example|/a|x=1|/a?x=1|v");
    CHECK_TEXT(cache_key_text_of(&desk->x, TEXT("/b?y")), "site.example|/b|y|/b?y|v");
    CHECK_TEXT(cache_key_text_of(&desk->x, TEXT("/b")), "site.example|/b||/b|v");
    CHECK_TEXT(cache_key_text(&desk->x), "site.example|/a|x=1|/a?x=1|v");   /* as it was */
}

static void another_path_of_the_same_origin(void **state)
{
    (void)state;
    desk_request("GET /a?x HTTP/1.1\r\nHost: site.example:81\r\n\r\n");
    CHECK_TEXT(cache_key_text_of(&desk->x, TEXT("/b?y")), "http://site.example:81/b?y");
}

/* RFC 3986 5.2 to 5.4, of one origin. */
static void references_are_resolved(void **state)
{
    static const struct {
        const char *reference, *target;
    } cases[] = {
        { "/x", "/x" },
        { "/x/", "/x/" },
        { "/x/?q", "/x/?q" },
        { "g", "/b/c/g" },
        { "./g", "/b/c/g" },
        { "g/", "/b/c/g/" },
        { "g?y", "/b/c/g?y" },
        { "?y", "/b/c/d;p?y" },
        { "g#s", "/b/c/g" },
        { ".", "/b/c/" },
        { "./", "/b/c/" },
        { "..", "/b/" },
        { "../", "/b/" },
        { "../g", "/b/g" },
        { "../..", "/" },
        { "../../g", "/g" },
        { "../../../g", "/g" },
        { "/./g", "/g" },
        { "/../g", "/g" },
        { "g.", "/b/c/g." },
        { "..g", "/b/c/..g" },
        { "./g/.", "/b/c/g/" },
        { "g/../h", "/b/c/h" },
        { "/a//b", "/a//b" },
        { "g?y/../x", "/b/c/g?y/../x" },
        { "http://site.example/y", "/y" },
        { "HTTP://SITE.example:80/y", "/y" },
        { "http://site.example", "/" },
        { "http://site.example?q", "/?q" },
        { "//site.example/y?z", "/y?z" },
    };

    (void)state;
    desk_request("GET /b/c/d;p?q HTTP/1.1\r\nHost: site.example\r\n\r\n");
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        CHECK_TEXT(cache_key_target(&desk->x, text_from(cases[i].reference)), cases[i].target);
}

/* RFC 9111 4.4: what is of another origin is left alone. */
static void references_to_others_are_none(void **state)
{
    static const char *const others[] = { "", "#s", "http://other.example/", "//other.example/x",
                                          "https://site.example/", "http://site.example:81/x",
                                          "//site.example:81/x", "http://site.example.evil/" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(others); i++)
        if (cache_key_target(&desk->x, text_from(others[i])).ptr != NULL)
            fail_msg("\"%s\" is not of this origin", others[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DESK(the_key_is_what_was_asked_for),
        WITH_DESK(the_key_after_an_internal_redirect),
        WITH_DESK(proxy_cache_key_says_otherwise),
        WITH_DESK(another_path_of_the_same_origin),
        WITH_DESK(references_are_resolved),
        WITH_DESK(references_to_others_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
