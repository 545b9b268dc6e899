// SPDX-License-Identifier: MIT
/* fields: names by number, the list, lists in values. */
#include "base/unit.h"

#include <string.h>

#include "http/fields.h"

static void every_known_name_is_found_in_any_case(void **state)
{
    (void)state;
    for (unsigned id = FIELD_OTHER + 1; id < FIELD_ID_COUNT; id++) {
        struct text name = field_name((enum field_id)id);
        char        upper[32], lower[32];
        for (size_t i = 0; i < name.len; i++) {
            lower[i] = text_lower_char(name.ptr[i]);
            upper[i] = lower[i] >= 'a' && lower[i] <= 'z' ? (char)(lower[i] - 32) : lower[i];
        }
        assert_int_equal(field_id_of(name), id);
        assert_int_equal(field_id_of(text_of(lower, name.len)), id);
        assert_int_equal(field_id_of(text_of(upper, name.len)), id);
        /* One byte off is another name; folding must not take "\r" for "-". */
        for (size_t i = 0; i < name.len; i++) {
            char saved = lower[i];
            lower[i] ^= 0x20;
            if (saved == '-')
                assert_int_equal(field_id_of(text_of(lower, name.len)), FIELD_OTHER);
            lower[i] = '!';
            assert_int_equal(field_id_of(text_of(lower, name.len)), FIELD_OTHER);
            lower[i] = saved;
        }
        assert_int_equal(field_id_of(text_of(name.ptr, name.len - 1)) == id, 0);
    }
}

static void unknown_names_are_other(void **state)
{
    (void)state;
    assert_int_equal(field_id_of(TEXT("")), FIELD_OTHER);
    assert_int_equal(field_id_of(TEXT("X")), FIELD_OTHER);
    assert_int_equal(field_id_of(TEXT("Hosts")), FIELD_OTHER);
    assert_int_equal(field_id_of(TEXT("X-A-Name-That-Is-Longer-Than-All-Known-Names")), FIELD_OTHER);
}

static void flags_come_from_the_table(void **state)
{
    (void)state;
    assert_int_equal(field_flags(FIELD_OTHER), 0);
    assert_int_equal(field_flags(FIELD_CONNECTION), FIELD_HOP);
    assert_int_equal(field_flags(FIELD_TRANSFER_ENCODING), FIELD_HOP | FIELD_FRAMING | FIELD_KEEP);
}

static void list_keeps_order_and_grows(void **state)
{
    struct fields fields;
    char          name[] = "X-00";

    fields_init(&fields, *state, 2);
    for (int i = 0; i < 40; i++) {
        name[2] = (char)('0' + i / 10);
        name[3] = (char)('0' + i % 10);
        fields_add(&fields, arena_copy(*state, text_from(name)), TEXT("v"));
    }
    assert_int_equal(fields.count, 40);
    CHECK_TEXT(fields.items[0].name, "X-00");
    CHECK_TEXT(fields.items[39].name, "X-39");
    assert_ptr_equal(fields_find_name(&fields, TEXT("x-21")), &fields.items[21]);
    assert_null(fields_find_name(&fields, TEXT("x-40")));
}

static void finding_skips_what_is_gone(void **state)
{
    struct fields fields;

    fields_init(&fields, *state, 0);
    fields_add(&fields, TEXT("set-cookie"), TEXT("a"));
    fields_add(&fields, TEXT("Set-Cookie"), TEXT("b"));
    fields_add(&fields, TEXT("Set-Cookie"), TEXT("c"));
    struct field *first = fields_find(&fields, FIELD_SET_COOKIE);
    CHECK_TEXT(first->value, "a");
    first->is_gone = true;
    CHECK_TEXT(fields_value(&fields, FIELD_SET_COOKIE), "b");
    struct field *last = fields_find_next(&fields, fields_find(&fields, FIELD_SET_COOKIE));
    CHECK_TEXT(last->value, "c");
    assert_null(fields_find_next(&fields, last));
    assert_null(fields_value(&fields, FIELD_HOST).ptr);
    fields_add_id(&fields, FIELD_HOST, TEXT("h"));
    CHECK_TEXT(fields_value(&fields, FIELD_HOST), "h");
    CHECK_TEXT(fields_find(&fields, FIELD_HOST)->name, "Host");
    assert_null(fields_find(&fields, FIELD_OTHER));
}

static void set_replaces_the_first_and_removes_the_others(void **state)
{
    struct fields fields;
    unsigned      left = 0;

    fields_init(&fields, *state, 4);
    fields_add(&fields, TEXT("X-Odd_Name"), TEXT("1"));
    fields_add(&fields, TEXT("Host"), TEXT("h"));
    fields_add(&fields, TEXT("x-odd_name"), TEXT("2"));
    assert_true(fields.items[0].is_odd);
    assert_false(fields.items[1].is_odd);
    fields_set_name(&fields, TEXT("X-ODD_NAME"), TEXT("3"));
    fields_set(&fields, FIELD_HOST, TEXT("i"));
    fields_set(&fields, FIELD_DATE, TEXT("d"));
    FIELDS_EACH(&fields, field)
        left++;
    assert_int_equal(left, 3);
    CHECK_TEXT(fields.items[0].value, "3");
    CHECK_TEXT(fields_value(&fields, FIELD_HOST), "i");
    CHECK_TEXT(fields_value(&fields, FIELD_DATE), "d");
    fields_remove_name(&fields, TEXT("X-odd_name"));
    fields_remove(&fields, FIELD_DATE);
    fields_remove(&fields, FIELD_AGE);
    assert_null(fields_find_name(&fields, TEXT("X-Odd_Name")));
    assert_null(fields_find(&fields, FIELD_DATE));
}

static void joining_uses_commas_but_semicolons_for_cookies(void **state)
{
    struct fields fields;

    fields_init(&fields, *state, 4);
    fields_add(&fields, TEXT("X-A"), TEXT("1"));
    fields_add(&fields, TEXT("Cookie"), TEXT("a=1"));
    fields_add(&fields, TEXT("x-a"), TEXT(""));
    fields_add(&fields, TEXT("X-a"), TEXT("3"));
    fields_add(&fields, TEXT("cookie"), TEXT("b=2"));
    CHECK_TEXT(fields_joined(&fields, TEXT("X-A"), *state), "1, , 3");
    CHECK_TEXT(fields_joined(&fields, TEXT("COOKIE"), *state), "a=1; b=2");
    assert_null(fields_joined(&fields, TEXT("Host"), *state).ptr);
    fields_remove_name(&fields, TEXT("x-a"));
    fields_add(&fields, TEXT("X-A"), TEXT("9"));
    assert_ptr_equal(fields_joined(&fields, TEXT("X-A"), *state).ptr, fields.items[5].value.ptr);
}

static void names_and_values_are_checked(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char        byte = (char)c;
        struct text one = text_of(&byte, 1);
        bool        is_token = c != 0 && c < 0x7f && c > 0x20
                        && strchr("\"(),/:;<=>?@[\\]{}", c) == NULL;
        bool is_value = c == '\t' || (c >= 0x20 && c != 0x7f);
        assert_int_equal(field_name_is_valid(one), is_token);
        assert_int_equal(field_value_is_valid(one), is_value);
    }
    assert_false(field_name_is_valid(TEXT("")));
    assert_true(field_value_is_valid(TEXT("")));
    assert_false(field_value_is_valid(TEXT("a long value with a newline \n at its middle ...")));
}

static void lists_are_taken_apart(void **state)
{
    struct text rest = TEXT(" a ,, \"b, \\\" c\" ; q=1 ,\t,d=\"x,y\" , \"open, end"), element;

    (void)state;
    assert_true(field_list_next(&rest, &element));
    CHECK_TEXT(element, "a");
    assert_true(field_list_next(&rest, &element));
    CHECK_TEXT(element, "\"b, \\\" c\" ; q=1");
    assert_true(field_list_next(&rest, &element));
    CHECK_TEXT(element, "d=\"x,y\"");
    assert_true(field_list_next(&rest, &element));
    CHECK_TEXT(element, "\"open, end");
    assert_false(field_list_next(&rest, &element));
    rest = TEXT(" , ,");
    assert_false(field_list_next(&rest, &element));
    rest = TEXT_NONE;
    assert_false(field_list_next(&rest, &element));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_known_name_is_found_in_any_case),
        cmocka_unit_test(unknown_names_are_other),
        cmocka_unit_test(flags_come_from_the_table),
        WITH_ARENA(list_keeps_order_and_grows),
        WITH_ARENA(finding_skips_what_is_gone),
        WITH_ARENA(set_replaces_the_first_and_removes_the_others),
        WITH_ARENA(joining_uses_commas_but_semicolons_for_cookies),
        cmocka_unit_test(names_and_values_are_checked),
        cmocka_unit_test(lists_are_taken_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
