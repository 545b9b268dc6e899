// SPDX-License-Identifier: MIT
/* Preloaded into the binary under test (fault plan F28): the kernel at its least generous.
 *
 * On TCP sockets reads and writes move few bytes, are interrupted (EINTR) or find nothing (EAGAIN).
 * An edge-triggered loop may take a short read for "drained": so after each shortened call the
 * descriptor is armed anew in its epoll set, as if new bytes had come. The generator is seeded by
 * SHORT_IO_SEED and the thread; sockets of other families and files are left alone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { DESCRIPTORS_MOST = 65536, BYTES_MOST = 40, IOVECS_MOST = 64 };

enum fate { FATE_FULL, FATE_SHORT, FATE_EINTR, FATE_EAGAIN };

static struct arming {
    int                epoll;            /* 0: none */
    struct epoll_event event;
} armings[DESCRIPTORS_MOST];

static _Thread_local uint64_t seed;

static uint64_t random_next(void)
{
    if (seed == 0) {
        const char *text = getenv("SHORT_IO_SEED");
        seed = 0x9e3779b97f4a7c15u * ((text != NULL ? strtoull(text, NULL, 10) : 1) + (uint64_t)gettid());
    }
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static int is_tcp(int fd)
{
    int       domain = 0, type = 0;
    socklen_t len = sizeof(domain);

    return fd >= 0 && fd < DESCRIPTORS_MOST
           && getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0
           && (domain == AF_INET || domain == AF_INET6)
           && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

static enum fate fate_of(int fd)
{
    int      saved = errno;
    uint64_t roll = random_next() % 16;
    enum fate fate = FATE_FULL;

    if (is_tcp(fd)) {
        if (roll == 0)
            fate = FATE_EINTR;
        else if (roll == 1 && (fcntl(fd, F_GETFL) & O_NONBLOCK))
            fate = FATE_EAGAIN;
        else if (roll < 13)
            fate = FATE_SHORT;
    }
    errno = saved;
    return fate;
}

static void arm_again(int fd)
{
    int saved = errno;

    if (fd >= 0 && fd < DESCRIPTORS_MOST && armings[fd].epoll != 0)
        syscall(SYS_epoll_ctl, armings[fd].epoll, EPOLL_CTL_MOD, fd, &armings[fd].event);
    errno = saved;
}

/* True: the call is over, with *ret_result. Otherwise *len is what it may move. */
static int is_refused(int fd, size_t *len, int *ret_short)
{
    enum fate fate = fate_of(fd);

    *ret_short = fate == FATE_SHORT && *len > 1;
    if (*ret_short) {
        size_t few = 1 + random_next() % BYTES_MOST;
        *len = few < *len ? few : *len;
    }
    if (fate == FATE_EINTR) {
        errno = EINTR;
        return 1;
    }
    if (fate == FATE_EAGAIN) {
        arm_again(fd);
        errno = EAGAIN;
        return 1;
    }
    return 0;
}

static ssize_t finish(int fd, ssize_t result, int is_short)
{
    if (is_short)
        arm_again(fd);
    return result;
}

/* Shortens a vector in a copy: the caller's is const. */
static int vector_cut(const struct iovec *from, int count, struct iovec *to, size_t len)
{
    int n = 0;

    for (; n < count && n < IOVECS_MOST && len > 0; n++) {
        to[n] = from[n];
        if (to[n].iov_len > len)
            to[n].iov_len = len;
        len -= to[n].iov_len;
    }
    return n;
}

static size_t vector_len(const struct iovec *iov, int count)
{
    size_t len = 0;

    for (int i = 0; i < count; i++)
        len += iov[i].iov_len;
    return len;
}

ssize_t recv(int fd, void *bytes, size_t len, int flags)
{
    int is_short;

    if (is_refused(fd, &len, &is_short))
        return -1;
    return finish(fd, syscall(SYS_recvfrom, fd, bytes, len, flags, NULL, NULL), is_short);
}

ssize_t __recv_chk(int fd, void *bytes, size_t len, size_t size, int flags)
{
    (void)size;
    return recv(fd, bytes, len, flags);
}

ssize_t read(int fd, void *bytes, size_t len)
{
    int is_short;

    if (is_refused(fd, &len, &is_short))
        return -1;
    return finish(fd, syscall(SYS_read, fd, bytes, len), is_short);
}

ssize_t __read_chk(int fd, void *bytes, size_t len, size_t size)
{
    (void)size;
    return read(fd, bytes, len);
}

ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
    int is_short;

    if (is_refused(fd, &len, &is_short))
        return -1;
    return finish(fd, syscall(SYS_sendto, fd, bytes, len, flags, NULL, 0), is_short);
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    int is_short;

    if (is_refused(fd, &len, &is_short))
        return -1;
    return finish(fd, syscall(SYS_write, fd, bytes, len), is_short);
}

static ssize_t vector_call(long number, int fd, const struct iovec *iov, int count)
{
    struct iovec cut[IOVECS_MOST];
    size_t       len = vector_len(iov, count);
    int          is_short;

    if (is_refused(fd, &len, &is_short))
        return -1;
    if (!is_short)
        return syscall(number, fd, iov, count);
    return finish(fd, syscall(number, fd, cut, vector_cut(iov, count, cut, len)), is_short);
}

ssize_t readv(int fd, const struct iovec *iov, int count)
{
    return vector_call(SYS_readv, fd, iov, count);
}

ssize_t writev(int fd, const struct iovec *iov, int count)
{
    return vector_call(SYS_writev, fd, iov, count);
}

static ssize_t message_call(long number, int fd, struct msghdr *message, int flags)
{
    struct iovec  cut[IOVECS_MOST];
    struct msghdr copy = *message;
    size_t        len = vector_len(message->msg_iov, (int)message->msg_iovlen);
    int           is_short;

    if (is_refused(fd, &len, &is_short))
        return -1;
    if (!is_short)
        return syscall(number, fd, message, flags);
    copy.msg_iov = cut;
    copy.msg_iovlen = (size_t)vector_cut(message->msg_iov, (int)message->msg_iovlen, cut, len);

    ssize_t result = finish(fd, syscall(number, fd, &copy, flags), is_short);
    message->msg_controllen = copy.msg_controllen;
    message->msg_flags = copy.msg_flags;
    return result;
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    return message_call(SYS_recvmsg, fd, message, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct msghdr copy = *message;

    return message_call(SYS_sendmsg, fd, &copy, flags);
}

ssize_t splice(int from, off64_t *from_offset, int to, off64_t *to_offset, size_t len, unsigned flags)
{
    int socket = is_tcp(from) ? from : to, is_short;

    if (is_refused(socket, &len, &is_short))
        return -1;
    return finish(socket, syscall(SYS_splice, from, from_offset, to, to_offset, len, flags), is_short);
}

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    if (fd >= 0 && fd < DESCRIPTORS_MOST) {
        armings[fd].epoll = operation == EPOLL_CTL_DEL ? 0 : epoll;
        if (operation != EPOLL_CTL_DEL)
            armings[fd].event = *event;
    }
    return (int)syscall(SYS_epoll_ctl, epoll, operation, fd, event);
}

int epoll_wait(int epoll, struct epoll_event *events, int most, int timeout_ms)
{
    if (random_next() % 16 == 0) {
        errno = EINTR;
        return -1;
    }
    return (int)syscall(SYS_epoll_pwait, epoll, events, most, timeout_ms, NULL, 0);
}

int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    if (random_next() % 8 == 0) {
        errno = EINTR;
        return -1;
    }
    return (int)syscall(SYS_accept4, fd, address, len, flags);
}
