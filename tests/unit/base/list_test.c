// SPDX-License-Identifier: MIT
/* list: a ring through a head, from which removing twice is harmless. */
#include "check.h"

#include "base/list.h"

struct item {
    int         number;
    struct link link;
};

static int sum_of_places(struct link *head)
{
    int place = 1, sum = 0;

    LIST_EACH(head, at)
        sum += place++ * container_of(at, struct item, link)->number;
    return sum;
}

static void order_is_kept_at_both_ends(void **state)
{
    struct link head;
    struct item items[4];

    (void)state;
    list_init(&head);
    assert_true(list_is_empty(&head));
    for (int i = 0; i < 4; i++) {
        items[i].number = i + 1;
        list_init(&items[i].link);
        assert_false(list_is_linked(&items[i].link));
    }
    list_append(&head, &items[1].link);
    list_append(&head, &items[3].link);
    list_prepend(&head, &items[0].link);
    list_insert_after(&items[1].link, &items[2].link);
    assert_int_equal(sum_of_places(&head), 1 * 1 + 2 * 2 + 3 * 3 + 4 * 4);
    assert_true(list_is_linked(&items[2].link));
    assert_false(list_is_empty(&head));
}

static void removing_twice_is_harmless(void **state)
{
    struct link head, a, b;

    (void)state;
    list_init(&head);
    list_append(&head, &a);
    list_append(&head, &b);
    list_remove(&a);
    list_remove(&a);
    assert_false(list_is_linked(&a));
    assert_ptr_equal(head.next, &b);
    list_remove(&b);
    assert_true(list_is_empty(&head));
}

static void a_walk_may_remove_what_it_stands_on(void **state)
{
    struct link head, links[5];
    int         seen = 0;

    (void)state;
    list_init(&head);
    for (int i = 0; i < 5; i++)
        list_append(&head, &links[i]);
    LIST_EACH_SAFE(&head, at, after) {
        seen++;
        list_remove(at);
    }
    assert_int_equal(seen, 5);
    assert_true(list_is_empty(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_is_kept_at_both_ends),
        cmocka_unit_test(removing_twice_is_harmless),
        cmocka_unit_test(a_walk_may_remove_what_it_stands_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
