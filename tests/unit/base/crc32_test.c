// SPDX-License-Identifier: MIT
/* crc32: the standard's check value, and that pieces give what the whole gives. */
#include "base/unit.h"

#include "base/crc32.h"

static void check_value_of_the_standard(void **state)
{
    (void)state;
    assert_int_equal(crc32_add(0, TEXT("123456789")), 0xcbf43926);
    assert_int_equal(crc32_add(0, TEXT("")), 0);
    assert_int_equal(crc32_add(0, TEXT("\xff\x00\x80")), 0xac616edf);
}

static void pieces_give_the_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i <= 9; i++)
        assert_int_equal(crc32_add(crc32_add(0, text_of("123456789", i)),
                                   text_from_offset(TEXT("123456789"), i)),
                         0xcbf43926);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_value_of_the_standard),
        cmocka_unit_test(pieces_give_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
