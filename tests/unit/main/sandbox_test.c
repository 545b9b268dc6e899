// SPDX-License-Identifier: MIT
/* sandbox: in a cache's directory everything that a cache does, elsewhere nothing. Each attempt is one of
 * a child process, since nobody comes out again. */
#include "base/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "main/sandbox.h"

static char top[] = "/tmp/sandbox_test.XXXXXX";
static char inside[64], beside[64];

static struct cache_zone in_memory = { .path = TEXT_NONE };
static struct cache_zone on_disk = { .next = &in_memory };
static struct config     config;

static bool has_sandbox(void)
{
    return FRONTDESK_SANDBOX && syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0;
}

static void put(const char *directory, const char *name)
{
    char path[128];
    int  fd;

    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "x", 1), 1);
    (void)close(fd);
}

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(top));
    (void)snprintf(inside, sizeof(inside), "%s/cache", top);
    (void)snprintf(beside, sizeof(beside), "%s/cached", top);
    assert_int_equal(mkdir(inside, 0700), 0);
    assert_int_equal(mkdir(beside, 0700), 0);
    put(inside, "bait");
    put(beside, "bait");
    on_disk.path = text_from(inside);
    config.site.cache_zones = &on_disk;
    return 0;
}

static int tear_down(void **state)
{
    char command[128];

    (void)state;
    (void)snprintf(command, sizeof(command), "rm -r %s", top);
    return system(command);
}

/* 0 or errno of whatever is tried in `directory`. */
static int tried(int (*attempt)(void), const char *directory)
{
    pid_t child = fork();
    int   status;

    assert_true(child >= 0);
    if (child == 0) {
        int here = chdir(directory);

        (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        sandbox_enter(&config);
        _exit(here < 0 ? 255 : attempt() < 0 ? errno : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int try_read(void)
{
    return open("bait", O_RDONLY);
}

static int try_write(void)
{
    return open("bait", O_RDWR);
}

static int try_create(void)
{
    return open("new", O_WRONLY | O_CREAT, 0600);
}

static int try_truncate(void)
{
    int fd = open("bait", O_RDWR);

    return fd < 0 ? -1 : ftruncate(fd, 0);
}

static int try_rename(void)
{
    return rename("bait", "baited") < 0 ? -1 : rename("baited", "bait");
}

static int try_list(void)
{
    return open(".", O_RDONLY | O_DIRECTORY);
}

static int try_folder(void)
{
    return mkdir("large", 0700) < 0 ? -1 : open("large/body", O_WRONLY | O_CREAT, 0600);
}

static int try_remove(void)
{
    return unlink("bait");
}

static int try_link(void)
{
    return symlink("bait", "link");
}

static int try_out(void)
{
    return open("../cached/bait", O_RDONLY);
}

static int try_carry_out(void)
{
    return rename("bait", "../bait");
}

static int (*const attempts[])(void) = { try_read, try_write,  try_create, try_truncate,
                                         try_list, try_rename, try_folder, try_remove };

static void a_cache_may_use_its_directory(void **state)
{
    (void)state;
    if (!has_sandbox())
        skip();
    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
        if (tried(attempts[i], inside) != 0)
            fail_msg("attempt %zu fails", i);
    put(inside, "bait");
}

static void and_no_other(void **state)
{
    (void)state;
    if (!has_sandbox())
        skip();
    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
        if (tried(attempts[i], beside) != EACCES)
            fail_msg("attempt %zu does not fail", i);
    assert_int_equal(tried(try_out, inside), EACCES);
    assert_int_equal(tried(try_link, inside), EACCES);
    assert_true(tried(try_carry_out, inside) != 0);
}

static int try_carry_down(void)
{
    return mkdir("deep", 0700) < 0 ? -1 : rename("bait", "deep/bait");
}

static void copies_may_be_carried_to_where_they_belong(void **state)
{
    struct name_list store = { .name = text_from(beside) };

    (void)state;
    if (!has_sandbox())
        skip();
    config.site.store_directories = &store;
    assert_int_equal(tried(try_carry_down, beside), 0);
    assert_int_equal(tried(try_carry_down, top), EACCES);
    config.site.store_directories = NULL;
}

static void a_reload_that_names_another_is_noticed(void **state)
{
    struct cache_zone other = { .path = TEXT("/elsewhere"), .next = &on_disk };
    struct name_list  store = { .name = TEXT("/copies") };
    struct config     next = { .site = { .cache_zones = &other, .store_directories = &store } };

    (void)state;
    if (!has_sandbox())
        skip();
    assert_int_equal(sandbox_closed_to_caches(&config, &config).len, 0);
    assert_true(text_is_equal(sandbox_closed_to_caches(&config, &next), other.path));
    assert_int_equal(sandbox_closed_to_caches(&next, &config).len, 0);
    assert_int_equal(sandbox_closed_to_stores(&next, &next).len, 0);
    assert_int_equal(sandbox_closed_to_stores(&next, &config).len, 0);
    assert_true(text_is_equal(sandbox_closed_to_stores(&config, &next), store.name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cache_may_use_its_directory),
        cmocka_unit_test(and_no_other),
        cmocka_unit_test(copies_may_be_carried_to_where_they_belong),
        cmocka_unit_test(a_reload_that_names_another_is_noticed),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
