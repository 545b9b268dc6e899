// SPDX-License-Identifier: MIT
/* The file is small and rarely touched: no lock, the rename is what makes it whole. */
#include "main/pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/writer.h"

#define OLD_ENDING ".oldbin"

/* NUL-terminated PATH followed by `ending`. */
static int path_with(char buffer[PID_PATH_BYTES], struct text path, const char *ending)
{
    struct writer writer = writer_fixed(buffer, PID_PATH_BYTES - 1);

    writer_text(&writer, path);
    writer_string(&writer, ending);
    buffer[writer.len] = '\0';
    return writer.is_cut ? -ENAMETOOLONG : 0;
}

static int number_write(const char *path, pid_t pid)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), error = 0;

    if (fd < 0)
        return -errno;
    if (dprintf(fd, "%d\n", (int)pid) < 0)
        error = -errno;
    if (close(fd) < 0 && error == 0)
        error = -errno;
    return error;
}

int pid_file_write(struct text path, pid_t pid)
{
    char name[PID_PATH_BYTES], fresh[PID_PATH_BYTES];
    int  error = path_with(name, path, "");

    if (error == 0)
        error = path_with(fresh, path, ".new");
    if (error == 0)
        error = number_write(fresh, pid);
    if (error == 0 && rename(fresh, name) < 0) {
        error = -errno;
        (void)unlink(fresh);
    }
    return error;
}

int pid_file_read(struct text path, pid_t *ret_pid)
{
    char     name[PID_PATH_BYTES], bytes[32];
    int      error = path_with(name, path, ""), fd;
    ssize_t  len;
    uint64_t number;

    if (error < 0)
        return error;
    fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    len = read(fd, bytes, sizeof(bytes));
    (void)close(fd);
    while (len > 0 && (bytes[len - 1] == '\n' || bytes[len - 1] == '\r'))
        len--;
    if (len <= 0 || text_to_u64(text_of(bytes, (size_t)len), &number) < 0)
        return -EINVAL;
    if (number == 0 || number > INT32_MAX)
        return -EINVAL;
    *ret_pid = (pid_t)number;
    return 0;
}

static void remove_own(struct text path, const char *ending, pid_t pid)
{
    char  name[PID_PATH_BYTES];
    pid_t holder;

    if (path_with(name, path, ending) == 0 && pid_file_read(text_from(name), &holder) == 0 &&
        holder == pid)
        (void)unlink(name);
}

void pid_file_remove(struct text path, pid_t pid)
{
    remove_own(path, "", pid);
    remove_own(path, OLD_ENDING, pid);
}

int pid_file_set_aside(struct text path)
{
    char name[PID_PATH_BYTES], aside[PID_PATH_BYTES];
    int  error = path_with(name, path, "");

    if (error == 0)
        error = path_with(aside, path, OLD_ENDING);
    if (error == 0 && rename(name, aside) < 0)
        error = -errno;
    return error;
}

int pid_file_bring_back(struct text path)
{
    char name[PID_PATH_BYTES], aside[PID_PATH_BYTES];
    int  error = path_with(name, path, "");

    if (error == 0)
        error = path_with(aside, path, OLD_ENDING);
    if (error == 0 && rename(aside, name) < 0)
        error = -errno;
    return error;
}
