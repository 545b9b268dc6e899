// SPDX-License-Identifier: MIT
/* shortage: causes come and go alone, and the bell is rung once for each. */
#include "check.h"

#include <errno.h>
#include <sys/eventfd.h>

#include "base/shortage.h"

static uint64_t rings(int fd)
{
    uint64_t count = 0;

    if (read(fd, &count, sizeof(count)) < 0)
        assert_int_equal(errno, EAGAIN);
    return count;
}

static void causes_come_and_go_alone(void **state)
{
    (void)state;
    assert_int_equal(shortage_now(), 0);
    shortage_begin(SHORTAGE_SYSTEM);
    shortage_begin(SHORTAGE_BUDGET);
    assert_int_equal(shortage_now(), SHORTAGE_SYSTEM | SHORTAGE_BUDGET);
    shortage_end(SHORTAGE_SYSTEM);
    assert_int_equal(shortage_now(), SHORTAGE_BUDGET);
    shortage_end(SHORTAGE_BUDGET);
    assert_int_equal(shortage_now(), 0);
    assert_int_equal(shortage_seen(), SHORTAGE_SYSTEM | SHORTAGE_BUDGET);
    assert_int_equal(shortage_seen(), 0);
}

static void the_bell_is_rung_for_news_only(void **state)
{
    int fd = eventfd(0, EFD_NONBLOCK);

    (void)state;
    shortage_bell(fd);
    errno = ENOMEM;
    shortage_begin(SHORTAGE_SYSTEM);
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(rings(fd), 1);
    shortage_begin(SHORTAGE_SYSTEM);
    assert_int_equal(rings(fd), 0);
    shortage_end(SHORTAGE_SYSTEM);
    shortage_end(SHORTAGE_SYSTEM);
    assert_int_equal(rings(fd), 1);
    shortage_bell(-1);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(causes_come_and_go_alone),
        cmocka_unit_test(the_bell_is_rung_for_news_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
