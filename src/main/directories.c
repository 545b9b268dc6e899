// SPDX-License-Identifier: MIT
/* Made by the supervisor, before the worker gives up its rights. */
#include "main/directories.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

static int missing_make(const char *path, mode_t mode, bool *ret_made)
{
    *ret_made = mkdir(path, mode) == 0;
    return *ret_made || errno == EEXIST ? 0 : -errno;
}

static int parents_make(char *path)
{
    bool is_made;

    for (char *slash = path + 1; *slash != '\0'; slash++) {
        int error;

        if (*slash != '/')
            continue;
        *slash = '\0';
        error = missing_make(path, 0755, &is_made);
        *slash = '/';
        if (error < 0)
            return error;
    }
    return 0;
}

int directory_make(struct text path, mode_t mode, uid_t owner, gid_t group)
{
    char name[PATH_BYTES];
    bool is_made;
    int  error;

    while (path.len > 1 && path.ptr[path.len - 1] == '/')
        path.len--;
    if (path.len == 0 || path.len >= sizeof(name))
        return -ENAMETOOLONG;
    (void)snprintf(name, sizeof(name), "%.*s", TEXT_ARGS(path));
    error = parents_make(name);
    if (error == 0)
        error = missing_make(name, mode, &is_made);
    if (error == 0 && is_made && geteuid() == 0 && chown(name, owner, group) < 0)
        error = -errno;
    return error;
}

int directory_make_for(struct text file, mode_t mode)
{
    size_t slash = text_find_last(file, '/');

    if (slash == file.len || slash == 0)
        return 0;
    return directory_make(text_part(file, 0, slash), mode, geteuid(), getegid());
}

/* ---- somebody's own ---- */

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Unknown is not empty. */
static bool is_empty(int directory)
{
    int                  fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR                 *list = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;

    if (list == NULL) {
        if (fd >= 0)
            (void)close(fd);
        return false;
    }
    do
        entry = readdir(list);
    while (entry != NULL && is_dots(entry->d_name));
    (void)closedir(list);
    return entry == NULL;
}

/* As the kernel would judge, but for groups that the user is in beside its own. */
static bool may_write(const struct stat *status, uid_t user, gid_t group)
{
    if (user == 0)
        return true;
    if (status->st_uid == user)
        return (status->st_mode & S_IRWXU) == S_IRWXU;
    if (status->st_gid == group)
        return (status->st_mode & S_IRWXG) == S_IRWXG;
    return (status->st_mode & S_IRWXO) == S_IRWXO;
}

static int directory_hand_over(int fd, uid_t owner, gid_t group)
{
    struct stat status;

    if (geteuid() != 0)
        return faccessat(fd, ".", R_OK | W_OK | X_OK, AT_EACCESS) < 0 ? -errno : 0;
    if (fstat(fd, &status) < 0)
        return -errno;
    if (may_write(&status, owner, group))
        return 0;
    if (!is_empty(fd))
        return -EACCES;
    return fchown(fd, owner, group) < 0 || fchmod(fd, S_IRWXU) < 0 ? -errno : 0;
}

int directory_make_own(struct text path, uid_t owner, gid_t group)
{
    char name[PATH_BYTES];
    int  error = directory_make(path, S_IRWXU, owner, group), fd;

    if (error < 0)
        return error;
    (void)snprintf(name, sizeof(name), "%.*s", TEXT_ARGS(path));
    fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    error = directory_hand_over(fd, owner, group);
    (void)close(fd);
    return error;
}
