// SPDX-License-Identifier: MIT
/* SOCK_SEQPACKET keeps messages whole, so there is nothing to reassemble and nothing half read. */
#include "main/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

enum { WIRE_MAGIC = 0x66644431, SEND_PATIENCE_MS = 2000 };

/* As it stands in the socket. */
struct wire {
    uint32_t magic, kind, number, count, loop_count, timeout_ms, fd_count;
    uint32_t places[MESSAGE_FDS_MOST];
    char     reason[MESSAGE_REASON_BYTES];
};

union control {
    struct cmsghdr header;
    char           bytes[CMSG_SPACE(sizeof(int) * MESSAGE_FDS_MOST)];
};

int channel_open(int ret_ends[2])
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ret_ends) < 0)
        return -errno;
    return 0;
}

/* ---- sending ---- */

static void fds_attach(struct msghdr *envelope, union control *control,
                       const struct message *message)
{
    size_t len = sizeof(int) * message->fd_count;

    if (message->fd_count == 0)
        return;
    memset(control, 0, sizeof(*control));
    envelope->msg_control = control;
    envelope->msg_controllen = CMSG_SPACE(len);
    control->header.cmsg_level = SOL_SOCKET;
    control->header.cmsg_type = SCM_RIGHTS;
    control->header.cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(&control->header), message->fds, len);
}

static struct wire wire_of(const struct message *message)
{
    struct wire wire = { .magic = WIRE_MAGIC, .kind = message->kind, .number = message->number,
                         .count = message->count, .loop_count = message->loop_count,
                         .timeout_ms = message->timeout_ms, .fd_count = message->fd_count };

    memcpy(wire.places, message->places, sizeof(wire.places));
    memcpy(wire.reason, message->reason, sizeof(wire.reason));
    return wire;
}

static bool is_worth_waiting(int error)
{
    return error == EAGAIN || error == ETOOMANYREFS;
}

int channel_send(int end, const struct message *message)
{
    struct wire   wire = wire_of(message);
    struct iovec  bytes = { .iov_base = &wire, .iov_len = sizeof(wire) };
    struct msghdr envelope = { .msg_iov = &bytes, .msg_iovlen = 1 };
    union control control;

    must(message->fd_count <= MESSAGE_FDS_MOST);
    fds_attach(&envelope, &control, message);
    for (int waited_ms = 0;; waited_ms += 10) {
        struct pollfd room = { .fd = end, .events = POLLOUT };

        if (sendmsg(end, &envelope, MSG_NOSIGNAL) >= 0)
            return 0;
        if (errno != EINTR && !is_worth_waiting(errno))
            return errno == ECONNRESET ? -EPIPE : -errno;
        if (waited_ms >= SEND_PATIENCE_MS)
            return -EAGAIN;
        if (errno == ETOOMANYREFS)
            (void)usleep(10000);
        else
            (void)poll(&room, 1, 10);
    }
}

/* ---- receiving ---- */

static void fds_detach(struct msghdr *envelope, struct message *message)
{
    for (struct cmsghdr *at = CMSG_FIRSTHDR(envelope); at != NULL; at = CMSG_NXTHDR(envelope, at)) {
        unsigned count;

        if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS)
            continue;
        count = (unsigned)((at->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        must(count <= MESSAGE_FDS_MOST - message->fd_count);
        memcpy(message->fds + message->fd_count, CMSG_DATA(at), count * sizeof(int));
        message->fd_count += count;
    }
}

/* A reason comes from a process that may be broken: it goes to the log as printable text only. */
static void reason_copy(char *to, const char *from)
{
    size_t len = strnlen(from, MESSAGE_REASON_BYTES - 1);

    for (size_t i = 0; i < len; i++)
        to[i] = from[i] >= ' ' && from[i] <= '~' ? from[i] : '?';
    to[len] = '\0';
}

static int wire_check(const struct wire *wire, const struct msghdr *envelope, ssize_t len,
                      struct message *message)
{
    if (len != sizeof(*wire) || (envelope->msg_flags & (MSG_CTRUNC | MSG_TRUNC)) != 0)
        return -EPROTO;
    if (wire->magic != WIRE_MAGIC || wire->kind < MESSAGE_BUNDLE || wire->kind > MESSAGE_PONG)
        return -EPROTO;
    if (wire->fd_count != message->fd_count)
        return -EPROTO;
    if (wire->kind >= MESSAGE_DRAIN && wire->fd_count > 0)
        return -EPROTO;
    return 0;
}

int channel_receive(int end, struct message *ret_message)
{
    struct wire    wire;
    struct iovec   bytes = { .iov_base = &wire, .iov_len = sizeof(wire) };
    union control  control;
    struct msghdr  envelope = { .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &control,
                                .msg_controllen = sizeof(control) };
    struct message message = { .fd_count = 0 };
    ssize_t        len;

    do
        len = recvmsg(end, &envelope, MSG_CMSG_CLOEXEC);
    while (len < 0 && errno == EINTR);
    if (len < 0)
        return errno == ECONNRESET ? -EPIPE : -errno;
    if (len == 0)
        return -EPIPE;
    fds_detach(&envelope, &message);
    if (wire_check(&wire, &envelope, len, &message) < 0) {
        message_close_fds(&message);
        return -EPROTO;
    }
    message.kind = (enum message_kind)wire.kind;
    message.number = wire.number;
    message.count = wire.count;
    message.loop_count = wire.loop_count;
    message.timeout_ms = wire.timeout_ms;
    memcpy(message.places, wire.places, sizeof(message.places));
    reason_copy(message.reason, wire.reason);
    *ret_message = message;
    return 0;
}

void message_close_fds(struct message *message)
{
    for (unsigned i = 0; i < message->fd_count; i++)
        (void)close(message->fds[i]);
    message->fd_count = 0;
}

/* ---- texts ---- */

static int write_whole(int fd, struct text text)
{
    while (text.len > 0) {
        ssize_t len = write(fd, text.ptr, text.len);

        if (len < 0 && errno != EINTR)
            return -errno;
        text = text_from_offset(text, len < 0 ? 0 : (size_t)len);
    }
    return 0;
}

int text_to_fd(struct text text, int *ret_fd)
{
    int fd, error;

    if (text.len > TEXT_MOST_BYTES)
        return -EFBIG;
    fd = memfd_create("frontdesk", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    error = write_whole(fd, text);
    if (error == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        error = -errno;
    if (error < 0) {
        (void)close(fd);
        return error;
    }
    *ret_fd = fd;
    return 0;
}

int text_from_fd(int fd, struct text *ret_text)
{
    struct stat status;
    size_t      len = 0, size;
    char       *bytes;

    if (fstat(fd, &status) < 0)
        return -errno;
    if (status.st_size < 0 || status.st_size > TEXT_MOST_BYTES)
        return -EFBIG;
    size = (size_t)status.st_size;
    bytes = mem_try(size + 1);
    if (bytes == NULL)
        return -ENOMEM;
    while (len < size) {
        ssize_t got = pread(fd, bytes + len, size - len, (off_t)len);

        if (got <= 0 && !(got < 0 && errno == EINTR)) {
            mem_free(bytes);
            return got < 0 ? -errno : -EIO;
        }
        len += got < 0 ? 0 : (size_t)got;
    }
    *ret_text = text_of(bytes, size);
    return 0;
}
