// SPDX-License-Identifier: MIT
/* lookup: names of this machine (/etc/hosts) and numbers; nothing here asks the network. */
#include "check.h"

#include <errno.h>

#include "net/lookup.h"

static struct address found[LOOKUP_ADDRESSES_MOST];
static unsigned       count;

static bool has(const char *wanted)
{
    char buffer[ADDRESS_TEXT_BYTES];

    for (unsigned i = 0; i < count; i++)
        if (strcmp(address_string(&found[i], buffer), wanted) == 0)
            return true;
    return false;
}

static void no_address_comes_twice(void **state)
{
    (void)state;
    assert_int_equal(lookup_now("localhost", found, &count), 0);
    assert_true(has("127.0.0.1:0") || has("[::1]:0"));
    for (unsigned i = 0; i < count; i++)
        for (unsigned k = 0; k < i; k++)
            assert_false(address_is_equal(&found[i], &found[k]));
}

static void numbers_are_themselves(void **state)
{
    (void)state;
    assert_int_equal(lookup_now("192.0.2.7", found, &count), 0);
    assert_int_equal(count, 1);
    assert_true(has("192.0.2.7:0"));
}

static void what_has_no_address_says_so(void **state)
{
    static const char *const names[] = { "", "a b", "a..b", "-", "256.256.256.256.256" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        assert_true(lookup_now(names[i], found, &count) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_address_comes_twice),
        cmocka_unit_test(numbers_are_themselves),
        cmocka_unit_test(what_has_no_address_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
