// SPDX-License-Identifier: MIT
/* A limit of a cgroup above ours holds for us too, so the way up to the root is walked. Inside of a
 * container the names in /proc/self/cgroup may be the host's, where nothing is mounted; then only the
 * root of what is mounted counts, and that is the container's own. */
#include "main/memory_limit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PATH_BYTES = 1024, FILE_BYTES = 4096 };

/* Empty when it cannot be read. */
static struct text file_read(const char *path, char *bytes)
{
    int     fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = 0;

    if (fd >= 0) {
        n = read(fd, bytes, FILE_BYTES);
        (void)close(fd);
    }
    return text_of(bytes, n > 0 ? (size_t)n : 0);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* "max" and an absurdly large number both mean none. */
static uint64_t limit_read(const char *path)
{
    char        bytes[FILE_BYTES];
    struct text text = file_read(path, bytes);
    uint64_t    limit;

    text = text_part(text, 0, text_find(text, '\n'));
    return text_to_u64(text, &limit) == 0 ? limit : UINT64_MAX;
}

/* Of the group at `way` below `root` and of all above it. */
static uint64_t least_on_way(const char *root, struct text way, const char *file)
{
    uint64_t limit = UINT64_MAX;
    char     path[PATH_BYTES];

    for (;;) {
        (void)snprintf(path, sizeof(path), "%s%.*s/%s", root, TEXT_ARGS(way), file);
        limit = least(limit, limit_read(path));
        if (way.len == 0)
            return limit;
        do
            way.len--;
        while (way.len > 0 && way.ptr[way.len] != '/');
    }
}

/* "4:memory:/a/b" is version 1's, "0::/a/b" version 2's. */
static uint64_t line_limit(struct text line, const char *root)
{
    size_t      first = text_find(line, ':');
    struct text rest = text_from_offset(line, first < line.len ? first + 1 : line.len);
    size_t      second = text_find(rest, ':');
    struct text kinds = text_part(rest, 0, second);
    struct text way = text_from_offset(rest, second < rest.len ? second + 1 : rest.len);
    char        root_of_v1[PATH_BYTES];

    if (kinds.len == 0)
        return least_on_way(root, way, "memory.max");
    if (!text_is_equal(kinds, TEXT("memory")))
        return UINT64_MAX;
    (void)snprintf(root_of_v1, sizeof(root_of_v1), "%s/memory", root);
    return least_on_way(root_of_v1, way, "memory.limit_in_bytes");
}

uint64_t memory_limit_cgroup(struct text own, const char *root)
{
    uint64_t limit = UINT64_MAX;

    while (own.len > 0) {
        size_t end = text_find(own, '\n');

        limit = least(limit, line_limit(text_part(own, 0, end), root));
        own = text_from_offset(own, end < own.len ? end + 1 : own.len);
    }
    return limit;
}

static uint64_t process_limit(int resource)
{
    struct rlimit limit;

    return getrlimit((__rlimit_resource_t)resource, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY
               ? UINT64_MAX
               : limit.rlim_cur;
}

static uint64_t machine_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), bytes = sysconf(_SC_PAGESIZE);

    return pages > 0 && bytes > 0 ? (uint64_t)pages * (uint64_t)bytes : UINT64_MAX;
}

static uint64_t cgroup_bytes;   /* 0: not looked yet */

void memory_limit_look(void)
{
    char bytes[FILE_BYTES];

    if (cgroup_bytes == 0)
        cgroup_bytes = memory_limit_cgroup(file_read("/proc/self/cgroup", bytes), "/sys/fs/cgroup");
}

uint64_t memory_there(void)
{
    uint64_t all;

    memory_limit_look();
    all = least(cgroup_bytes, machine_bytes());
    return least(all, least(process_limit(RLIMIT_AS), process_limit(RLIMIT_DATA)));
}

uint64_t memory_of_caches(const struct site *site)
{
    uint64_t bytes = 0;

    for (const struct cache_zone *zone = site->cache_zones; zone != NULL; zone = zone->next)
        bytes += zone->memory < UINT64_MAX - bytes ? zone->memory : UINT64_MAX - bytes;
    return bytes;
}

/* Even where caches ask for more than there is something is left to work with. */
static uint64_t left_for_work(uint64_t all, uint64_t caches)
{
    uint64_t least_left = all / 4;

    return caches < all - least_left ? all - caches : least_left;
}

uint64_t memory_limit(const struct config *config)
{
    const struct core *core = &config->core;
    uint64_t           all;

    if (core->memory_percent == 0)
        return core->memory_bytes > 0 ? core->memory_bytes : UINT64_MAX;
    all = memory_there();
    if (all == UINT64_MAX)
        return all;
    all = left_for_work(all, memory_of_caches(&config->site));
    return all / 100 * core->memory_percent + all % 100 * core->memory_percent / 100;
}
