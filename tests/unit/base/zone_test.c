// SPDX-License-Identifier: MIT
/* zone: the same kind, name and shape is the same state, until nobody holds it. */
#include "check.h"

#include "base/zone.h"

static unsigned built, destroyed;

static void *build(void *argument)
{
    built++;
    return argument;
}

static void destroy(void *state)
{
    destroyed++;
    *(int *)state = -1;
}

static int set_up(void **state)
{
    (void)state;
    built = destroyed = 0;
    return 0;
}

static void a_second_asker_gets_the_first_ones_state(void **state)
{
    int          one = 1, two = 2;
    char         name[] = "backend";
    struct zone *a = zone_ref("upstream", text_from(name), 7, build, &one, destroy), *b;

    (void)state;
    name[0] = 'x';   /* the name was copied */
    b = zone_ref("upstream", TEXT("backend"), 7, build, &two, destroy);
    assert_int_equal(built, 1);
    assert_ptr_equal(zone_state(b), &one);
    zone_unref(&a);
    assert_null(a);
    assert_int_equal(destroyed, 0);
    zone_unref(&b);
    assert_int_equal(destroyed, 1);
    assert_int_equal(one, -1);
    assert_int_equal(two, 2);
    zone_unref(&b);
}

static void kind_name_and_shape_tell_apart(void **state)
{
    int          states[4];
    struct zone *zones[] = {
        zone_ref("upstream", TEXT("a"), 1, build, &states[0], destroy),
        zone_ref("limit", TEXT("a"), 1, build, &states[1], destroy),
        zone_ref("upstream", TEXT("b"), 1, build, &states[2], destroy),
        zone_ref("upstream", TEXT("a"), 2, build, &states[3], destroy),
    };

    (void)state;
    assert_int_equal(built, 4);
    for (unsigned i = 0; i < COUNT_OF(zones); i++)
        assert_ptr_equal(zone_state(zones[i]), &states[i]);
    assert_ptr_equal(zone_next("upstream", NULL), zones[3]);   /* the youngest first */
    assert_ptr_equal(zone_next("upstream", zones[3]), zones[2]);
    assert_ptr_equal(zone_next("upstream", zones[2]), zones[0]);
    assert_null(zone_next("upstream", zones[0]));
    assert_null(zone_next("cache", NULL));
    assert_int_equal(zone_name(zones[2]).ptr[0], 'b');
    zone_unref(&zones[2]);
    zone_unref(&zones[0]);
    zone_unref(&zones[3]);
    zone_unref(&zones[1]);
    assert_int_equal(destroyed, 4);
}

static void what_is_gone_is_built_anew(void **state)
{
    int          one, two;
    struct zone *zone = zone_ref("upstream", TEXT("a"), 1, build, &one, destroy);

    (void)state;
    zone_unref(&zone);
    zone = zone_ref("upstream", TEXT("a"), 1, build, &two, destroy);
    assert_ptr_equal(zone_state(zone), &two);
    assert_int_equal(built, 2);
    zone_unref(&zone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_second_asker_gets_the_first_ones_state, set_up),
        cmocka_unit_test_setup(kind_name_and_shape_tell_apart, set_up),
        cmocka_unit_test_setup(what_is_gone_is_built_anew, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
