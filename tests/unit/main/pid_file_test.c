// SPDX-License-Identifier: MIT
/* pid_file: what is written is read, and only its owner removes it. */
#include "base/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "main/pid_file.h"

static char        directory[] = "/tmp/pid_file_test.XXXXXX";
static char        name[64], aside[64];
static struct text path;

static int begin(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    (void)snprintf(name, sizeof(name), "%s/x.pid", directory);
    (void)snprintf(aside, sizeof(aside), "%s/x.pid.oldbin", directory);
    path = text_from(name);
    return 0;
}

static int end(void **state)
{
    (void)state;
    (void)unlink(name);
    return rmdir(directory);
}

static void put(const char *content)
{
    FILE *file = fopen(name, "w");

    assert_non_null(file);
    (void)fputs(content, file);
    (void)fclose(file);
}

static void written_is_read(void **state)
{
    pid_t pid = 0;

    (void)state;
    assert_int_equal(pid_file_read(path, &pid), -ENOENT);
    assert_int_equal(pid_file_write(path, 4711), 0);
    assert_int_equal(pid_file_read(path, &pid), 0);
    assert_int_equal(pid, 4711);
    assert_int_equal(pid_file_write(TEXT("/nonexistent/x.pid"), 1), -ENOENT);
}

static void only_a_number_is_a_pid(void **state)
{
    static const char *const wrong[] = { "",     "\n",      "abc\n",         "0\n",
                                         "-5\n", "12 34\n", "99999999999\n" };
    pid_t                    pid = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        put(wrong[i]);
        assert_int_equal(pid_file_read(path, &pid), -EINVAL);
    }
    put("77");
    assert_int_equal(pid_file_read(path, &pid), 0);
    assert_int_equal(pid, 77);
}

static void only_the_holder_removes_it(void **state)
{
    (void)state;
    assert_int_equal(pid_file_write(path, 10), 0);
    pid_file_remove(path, 11);
    assert_int_equal(access(name, F_OK), 0);
    pid_file_remove(path, 10);
    assert_int_equal(access(name, F_OK), -1);
}

static void an_upgrade_sets_it_aside(void **state)
{
    pid_t pid = 0;

    (void)state;
    assert_int_equal(pid_file_write(path, 10), 0);
    assert_int_equal(pid_file_set_aside(path), 0);
    assert_int_equal(access(aside, F_OK), 0);
    assert_int_equal(pid_file_write(path, 20), 0);
    assert_int_equal(pid_file_bring_back(path), 0);
    assert_int_equal(pid_file_read(path, &pid), 0);
    assert_int_equal(pid, 10);
    assert_int_equal(pid_file_set_aside(path), 0);
    assert_int_equal(pid_file_write(path, 20), 0);
    pid_file_remove(path, 10);
    assert_int_equal(access(aside, F_OK), -1);
    assert_int_equal(access(name, F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_is_read),
        cmocka_unit_test(only_a_number_is_a_pid),
        cmocka_unit_test(only_the_holder_removes_it),
        cmocka_unit_test(an_upgrade_sets_it_aside),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
