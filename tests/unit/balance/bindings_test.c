// SPDX-License-Identifier: MIT
/* bindings, identity: what is remembered, for how long, and how many. */
#include "base/unit.h"

#include "balance/bindings.h"

#include "base/zone.h"

enum { TIMEOUT_MS = 1000 };

static struct zone *zone;

static struct bindings *begin(uint64_t bytes)
{
    return bindings_ref(TEXT("clients"), bytes, &zone);
}

static void end(void)
{
    bindings_unref(&zone);
    assert_null(zone);
}

static struct identity named(const char *name)
{
    return identity_of(text_from(name), TEXT(""));
}

static void set(struct bindings *bindings, const char *key, const char *name, int64_t now_ms)
{
    struct identity identity = named(name);

    bindings_set(bindings, text_from(key), &identity, true, now_ms);
}

static bool is_bound(struct bindings *bindings, const char *key, const char *name, int64_t now_ms)
{
    struct identity identity = { .len = 0 };

    return bindings_find(bindings, text_from(key), TIMEOUT_MS, now_ms, &identity) &&
           text_is_equal(identity_text(&identity), text_from(name));
}

static void identities_are_routes_or_addresses(void **state)
{
    struct identity identity = identity_of(TEXT("a"), TEXT("127.0.0.1:80"));

    (void)state;
    assert_true(text_is_equal(identity_text(&identity), TEXT("a")));
    identity = identity_of(TEXT(""), TEXT("127.0.0.1:80"));
    assert_true(text_is_equal(identity_text(&identity), TEXT("cef54f47984626c9efbf070c50bfad1b")));
    identity = identity_of(TEXT("12345678901234567890123456789012"), TEXT(""));
    assert_int_equal(identity_text(&identity).len, IDENTITY_BYTES);
}

static void what_was_set_is_found(void **state)
{
    struct bindings *bindings = begin(1024 * 1024);
    struct identity  other = named("other");

    (void)state;
    assert_false(is_bound(bindings, "key", "a", 0));
    set(bindings, "key", "a", 0);
    set(bindings, "another", "b", 0);
    assert_true(is_bound(bindings, "key", "a", 1));
    assert_true(is_bound(bindings, "another", "b", 1));
    set(bindings, "key", "c", 2);
    assert_true(is_bound(bindings, "key", "c", 2));
    bindings_set(bindings, TEXT("nobody"), &other, false, 2);
    assert_false(is_bound(bindings, "nobody", "other", 2));
    bindings_set(bindings, TEXT("key"), &other, false, 2);
    assert_true(is_bound(bindings, "key", "other", 2));
    assert_int_equal(bindings_count(bindings), 2);
    end();
}

static void each_use_counts_and_time_forgets(void **state)
{
    struct bindings *bindings = begin(1024 * 1024);

    (void)state;
    set(bindings, "key", "a", 0);
    for (int64_t now_ms = TIMEOUT_MS; now_ms <= 5 * TIMEOUT_MS; now_ms += TIMEOUT_MS)
        assert_true(is_bound(bindings, "key", "a", now_ms));
    assert_false(is_bound(bindings, "key", "a", 6 * TIMEOUT_MS + 1));
    assert_int_equal(bindings_count(bindings), 0);
    assert_false(is_bound(bindings, "key", "a", 0));
    end();
}

static void the_longest_unused_goes_first(void **state)
{
    enum { MOST = 1024 };
    struct bindings *bindings = begin(MOST * BINDING_BYTES);
    char             key[16];

    (void)state;
    for (int i = 0; i < 10 * MOST; i++) {
        set(bindings, "kept", "a", 0);
        (void)snprintf(key, sizeof(key), "%d", i);
        set(bindings, key, "b", 0);
        assert_in_range(bindings_count(bindings), 1, MOST);
    }
    assert_int_equal(bindings_count(bindings), MOST);
    assert_true(is_bound(bindings, "kept", "a", 0));
    assert_true(is_bound(bindings, key, "b", 0));
    assert_false(is_bound(bindings, "0", "b", 0));
    end();
}

static void it_is_found_again_by_name_and_size(void **state)
{
    struct bindings *bindings = begin(64 * 1024), *same, *other;
    struct zone     *first = zone, *second, *third;

    (void)state;
    set(bindings, "key", "a", 0);
    same = bindings_ref(TEXT("clients"), 64 * 1024, &second);
    assert_ptr_equal(same, bindings);
    bindings_unref(&first);
    assert_true(is_bound(same, "key", "a", 0));
    other = bindings_ref(TEXT("clients"), 128 * 1024, &third);
    assert_false(is_bound(other, "key", "a", 0));
    bindings_unref(&second);
    bindings_unref(&third);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identities_are_routes_or_addresses),
        cmocka_unit_test(what_was_set_is_found),
        cmocka_unit_test(each_use_counts_and_time_forgets),
        cmocka_unit_test(the_longest_unused_goes_first),
        cmocka_unit_test(it_is_found_again_by_name_and_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
