// SPDX-License-Identifier: MIT
/* restarts: at once, until it happens too often; then later and later. */
#include "base/unit.h"

#include "base/log.h"
#include "main/restarts.h"

static void silent(void *target, enum log_level level, struct text line)
{
    (void)level;
    (void)target;
    (void)line;
}

static const struct log silence = { .level = LOG_EMERG, .write = silent };

static void a_single_end_is_answered_at_once(void **state)
{
    struct restarts restarts = { .count = 0 };

    (void)state;
    restarts_note(&restarts, 5000);
    assert_int_equal(restarts_when_ms(&restarts), 5000);
    assert_false(restarts_are_too_many(&restarts));
}

static void six_within_ten_seconds_are_too_many(void **state)
{
    struct restarts restarts = { .count = 0 };

    (void)state;
    log_use(&silence);
    for (int i = 0; i < RESTARTS_MOST - 1; i++)
        restarts_note(&restarts, 1000 + i);
    assert_int_equal(restarts_when_ms(&restarts), 1000 + RESTARTS_MOST - 2);
    restarts_note(&restarts, 10999);
    assert_true(restarts_are_too_many(&restarts));
    assert_int_equal(restarts_when_ms(&restarts), 10999 + RESTARTS_HOLD_MS);
}

static void as_many_within_longer_are_not(void **state)
{
    struct restarts restarts = { .count = 0 };

    (void)state;
    for (int i = 0; i < 20; i++)
        restarts_note(&restarts, 1000 + i * 2100);
    assert_false(restarts_are_too_many(&restarts));
    assert_int_equal(restarts_when_ms(&restarts), 1000 + 19 * 2100);
}

static void the_pause_doubles_up_to_a_limit(void **state)
{
    struct restarts restarts = { .count = 0 };
    int64_t         now_ms = 1000, pause_ms = 0;

    (void)state;
    log_use(&silence);
    for (int i = 0; i < RESTARTS_MOST; i++)
        restarts_note(&restarts, now_ms);
    for (int i = 0; i < 10; i++) {
        pause_ms = restarts_when_ms(&restarts) - now_ms;
        now_ms = restarts_when_ms(&restarts);
        restarts_note(&restarts, now_ms);
        if (i == 0)
            assert_int_equal(restarts_when_ms(&restarts) - now_ms, 2 * pause_ms);
    }
    assert_int_equal(restarts_when_ms(&restarts) - now_ms, RESTARTS_HOLD_MOST_MS);
    now_ms += RESTARTS_HOLD_MOST_MS + RESTARTS_WITHIN_MS;
    restarts_note(&restarts, now_ms);
    assert_int_equal(restarts_when_ms(&restarts), now_ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_single_end_is_answered_at_once),
        cmocka_unit_test(six_within_ten_seconds_are_too_many),
        cmocka_unit_test(as_many_within_longer_are_not),
        cmocka_unit_test(the_pause_doubles_up_to_a_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
