// SPDX-License-Identifier: MIT
/* Who opens a large file again, and when it is too late. Bodies are only pointers here. */
#include "check.h"

#include <fcntl.h>
#include <unistd.h>

#include "cache/large_files.h"

static char            first_mark, second_mark;
static struct large_body *const first = (struct large_body *)&first_mark;
static struct large_body *const second = (struct large_body *)&second_mark;

static bool is_alive(struct large_body *body)
{
    return body == first;
}

static void open_files(struct large_files *files)
{
    int dir_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_true(dir_fd >= 0);
    large_files_init(files, dir_fd);
}

static void the_open_one_serves_all(void **state)
{
    struct large_files files;

    (void)state;
    open_files(&files);
    large_files_add(&files, 7, first);
    assert_ptr_equal(large_files_open(&files, 7, second, is_alive), first);
    large_files_shut(&files, 7, first);
    assert_ptr_equal(large_files_open(&files, 7, second, is_alive), second);
    large_files_shut(&files, 7, second);
    large_files_done(&files);
}

/* A damaged file is taken out first and deleted then: whoever opened it by name in between must not
 * serve it. */
static void what_was_taken_out_is_not_opened(void **state)
{
    struct large_files files;

    (void)state;
    open_files(&files);
    large_files_add(&files, 7, first);
    large_files_shut(&files, 7, first);
    large_files_drop(&files, 7);
    assert_null(large_files_open(&files, 7, second, is_alive));
    large_files_done(&files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_open_one_serves_all),
        cmocka_unit_test(what_was_taken_out_is_not_opened),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
