// SPDX-License-Identifier: MIT
/* conns: as many as may be, given back to the last, and a full zone. */
#include "check.h"

#include "limit/conns.h"

enum { SMALL = 32 * 1024, KEYS = SMALL / 64 };

static struct arena     *arena;
static struct limit_zone zone;

static int begin(void **state)
{
    (void)state;
    arena = arena_new();
    zone = zone_of(arena, LIMIT_CONNS, SMALL, 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    limit_zone_unbind(&zone);
    arena_free(&arena);
    return 0;
}

static void as_many_as_may_be(void **state)
{
    struct limit_conn  limit = { .zone = &zone, .most = 2 };
    struct conns_place places[3];

    (void)state;
    assert_int_equal(conns_take(&limit, TEXT("k"), &places[0]), CONNS_TAKEN);
    assert_int_equal(conns_take(&limit, TEXT("k"), &places[1]), CONNS_TAKEN);
    assert_int_equal(conns_take(&limit, TEXT("k"), &places[2]), CONNS_FULL);
    assert_int_equal(conns_take(&limit, TEXT("other"), &places[2]), CONNS_TAKEN);
    conns_give(&places[0]);
    assert_int_equal(conns_take(&limit, TEXT("k"), &places[0]), CONNS_TAKEN);
    assert_int_equal(conns_take(&limit, TEXT("k"), &places[0]), CONNS_FULL);
    limit.most = 3;   /* another level asks the same zone for more */
    conns_give(&places[2]);
    assert_int_equal(conns_take(&limit, TEXT("k"), &places[2]), CONNS_TAKEN);
    for (int i = 0; i < 3; i++)
        conns_give(&places[i]);
}

static void a_full_zone_forgets_nobody(void **state)
{
    struct limit_conn  limit = { .zone = &zone, .most = 1 };
    struct conns_place places[KEYS], one;
    struct shard      *shard;

    (void)state;
    for (uint32_t i = 0; i < KEYS; i++)
        assert_int_equal(conns_take(&limit, key_of(arena, i), &places[i]), CONNS_TAKEN);
    assert_int_equal(conns_take(&limit, TEXT("new!"), &one), CONNS_NO_ROOM);
    conns_give(&places[7]);
    assert_int_equal(conns_take(&limit, TEXT("new!"), &one), CONNS_TAKEN);
    conns_give(&one);
    assert_int_equal(conns_take(&limit, key_of(arena, 7), &places[7]), CONNS_TAKEN);
    for (uint32_t i = 0; i < KEYS; i++)
        conns_give(&places[i]);
    shard = table_enter(zone.table, 0);
    assert_null(table_oldest(shard));
    table_leave(shard);
}

static void a_zone_lives_on_in_the_next_configuration(void **state)
{
    struct limit_conn  limit = { .zone = &zone, .most = 1 };
    struct limit_zone  next = zone;
    struct conns_place place, one;

    (void)state;
    assert_int_equal(conns_take(&limit, TEXT("k"), &place), CONNS_TAKEN);
    limit_zone_bind(&next);
    limit_zone_unbind(&zone);
    limit.zone = &next;
    assert_int_equal(conns_take(&limit, TEXT("k"), &one), CONNS_FULL);
    conns_give(&place);
    assert_int_equal(conns_take(&limit, TEXT("k"), &one), CONNS_TAKEN);
    conns_give(&one);
    zone = next;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(as_many_as_may_be, begin, end),
        cmocka_unit_test_setup_teardown(a_full_zone_forgets_nobody, begin, end),
        cmocka_unit_test_setup_teardown(a_zone_lives_on_in_the_next_configuration, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
