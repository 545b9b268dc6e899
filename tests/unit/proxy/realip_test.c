// SPDX-License-Identifier: MIT
/* Whose word counts, and how far a list of addresses is followed. */
#include "base/unit.h"

#include "proxy/realip.h"

#include "base/arena.h"

static struct arena *arena;
static struct trust  trust;

static int set_up(void **state)
{
    static const unsigned char ten[] = { 10 }, documents[16] = { 0x20, 0x01, 0x0d, 0xb8 };

    (void)state;
    arena = arena_new();
    trust = (struct trust){ .networks = prefix_tree_new(arena) };
    assert_true(prefix_tree_add(trust.networks, (const unsigned char[4]){ ten[0] }, 4, 8, &trust));
    assert_true(prefix_tree_add(trust.networks, documents, 16, 32, &trust));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static struct address ip(const char *text)
{
    struct address address;

    assert_int_equal(address_parse_ip_port(text_from(text), &address), 0);
    return address;
}

static void who_is_trusted(void **state)
{
    struct address inside = ip("10.1.2.3"), outside = ip("11.1.2.3"), v6 = ip("2001:db8::1");
    struct address mapped = ip("::ffff:10.1.2.3"), local;

    (void)state;
    assert_int_equal(address_parse_unix(TEXT("/x"), &local), 0);
    assert_true(realip_is_trusted(&trust, &inside));
    assert_true(realip_is_trusted(&trust, &v6));
    assert_true(realip_is_trusted(&trust, &mapped));
    assert_false(realip_is_trusted(&trust, &outside));
    assert_false(realip_is_trusted(&trust, &local));
    trust.has_unix = true;
    assert_true(realip_is_trusted(&trust, &local));
    assert_false(realip_is_trusted(NULL, &inside));
}

static void check(const char *list, bool is_recursive, enum realip_walk walk, const char *wanted)
{
    struct address address = ip("10.0.0.1:1"), end = ip(wanted);

    assert_int_equal(realip_walk(&trust, text_from(list), is_recursive, &address), walk);
    if (!address_is_equal(&address, &end))
        fail_msg("\"%s\" does not lead to %s", list, wanted);
}

static void one_element(void **state)
{
    (void)state;
    check("1.1.1.1, 2.2.2.2", false, REALIP_ALL, "2.2.2.2:0");
    check("1.1.1.1, 10.2.2.2", false, REALIP_ALL, "10.2.2.2:0");
    check("2.2.2.2:80", false, REALIP_ALL, "2.2.2.2:80");
    check("x, 2.2.2.2", false, REALIP_ALL, "2.2.2.2:0");
    check("2.2.2.2, x", false, REALIP_NOTHING, "10.0.0.1:1");
    check("", false, REALIP_NOTHING, "10.0.0.1:1");
    check(" ", false, REALIP_NOTHING, "10.0.0.1:1");
    check("[::1", false, REALIP_NOTHING, "10.0.0.1:1");
    check("[", false, REALIP_NOTHING, "10.0.0.1:1");
}

static void all_elements(void **state)
{
    (void)state;
    check("1.1.1.1, 2.2.2.2, 10.0.0.2", true, REALIP_SOME, "2.2.2.2:0");
    check("1.1.1.1, 10.0.0.3,10.0.0.2", true, REALIP_ALL, "1.1.1.1:0");
    check("x, 10.0.0.3, 10.0.0.2", true, REALIP_SOME, "10.0.0.3:0");
    check("2.2.2.2, x", true, REALIP_NOTHING, "10.0.0.1:1");
    check(", 10.0.0.2", true, REALIP_SOME, "10.0.0.2:0");
}

static void a_stranger_is_not_heard(void **state)
{
    struct address address = ip("11.0.0.1:1");

    (void)state;
    assert_int_equal(realip_walk(&trust, TEXT("1.1.1.1"), true, &address), REALIP_NOTHING);
    assert_int_equal(address_port(&address), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_is_trusted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_element, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_elements, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stranger_is_not_heard, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
