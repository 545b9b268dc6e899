// SPDX-License-Identifier: MIT
/* file_copy: which paths may be files. What is written by jobs: tests/e2e/test_store.py. */

#include "base/unit.h"

#include "proxy/file_copy.h"

static void paths(void **state)
{
    static const char *const good[] = { "/a", "/a/b.txt", "/a/..b", "/a/b..", "/.a", "/a//b", "/a/./b" };
    static const char *const bad[] = { "",       "a",     "/",      "/a/",     "/..",      "/a/..",
                                       "/a/../b", "/../a", "/a/b/.", "/a/b/..", "../a/b/c" };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        if (!file_copy_may_be(text_from(good[i])))
            fail_msg("\"%s\" is refused", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (file_copy_may_be(text_from(bad[i])))
            fail_msg("\"%s\" is not refused", bad[i]);
    assert_false(file_copy_may_be(TEXT("/a\0b")));
}

static void a_path_is_bounded(void **state)
{
    static char long_path[8192];

    (void)state;
    for (size_t i = 0; i < sizeof(long_path); i++)
        long_path[i] = i % 100 == 0 ? '/' : 'a';
    assert_true(file_copy_may_be(text_of(long_path, 3000)));
    assert_false(file_copy_may_be(text_of(long_path, 4095)));
    assert_false(file_copy_may_be(text_of(long_path, sizeof(long_path))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths),
        cmocka_unit_test(a_path_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
