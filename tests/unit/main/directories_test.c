// SPDX-License-Identifier: MIT
/* directories: made with what is above them, once, with the mode that was asked for. */
#include "base/unit.h"

#include <errno.h>
#include <fcntl.h>
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

/* Our own, as whoever runs the test; as root, somebody else's too. */
static void somebodys_own_is_handed_over_when_it_is_empty(void **state)
{
    static char base[] = "/tmp/directories_own.XXXXXX";
    char        path[128], file[160];
    struct stat status;
    uid_t       other = geteuid() == 0 ? 4711 : geteuid();
    int         fd;

    (void)state;
    assert_non_null(mkdtemp(base));
    (void)snprintf(path, sizeof(path), "%s/own", base);
    assert_int_equal(directory_make_own(text_from(path), other, getegid()), 0);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_uid, other);
    assert_int_equal(status.st_mode & 07777, 0700);
    assert_int_equal(directory_make_own(text_from(path), other, getegid()), 0);
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 0, 0), 0);
        assert_int_equal(chmod(path, 0755), 0);
        assert_int_equal(directory_make_own(text_from(path), other, 4711), 0);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_uid, other);
        assert_int_equal(status.st_mode & 07777, 0700);
        assert_int_equal(chown(path, 0, 0), 0);
        (void)snprintf(file, sizeof(file), "%s/kept", path);
        fd = open(file, O_WRONLY | O_CREAT, 0600);
        assert_true(fd >= 0);
        (void)close(fd);
        assert_int_equal(directory_make_own(text_from(path), other, 4711), -EACCES);
        assert_int_equal(directory_make_own(text_from(path), 0, 0), 0);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_uid, 0);
        assert_int_equal(chmod(path, 0777), 0);
        assert_int_equal(directory_make_own(text_from(path), other, 4711), 0);
        (void)unlink(file);
    }
    (void)rmdir(path);
    (void)rmdir(base);
}

static void impossible_places_are_errors(void **state)
{
    (void)state;
    assert_int_equal(directory_make(TEXT("/dev/null/x"), 0700, geteuid(), getegid()), -ENOTDIR);
    assert_int_equal(directory_make(TEXT(""), 0700, geteuid(), getegid()), -ENAMETOOLONG);
    assert_int_equal(directory_make_for(TEXT("x.log"), 0755), 0);
    assert_int_equal(directory_make_own(TEXT("/dev/null/x"), geteuid(), getegid()), -ENOTDIR);
    assert_int_equal(directory_make_own(TEXT("/dev/null"), geteuid(), getegid()), -ENOTDIR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_parents_are_made_too),
        cmocka_unit_test(somebodys_own_is_handed_over_when_it_is_empty),
        cmocka_unit_test(impossible_places_are_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
