// SPDX-License-Identifier: MIT
/* patience: how long a peer lets connections rest, told and observed. */
#include "base/unit.h"

#include "balance/patience.h"

enum { CONFIGURED_MS = 60 * 1000, TEN_MINUTES_MS = 10 * 60 * 1000 };

static void the_field_is_read(void **state)
{
    static const struct { const char *value; int seconds; } cases[] = {
        { "timeout=5", 5 },           { "max=100, timeout=5", 5 }, { "Timeout=75 , max=1", 75 },
        { ",, timeout=0", 0 },        { "timeout=86400", 86400 },  { "timeout=86401", -1 },
        { "timeout=", -1 },           { "timeout=5s", -1 },        { "timeout=-1", -1 },
        { "timeout= 5", -1 },         { "max=5", -1 },             { "", -1 },
        { "xtimeout=5", -1 },         { "timeout=18446744073709551617", -1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t seconds = 0;
        bool     is_there = patience_parse(text_from(cases[i].value), &seconds);

        assert_int_equal(is_there ? (int)seconds : -1, cases[i].seconds);
    }
}

static void what_is_said_holds_for_a_while(void **state)
{
    struct peer peer = { .weight = 1 };

    (void)state;
    assert_int_equal(patience_ms(&peer, CONFIGURED_MS, 1000), CONFIGURED_MS);
    patience_note_said(&peer, TEXT("timeout=5"), 1000);
    assert_int_equal(patience_ms(&peer, CONFIGURED_MS, 2000), 4000);
    assert_int_equal(patience_ms(&peer, 3000, 2000), 3000);
    assert_int_equal(patience_ms(&peer, CONFIGURED_MS, 1001 + TEN_MINUTES_MS), CONFIGURED_MS);
    patience_note_said(&peer, TEXT("timeout=1"), 5000);
    assert_int_equal(patience_ms(&peer, CONFIGURED_MS, 5000), 500);
}

static void what_is_done_twice_is_believed(void **state)
{
    struct peer peer = { .weight = 1 };

    (void)state;
    patience_note_closed(&peer, 15000, 20000);
    assert_int_equal(patience_ms(&peer, CONFIGURED_MS, 20000), CONFIGURED_MS);
    patience_note_closed(&peer, 15500, 40000);
    assert_int_equal(patience_ms(&peer, CONFIGURED_MS, 40000), 14000);
}

static void a_restart_teaches_nothing(void **state)
{
    struct peer peer = { .weight = 1 };

    (void)state;
    patience_note_closed(&peer, 700, 20000);   /* all at one moment */
    patience_note_closed(&peer, 800, 20003);
    patience_note_closed(&peer, 900, 20900);
    assert_int_equal(patience_ms(&peer, CONFIGURED_MS, 21000), CONFIGURED_MS);
    patience_note_closed(&peer, 9000, 60000);  /* later, after another rest */
    assert_int_equal(patience_ms(&peer, CONFIGURED_MS, 60000), CONFIGURED_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_field_is_read),
        cmocka_unit_test(what_is_said_holds_for_a_while),
        cmocka_unit_test(what_is_done_twice_is_believed),
        cmocka_unit_test(a_restart_teaches_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
