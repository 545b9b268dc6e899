// SPDX-License-Identifier: MIT
/* object_table: found at every moment of doubling, removed at every moment of it, visited. */
#include "objects.h"

#include "cache/object_table.h"

enum { OBJECTS = 3000 };

static struct object *objects[OBJECTS];

static int set_up(void **state)
{
    uint64_t bytes;

    (void)state;
    for (unsigned i = 0; i < OBJECTS; i++)
        objects[i] = object_of(key_of_number(i, &bytes), i, NULL, NULL, 0);
    return 0;
}

static int tear_down(void **state)
{
    for (unsigned i = 0; i < OBJECTS; i++)
        object_unref(objects[i]);
    return drain(state);
}

static bool is_in(const struct object_table *table, const struct object *wanted)
{
    struct object *object = object_table_chain(table, &wanted->hash);

    while (object != NULL && object != wanted)
        object = object->next;
    return object != NULL;
}

static void all_are_found_while_it_grows(void **state)
{
    struct object_table table;

    (void)state;
    object_table_init(&table);
    for (unsigned i = 0; i < OBJECTS; i++) {
        assert_false(is_in(&table, objects[i]));
        object_table_add(&table, objects[i]);
        for (unsigned other = i % 7; other <= i; other += 7)
            assert_true(is_in(&table, objects[other]));
    }
    assert_int_equal(table.count, OBJECTS);
    assert_true(object_table_chains(&table) >= OBJECTS / 2);
    assert_true(object_table_bytes(&table) <= OBJECTS * 4 * sizeof(void *));
    for (unsigned i = 0; i < OBJECTS; i++)
        object_table_remove(&table, objects[i]);
    object_table_done(&table);
}

/* Chains are walked to their end: what was removed must be out of all of them. */
static void removal_at_any_moment_takes_out_one(void **state)
{
    struct object_table table;

    (void)state;
    object_table_init(&table);
    for (unsigned i = 0; i < OBJECTS; i++) {
        object_table_add(&table, objects[i]);
        assert_true(is_in(&table, objects[i]));
        if (i % 3 == 2)
            object_table_remove(&table, objects[i / 2]);
    }
    for (unsigned i = 0; i < OBJECTS; i++)
        if (is_in(&table, objects[i]))
            object_table_remove(&table, objects[i]);
    assert_int_equal(table.count, 0);
    for (size_t chain = 0; chain < object_table_chains(&table); chain++)
        assert_null(object_table_chain_at(&table, chain));
    object_table_done(&table);
}

/* While it doubles, each is met at least once by its number of chain. */
static void a_visit_meets_all(void **state)
{
    struct object_table table;
    static unsigned     met[OBJECTS];

    (void)state;
    object_table_init(&table);
    for (unsigned i = 0; i < OBJECTS; i++) {
        object_table_add(&table, objects[i]);
        if (i % 251 != 0)
            continue;
        memset(met, 0, sizeof(met));
        for (size_t chain = 0; chain < object_table_chains(&table); chain++)
            for (struct object *object = object_table_chain_at(&table, chain); object != NULL;
                 object = object->next)
                met[object->facts.serial]++;
        for (unsigned other = 0; other <= i; other++)
            assert_in_range(met[other], 1, 2);
    }
    for (unsigned i = 0; i < OBJECTS; i++)
        object_table_remove(&table, objects[i]);
    object_table_done(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_are_found_while_it_grows),
        cmocka_unit_test(removal_at_any_moment_takes_out_one),
        cmocka_unit_test(a_visit_meets_all),
    };

    return cmocka_run_group_tests_name("cache/object_table", tests, set_up, tear_down);
}
