// SPDX-License-Identifier: MIT
/* Lines to a syslog server, and to files that requests name.
 *
 * A server that is gone is tried again by the sink, which keeps the lines meanwhile. A file is opened
 * with the worker's own rights: its name comes from a request, so nobody with more rights should. */
#include "net/log_senders.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

_Static_assert((int)SYSLOG_HEAD_BYTES <= (int)SINK_HEAD_BYTES, "a head has room");

enum { OPEN_MOST = 8 };                  /* files at once: most rounds need one or two */

/* ---- syslog ---- */

struct syslog_sender {
    struct sink_sender sender;
    struct syslog      syslog;
    int                fd;
    size_t             last_len;         /* of the message before: what a refusal is about */
};

static size_t syslog_sender_head(const struct sink_sender *sender, int level,
                                 char buffer[SINK_HEAD_BYTES])
{
    const struct syslog_sender *to = container_of(sender, struct syslog_sender, sender);

    return syslog_head(&to->syslog, level, buffer);
}

static enum sink_sent syslog_sender_send(struct sink_sender *sender, struct text message,
                                         int *reterr)
{
    struct syslog_sender *to = container_of(sender, struct syslog_sender, sender);
    int                   error = syslog_send(&to->syslog, to->fd, message);

    if (error == 0) {
        to->last_len = message.len;
        return SINK_SENT;
    }
    if (error == -EAGAIN || error == -ENOBUFS)
        return SINK_LATER;
    *reterr = error;
    if (error == -EMSGSIZE || error == -EBADF)
        return SINK_LOST;
    sender->lost_bytes = to->last_len;
    to->last_len = 0;
    return SINK_LATER;
}

static void syslog_sender_free(struct sink_sender *sender)
{
    struct syslog_sender *to = container_of(sender, struct syslog_sender, sender);

    if (to->fd >= 0)
        (void)close(to->fd);
    mem_free(to);
}

struct sink_sender *sender_to_syslog(const struct syslog *syslog, int fd)
{
    struct syslog_sender *to = mem_new(sizeof(*to));

    to->sender = (struct sink_sender){ .head = syslog_sender_head,
                                       .send = syslog_sender_send,
                                       .free = syslog_sender_free };
    to->syslog = *syslog;
    to->fd = fd;
    return &to->sender;
}

/* ---- files by name ---- */

struct named_sender {
    struct sink_sender sender;
    unsigned           count;
    struct {
        char *path;
        int   fd;
    } files[OPEN_MOST];
};

static void named_sender_rest(struct sink_sender *sender)
{
    struct named_sender *to = container_of(sender, struct named_sender, sender);

    for (unsigned i = 0; i < to->count; i++) {
        (void)close(to->files[i].fd);
        mem_free(to->files[i].path);
    }
    to->count = 0;
}

static bool leaves_directory(struct text path)
{
    struct text segment;

    while (text_split(&path, '/', &segment))
        if (text_is_equal(segment, TEXT("..")))
            return true;
    return false;
}

/* O_NONBLOCK: a pipe without a reader must not hold us up. */
static int file_open(const char *path)
{
    struct stat stat;
    int         fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                          0644);

    if (fd < 0)
        return -errno;
    if (fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode))
        return fd;
    (void)close(fd);
    return -EINVAL;
}

static int file_find(struct named_sender *to, struct text path)
{
    int fd;

    for (unsigned i = 0; i < to->count; i++)
        if (text_is_equal(text_from(to->files[i].path), path))
            return to->files[i].fd;
    if (leaves_directory(path))
        return -EINVAL;
    if (to->count == OPEN_MOST)
        named_sender_rest(&to->sender);
    fd = file_open(path.ptr);
    if (fd >= 0) {
        to->files[to->count].path = mem_string(path.ptr, path.len);
        to->files[to->count++].fd = fd;
    }
    return fd;
}

static enum sink_sent named_sender_send(struct sink_sender *sender, struct text message,
                                        int *reterr)
{
    struct named_sender *to = container_of(sender, struct named_sender, sender);
    size_t               path_len = text_find(message, '\0');
    struct text          line = text_from_offset(message, path_len + 1);
    int                  fd = file_find(to, text_part(message, 0, path_len));
    ssize_t              n = fd < 0 ? fd : write(fd, line.ptr, line.len);

    if (n == (ssize_t)line.len)
        return SINK_SENT;
    *reterr = fd < 0 ? fd : n < 0 ? -errno : -ENOSPC;
    return SINK_LOST;
}

static void named_sender_free(struct sink_sender *sender)
{
    named_sender_rest(sender);
    mem_free(container_of(sender, struct named_sender, sender));
}

struct sink_sender *sender_to_named(void)
{
    struct named_sender *to = mem_new(sizeof(*to));

    to->sender = (struct sink_sender){ .send = named_sender_send,
                                       .rest = named_sender_rest,
                                       .free = named_sender_free };
    to->count = 0;
    return &to->sender;
}
