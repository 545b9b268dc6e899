// SPDX-License-Identifier: MIT
/* hosts_file: what lines mean, and that a change is seen. */
#include "check.h"

#include "net/hosts_file.h"

static struct address found[4];

static unsigned find(const char *text, const char *name)
{
    return hosts_text_find(text_from(text), text_from(name), found, COUNT_OF(found));
}

static void check(unsigned i, const char *wanted)
{
    char buffer[ADDRESS_TEXT_BYTES];

    assert_string_equal(address_string(&found[i], buffer), wanted);
}

static void lines(void **state)
{
    static const char text[] = "# 10.0.0.9 app\n\n10.0.0.1\tone  App#x\r\n::1 app two\n"
                               "10.0.0.1 app\nnonsense app\n10.0.0.2 apple\n  10.0.0.3 last";

    (void)state;
    assert_int_equal(find(text, "app"), 2);
    check(0, "10.0.0.1:0");
    check(1, "[::1]:0");
    assert_int_equal(find(text, "x"), 0);
    assert_int_equal(find(text, "10.0.0.1"), 0);
    assert_int_equal(find(text, "last"), 1);
    assert_int_equal(find(text, "two"), 1);
    assert_int_equal(find("", "app"), 0);
}

static void no_more_than_there_is_room_for(void **state)
{
    (void)state;
    assert_int_equal(find("10.0.0.1 a\n10.0.0.2 a\n10.0.0.3 a\n10.0.0.4 a\n10.0.0.5 a\n", "a"), 4);
}

static void a_change_is_seen(void **state)
{
    char              path[] = "/tmp/hosts_file_test.XXXXXX";
    int               fd = mkstemp(path);
    struct hosts_file file;

    (void)state;
    assert_true(fd >= 0);
    hosts_file_init(&file, path);
    assert_int_equal(hosts_file_find(&file, TEXT("a"), found, 4), 0);
    assert_int_equal(write(fd, "10.0.0.1 a\n", 11), 11);
    assert_int_equal(hosts_file_find(&file, TEXT("a"), found, 4), 1);
    (void)unlink(path);
    assert_int_equal(hosts_file_find(&file, TEXT("a"), found, 4), 0);
    hosts_file_done(&file);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(no_more_than_there_is_room_for),
        cmocka_unit_test(a_change_is_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
