// SPDX-License-Identifier: MIT
/* Made by the supervisor, before the worker gives up its rights. */
#include "main/directories.h"

#include <errno.h>
#include <stdio.h>
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
