// SPDX-License-Identifier: MIT
/* Bound under another name, which is renamed when it listens: nobody finds it half made, and taking
 * over from another process leaves no moment without one. */
#include "main/control_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/socket.h"

#define OLD_ENDING ".oldbin"
#define NEW_ENDING ".new"

enum { BACKLOG = 16, BUSY_TRIES = 5, BUSY_PAUSE_US = 250 * 1000, NAME_BYTES = 128 };

_Static_assert(CONTROL_PATH_MOST + sizeof(NEW_ENDING) <=
                   sizeof(((struct sockaddr_un *)0)->sun_path),
               "a path with its ending fits");

/* ---- names and files ---- */

static void name_write(char name[NAME_BYTES], struct text path, const char *ending)
{
    (void)snprintf(name, NAME_BYTES, "%.*s%s", TEXT_ARGS(path), ending);
}

bool control_file_is_same(const struct control_file *a, const struct control_file *b)
{
    return a->device == b->device && a->inode == b->inode;
}

static struct control_file file_at(const char *name)
{
    struct stat stat;

    if (lstat(name, &stat) < 0 || !S_ISSOCK(stat.st_mode))
        return (struct control_file){ 0 };
    return (struct control_file){ .device = stat.st_dev, .inode = stat.st_ino };
}

static bool is_at(const char *name, const struct control_file *file)
{
    struct control_file there = file_at(name);

    return file->inode != 0 && control_file_is_same(&there, file);
}

static bool is_usable(struct text path)
{
    return path.len > 0 && path.len <= CONTROL_PATH_MOST;
}

void control_socket_set_aside(struct text path, const struct control_file *file)
{
    char name[NAME_BYTES], aside[NAME_BYTES];

    if (!is_usable(path))
        return;
    name_write(name, path, "");
    name_write(aside, path, OLD_ENDING);
    if (!is_at(name, file))
        return;
    (void)unlink(aside);
    if (link(name, aside) < 0)
        log_at(LOG_WARN, NULL, "the control socket \"%s\" cannot be set aside %s", name,
               log_errno(errno).text);
}

/* rename() leaves both names when they are the same file already. */
void control_socket_bring_back(struct text path, const struct control_file *file)
{
    char name[NAME_BYTES], aside[NAME_BYTES];

    if (!is_usable(path))
        return;
    name_write(name, path, "");
    name_write(aside, path, OLD_ENDING);
    if (!is_at(aside, file))
        return;
    if (rename(aside, name) < 0)
        log_at(LOG_WARN, NULL, "the control socket \"%s\" cannot be renamed back %s", name,
               log_errno(errno).text);
    else if (is_at(aside, file))
        (void)unlink(aside);
}

void control_socket_remove(struct text path, const struct control_file *file)
{
    static const char *const endings[] = { "", OLD_ENDING };
    char                     name[NAME_BYTES];

    if (!is_usable(path))
        return;
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        name_write(name, path, endings[i]);
        if (is_at(name, file))
            (void)unlink(name);
    }
}

/* ---- making ---- */

static bool has_listener(const char *name)
{
    struct address address;
    bool           is_in_progress;
    int            fd, error = address_parse_unix(text_from(name), &address);

    if (error == 0)
        error = socket_connect(&address, NULL, &fd, &is_in_progress);
    if (error == 0)
        (void)close(fd);
    return error != -ECONNREFUSED && error != -ENOENT;
}

/* 0: the name is free, or what is there may be replaced: nobody listens on it, or who does has set it
 * aside for us. */
static int place_check(struct text path)
{
    char        name[NAME_BYTES], aside[NAME_BYTES];
    struct stat stat;
    struct control_file there;

    name_write(name, path, "");
    name_write(aside, path, OLD_ENDING);
    if (lstat(name, &stat) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(stat.st_mode))
        return -EEXIST;
    there = file_at(name);
    return is_at(aside, &there) || !has_listener(name) ? 0 : -EADDRINUSE;
}

static int listen_at(int fd, const char *name)
{
    struct address address;
    int            error = address_parse_unix(text_from(name), &address);

    if (error < 0)
        return error;
    (void)unlink(name);
    if (bind(fd, &address.raw.any, address.len) < 0)
        return -errno;
    /* Nobody can connect before listen(), whatever the mode was until here. */
    if (chmod(name, 0600) < 0 || listen(fd, BACKLOG) < 0) {
        error = -errno;
        (void)unlink(name);
        return error;
    }
    return 0;
}

static int socket_make(struct text path, struct control_file *ret_file)
{
    char name[NAME_BYTES], fresh[NAME_BYTES];
    int  fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error;

    if (fd < 0)
        return -errno;
    name_write(name, path, "");
    name_write(fresh, path, NEW_ENDING);
    error = listen_at(fd, fresh);
    if (error == 0) {
        *ret_file = file_at(fresh);
        if (rename(fresh, name) == 0)
            return fd;
        error = -errno;
        (void)unlink(fresh);
    }
    (void)close(fd);
    return error;
}

/* Of a process that ends just now: it may be free in a moment. */
static int place_await(struct text path, enum listeners_purpose purpose)
{
    int error = place_check(path);

    for (int i = 1; i < BUSY_TRIES && purpose == LISTENERS_START && error == -EADDRINUSE; i++) {
        (void)usleep(BUSY_PAUSE_US);
        error = place_check(path);
    }
    return error;
}

/* The former generation's, if it is still to be found under one of its names. */
static int former_share(const struct control_opening *opening)
{
    char name[NAME_BYTES], aside[NAME_BYTES];
    int  held;

    if (opening->former == NULL || opening->former_file == NULL)
        return -1;
    name_write(name, opening->path, "");
    name_write(aside, opening->path, OLD_ENDING);
    held = bundle_fd(opening->former, "control", opening->path);
    if (held < 0 || !(is_at(name, opening->former_file) || is_at(aside, opening->former_file)))
        return -1;
    return fcntl(held, F_DUPFD_CLOEXEC, 3);
}

/* What a start would fail of, without making anything. */
static int directory_check(struct text path)
{
    char   name[NAME_BYTES];
    size_t slash = text_find_last(path, '/');

    name_write(name, text_part(path, 0, slash == 0 ? 1 : slash), "");
    return access(name, W_OK | X_OK) < 0 ? -errno : 0;
}

static int failure_report(const struct control_opening *opening, int error)
{
    bool        is_needed = opening->is_needed;
    const char *reason = "";

    if (error == -EADDRINUSE)
        reason = ": another process listens there";
    else if (error == -EEXIST)
        reason = ": it is no socket";
    report_line(opening->report, is_needed ? LOG_EMERG : LOG_WARN,
                "the control socket \"%.*s\" cannot be made%s %s%s", TEXT_ARGS(opening->path),
                reason, log_errno(-error).text,
                is_needed ? "" : "; commands will not reach this process");
    return is_needed ? error : 0;
}

int control_socket_open(const struct control_opening *opening, struct bundle *bundle,
                        struct control_file *ret_file)
{
    struct control_file file = { 0 };
    int                 fd, error;

    *ret_file = file;
    if (opening->path.len == 0)
        return 0;
    if (opening->path.len > CONTROL_PATH_MOST)
        return failure_report(opening, -ENAMETOOLONG);
    if (opening->purpose == LISTENERS_TEST) {
        error = directory_check(opening->path);
        return error < 0 && opening->is_needed ? failure_report(opening, error) : 0;
    }
    fd = former_share(opening);
    if (fd >= 0) {
        *ret_file = *opening->former_file;
    } else {
        error = place_await(opening->path, opening->purpose);
        fd = error < 0 ? error : socket_make(opening->path, &file);
        if (fd < 0)
            return failure_report(opening, fd);
        *ret_file = file;
    }
    bundle_add_fd(bundle, "control", opening->path, fd);
    return 0;
}
