// SPDX-License-Identifier: MIT
/* control_socket: made, shared, set aside and brought back; what is not ours is left alone. */
#include "base/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "main/control_socket.h"

static const struct config_options options = { .prefix = { "/", 1 }, .path = { "/c", 2 },
                                               .error_log = { "/e", 2 }, .globals = { "", 0 } };
static const struct report quiet = { .has_log = true };

static int  lines;
static char said[1024];

static void listen_to(void *target, enum log_level level, struct text line)
{
    (void)target;
    (void)level;
    lines++;
    (void)snprintf(said, sizeof(said), "%.*s", TEXT_ARGS(line));
}

static const struct log listener = { .level = LOG_DEBUG, .write = listen_to };
static char             directory[64], path[96];
static struct bundle   *bundle;

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(directory, sizeof(directory), "%s", "/tmp/control_socket_test.XXXXXX");
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof(path), "%s/x.sock", directory);
    bundle = bundle_new(&options, false);
    lines = 0;
    log_use(&listener);
    return 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = { "x.sock", "x.sock.oldbin", "x.sock.new" };
    char                     name[128];

    (void)state;
    bundle_free(&bundle);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(name, sizeof(name), "%s/%s", directory, names[i]);
        (void)unlink(name);
    }
    assert_int_equal(rmdir(directory), 0);
    log_use(NULL);
    return 0;
}

static bool is_there(const char *ending)
{
    char        name[128];
    struct stat stat;

    (void)snprintf(name, sizeof(name), "%s%s", path, ending);
    return lstat(name, &stat) == 0;
}

static bool may_connect(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int                fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    r = connect(fd, (struct sockaddr *)&address, sizeof(address));
    (void)close(fd);
    return r == 0;
}

static struct control_opening opening_of(bool is_needed)
{
    return (struct control_opening){ .path = text_from(path), .is_needed = is_needed,
                                     .purpose = LISTENERS_RELOAD, .report = &quiet };
}

static int open_into(struct bundle *into, struct control_file *ret_file)
{
    struct control_opening opening = opening_of(true);

    return control_socket_open(&opening, into, ret_file);
}

static void it_listens_and_is_private(void **state)
{
    struct control_file file;
    struct stat         stat;

    (void)state;
    assert_int_equal(open_into(bundle, &file), 0);
    assert_int_equal(lstat(path, &stat), 0);
    assert_true(S_ISSOCK(stat.st_mode));
    assert_int_equal(stat.st_mode & 0777, 0600);
    assert_int_equal(stat.st_ino, file.inode);
    assert_false(is_there(".new"));
    assert_true(may_connect());
    control_socket_remove(text_from(path), &file);
    assert_false(is_there(""));
    assert_int_equal(lines, 0);
}

static void the_next_configuration_shares_it(void **state)
{
    struct bundle         *next = bundle_new(&options, false);
    struct control_opening opening = opening_of(true);
    struct control_file    file, again;

    (void)state;
    assert_int_equal(open_into(bundle, &file), 0);
    opening.former = bundle;
    opening.former_file = &file;
    assert_int_equal(control_socket_open(&opening, next, &again), 0);
    assert_true(control_file_is_same(&file, &again));
    /* The first one goes, the socket listens on. */
    bundle_free(&bundle);
    bundle = next;
    assert_true(may_connect());
    /* Somebody has removed the file: a new one is made. */
    assert_int_equal(unlink(path), 0);
    next = bundle_new(&options, false);
    opening.former = bundle;
    assert_int_equal(control_socket_open(&opening, next, &again), 0);
    assert_false(control_file_is_same(&file, &again));
    bundle_free(&next);
}

static void a_new_binary_takes_over_what_was_set_aside(void **state)
{
    struct bundle      *other = bundle_new(&options, false);
    struct control_file file, theirs;

    (void)state;
    assert_int_equal(open_into(bundle, &file), 0);
    assert_int_equal(open_into(other, &theirs), -EADDRINUSE);
    assert_non_null(strstr(said, "another process listens there"));
    control_socket_set_aside(text_from(path), &file);
    assert_true(is_there("") && is_there(".oldbin"));
    assert_int_equal(open_into(other, &theirs), 0);
    assert_false(control_file_is_same(&file, &theirs));
    /* The old one ends: its name goes, the new one's stays. */
    control_socket_remove(text_from(path), &file);
    assert_true(is_there("") && !is_there(".oldbin"));
    assert_true(may_connect());
    bundle_free(&other);
}

static void the_former_binary_has_it_back(void **state)
{
    struct bundle      *other = bundle_new(&options, false);
    struct control_file file, theirs;

    (void)state;
    assert_int_equal(open_into(bundle, &file), 0);
    /* The new one came to nothing. */
    control_socket_set_aside(text_from(path), &file);
    control_socket_bring_back(text_from(path), &file);
    assert_true(is_there("") && !is_there(".oldbin"));
    /* The new one was killed and has left its own. */
    control_socket_set_aside(text_from(path), &file);
    assert_int_equal(open_into(other, &theirs), 0);
    bundle_free(&other);
    assert_false(may_connect());
    control_socket_bring_back(text_from(path), &file);
    assert_true(may_connect());
    assert_false(is_there(".oldbin"));
    assert_int_equal(lines, 0);
}

static void what_a_crash_left_is_replaced(void **state)
{
    struct control_file file, again;

    (void)state;
    assert_int_equal(open_into(bundle, &file), 0);
    bundle_free(&bundle);
    bundle = bundle_new(&options, false);
    assert_false(may_connect());
    assert_int_equal(open_into(bundle, &again), 0);
    assert_true(may_connect());
    /* The one that crashed would not remove it. */
    control_socket_remove(text_from(path), &file);
    assert_true(may_connect());
}

static void a_file_is_left_alone(void **state)
{
    struct control_opening opening = opening_of(false);
    struct control_file    file;
    FILE                  *stream = fopen(path, "w");

    (void)state;
    assert_non_null(stream);
    assert_int_equal(fclose(stream), 0);
    assert_int_equal(open_into(bundle, &file), -EEXIST);
    assert_non_null(strstr(said, "it is no socket"));
    /* Nobody asked for it: a warning. */
    assert_int_equal(control_socket_open(&opening, bundle, &file), 0);
    assert_int_equal(file.inode, 0);
    assert_int_equal(lines, 2);
    assert_int_equal(bundle_fd(bundle, "control", text_from(path)), -1);
    assert_true(is_there(""));
}

static void off_is_nothing(void **state)
{
    struct control_opening opening = opening_of(true);
    struct control_file    file;

    (void)state;
    opening.path = TEXT("");
    assert_int_equal(control_socket_open(&opening, bundle, &file), 0);
    control_socket_set_aside(opening.path, &file);
    control_socket_bring_back(opening.path, &file);
    control_socket_remove(opening.path, &file);
    assert_null(bundle->fds);
    assert_int_equal(lines, 0);
}

static void a_test_makes_nothing(void **state)
{
    struct control_opening opening = opening_of(true);
    struct control_file    file;

    (void)state;
    opening.purpose = LISTENERS_TEST;
    assert_int_equal(control_socket_open(&opening, bundle, &file), 0);
    assert_false(is_there(""));
    opening.path = TEXT("/no/such/directory/x.sock");
    assert_int_equal(control_socket_open(&opening, bundle, &file), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_listens_and_is_private, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_next_configuration_shares_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_new_binary_takes_over_what_was_set_aside, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_former_binary_has_it_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_crash_left_is_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_is_left_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(off_is_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_test_makes_nothing, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
