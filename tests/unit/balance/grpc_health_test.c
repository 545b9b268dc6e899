// SPDX-License-Identifier: MIT
/* grpc_health: the question as bytes, and which answers are good. */
#include "base/unit.h"

#include "balance/grpc_health.h"

static struct arena *arena;
static struct head   head;
static struct fields trailers;
static const char   *why;

static int setup(void **state)
{
    (void)state;
    arena = arena_new();
    head = (struct head){ .status = 200 };
    fields_init(&head.fields, arena, 4);
    fields_init(&trailers, arena, 4);
    why = NULL;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static bool says(const char *status, unsigned good, struct text body)
{
    fields_set_name(&trailers, TEXT("grpc-status"), text_from(status));
    return grpc_health_is_passed(good, &head, &trailers, body, &why);
}

static void the_question(void **state)
{
    char        name[300];
    struct text bytes;

    (void)state;
    bytes = grpc_health_request(arena, TEXT(""));
    assert_int_equal(bytes.len, 5);
    assert_memory_equal(bytes.ptr, "\0\0\0\0\0", 5);
    bytes = grpc_health_request(arena, TEXT("a.B"));
    assert_int_equal(bytes.len, 10);
    assert_memory_equal(bytes.ptr, "\0\0\0\0\5\x0a\3a.B", 10);
    memset(name, 'x', sizeof(name));
    bytes = grpc_health_request(arena, text_of(name, sizeof(name)));
    assert_int_equal(bytes.len, 5 + 3 + 300);
    assert_memory_equal(bytes.ptr, "\0\0\0\1\x2f\x0a\xac\2x", 9);
}

static void serving_is_good(void **state)
{
    (void)state;
    assert_true(says("0", 0, TEXT("\0\0\0\0\2\x08\1")));
    assert_true(says("0", 12, TEXT("\0\0\0\0\2\x08\1")));
    assert_true(says("0", 0, TEXT("\0\0\0\0\4\x08\2\x08\1")));
}

static void anything_else_is_not(void **state)
{
    static const struct text bodies[] = {
        TEXT(""),                        TEXT("\0\0\0\0\0"),          TEXT("\0\0\0\0\2\x08\2"),
        TEXT("\1\0\0\0\2\x08\1"),        TEXT("\0\0\0\0\3\x08\1"),    TEXT("\0\0\0\0\1\x08"),
        TEXT("\0\0\0\0\2\x10\1"),        TEXT("\0\0\0\0\2\x08\x81"),  TEXT("\0\0\0\0"),
        TEXT("\0\0\0\0\2\x08\1more"),    TEXT("\0\xff\xff\xff\xff\x08\1"),
        TEXT("\0\0\0\0\x0c\x08\x81\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        assert_false(says("0", 0, bodies[i]));
        assert_string_equal(why, "whether it is serving");
    }
}

static void a_status_that_is_good_as_well(void **state)
{
    (void)state;
    assert_true(says("12", 12, TEXT("")));
    assert_false(says("12", 0, TEXT("")));
    assert_false(says("5", 12, TEXT("\0\0\0\0\2\x08\1")));
    assert_string_equal(why, "grpc-status");
    assert_false(says("-1", 12, TEXT("")));
}

static void without_trailers_the_head_says_it(void **state)
{
    (void)state;
    assert_false(grpc_health_is_passed(12, &head, NULL, TEXT(""), &why));
    fields_add(&head.fields, TEXT("grpc-status"), TEXT("12"));
    assert_true(grpc_health_is_passed(12, &head, NULL, TEXT(""), &why));
    head.status = 404;
    assert_false(grpc_health_is_passed(12, &head, NULL, TEXT(""), &why));
    assert_string_equal(why, "status code");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_question, setup, teardown),
        cmocka_unit_test_setup_teardown(serving_is_good, setup, teardown),
        cmocka_unit_test_setup_teardown(anything_else_is_not, setup, teardown),
        cmocka_unit_test_setup_teardown(a_status_that_is_good_as_well, setup, teardown),
        cmocka_unit_test_setup_teardown(without_trailers_the_head_says_it, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
