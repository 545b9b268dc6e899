// SPDX-License-Identifier: MIT
/* The answer's head: what of a peer's is hidden, rewritten and kept, what is added, local answers. */
#include "proxy/answer_head.h"

#include "desk.h"

static struct name_list *names_add(struct name_list *next, const char *name)
{
    struct name_list *list = ARENA_NEW(desk->arena, struct name_list);

    *list = (struct name_list){ .next = next, .name = text_from(name) };
    return list;
}

static struct replacement *rule(const char *from, const char *to)
{
    struct replacement *rule = ARENA_NEW(desk->arena, struct replacement);

    rule->to = desk_template(to);
    if (from[0] == '~')
        rule->regex = desk_regex(from + 1);
    else
        rule->from = desk_template(from);
    return rule;
}

/* The answer to a response with these field lines ("A: b\r\n"). */
static struct head *answer(const char *fields)
{
    desk_response(arena_string(desk->arena, arena_format(desk->arena,
                  "HTTP/1.1 200 Fine\r\n%sContent-Length: 3\r\n\r\n", fields)));
    return answer_head_from_peer(&desk->x);
}

static void check_field(const struct head *head, const char *name, const char *wanted)
{
    struct text value = desk_field(head, name);

    if (wanted == NULL && value.ptr != NULL)
        fail_msg("%s is \"%.*s\"", name, TEXT_ARGS(value));
    if (wanted != NULL)
        CHECK_TEXT(value, wanted);
}

/* Names of all fields in order. */
static struct text names_of(const struct head *head)
{
    struct writer writer = writer_arena(desk->arena, 256);

    FIELDS_EACH(&head->fields, field) {
        writer_text(&writer, field->name);
        writer_char(&writer, ' ');
    }
    return writer_done(&writer);
}

/* ---- what passes ---- */

static void the_peer_is_hidden(void **state)
{
    (void)state;
    const struct head *head = answer("Server: app\r\nX-One: 1\r\nDate: then\r\nX-Pad: p\r\n"
                                     "X-Accel-Redirect: /x\r\nX-Accel-Expires: 1\r\n"
                                     "X-Accel-Buffering: no\r\nX-Accel-Charset: x\r\n"
                                     "X-Accel-Limit-Rate: 5\r\nKeep-Alive: 5\r\n"
                                     "Connection: X-Hop, close\r\nX-Hop: 1\r\nSet-Cookie: a=1\r\n"
                                     "Set-Cookie: b=2\r\nX-Powered-By: Express\r\n");
    CHECK_TEXT(names_of(head), "Server Date X-One Set-Cookie Set-Cookie X-Powered-By ");
    check_field(head, "Server", "frontdesk/" FRONTDESK_VERSION);
    assert_int_equal(desk_field(head, "Date").len, 29);
    assert_int_equal(head->status, 200);
    CHECK_TEXT(head->reason, "Fine");
    assert_int_equal(head->body, BODY_SIZED);
    assert_int_equal(head->length, 3);
    assert_non_null(fields_find(&desk->response.fields, FIELD_SERVER));
}

static void hiding_is_configured(void **state)
{
    struct proxy_policy *policy = &desk->location.proxy;

    (void)state;
    policy->hide_headers = names_add(names_add(NULL, "x-powered-by"), "ETag");
    policy->pass_headers = names_add(names_add(NULL, "server"), "Date");
    desk->location.tokens = TOKENS_OFF;
    const struct head *head = answer("X-Powered-By: a\r\nETag: b\r\nServer: app\r\nX: y\r\n");
    CHECK_TEXT(names_of(head), "Date Server X ");
    check_field(head, "Server", "app");
    CHECK_TEXT(names_of(answer("")), "Date ");
    check_field(answer("Date: then\r\n"), "Date", "then");
    policy->pass_headers = names_add(policy->pass_headers, "X-Powered-By");
    check_field(answer("X-Powered-By: a\r\n"), "X-Powered-By", "a");
}

/* ---- redirects ---- */

static void check_location(const char *sent, const char *wanted)
{
    check_field(answer(arena_format(desk->arena, "Location: %s\r\n", sent).ptr), "Location",
                wanted);
}

static void the_peers_address_becomes_ours(void **state)
{
    (void)state;
    desk->location.proxy.is_redirect_default = true;
    address_set_port(&desk->local, 8080);
    check_location("http://app:3000/x/y?q", "http://site.example:8080/x/y?q");
    check_location("http://app:3000", "http://site.example:8080/");
    check_location("http://app:30001/x", "http://app:30001/x");
    check_location("http://other/x", "http://other/x");
    check_location("/x", "/x");
    check_location("x", "x");
    desk->location.is_absolute_redirect = false;
    check_location("http://app:3000/x", "/x");
    desk->location.proxy.is_redirect_default = false;
    check_location("http://app:3000/x", "http://app:3000/x");
}

static void a_uri_part_becomes_the_location(void **state)
{
    (void)state;
    desk->location.proxy.is_redirect_default = true;
    desk->location.name = TEXT("/u/");
    desk->pass.url = TEXT("http://app:3000/base/");
    desk->pass.has_uri = true;
    check_location("http://app:3000/base/q", "http://site.example/u/q");
    check_location("http://app:3000/other", "http://app:3000/other");
    check_field(answer("Refresh: 5; URL=http://app:3000/base/w\r\n"), "Refresh", "5; URL=/u/w");
    check_field(answer("Refresh: 5; url=http://other/\r\n"), "Refresh", "5; url=http://other/");
    check_field(answer("Refresh: 5\r\n"), "Refresh", "5");
    check_field(answer("Refresh: url=\r\n"), "Refresh", "url=");
    desk->pass.url_template = desk_template("http://$host");
    check_location("http://app:3000/base/q", "http://app:3000/base/q");
}

static void redirects_follow_their_rules_in_order(void **state)
{
    struct proxy_policy *policy = &desk->location.proxy;

    (void)state;
    policy->redirects = rule("http://a.example/", "/a/");
    policy->redirects->next = rule("~^http://(\\w+)\\.example(/.*)$", "https://$1.public$2");
    policy->redirects->next->next = rule("/", "http://$host/");
    check_location("http://a.example/x", "http://site.example/a/x");
    check_location("http://b.example/x", "https://b.public/x");
    check_location("/x", "http://site.example/x");
    check_location("ftp://x", "ftp://x");
}

static void own_redirects_are_absolute(void **state)
{
    (void)state;
    CHECK_TEXT(answer_redirect(&desk->x, TEXT("/x")), "http://site.example/x");
    CHECK_TEXT(answer_redirect(&desk->x, TEXT("https://b/")), "https://b/");
    address_set_port(&desk->local, 81);
    CHECK_TEXT(answer_redirect(&desk->x, TEXT("/x")), "http://site.example:81/x");
    desk->location.has_name_in_redirect = true;
    CHECK_TEXT(answer_redirect(&desk->x, TEXT("/x")), "http://Site.Example:81/x");
    desk->location.has_name_in_redirect = desk->location.has_port_in_redirect = false;
    desk->x.has_asked_host = false;
    CHECK_TEXT(answer_redirect(&desk->x, TEXT("/x")), "http://127.0.0.1/x");
    desk->location.is_absolute_redirect = false;
    CHECK_TEXT(answer_redirect(&desk->x, TEXT("/x")), "/x");
}

/* ---- cookies ---- */

static void check_cookie(const char *sent, const char *wanted)
{
    check_field(answer(arena_format(desk->arena, "Set-Cookie: %s\r\n", sent).ptr), "Set-Cookie",
                wanted);
}

static void cookie_domains_and_paths_are_replaced(void **state)
{
    struct proxy_policy *policy = &desk->location.proxy;

    (void)state;
    policy->cookie_domains = rule("localhost", "example.org");
    policy->cookie_domains->next = rule("~\\.?in\\.(\\w+)$", "$1.out");
    policy->cookie_paths = rule("/one/", "/");
    policy->cookie_paths->next = rule("~^/(two)", "/2/$1");
    check_cookie("a=b; Domain=.localhost; Path=/one/x; Secure",
                 "a=b; Domain=.example.org; Path=/x; Secure");
    check_cookie("a=b; path=/one; domain=LOCALHOST", "a=b; path=/one; domain=example.org");
    check_cookie("a=b; domain=x.localhost", "a=b; domain=x.localhost");
    check_cookie("a=b; Domain=.in.home", "a=b; Domain=home.out");
    check_cookie("a=b; Path=/two", "a=b; Path=/2/two");
    check_cookie("domain=localhost; Path", "domain=localhost; Path");
}

static void check_flags(unsigned flags, const char *sent, const char *wanted)
{
    struct cookie_flags any = { .name = desk_template("other"), .flags = COOKIE_NO_SECURE };
    struct cookie_flags first = { .next = &any, .name = desk_template("Sid"), .flags = flags };

    desk->location.proxy.cookie_flags = &first;
    check_cookie(sent, wanted);
}

static void cookie_flags_are_set_and_removed(void **state)
{
    (void)state;
    check_flags(COOKIE_SECURE | COOKIE_HTTPONLY, "sid=1", "sid=1; Secure; HttpOnly");
    check_flags(COOKIE_SECURE, "sid=1; secure; Path=/", "sid=1; secure; Path=/");
    check_flags(COOKIE_SAMESITE_LAX, "sid=1; SameSite=None", "sid=1; SameSite=Lax");
    check_flags(COOKIE_SAMESITE_STRICT, "sid=1", "sid=1; SameSite=Strict");
    check_flags(COOKIE_NO_SECURE | COOKIE_NO_HTTPONLY | COOKIE_NO_SAMESITE,
                "sid=1; Secure; httponly; SameSite=Lax; Path=/", "sid=1; Path=/");
    check_flags(COOKIE_SECURE, "other=1; Secure", "other=1");
    check_flags(COOKIE_SECURE, "third=1", "third=1");
}

/* ---- what is added ---- */

static void headers_are_added_by_status(void **state)
{
    struct add_header **headers = &desk->location.headers;

    (void)state;
    desk_add_header(headers, "X-Usual", "$status", false);
    desk_add_header(headers, "X-Always", "$sent_http_content_type", true);
    desk_add_header(headers, "X-Empty", "", true);
    desk_add_header(headers, "Cache-Control", "public", true);
    desk->x.status = 200;
    const struct head *head = answer("Content-Type: t\r\nCache-Control: private\r\n");
    check_field(head, "X-Usual", "200");
    check_field(head, "X-Always", "t");
    check_field(head, "X-Empty", NULL);
    check_field(head, "Cache-Control", "private, public");
    desk->response.status = 404;
    head = answer_head_from_peer(&desk->x);
    check_field(head, "X-Usual", NULL);
    check_field(head, "X-Always", "t");
}

static void single_fields_are_replaced_or_removed(void **state)
{
    (void)state;
    desk_add_header(&desk->location.headers, "ETag", "", false);
    desk_add_header(&desk->location.headers, "last-modified", "now", false);
    const struct head *head = answer("ETag: x\r\nLast-Modified: then\r\n");
    check_field(head, "ETag", NULL);
    check_field(head, "Last-Modified", "now");
}

static void expiry_is_set_before_headers_are_added(void **state)
{
    (void)state;
    desk->location.expires = (struct expires){ .kind = EXPIRES_MAX };
    desk_add_header(&desk->location.headers, "Cache-Control", "immutable", false);
    check_field(answer("Cache-Control: no-store\r\n"), "Cache-Control",
                "max-age=315360000, immutable");
    desk->response.status = 500;
    check_field(answer_head_from_peer(&desk->x), "Cache-Control", "no-store");
}

static void trailers_are_added(void **state)
{
    (void)state;
    desk->x.status = 200;
    assert_null(answer_trailers(&desk->x));
    desk_add_header(&desk->location.trailers, "X-Sum", "$status", false);
    desk_add_header(&desk->location.trailers, "Content-Length", "5", false);
    desk_add_header(&desk->location.trailers, "X-Empty", "$arg_none", false);
    struct fields *trailers = answer_trailers(&desk->x);
    assert_non_null(trailers);
    assert_int_equal(trailers->count, 1);
    CHECK_TEXT(trailers->items[0].value, "200");
    desk->x.status = 500;
    assert_null(answer_trailers(&desk->x));
}

/* ---- local answers ---- */

static struct head *local(unsigned status, const char *text)
{
    desk->x.status = status;
    desk->x.answer_text = text_from(text);
    return answer_head_local(&desk->x);
}

static void local_answers_have_type_and_length(void **state)
{
    (void)state;
    struct head *head = local(200, "hello");
    CHECK_TEXT(names_of(head), "Server Date Content-Type ");
    check_field(head, "Content-Type", "text/plain");
    assert_int_equal(head->body, BODY_SIZED);
    assert_int_equal(head->length, 5);
    desk->x.answer_type = TEXT("text/html");
    check_field(local(404, "x"), "Content-Type", "text/html");
    check_field(local(418, ""), "Content-Type", NULL);
    head = local(204, NULL);
    check_field(head, "Content-Type", NULL);
    assert_int_equal(head->body, BODY_NONE);
    desk_request("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    head = local(200, "hello");
    assert_int_equal(head->body, BODY_NONE);
    assert_int_equal(head->length, 5);
}

static void texts_take_their_type_from_the_path(void **state)
{
    struct text json = TEXT("application/json");
    struct map *types = map_new(false);

    (void)state;
    assert_true(map_add(types, TEXT("json"), &json));
    desk->location.types = types;
    desk->x.path = TEXT("/a.b/x.JSON");
    check_field(local(200, "{}"), "Content-Type", "application/json");
    desk->x.path = TEXT("/a.json/x");
    check_field(local(200, "{}"), "Content-Type", "text/plain");
    desk->x.path = TEXT("/.json");
    check_field(local(200, "{}"), "Content-Type", "text/plain");
    map_free(&types);
}

static void local_redirects_have_a_location(void **state)
{
    (void)state;
    desk->x.answer_location = TEXT("/new");
    check_field(local(301, "x"), "Location", "http://site.example/new");
}

static void a_replaced_401_keeps_its_challenge(void **state)
{
    (void)state;
    answer("WWW-Authenticate: Basic\r\n");
    desk->response.status = 401;
    check_field(local(401, "x"), "WWW-Authenticate", "Basic");
    check_field(local(403, "x"), "WWW-Authenticate", NULL);
}

static void pages_have_the_usual_shape(void **state)
{
    (void)state;
    desk->x.status = 404;
    CHECK_TEXT(answer_page(&desk->x),
               "<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n"
               "<center><h1>404 Not Found</h1></center>\r\n<hr><center>frontdesk/"
               FRONTDESK_VERSION "</center>\r\n</body>\r\n</html>\r\n");
    desk->location.tokens = TOKENS_OFF;
    desk->x.status = 302;
    CHECK_TEXT(answer_page(&desk->x),
               "<html>\r\n<head><title>302 Found</title></head>\r\n<body>\r\n"
               "<center><h1>302 Found</h1></center>\r\n<hr><center>frontdesk</center>\r\n"
               "</body>\r\n</html>\r\n");
    desk->x.status = 599;
    CHECK_TEXT(answer_page(&desk->x), "");
}

static void error_pages_are_found_by_status(void **state)
{
    struct error_page second = { .status = 404, .answer = 200 };
    struct error_page first = { .next = &second, .status = 502, .answer = -1 };

    (void)state;
    desk->x.status = 404;
    assert_null(answer_error_page(&desk->x));
    desk->location.error_pages = &first;
    assert_ptr_equal(answer_error_page(&desk->x), &second);
    assert_false(answer_is_intercepted(&desk->x, 404));
    desk->location.proxy.is_intercepting_errors = true;
    assert_true(answer_is_intercepted(&desk->x, 404));
    assert_false(answer_is_intercepted(&desk->x, 500));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DESK(the_peer_is_hidden),
        WITH_DESK(hiding_is_configured),
        WITH_DESK(the_peers_address_becomes_ours),
        WITH_DESK(a_uri_part_becomes_the_location),
        WITH_DESK(redirects_follow_their_rules_in_order),
        WITH_DESK(own_redirects_are_absolute),
        WITH_DESK(cookie_domains_and_paths_are_replaced),
        WITH_DESK(cookie_flags_are_set_and_removed),
        WITH_DESK(headers_are_added_by_status),
        WITH_DESK(single_fields_are_replaced_or_removed),
        WITH_DESK(expiry_is_set_before_headers_are_added),
        WITH_DESK(trailers_are_added),
        WITH_DESK(local_answers_have_type_and_length),
        WITH_DESK(texts_take_their_type_from_the_path),
        WITH_DESK(local_redirects_have_a_location),
        WITH_DESK(a_replaced_401_keeps_its_challenge),
        WITH_DESK(pages_have_the_usual_shape),
        WITH_DESK(error_pages_are_found_by_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
