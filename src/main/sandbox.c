// SPDX-License-Identifier: MIT
/* Directories rather than files for names, since resolv.conf is replaced by renaming: a rule belongs
 * to the file that was there. Not under sanitizers and coverage, which write and read at the end. */
#include "main/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"

/* Not in the kernel headers of Debian 12. */
#define RIGHT_TRUNCATE (UINT64_C(1) << 14)

#define RIGHTS_FIRST ((UINT64_C(1) << 13) - 1) /* all of the first version */
#define RIGHTS_CORE \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE)

#define RIGHTS_LOG (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG)
/* Renaming within a directory is making and removing. */
#define RIGHTS_CACHE                                                                              \
    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_WRITE_FILE | \
     LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE)

struct opening {
    const char *path;
    uint64_t rights;
};

/* What the C library and the resolver read: configuration, libraries, and where resolv.conf may really
 * lie; time zones; terminals, which a log on one of them opens a second time. */
static const struct opening openings[] = {
    { "/etc", LANDLOCK_ACCESS_FS_READ_FILE },
    { "/lib", LANDLOCK_ACCESS_FS_READ_FILE },
    { "/lib64", LANDLOCK_ACCESS_FS_READ_FILE },
    { "/usr/lib", LANDLOCK_ACCESS_FS_READ_FILE },
    { "/usr/lib64", LANDLOCK_ACCESS_FS_READ_FILE },
    { "/usr/share/zoneinfo", LANDLOCK_ACCESS_FS_READ_FILE },
    { "/run/systemd/resolve", LANDLOCK_ACCESS_FS_READ_FILE },
    { "/run/NetworkManager", LANDLOCK_ACCESS_FS_READ_FILE },
    { "/run/resolvconf", LANDLOCK_ACCESS_FS_READ_FILE },
    { "/dev/urandom", LANDLOCK_ACCESS_FS_READ_FILE },
    { "/dev/null", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE },
    { "/dev/pts", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE },
    { "/dev/console", LANDLOCK_ACCESS_FS_WRITE_FILE },
};

static const char *const looked_up[] = { "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf" };

/* -errno, or the version of what the kernel has. */
static int version(void)
{
    long r = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    return r < 0 ? -errno : (int)r;
}

/* "/logs/" of "/logs/$host.log". */
static struct text directory_of(struct text path)
{
    struct text fixed = text_part(path, 0, text_find(path, '$'));

    return text_part(fixed, 0, text_find_last(fixed, '/') + 1);
}

static const struct log_file *next_named(const struct log_file *file)
{
    while (file != NULL && file->kind != LOG_TO_NAMED)
        file = file->next;
    return file;
}

/* What is not there needs no opening. */
static void allow(int rules, const char *path, uint64_t rights)
{
    int fd = open(path, O_PATH | O_CLOEXEC);
    struct landlock_path_beneath_attr rule = { .allowed_access = rights, .parent_fd = fd };

    if (fd < 0)
        return;
    if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
        log_at(LOG_INFO, NULL, "Landlock: no rule for \"%s\" %s", path, log_errno(errno).text);
    (void)close(fd);
}

/* The directory that a link leads to. */
static void allow_target(int rules, const char *path)
{
    char real[PATH_MAX];
    char *slash;

    if (realpath(path, real) == NULL)
        return;
    slash = strrchr(real, '/');
    if (slash == NULL || slash == real)
        return;
    *slash = '\0';
    allow(rules, real, LANDLOCK_ACCESS_FS_READ_FILE);
}

static void allow_in(int rules, struct text directory, uint64_t rights)
{
    char path[PATH_MAX];

    if (directory.len == 0 || directory.len >= sizeof(path))
        return;
    memcpy(path, directory.ptr, directory.len);
    path[directory.len] = '\0';
    allow(rules, path, rights);
}

static void allow_all(int rules, const struct config *config, uint64_t handled)
{
    for (size_t i = 0; i < sizeof(openings) / sizeof(openings[0]); i++)
        allow(rules, openings[i].path, openings[i].rights);
    for (size_t i = 0; i < sizeof(looked_up) / sizeof(looked_up[0]); i++)
        allow_target(rules, looked_up[i]);
    allow_in(rules, config->core.working_directory, RIGHTS_CORE | (handled & RIGHT_TRUNCATE));
    for (const struct log_file *file = next_named(config->site.log_files); file != NULL;
         file = next_named(file->next))
        allow_in(rules, directory_of(file->path), RIGHTS_LOG);
    for (const struct cache_zone *zone = config->site.cache_zones; zone != NULL; zone = zone->next)
        allow_in(rules, zone->path, RIGHTS_CACHE | (handled & RIGHT_TRUNCATE));
    for (const struct name_list *at = config->site.store_directories; at != NULL; at = at->next)
        allow_in(rules, at->name,
                 RIGHTS_CACHE | (handled & (RIGHT_TRUNCATE | LANDLOCK_ACCESS_FS_REFER)));
}

/* -errno. */
static int enter(const struct config *config)
{
    struct landlock_ruleset_attr ruleset = { .handled_access_fs = RIGHTS_FIRST };
    int known = version(), rules, r;

    if (known < 0)
        return known;
    if (known >= 2)
        ruleset.handled_access_fs |= LANDLOCK_ACCESS_FS_REFER;
    if (known >= 3)
        ruleset.handled_access_fs |= RIGHT_TRUNCATE;
    rules = (int)syscall(SYS_landlock_create_ruleset, &ruleset, sizeof(ruleset), 0);
    if (rules < 0)
        return -errno;
    allow_all(rules, config, ruleset.handled_access_fs);
    r = syscall(SYS_landlock_restrict_self, rules, 0) < 0 ? -errno : 0;
    (void)close(rules);
    return r;
}

void sandbox_enter(const struct config *config)
{
    int r = FRONTDESK_SANDBOX ? enter(config) : -ENOSYS;

    if (r < 0)
        log_at(LOG_INFO, NULL, "the worker keeps its user's access to files: Landlock %s",
               log_errno(-r).text);
}

static bool is_open_to_logs(const struct config *config, struct text directory)
{
    for (const struct log_file *file = next_named(config->site.log_files); file != NULL;
         file = next_named(file->next))
        if (text_has_prefix(directory, directory_of(file->path)))
            return true;
    return false;
}

struct text sandbox_closed_to_logs(const struct config *former, const struct config *next)
{
    if (!FRONTDESK_SANDBOX || version() < 0)
        return TEXT("");
    for (const struct log_file *file = next_named(next->site.log_files); file != NULL;
         file = next_named(file->next))
        if (!is_open_to_logs(former, directory_of(file->path)))
            return directory_of(file->path);
    return TEXT("");
}

static bool is_open_to_cache(const struct config *config, struct text directory)
{
    const struct cache_zone *zone = config->site.cache_zones;

    while (zone != NULL && !text_is_equal(zone->path, directory))
        zone = zone->next;
    return zone != NULL;
}

struct text sandbox_closed_to_caches(const struct config *former, const struct config *next)
{
    if (!FRONTDESK_SANDBOX || version() < 0)
        return TEXT("");
    for (const struct cache_zone *zone = next->site.cache_zones; zone != NULL; zone = zone->next)
        if (zone->path.len > 0 && !is_open_to_cache(former, zone->path))
            return zone->path;
    return TEXT("");
}

static bool is_open_to_stores(const struct config *config, struct text directory)
{
    const struct name_list *at = config->site.store_directories;

    while (at != NULL && !text_is_equal(at->name, directory))
        at = at->next;
    return at != NULL;
}

struct text sandbox_closed_to_stores(const struct config *former, const struct config *next)
{
    if (!FRONTDESK_SANDBOX || version() < 0)
        return TEXT("");
    for (const struct name_list *at = next->site.store_directories; at != NULL; at = at->next)
        if (!is_open_to_stores(former, at->name))
            return at->name;
    return TEXT("");
}
