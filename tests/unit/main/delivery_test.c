// SPDX-License-Identifier: MIT
/* delivery: a bundle with more descriptors than one message takes, and what does not fit. */
#include "base/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "main/delivery.h"

enum { FILES = 150 };

static const struct config_options options = { .prefix = { "/p/", 3 }, .path = { "/p/c", 4 },
                                               .error_log = { "/p/e", 4 }, .globals = { "", 0 } };

static struct bundle *bundle_with_files(void)
{
    struct bundle *bundle = bundle_new(&options, false);

    for (int i = 0; i < FILES; i++) {
        char name[16];
        int  len = snprintf(name, sizeof(name), "f%d", i);
        int  fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, name, (size_t)len), len);
        bundle_add_fd(bundle, "log", text_of(name, (size_t)len), fd);
    }
    return bundle;
}

static int bundle_seal(const struct bundle *bundle)
{
    struct arena *arena = arena_new();
    int           fd;

    assert_int_equal(text_to_fd(bundle_encode(bundle, arena), &fd), 0);
    arena_free(&arena);
    return fd;
}

static void check_file(const struct bundle *bundle, int number)
{
    char name[16], content[16] = "";
    int  len = snprintf(name, sizeof(name), "f%d", number);
    int  fd = bundle_fd(bundle, "log", text_of(name, (size_t)len));

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, content, sizeof(content), 0), len);
    assert_string_equal(content, name);
}

static void every_descriptor_finds_its_name(void **state)
{
    struct bundle  *sent = bundle_with_files(), *got = NULL;
    struct delivery delivery;
    struct message  message;
    int             ends[2], text_fd = bundle_seal(sent);

    (void)state;
    delivery_init(&delivery);
    assert_int_equal(channel_open(ends), 0);
    assert_int_equal(delivery_send(ends[0], sent, text_fd, 5, 2), 0);
    bundle_free(&sent);
    (void)close(text_fd);
    while (!delivery_is_complete(&delivery)) {
        assert_int_equal(channel_receive(ends[1], &message), 0);
        assert_int_equal(message.number, 5);
        assert_int_equal(delivery_add(&delivery, &message), 0);
    }
    assert_int_equal(delivery.loop_count, 2);
    assert_int_equal(delivery_open(&delivery, &got), 0);
    for (int i = 0; i < FILES; i++)
        check_file(got, i);
    bundle_free(&got);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void pieces_of_another_bundle_are_refused(void **state)
{
    struct delivery delivery;
    struct message  begin = { .kind = MESSAGE_BUNDLE, .number = 1, .count = 2, .loop_count = 1,
                              .fd_count = 1, .fds = { open("/dev/null", O_RDONLY) } };
    struct message  other = { .kind = MESSAGE_FDS, .number = 2, .fd_count = 1 };
    struct message  more = { .kind = MESSAGE_FDS, .number = 1, .fd_count = 3 };

    (void)state;
    delivery_init(&delivery);
    assert_int_equal(delivery_add(&delivery, &other), -EPROTO);
    assert_int_equal(delivery_add(&delivery, &begin), 0);
    assert_int_equal(begin.fd_count, 0);
    assert_int_equal(delivery_add(&delivery, &other), -EPROTO);
    assert_int_equal(delivery_add(&delivery, &more), -EPROTO);
    assert_false(delivery_is_complete(&delivery));
    delivery_done(&delivery);
}

static void rubbish_is_no_bundle(void **state)
{
    struct delivery delivery;
    struct bundle  *bundle = NULL;
    struct message  begin = { .kind = MESSAGE_BUNDLE, .number = 1, .loop_count = 1, .fd_count = 1 };

    (void)state;
    delivery_init(&delivery);
    assert_int_equal(text_to_fd(TEXT("this is no bundle"), &begin.fds[0]), 0);
    assert_int_equal(delivery_add(&delivery, &begin), 0);
    assert_true(delivery_is_complete(&delivery));
    assert_int_equal(delivery_open(&delivery, &bundle), -EINVAL);
    assert_null(bundle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_descriptor_finds_its_name),
        cmocka_unit_test(pieces_of_another_bundle_are_refused),
        cmocka_unit_test(rubbish_is_no_bundle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
