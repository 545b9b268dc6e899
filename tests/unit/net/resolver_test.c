// SPDX-License-Identifier: MIT
/* resolver: names of this machine (/etc/hosts) and numbers; nothing here asks the network. */
#include "check.h"

#include <errno.h>

#include "net/loop.h"
#include "net/resolver.h"

static struct loop *loop;

static void done(struct resolve *resolve)
{
    assert_ptr_equal(loop_self(), loop);
    assert_string_equal(resolve->name, "localhost");
    loop_stop(loop);
}

static bool has(const struct resolve *resolve, const char *wanted)
{
    char buffer[ADDRESS_TEXT_BYTES];

    for (unsigned i = 0; i < resolve->count; i++)
        if (strcmp(address_string(&resolve->addresses[i], buffer), wanted) == 0)
            return true;
    return false;
}

static void localhost_on_the_loop(void **state)
{
    struct resolve resolve = { .name = "localhost", .port = 3000, .done = done };

    (void)state;
    jobs_start(1);
    loop = loop_new(0);
    resolve_start(&resolve, loop);
    loop_run(loop);
    jobs_stop();
    loop_free(&loop);
    assert_int_equal(resolve.error, 0);
    assert_true(has(&resolve, "127.0.0.1:3000") || has(&resolve, "[::1]:3000"));
}

static void no_address_comes_twice(void **state)
{
    struct resolve resolve = { .name = "localhost", .port = 1 };

    (void)state;
    resolve_now(&resolve);
    for (unsigned i = 0; i < resolve.count; i++)
        for (unsigned k = 0; k < i; k++)
            assert_false(address_is_equal(&resolve.addresses[i], &resolve.addresses[k]));
}

static void numbers_are_themselves(void **state)
{
    struct resolve resolve = { .name = "192.0.2.7", .port = 80 };

    (void)state;
    resolve_now(&resolve);
    assert_int_equal(resolve.error, 0);
    assert_int_equal(resolve.count, 1);
    assert_true(has(&resolve, "192.0.2.7:80"));
}

static void what_has_no_address_says_so(void **state)
{
    static const char *const names[] = { "", "a b", "a..b", "-", "256.256.256.256.256" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct resolve resolve = { .port = 80, .count = 9 };

        (void)snprintf(resolve.name, sizeof(resolve.name), "%s", names[i]);
        resolve_now(&resolve);
        assert_true(resolve.error < 0);
        assert_int_equal(resolve.count, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(localhost_on_the_loop),
        cmocka_unit_test(no_address_comes_twice),
        cmocka_unit_test(numbers_are_themselves),
        cmocka_unit_test(what_has_no_address_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
