// SPDX-License-Identifier: MIT
/* sockets: the same socket keeps its descriptor; what is not wanted any more is closed. */
#include "base/unit.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "main/sockets.h"

static const struct config_options options = { .prefix = { "/", 1 }, .path = { "/c", 2 },
                                               .error_log = { "/e", 2 }, .globals = { "", 0 } };

static int socket_new(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    return fd;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void take(struct sockets *sockets, const char *name, int fd)
{
    struct bundle *bundle = bundle_new(&options, false);

    bundle_add_fd(bundle, "listen", text_from(name), fd);
    sockets_take(sockets, bundle);
    bundle_free(&bundle);
}

static void a_known_socket_keeps_its_number(void **state)
{
    struct sockets sockets = { NULL };
    int            fd = socket_new(), again = dup(fd);

    (void)state;
    take(&sockets, "a", fd);
    take(&sockets, "a", again);
    assert_int_equal(sockets_find(&sockets, TEXT("a")), fd);
    assert_false(is_open(again));
    sockets_close_all(&sockets);
    assert_false(is_open(fd));
}

static void a_known_socket_may_get_another_name(void **state)
{
    struct sockets sockets = { NULL };
    int            fd = socket_new();

    (void)state;
    take(&sockets, "a", fd);
    take(&sockets, "a#0", dup(fd));
    assert_int_equal(sockets_find(&sockets, TEXT("a")), -1);
    assert_int_equal(sockets_find(&sockets, TEXT("a#0")), fd);
    sockets_close_all(&sockets);
}

static void unwanted_ones_stay_until_told(void **state)
{
    struct sockets sockets = { NULL };
    int            old = socket_new(), fresh = socket_new();

    (void)state;
    take(&sockets, "a", old);
    take(&sockets, "b", fresh);
    assert_int_equal(sockets_find(&sockets, TEXT("a")), -1);
    assert_true(is_open(old));
    sockets_close_unwanted(&sockets);
    assert_false(is_open(old));
    assert_true(is_open(fresh));
    sockets_close_all(&sockets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_known_socket_keeps_its_number),
        cmocka_unit_test(a_known_socket_may_get_another_name),
        cmocka_unit_test(unwanted_ones_stay_until_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
