// SPDX-License-Identifier: MIT
/* map: against a plain array as a model, through growing and removing. */
#include "check.h"

#include <stdbool.h>

#include "base/map.h"

static void keys_are_found_and_kept(void **state)
{
    struct map *map = map_new(false);
    int         a, b;

    (void)state;
    assert_null(map_get(map, TEXT("a")));
    assert_true(map_add(map, TEXT("a"), &a));
    assert_false(map_add(map, TEXT("a"), &b));
    assert_ptr_equal(map_get(map, TEXT("a")), &a);
    assert_null(map_get(map, TEXT("A")));
    assert_true(map_add(map, TEXT("A"), &b));
    assert_int_equal(map_count(map), 2);
    assert_ptr_equal(map_remove(map, TEXT("a")), &a);
    assert_null(map_remove(map, TEXT("a")));
    assert_null(map_get(map, TEXT("a")));
    assert_ptr_equal(map_get(map, TEXT("A")), &b);
    assert_int_equal(map_count(map), 1);
    map_free(&map);
    assert_null(map);
    map_free(&map);
}

static void case_may_be_ignored(void **state)
{
    struct map *map = map_new(true);
    int         a;

    (void)state;
    assert_true(map_add(map, TEXT("Content-Type"), &a));
    assert_false(map_add(map, TEXT("CONTENT-type"), &a));
    assert_ptr_equal(map_get(map, TEXT("content-type")), &a);
    assert_ptr_equal(map_remove(map, TEXT("cONTENT-TYPE")), &a);
    map_free(&map);
}

static void the_empty_key_is_a_key(void **state)
{
    struct map *map = map_new(false);
    int         a;

    (void)state;
    assert_true(map_add(map, TEXT_NONE, &a));
    assert_ptr_equal(map_get(map, TEXT("")), &a);
    assert_false(map_add(map, TEXT(""), &a));
    map_free(&map);
}

enum { KEYS = 3000 };

struct model {
    struct map *map;
    char        keys[KEYS][8];
    bool        is_in[KEYS];
    size_t      count;
};

static struct text key_of(struct model *model, int i)
{
    return text_from(model->keys[i]);
}

static void step(struct model *model, int i)
{
    if (rand() % 5 < 2) {
        assert_ptr_equal(map_remove(model->map, key_of(model, i)),
                         model->is_in[i] ? model->keys[i] : NULL);
        model->count -= model->is_in[i];
        model->is_in[i] = false;
    } else {
        assert_int_equal(map_add(model->map, key_of(model, i), model->keys[i]), !model->is_in[i]);
        model->count += !model->is_in[i];
        model->is_in[i] = true;
    }
}

static void compare(struct model *model)
{
    size_t      cursor = 0, seen = 0;
    struct text key;
    void       *value;

    assert_int_equal(map_count(model->map), model->count);
    for (int i = 0; i < KEYS; i++)
        assert_ptr_equal(map_get(model->map, key_of(model, i)),
                         model->is_in[i] ? model->keys[i] : NULL);
    while (map_next(model->map, &cursor, &key, &value)) {
        assert_ptr_equal(key.ptr, value);
        seen++;
    }
    assert_int_equal(seen, model->count);
}

static void it_agrees_with_a_model(void **state)
{
    static struct model model;

    (void)state;
    srand(7);
    model.map = map_new(false);
    for (int i = 0; i < KEYS; i++)
        (void)snprintf(model.keys[i], sizeof(model.keys[i]), "k%d", i);
    for (int i = 0; i < 60000; i++) {
        step(&model, i < 20000 ? rand() % 40 : rand() % KEYS);
        if (i % 5000 == 0)
            compare(&model);
    }
    compare(&model);
    map_free(&model.map);
}

static void add_nothing(void)
{
    (void)map_add(map_new(false), TEXT("a"), NULL);
}

static void a_value_is_something(void **state)
{
    (void)state;
    CHECK_ABORTS(add_nothing, "must(value != NULL)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_found_and_kept),
        cmocka_unit_test(case_may_be_ignored),
        cmocka_unit_test(the_empty_key_is_a_key),
        cmocka_unit_test(it_agrees_with_a_model),
        cmocka_unit_test(a_value_is_something),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
