// SPDX-License-Identifier: MIT
/* memory_limit: the least of what cgroups of both versions allow, and the directive's forms. */
#include "base/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "main/memory_limit.h"

static char root[] = "/tmp/memory_limit_test.XXXXXX";

static void put(const char *name, const char *words)
{
    char  path[256];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", root, name);
    if (words == NULL) {
        assert_int_equal(mkdir(path, 0700), 0);
        return;
    }
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(words, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(root));
    put("a", NULL);
    put("a/b", NULL);
    put("a/memory.max", "4096000\n");
    put("a/b/memory.max", "max\n");
    put("memory", NULL);
    put("memory/c", NULL);
    put("memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("memory/c/memory.limit_in_bytes", "1000000\n");
    return 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = {
        "a/b/memory.max", "a/memory.max", "a/b", "a", "memory/c/memory.limit_in_bytes",
        "memory/memory.limit_in_bytes", "memory/c", "memory", "",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[256];

        (void)snprintf(path, sizeof(path), "%s/%s", root, names[i]);
        assert_int_equal(remove(path), 0);
    }
    return 0;
}

static uint64_t limit_of(const char *own)
{
    return memory_limit_cgroup(text_from(own), root);
}

static void groups_above_count(void **state)
{
    (void)state;
    assert_int_equal(limit_of("0::/a/b\n"), 4096000);
    assert_int_equal(limit_of("0::/a"), 4096000);
}

static void the_other_version_counts(void **state)
{
    (void)state;
    assert_int_equal(limit_of("5:cpu:/a\n4:memory:/c\n0::/\n"), 1000000);
    assert_int_equal(limit_of("4:memory:/c\n0::/a/b\n"), 1000000);
    assert_int_equal(limit_of("4:memory:/\n"), INT64_C(9223372036854771712));
}

static void what_says_nothing_is_no_limit(void **state)
{
    (void)state;
    assert_int_equal(limit_of(""), UINT64_MAX);
    assert_int_equal(limit_of("0::/\n"), UINT64_MAX);
    assert_int_equal(limit_of("nonsense\n:\n::\n"), UINT64_MAX);
    assert_int_equal(limit_of("0::/of/another/namespace\n"), UINT64_MAX);
    assert_int_equal(memory_limit_cgroup(TEXT("0::/a"), "/nowhere"), UINT64_MAX);
}

static void the_directive_has_three_forms(void **state)
{
    struct config config = { .core = { .memory_bytes = 5000000 } };
    struct rlimit former, less = { .rlim_cur = UINT64_C(1) << 30 };
    uint64_t      quarter;

    (void)state;
    assert_int_equal(memory_limit(&config), 5000000);
    config.core.memory_bytes = 0;
    assert_int_equal(memory_limit(&config), UINT64_MAX);
    config.core.memory_percent = 25;
    quarter = memory_limit(&config);
    config.core.memory_percent = 50;
    assert_true(memory_limit(&config) / 2 - quarter <= 1);
    assert_int_equal(getrlimit(RLIMIT_DATA, &former), 0);
    less.rlim_max = former.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_DATA, &less), 0);
    assert_true(memory_limit(&config) <= UINT64_C(1) << 29);
    assert_int_equal(setrlimit(RLIMIT_DATA, &former), 0);
}

static void a_share_is_of_what_caches_leave(void **state)
{
    struct cache_zone disk = { .memory = 96 * 1024 * 1024 };
    struct cache_zone memory = { .next = &disk, .memory = 32 * 1024 * 1024 };
    struct config     config = { .core = { .memory_percent = 50 } };
    uint64_t          all = memory_there(), without = memory_limit(&config);

    (void)state;
    config.site.cache_zones = &memory;
    assert_int_equal(memory_of_caches(&config.site), 128 * 1024 * 1024);
    assert_in_range(without - memory_limit(&config), 64 * 1024 * 1024 - 1, 64 * 1024 * 1024 + 1);
    disk.memory = UINT64_MAX;            /* whatever they ask for, an eighth is left */
    assert_int_equal(memory_of_caches(&config.site), UINT64_MAX);
    assert_in_range(memory_limit(&config), all / 8 - 1, all / 8 + 1);
    config.core = (struct core){ .memory_bytes = 5000000 };
    assert_int_equal(memory_limit(&config), 5000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_above_count),
        cmocka_unit_test(the_other_version_counts),
        cmocka_unit_test(what_says_nothing_is_no_limit),
        cmocka_unit_test(the_directive_has_three_forms),
        cmocka_unit_test(a_share_is_of_what_caches_leave),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
