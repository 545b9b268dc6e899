// SPDX-License-Identifier: MIT
/* directories: made with what is above them, once, with the mode that was asked for. */
#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "main/directories.h"

static char top[] = "/tmp/directories_test.XXXXXX";

static void missing_parents_are_made_too(void **state)
{
    char        path[128];
    struct stat status;

    (void)state;
    assert_non_null(mkdtemp(top));
    (void)snprintf(path, sizeof(path), "%s/a/b//", top);
    assert_int_equal(directory_make(text_from(path), 0700, geteuid(), getegid()), 0);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    assert_int_equal(directory_make(text_from(path), 0755, geteuid(), getegid()), 0);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    (void)rmdir(path);
    (void)snprintf(path, sizeof(path), "%s/a", top);
    (void)rmdir(path);
    (void)rmdir(top);
}

static void impossible_places_are_errors(void **state)
{
    (void)state;
    assert_int_equal(directory_make(TEXT("/dev/null/x"), 0700, geteuid(), getegid()), -ENOTDIR);
    assert_int_equal(directory_make(TEXT(""), 0700, geteuid(), getegid()), -ENAMETOOLONG);
    assert_int_equal(directory_make_for(TEXT("x.log"), 0755), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_parents_are_made_too),
        cmocka_unit_test(impossible_places_are_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
