// SPDX-License-Identifier: MIT
/* listeners: sockets are shared between configurations, inherited by number; taken ports
 * are told. */
#include "base/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "main/listeners.h"

static const struct config_options options = { .prefix = { "/", 1 }, .path = { "/c", 2 },
                                               .error_log = { "/e", 2 }, .globals = { "", 0 } };
static const struct report quiet = { .has_log = true };

static void silent(void *target, enum log_level level, struct text line)
{
    (void)level;
    ++*(int *)target;
    assert_true(line.len > 0);
}

static int              lines;
static const struct log counter = { .level = LOG_DEBUG, .write = silent, .target = &lines };

/* A port that is free on the loopback right now. */
static unsigned free_port(void)
{
    struct address address;
    const char    *call;
    int            fd;

    assert_int_equal(address_parse_ip(TEXT("127.0.0.1"), 0, &address), 0);
    assert_int_equal(socket_listen(&address, &(struct listen_options){ 0 }, &fd, &call), 0);
    assert_int_equal(socket_local(fd, &address), 0);
    (void)close(fd);
    return address_port(&address);
}

static struct listen listen_on(const char *ip, unsigned port, bool has_reuseport)
{
    struct listen listen = { .options = { .has_reuseport = has_reuseport } };

    assert_int_equal(address_parse_ip(text_from(ip), port, &listen.address), 0);
    return listen;
}

static bool is_same(int a, int b)
{
    struct stat first, second;

    assert_int_equal(fstat(a, &first), 0);
    assert_int_equal(fstat(b, &second), 0);
    return first.st_ino == second.st_ino;
}

static int open_all(struct listen *listens, const struct bundle *former,
                    enum listeners_purpose purpose, struct bundle **ret_bundle)
{
    struct site site = { .listens = listens };

    *ret_bundle = bundle_new(&options, false);
    return listeners_open(&site, 3, former, purpose, &quiet, *ret_bundle);
}

static int fd_of(const struct bundle *bundle, const struct listen *listen, unsigned loop)
{
    char buffer[LISTENER_NAME_BYTES];
    int  fd = bundle_fd(bundle, "listen", listener_name(buffer, listen, loop));

    assert_true(fd >= 0);
    return fd;
}

static void a_reload_shares_the_socket(void **state)
{
    struct listen  listen = listen_on("127.0.0.1", free_port(), false);
    struct bundle *first, *second;

    (void)state;
    assert_int_equal(open_all(&listen, NULL, LISTENERS_RELOAD, &first), 0);
    assert_int_equal(open_all(&listen, first, LISTENERS_RELOAD, &second), 0);
    assert_true(is_same(fd_of(first, &listen, 0), fd_of(second, &listen, 0)));
    assert_int_equal(fd_of(second, &listen, 0), fd_of(second, &listen, 2));
    bundle_free(&first);
    bundle_free(&second);
}

static void reuseport_may_come_and_go(void **state)
{
    struct listen  plain = listen_on("127.0.0.1", free_port(), false), each = plain;
    struct bundle *first, *second, *third, *fourth;

    (void)state;
    each.options.has_reuseport = true;
    assert_int_equal(open_all(&plain, NULL, LISTENERS_RELOAD, &first), 0);
    assert_int_equal(open_all(&each, first, LISTENERS_RELOAD, &second), 0);
    assert_true(is_same(fd_of(first, &plain, 0), fd_of(second, &each, 0)));
    assert_false(is_same(fd_of(second, &each, 0), fd_of(second, &each, 2)));
    assert_int_equal(open_all(&plain, second, LISTENERS_RELOAD, &third), 0);
    assert_true(is_same(fd_of(first, &plain, 0), fd_of(third, &plain, 0)));
    /* The other loops' own ones stay, and come back to their names. */
    for (unsigned loop = 1; loop < 3; loop++) {
        char buffer[LISTENER_NAME_BYTES];
        int  kept = bundle_fd(third, "listen", listener_own_name(buffer, &plain, loop));

        assert_true(kept >= 0);
        assert_true(is_same(kept, fd_of(second, &each, loop)));
    }
    assert_int_equal(open_all(&each, third, LISTENERS_RELOAD, &fourth), 0);
    for (unsigned loop = 0; loop < 3; loop++)
        assert_true(is_same(fd_of(second, &each, loop), fd_of(fourth, &each, loop)));
    bundle_free(&fourth);
    bundle_free(&first);
    bundle_free(&second);
    bundle_free(&third);
}

static void a_wildcard_and_an_exact_address_share_a_port(void **state)
{
    unsigned       port = free_port();
    struct listen  any = listen_on("0.0.0.0", port, false);
    struct listen  exact = listen_on("127.0.0.1", port, false);
    struct bundle *bundle, *other;

    (void)state;
    exact.next = &any;
    assert_int_equal(open_all(&exact, NULL, LISTENERS_RELOAD, &bundle), 0);
    assert_false(is_same(fd_of(bundle, &any, 0), fd_of(bundle, &exact, 0)));
    /* Somebody else is still refused. */
    any.next = NULL;
    lines = 0;
    log_use(&counter);
    assert_int_equal(open_all(&any, NULL, LISTENERS_RELOAD, &other), -EADDRINUSE);
    log_use(NULL);
    assert_int_equal(lines, 1);
    bundle_free(&other);
    bundle_free(&bundle);
}

static void a_test_forgives_a_taken_port(void **state)
{
    struct listen  listen = listen_on("127.0.0.1", free_port(), false);
    struct bundle *holder, *test;

    (void)state;
    assert_int_equal(open_all(&listen, NULL, LISTENERS_RELOAD, &holder), 0);
    assert_int_equal(open_all(&listen, NULL, LISTENERS_TEST, &test), 0);
    bundle_free(&test);
    bundle_free(&holder);
}

static void a_new_binary_inherits_by_number(void **state)
{
    struct listen  listen = listen_on("127.0.0.1", free_port(), true);
    struct arena  *arena = arena_new();
    struct bundle *old, *inherited = bundle_new(&options, false), *fresh;
    unsigned       count = 0;
    const char    *value;

    (void)state;
    assert_int_equal(open_all(&listen, NULL, LISTENERS_RELOAD, &old), 0);
    value = arena_string(arena, listeners_write(old, arena));
    assert_int_equal(setenv(LISTENERS_VARIABLE, value, 1), 0);
    /* In the new process the numbers are its own: give the old bundle others. */
    for (struct bundle_fd *at = old->fds; at != NULL; at = at->next)
        at->fd = fcntl(at->fd, F_DUPFD_CLOEXEC, 3);
    listeners_inherit(inherited, &quiet, &count);
    assert_int_equal(count, 3);
    assert_null(getenv(LISTENERS_VARIABLE));
    assert_int_equal(open_all(&listen, inherited, LISTENERS_START, &fresh), 0);
    for (unsigned loop = 0; loop < 3; loop++)
        assert_true(is_same(fd_of(old, &listen, loop), fd_of(fresh, &listen, loop)));
    bundle_free(&old);
    bundle_free(&inherited);
    bundle_free(&fresh);
    arena_free(&arena);
}

static void rubbish_is_not_inherited(void **state)
{
    struct bundle *inherited = bundle_new(&options, false);
    unsigned       count = 7;

    (void)state;
    assert_int_equal(setenv(LISTENERS_VARIABLE, "0;x;99999999999;250;", 1), 0);
    lines = 0;
    log_use(&counter);
    listeners_inherit(inherited, &quiet, &count);
    log_use(NULL);
    assert_int_equal(count, 0);
    assert_int_equal(lines, 4);
    bundle_free(&inherited);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reload_shares_the_socket),
        cmocka_unit_test(reuseport_may_come_and_go),
        cmocka_unit_test(a_wildcard_and_an_exact_address_share_a_port),
        cmocka_unit_test(a_test_forgives_a_taken_port),
        cmocka_unit_test(a_new_binary_inherits_by_number),
        cmocka_unit_test(rubbish_is_not_inherited),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
