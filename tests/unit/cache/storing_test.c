// SPDX-License-Identifier: MIT
/* storing: what may be stored (RFC 9111 3), and which fields (3.1). */
#include "answers.h"

struct decision {
    unsigned     status;
    const char  *request, *answer;
    enum storing storing;
};

static void check_decisions(struct arena *arena, const struct decision *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct scene scene = scene_of(arena, rows[i].status, rows[i].request, rows[i].answer);
        enum storing storing = decide(&scene);
        if (storing != rows[i].storing)
            fail_msg("%u to \"%s\" with \"%s\": %.*s", rows[i].status, rows[i].request,
                     rows[i].answer, TEXT_ARGS(storing_words(storing)));
    }
}

#define CHECK_DECISIONS(rows) check_decisions(*state, rows, COUNT_OF(rows))
#define OLD "Last-Modified: Sun, 06 Nov 1994 08:00:00 GMT"

/* RFC 9111 3: final, no 206 or 304 as a whole; RFC 6585: some never. */
static void by_status(void **state)
{
    static const struct decision rows[] = {
        { 200, "", "Cache-Control: max-age=5", STORING_ALLOWED },
        { 100, "", "Cache-Control: max-age=5", STORING_INTERIM },
        { 199, "", "Cache-Control: max-age=5", STORING_INTERIM },
        { 206, "", "Cache-Control: max-age=5", STORING_PARTIAL },
        { 304, "", "Cache-Control: max-age=5", STORING_NOT_MODIFIED },
        { 428, "", "Cache-Control: max-age=5", STORING_STATUS },
        { 429, "", "Cache-Control: max-age=5", STORING_STATUS },
        { 431, "", "Cache-Control: max-age=5", STORING_STATUS },
        { 511, "", "Cache-Control: max-age=5", STORING_STATUS },
        { 599, "", "Cache-Control: max-age=5", STORING_ALLOWED },
    };
    struct scene scene = scene_of(*state, 429, "", "");

    CHECK_DECISIONS(rows);
    scene.policy.valid_s = 1;
    assert_int_equal(decide(&scene), STORING_ALLOWED);
}

/* RFC 9111 3, last point, and RFC 9110 15.1: all codes, with nothing but a Last-Modified. */
static void without_a_word_by_status(void **state)
{
    static const unsigned by_default[] = { 200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501 };

    for (unsigned status = 200; status < 600; status++) {
        struct scene scene = scene_of(*state, status, "", OLD);
        bool         is_default = false;
        for (size_t i = 0; i < COUNT_OF(by_default); i++)
            is_default = is_default || by_default[i] == status;
        if (status == 206 || status == 304 || decide(&scene) == STORING_STATUS)
            continue;
        if (decide(&scene) != (is_default ? STORING_ALLOWED : STORING_NOT_CACHEABLE))
            fail_msg("%u: %.*s", status, TEXT_ARGS(storing_words(decide(&scene))));
        scene.policy.valid_s = 5;
        assert_int_equal(decide(&scene), STORING_ALLOWED);
    }
}

/* RFC 9111 3: what makes any status storable. */
static void explicitly_cacheable(void **state)
{
    static const struct decision rows[] = {
        { 302, "", "Cache-Control: public\n" OLD, STORING_ALLOWED },
        { 302, "", "Cache-Control: max-age=5", STORING_ALLOWED },
        { 302, "", "Cache-Control: s-maxage=5", STORING_ALLOWED },
        { 302, "", "Expires: Sun, 06 Nov 1994 08:49:47 GMT", STORING_ALLOWED },
        { 302, "", "Expires: 0\nETag: \"a\"", STORING_ALLOWED },
        { 302, "", "X-Accel-Expires: 5", STORING_ALLOWED },
        { 302, "", "CDN-Cache-Control: max-age=5", STORING_ALLOWED },
        { 302, "", "CDN-Cache-Control: foo\nCache-Control: max-age=5\n" OLD, STORING_NOT_CACHEABLE },
        { 302, "", "CDN-Cache-Control: foo\nExpires: Sun, 06 Nov 1994 08:49:47 GMT", STORING_NOT_CACHEABLE },
        { 302, "", "Cache-Control: private=\"X\"\n" OLD, STORING_NOT_CACHEABLE },
        { 302, "", "Cache-Control: no-cache\n" OLD, STORING_NOT_CACHEABLE },
        { 302, "", "Cache-Control: must-revalidate\n" OLD, STORING_NOT_CACHEABLE },
    };

    CHECK_DECISIONS(rows);
}

/* RFC 9111 5.2.2.3, 5.2.2.5, 5.2.2.7, 5.2.1.5 */
static void no_store_private_and_must_understand(void **state)
{
    static const struct decision rows[] = {
        { 200, "", "Cache-Control: max-age=5, no-store", STORING_NO_STORE },
        { 200, "", "Cache-Control: max-age=5\nCache-Control: NO-STORE", STORING_NO_STORE },
        { 200, "", "Cache-Control: no-store, must-understand, max-age=5", STORING_ALLOWED },
        { 299, "", "Cache-Control: no-store, must-understand, max-age=5", STORING_NOT_UNDERSTOOD },
        { 299, "", "Cache-Control: must-understand, max-age=5", STORING_NOT_UNDERSTOOD },
        { 299, "", "Cache-Control: max-age=5", STORING_ALLOWED },
        { 599, "", "Cache-Control: must-understand, max-age=5", STORING_NOT_UNDERSTOOD },
        { 206, "", "Cache-Control: must-understand, max-age=5", STORING_PARTIAL },
        { 200, "", "Cache-Control: private, max-age=5", STORING_PRIVATE },
        { 200, "", "Cache-Control: private=\"X\", max-age=5", STORING_ALLOWED },
        { 200, "", "Cache-Control: private=\"\", max-age=5", STORING_PRIVATE },
        { 200, "", "Cache-Control: public, private, max-age=5", STORING_PRIVATE },
        { 200, "Cache-Control: no-store", "Cache-Control: max-age=5", STORING_REQUEST_NO_STORE },
        { 200, "Cache-Control: no-cache", "Cache-Control: max-age=5", STORING_ALLOWED },
        { 200, "", "CDN-Cache-Control: max-age=5\nCache-Control: no-store, private", STORING_ALLOWED },
        { 200, "", "CDN-Cache-Control: no-store\nCache-Control: max-age=5", STORING_NO_STORE },
        { 200, "", "CDN-Cache-Control: private\nCache-Control: max-age=5", STORING_PRIVATE },
        { 200, "", "X-Accel-Expires: 5\nCache-Control: no-store, private, no-cache", STORING_ALLOWED },
        { 200, "", "X-Accel-Expires: @5\nCache-Control: no-store", STORING_NO_STORE },
        { 200, "", "X-Accel-Expires: off\nCache-Control: no-store", STORING_NO_STORE },
    };
    struct scene scene = scene_of(*state, 200, "Cache-Control: no-store", "Cache-Control: max-age=5");

    CHECK_DECISIONS(rows);
    scene.policy.is_ignoring_request = true;
    assert_int_equal(decide(&scene), STORING_ALLOWED);
}

/* RFC 9111 3.5 */
static void authorization(void **state)
{
    static const struct decision rows[] = {
        { 200, "Authorization: x", "Cache-Control: max-age=5", STORING_AUTHORIZATION },
        { 200, "Authorization: x", "Cache-Control: max-age=5, proxy-revalidate", STORING_AUTHORIZATION },
        { 200, "Authorization: x", "Cache-Control: max-age=5, public", STORING_ALLOWED },
        { 200, "Authorization: x", "Cache-Control: max-age=5, must-revalidate", STORING_ALLOWED },
        { 200, "Authorization: x", "Cache-Control: s-maxage=5", STORING_ALLOWED },
        { 200, "Authorization: x", "Cache-Control: no-cache=\"X\", max-age=5", STORING_AUTHORIZATION },
        { 200, "Authorization: x", "X-Accel-Expires: 5", STORING_AUTHORIZATION },
        { 200, "Authorization: x", "CDN-Cache-Control: max-age=5, public", STORING_ALLOWED },
        { 200, "Authorization: x", "CDN-Cache-Control: max-age=5\nCache-Control: public",
          STORING_AUTHORIZATION },
        { 200, "Authorization: x", "Cache-Control: public, private", STORING_PRIVATE },
    };

    CHECK_DECISIONS(rows);
}

/* RFC 9111 4.1; nginx for Set-Cookie. */
static void vary_and_set_cookie(void **state)
{
    static const struct decision rows[] = {
        { 200, "", "Cache-Control: max-age=5\nVary: Accept", STORING_ALLOWED },
        { 200, "", "Cache-Control: max-age=5\nVary: *", STORING_VARY },
        { 200, "", "Cache-Control: max-age=5\nVary: Accept, * ,Cookie", STORING_VARY },
        { 200, "", "Cache-Control: max-age=5\nVary: Accept\nVary:\nVary: *", STORING_VARY },
        { 200, "", "Cache-Control: max-age=5\nVary: **", STORING_ALLOWED },
        { 200, "", "Cache-Control: max-age=5\nSet-Cookie: a=b", STORING_SET_COOKIE },
        { 200, "", "Cache-Control: max-age=5, public\nSet-Cookie: a=b", STORING_SET_COOKIE },
        { 200, "", "Cache-Control: max-age=5, private=\"set-cookie\"\nSet-Cookie: a=b", STORING_ALLOWED },
        { 200, "", "Cache-Control: max-age=5, no-cache=\"X, Set-Cookie\"\nSet-Cookie: a=b", STORING_ALLOWED },
        { 200, "", "X-Accel-Expires: 5\nSet-Cookie: a=b", STORING_SET_COOKIE },
    };
    struct scene scene = scene_of(*state, 200, "", "X-Accel-Expires: 5\nSet-Cookie: a=b\nVary: *");

    CHECK_DECISIONS(rows);
    scene.policy.ignored = STORING_IGNORES_SET_COOKIE;
    assert_int_equal(decide(&scene), STORING_VARY);
    scene.policy.ignored = STORING_IGNORES_VARY;
    assert_int_equal(decide(&scene), STORING_SET_COOKIE);
    scene.policy.ignored = STORING_IGNORES_VARY | STORING_IGNORES_SET_COOKIE;
    assert_int_equal(decide(&scene), STORING_ALLOWED);
}

/* RFC 9110 9.3.3 */
static void posts(void **state)
{
    static const struct decision rows[] = {
        { 200, "", "Cache-Control: max-age=5\nContent-Location: /a?b", STORING_ALLOWED },
        { 200, "", "Expires: Sun, 06 Nov 1994 08:49:47 GMT\nContent-Location: http://Example.com/a?b",
          STORING_ALLOWED },
        { 200, "", "Cache-Control: max-age=5", STORING_POST },
        { 200, "", "Content-Location: /a?b\n" OLD, STORING_POST },
        { 200, "", "Cache-Control: max-age=5\nContent-Location: /a", STORING_POST },
        { 200, "", "Cache-Control: max-age=5\nContent-Location: /A?b", STORING_POST },
        { 200, "", "Cache-Control: max-age=5\nContent-Location: https://example.com/a?b", STORING_POST },
        { 200, "", "Cache-Control: max-age=5\nContent-Location: http://example.com:80/a?b", STORING_POST },
        { 200, "", "Cache-Control: max-age=5\nContent-Location: http://example.co/a?b", STORING_POST },
        { 200, "", "Cache-Control: max-age=5\nContent-Location: a?b", STORING_POST },
        { 200, "", "Cache-Control: max-age=5\nContent-Location: /a?b\nContent-Location: /a?b", STORING_POST },
        { 200, "", "Cache-Control: max-age=5\nContent-Location:", STORING_POST },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scene scene = scene_of(*state, 200, "", rows[i].answer);
        scene.request.method = METHOD_POST;
        CHECK_CASE(decide(&scene) == rows[i].storing, rows[i].answer);
        scene.policy.post = STORING_POST_AS_ASKED;
        CHECK_CASE(decide(&scene) == STORING_ALLOWED, rows[i].answer);
    }
}

/* RFC 9111 3: "not usually useful to store". */
static void what_could_never_be_used(void **state)
{
    static const struct decision rows[] = {
        { 200, "", "", STORING_USELESS }, { 200, "", "ETag: \"a\"", STORING_ALLOWED },
        { 200, "", "Cache-Control: max-age=0", STORING_USELESS },
        { 200, "", "Cache-Control: max-age=5\nAge: 5", STORING_USELESS },
        { 200, "", "Cache-Control: max-age=6\nAge: 5", STORING_ALLOWED },
        { 200, "", "Cache-Control: max-age=0\nETag: \"a\"", STORING_ALLOWED },
        { 200, "", "Cache-Control: max-age=0, stale-if-error=5", STORING_ALLOWED },
        { 200, "", "Cache-Control: max-age=0, stale-while-revalidate=5", STORING_ALLOWED },
        { 200, "", "Cache-Control: no-cache", STORING_USELESS },
        { 200, "", "Cache-Control: no-cache, max-age=5", STORING_USELESS },
        { 200, "", "Cache-Control: no-cache, max-age=5\n" OLD, STORING_ALLOWED },
    };
    struct scene scene = scene_of(*state, 200, "", "Cache-Control: max-age=0");

    CHECK_DECISIONS(rows);
    scene.policy.is_stale_useful = true;
    assert_int_equal(decide(&scene), STORING_ALLOWED);
    scene = scene_of(*state, 200, "", "Cache-Control: max-age=0, must-revalidate");
    scene.policy.is_stale_useful = true;
    assert_int_equal(decide(&scene), STORING_USELESS);
}

static struct text names_of(const struct fields *fields, struct arena *arena)
{
    struct text names = TEXT("");

    FIELDS_EACH(fields, field)
        names = arena_format(arena, "%.*s %.*s", TEXT_ARGS(names), TEXT_ARGS(field->name));
    return text_trim(names);
}

/* RFC 9111 3.1 */
static void fields_that_are_not_stored(void **state)
{
    struct scene scene = scene_of(*state, 200, "",
        "Date: x\nConnection: foo, close, Cache-Control\nFoo: 1\nKeep-Alive: 1\nProxy-Authenticate: 1\n"
        "Proxy-Authentication-Info: 1\nProxy-Authorization: 1\nProxy-Connection: 1\nTE: 1\nTrailer: 1\n"
        "Transfer-Encoding: chunked\nUpgrade: 1\nSet-Cookie: a\nSet-Cookie: b\nBar: 1\nUnknown: 1\n"
        "Cache-Control: max-age=5, private=\"set-cookie\", no-cache=\"Bar\"\nAge: 1");

    assert_int_equal(decide(&scene), STORING_ALLOWED);
    storing_strip_fields(&scene.freshness.control, &scene.answer.fields);
    CHECK_TEXT(names_of(&scene.answer.fields, *state), "Date Unknown Cache-Control Age");
}

static void every_reason_has_words(void **state)
{
    (void)state;
    for (int i = STORING_ALLOWED; i <= STORING_USELESS; i++)
        assert_true(storing_words((enum storing)i).len > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(by_status),
        WITH_ARENA(without_a_word_by_status),
        WITH_ARENA(explicitly_cacheable),
        WITH_ARENA(no_store_private_and_must_understand),
        WITH_ARENA(authorization),
        WITH_ARENA(vary_and_set_cookie),
        WITH_ARENA(posts),
        WITH_ARENA(what_could_never_be_used),
        WITH_ARENA(fields_that_are_not_stored),
        cmocka_unit_test(every_reason_has_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
