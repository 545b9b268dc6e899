// SPDX-License-Identifier: MIT
/* ticket_keys: made, rotated by the clock, sent, inherited; nothing of them in a forked child. */
#include "base/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "main/channel.h"
#include "main/ticket_keys.h"

enum { HOUR_MS = 3600 * 1000 };

static struct tls_ticket_keys look(const struct ticket_keys *keys, int64_t *ret_made_ms)
{
    struct tls_ticket_keys got;
    int                    fd;

    assert_int_equal(ticket_keys_to_fd(keys, &fd), 0);
    assert_int_equal(ticket_keys_from_fd(fd, &got, ret_made_ms), 0);
    (void)close(fd);
    return got;
}

static void a_rotation_keeps_two(void **state)
{
    struct ticket_keys    *keys = ticket_keys_new(1000);
    struct tls_ticket_keys before, after;
    int64_t                made_ms;

    (void)state;
    assert_non_null(keys);
    before = look(keys, &made_ms);
    assert_int_equal(before.count, TLS_TICKET_KEYS);
    assert_int_equal(made_ms, 1000);
    assert_memory_not_equal(before.secrets[0], before.secrets[1], TLS_TICKET_SECRET);
    assert_false(ticket_keys_rotate(keys, HOUR_MS, 1000 + HOUR_MS - 1));
    assert_int_equal(ticket_keys_due_ms(keys, HOUR_MS), 1000 + HOUR_MS);
    assert_true(ticket_keys_rotate(keys, HOUR_MS, 1000 + HOUR_MS));
    after = look(keys, &made_ms);
    assert_int_equal(made_ms, 1000 + HOUR_MS);
    assert_int_equal(after.count, TLS_TICKET_KEYS);
    assert_memory_equal(after.secrets[1], before.secrets[0], 2 * TLS_TICKET_SECRET);
    assert_memory_not_equal(after.secrets[0], before.secrets[0], TLS_TICKET_SECRET);
    ticket_keys_free(&keys);
    assert_null(keys);
}

static void variable_set(int fd)
{
    char number[16];

    (void)snprintf(number, sizeof(number), "%d", fd);
    assert_int_equal(setenv(TICKET_KEYS_VARIABLE, number, 1), 0);
}

static void the_next_binary_has_the_same(void **state)
{
    struct ticket_keys    *keys = ticket_keys_new(1000), *next;
    struct tls_ticket_keys had, has;
    int64_t                made_ms;
    int                    fd;

    (void)state;
    had = look(keys, &made_ms);
    assert_int_equal(ticket_keys_to_fd(keys, &fd), 0);
    variable_set(fd);
    next = ticket_keys_new(5000);
    has = look(next, &made_ms);
    assert_int_equal(made_ms, 1000);
    assert_memory_equal(&has, &had, sizeof(has));
    assert_null(getenv(TICKET_KEYS_VARIABLE));
    assert_int_equal(close(fd), -1);   /* it was taken */
    ticket_keys_free(&keys);
    ticket_keys_free(&next);
}

static int sealed(size_t size)
{
    char bytes[512] = "";
    int  fd;

    assert_int_equal(text_to_fd(text_of(bytes, size), &fd), 0);
    return fd;
}

static void what_is_no_key_is_refused(void **state)
{
    struct tls_ticket_keys got;
    struct ticket_keys    *keys = ticket_keys_new(0);
    int64_t                made_ms;
    int                    ends[2], good, plain = memfd_create("plain", MFD_CLOEXEC);
    char                   bytes[512];
    ssize_t                size;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(ticket_keys_from_fd(ends[0], &got, &made_ms), -EINVAL);
    assert_int_equal(ticket_keys_from_fd(-1, &got, &made_ms), -EINVAL);
    assert_int_equal(ticket_keys_to_fd(keys, &good), 0);
    size = pread(good, bytes, sizeof(bytes), 0);
    assert_true(size > 0);
    for (size_t len = (size_t)size - 1; len < (size_t)size + 2; len++) {
        int fd = sealed(len);

        assert_int_equal(ticket_keys_from_fd(fd, &got, &made_ms), -EINVAL);
        (void)close(fd);
    }
    /* The very bytes, but not sealed: somebody may still be writing. */
    assert_int_equal(write(plain, bytes, (size_t)size), size);
    assert_int_equal(ticket_keys_from_fd(plain, &got, &made_ms), -EINVAL);
    (void)close(plain);
    (void)close(good);
    (void)close(ends[0]);
    (void)close(ends[1]);
    ticket_keys_free(&keys);
}

static void nonsense_in_the_environment_makes_new_ones(void **state)
{
    static const char *const values[] = { "", "x", "-1", "99999999999", "0", "1023" };

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct ticket_keys    *keys;
        struct tls_ticket_keys got;
        int64_t                made_ms;

        assert_int_equal(setenv(TICKET_KEYS_VARIABLE, values[i], 1), 0);
        keys = ticket_keys_new(7);
        got = look(keys, &made_ms);
        assert_int_equal(got.count, TLS_TICKET_KEYS);
        assert_int_equal(made_ms, 7);
        ticket_keys_free(&keys);
    }
}

static void a_forked_child_has_none(void **state)
{
    struct ticket_keys *keys = ticket_keys_new(1000);
    pid_t               pid = fork();
    int                 status;

    (void)state;
    if (pid == 0)
        _exit(ticket_keys_due_ms(keys, 0) == 0 ? 0 : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(ticket_keys_due_ms(keys, 0), 1000);
    ticket_keys_free(&keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rotation_keeps_two),
        cmocka_unit_test(the_next_binary_has_the_same),
        cmocka_unit_test(what_is_no_key_is_refused),
        cmocka_unit_test(nonsense_in_the_environment_makes_new_ones),
        cmocka_unit_test(a_forked_child_has_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
