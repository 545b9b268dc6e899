// SPDX-License-Identifier: MIT
/* allow and deny: order, networks, unix sockets, mapped addresses. */
#include "base/unit.h"

#include "proxy/access.h"

#define V4(a, b, c, d, bit_count) .family_bytes = 4, .bits = (bit_count), .network = { a, b, c, d }

static struct address ip(const char *text)
{
    struct address address;

    assert_int_equal(address_parse_ip(text_from(text), 80, &address), 0);
    return address;
}

static enum access check(const struct access_rule *rules, const char *remote)
{
    struct address            address = ip(remote);
    const struct access_rule *rule;

    return access_check(rules, &address, &rule);
}

static void no_rule_is_no_answer(void **state)
{
    const struct access_rule *rule = (const void *)"x";
    struct address            address = ip("10.0.0.1");

    (void)state;
    assert_int_equal(access_check(NULL, &address, &rule), ACCESS_NO_RULE);
    assert_null(rule);
}

static void first_match_wins(void **state)
{
    struct access_rule rest = { .is_all = true };
    struct access_rule network = { .next = &rest, .is_allow = true, V4(10, 0, 0, 0, 8) };
    struct access_rule one = { .next = &network, V4(10, 0, 0, 1, 32) };

    (void)state;
    assert_int_equal(check(&one, "10.0.0.1"), ACCESS_DENIED);
    assert_int_equal(check(&one, "10.0.0.2"), ACCESS_ALLOWED);
    assert_int_equal(check(&one, "11.0.0.2"), ACCESS_DENIED);
    rest.is_allow = true;
    assert_int_equal(check(&one, "11.0.0.2"), ACCESS_ALLOWED);
}

static void bits_end_within_a_byte(void **state)
{
    struct access_rule rule = { .is_allow = true, V4(192, 168, 16, 0, 20) };

    (void)state;
    assert_int_equal(check(&rule, "192.168.31.255"), ACCESS_ALLOWED);
    assert_int_equal(check(&rule, "192.168.32.0"), ACCESS_NO_RULE);
    assert_int_equal(check(&rule, "192.168.15.255"), ACCESS_NO_RULE);
    rule.bits = 0;
    assert_int_equal(check(&rule, "1.2.3.4"), ACCESS_ALLOWED);
}

static void families_do_not_mix(void **state)
{
    struct access_rule v4 = { .is_allow = true, V4(10, 0, 0, 0, 8) };
    struct access_rule v6 = { .is_allow = true, .family_bytes = 16, .bits = 32,
                              .network = { 0x20, 0x01, 0x0d, 0xb8 } };

    (void)state;
    assert_int_equal(check(&v6, "2001:db8::1"), ACCESS_ALLOWED);
    assert_int_equal(check(&v6, "2001:db9::1"), ACCESS_NO_RULE);
    assert_int_equal(check(&v6, "32.1.13.184"), ACCESS_NO_RULE);
    assert_int_equal(check(&v4, "a00::"), ACCESS_NO_RULE);
    assert_int_equal(check(&v4, "::ffff:10.1.2.3"), ACCESS_ALLOWED);
    assert_int_equal(check(&v4, "::ffff:11.1.2.3"), ACCESS_NO_RULE);
}

static void unix_is_a_rule_of_its_own(void **state)
{
    struct access_rule        v4 = { .is_allow = true, V4(0, 0, 0, 0, 0) };
    struct access_rule        local = { .next = &v4, .is_unix = true };
    struct address            address;
    const struct access_rule *rule;

    (void)state;
    assert_int_equal(address_parse_unix(TEXT("/run/x"), &address), 0);
    assert_int_equal(access_check(&local, &address, &rule), ACCESS_DENIED);
    assert_ptr_equal(rule, &local);
    assert_int_equal(access_check(&v4, &address, &rule), ACCESS_NO_RULE);
    assert_int_equal(check(&local, "127.0.0.1"), ACCESS_ALLOWED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_rule_is_no_answer),
        cmocka_unit_test(first_match_wins),
        cmocka_unit_test(bits_end_within_a_byte),
        cmocka_unit_test(families_do_not_mix),
        cmocka_unit_test(unix_is_a_rule_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
