// SPDX-License-Identifier: MIT
/* priority: RFC 9218 4, and 8 for merging. */
#include "base/unit.h"

#include "http/priority.h"

static struct priority merged(struct priority over, const char *value, struct arena *arena)
{
    struct fields fields;

    fields_init(&fields, arena, 2);
    if (value != NULL)
        fields_add(&fields, TEXT("Priority"), text_from(value));
    return priority_merge(over, &fields, arena);
}

static void values(void **state)
{
    static const struct {
        const char *value;
        unsigned    urgency;
        bool        is_incremental;
    } rows[] = {
        { NULL, 3, false },        { "", 3, false },          { "u=0", 0, false },
        { "u=7", 7, false },       { "u=8", 3, false },       { "u=-1", 3, false },
        { "u=1.0", 3, false },     { "u", 3, false },         { "u=\"1\"", 3, false },
        { "i", 3, true },          { "i=?1", 3, true },       { "i=?0", 3, false },
        { "i=1", 3, false },       { "u=5, i", 5, true },     { "i,u=1;x=2", 1, true },
        { "u=1, u=2", 2, false },  { "u=1, x=\"", 3, false }, { "u=1,", 3, false },
        { "x=1, u=4, y", 4, false }, { "U=1", 3, false },     { "u=(1 2)", 3, false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct priority got = merged(priority_default(), rows[i].value, *state);
        CHECK_CASE(got.urgency == rows[i].urgency, rows[i].value);
        CHECK_CASE(got.is_incremental == rows[i].is_incremental, rows[i].value);
    }
}

static void a_response_changes_what_it_names(void **state)
{
    struct priority client = { .urgency = 5, .is_incremental = true };

    assert_int_equal(merged(client, "u=1", *state).urgency, 1);
    assert_true(merged(client, "u=1", *state).is_incremental);
    assert_int_equal(merged(client, "i=?0", *state).urgency, 5);
    assert_false(merged(client, "i=?0", *state).is_incremental);
}

static void several_fields_are_one(void **state)
{
    struct priority got;
    struct fields   fields;

    fields_init(&fields, *state, 2);
    fields_add(&fields, TEXT("priority"), TEXT("u=1"));
    fields_add(&fields, TEXT("priority"), TEXT("i"));
    got = priority_merge(priority_default(), &fields, *state);
    assert_true(got.urgency == 1 && got.is_incremental);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(values),
        WITH_ARENA(a_response_changes_what_it_names),
        WITH_ARENA(several_fields_are_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
