// SPDX-License-Identifier: MIT
/* resumables: found again until its time is over, bounded by bytes, the oldest first. */
#include "base/clock.h"
#include "base/unit.h"
#include "tls/resumables.h"

static unsigned char room[TLS_RESUMABLE_MOST];

static struct text id_of(const unsigned *number)
{
    return text_of((const char *)number, sizeof(*number));
}

static void what_is_added_is_found(void **state)
{
    struct tls_resumables *all = tls_resumables_new(1024 * 1024);
    int64_t                later_ms = clock_mono_ms() + 100000;

    (void)state;
    tls_resumables_add(all, TEXT("a"), TEXT("first"), later_ms);
    assert_int_equal(tls_resumables_get(all, TEXT("a"), room), 5);
    assert_memory_equal(room, "first", 5);
    tls_resumables_add(all, TEXT("a"), TEXT("second"), later_ms);
    assert_int_equal(tls_resumables_get(all, TEXT("a"), room), 6);
    assert_int_equal(tls_resumables_get(all, TEXT("b"), room), 0);
    tls_resumables_remove(all, TEXT("a"));
    tls_resumables_remove(all, TEXT("a"));
    assert_int_equal(tls_resumables_get(all, TEXT("a"), room), 0);
    tls_resumables_add(all, TEXT("a"), TEXT("over"), clock_mono_ms() - 1);
    assert_int_equal(tls_resumables_get(all, TEXT("a"), room), 0);
    tls_resumables_add(all, TEXT(""), TEXT("nobody"), later_ms);
    assert_int_equal(tls_resumables_get(all, TEXT(""), room), 0);
    tls_resumables_free(&all);
    assert_null(all);
}

static void it_stays_within_its_bytes(void **state)
{
    struct tls_resumables *all = tls_resumables_new(64 * 1024);
    int64_t                later_ms = clock_mono_ms() + 100000;
    unsigned               found = 0, last = 999;

    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        tls_resumables_add(all, id_of(&i), text_of((const char *)room, 200), later_ms);
    for (unsigned i = 0; i < 1000; i++)
        found += tls_resumables_get(all, id_of(&i), room) == 200;
    assert_in_range(found, 100, 300);
    assert_int_equal(tls_resumables_get(all, id_of(&last), room), 200);
    last = 0;
    assert_int_equal(tls_resumables_get(all, id_of(&last), room), 0);
    tls_resumables_free(&all);
}

/* Removed, replaced, over: a thousand of each fit beside one that stays. */
static void what_has_gone_takes_no_room(void **state)
{
    struct tls_resumables *all = tls_resumables_new(64 * 1024);
    int64_t                later_ms = clock_mono_ms() + 100000;
    struct text            bytes = text_of((const char *)room, 200);

    (void)state;
    tls_resumables_add(all, TEXT("stays"), TEXT("here"), later_ms);
    for (unsigned i = 0; i < 1000; i++) {
        tls_resumables_add(all, id_of(&i), bytes, later_ms);
        tls_resumables_remove(all, id_of(&i));
        tls_resumables_add(all, id_of(&i), bytes, clock_mono_ms() - 1);
        assert_int_equal(tls_resumables_get(all, id_of(&i), room), 0);
        tls_resumables_add(all, TEXT("replaced"), bytes, later_ms);
    }
    assert_int_equal(tls_resumables_get(all, TEXT("stays"), room), 4);
    assert_int_equal(tls_resumables_get(all, TEXT("replaced"), room), 200);
    tls_resumables_free(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_added_is_found),
        cmocka_unit_test(it_stays_within_its_bytes),
        cmocka_unit_test(what_has_gone_takes_no_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
