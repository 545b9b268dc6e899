// SPDX-License-Identifier: MIT
/* The system calls of the code under test, as the linker redirects them (--wrap): to the simulated
 * kernel for its descriptors, to the real one for all others. */
#include <ares.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>

#include "base/mem.h"
#include "kernel_calls.h"
#include "kernel_parts.h"

enum { LOWEST_PORT = 20000 };

#define REAL(result, name, ...) \
    result __real_##name(__VA_ARGS__); \
    result __wrap_##name(__VA_ARGS__)

static ssize_t told(ssize_t result)
{
    if (result >= 0)
        return result;
    errno = (int)-result;
    return -1;
}

static struct wire *wire_at(int fd)
{
    struct handle *handle = handle_of(fd);

    must(handle != NULL && handle->kind == HANDLE_SOCKET && handle->wire != NULL);
    return handle->wire;
}

/* A descriptor of ours that is closed already is a bug, and so is one that the real kernel gets. */
static bool is_simulated(int fd)
{
    if (!kernel_is_on() || fd < KERNEL_FD)
        return false;
    if (handle_of(fd) == NULL)
        FAIL("a call with descriptor %d, which is closed", fd - KERNEL_FD);
    return true;
}

/* ---- the poller, bells and alarms ---- */

REAL(int, epoll_create1, int flags)
{
    return kernel_is_on() ? handle_new(HANDLE_POLLER) : __real_epoll_create1(flags);
}

REAL(int, epoll_ctl, int poller, int operation, int fd, struct epoll_event *event)
{
    if (!is_simulated(poller))
        return __real_epoll_ctl(poller, operation, fd, event);
    return (int)told(kernel_epoll_ctl(operation, fd, event));
}

REAL(int, epoll_wait, int poller, struct epoll_event *events, int most, int timeout_ms)
{
    if (!is_simulated(poller))
        return __real_epoll_wait(poller, events, most, timeout_ms);
    return kernel_epoll_wait(events, most, timeout_ms);
}

REAL(int, eventfd, unsigned count, int flags)
{
    return kernel_is_on() ? handle_new(HANDLE_BELL) : __real_eventfd(count, flags);
}

REAL(int, timerfd_create, clockid_t clock, int flags)
{
    return kernel_is_on() ? handle_new(HANDLE_ALARM) : __real_timerfd_create(clock, flags);
}

REAL(int, timerfd_settime, int fd, int flags, const struct itimerspec *when,
     struct itimerspec *former)
{
    struct handle *handle;

    if (!is_simulated(fd))
        return __real_timerfd_settime(fd, flags, when, former);
    handle = handle_of(fd);
    must(flags == TFD_TIMER_ABSTIME);
    handle->count = 0;
    handle->alarm_us = when->it_value.tv_sec * 1000000 + when->it_value.tv_nsec / 1000;
    event_at(handle->alarm_us, (struct event){ .kind = EVENT_ALARM, .handle = handle });
    return 0;
}

static ssize_t count_read(struct handle *handle, void *bytes)
{
    if (handle->count == 0)
        return -EAGAIN;
    memcpy(bytes, &handle->count, sizeof(handle->count));
    handle->count = 0;
    return sizeof(handle->count);
}

REAL(ssize_t, read, int fd, void *bytes, size_t room)
{
    if (!is_simulated(fd))
        return __real_read(fd, bytes, room);
    return told(count_read(handle_of(fd), bytes));
}

REAL(ssize_t, write, int fd, const void *bytes, size_t len)
{
    uint64_t more;

    if (!is_simulated(fd))
        return __real_write(fd, bytes, len);
    must(handle_of(fd)->kind == HANDLE_BELL && len == sizeof(more));
    memcpy(&more, bytes, sizeof(more));
    handle_of(fd)->count += more;
    handle_edge(handle_of(fd));
    return (ssize_t)len;
}

REAL(int, clock_gettime, clockid_t clock, struct timespec *ret_time)
{
    int64_t now_us = kernel_now_us() + (clock == CLOCK_REALTIME ? 1700000000000000 : 0);

    if (!kernel_is_on())
        return __real_clock_gettime(clock, ret_time);
    *ret_time = (struct timespec){ .tv_sec = now_us / 1000000, .tv_nsec = now_us % 1000000 * 1000 };
    return 0;
}

/* ---- connections ---- */

REAL(int, socket, int family, int type, int protocol)
{
    if (!kernel_is_on())
        return __real_socket(family, type, protocol);
    call_begin();
    if (one_in(kernel_mood()->no_descriptors))
        return (int)told(-EMFILE);
    return handle_new(HANDLE_SOCKET);
}

REAL(int, connect, int fd, const struct sockaddr *address, socklen_t len)
{
    const struct sockaddr_in *v4 = (const void *)address;

    if (!is_simulated(fd))
        return __real_connect(fd, address, len);
    must(address->sa_family == AF_INET);
    return (int)told(wire_begin_connect(handle_of(fd), ntohl(v4->sin_addr.s_addr)));
}

static void address_fill(struct sockaddr *address, socklen_t *len, uint32_t ip, unsigned port)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(ip) };

    memcpy(address, &v4, sizeof(v4));
    *len = sizeof(v4);
}

static int accept_error(void)
{
    if (is_interrupted())
        return -EINTR;
    if (one_in(kernel_mood()->no_descriptors))
        return one_in(3) ? -ECONNABORTED : -EMFILE;
    return 0;
}

REAL(int, accept4, int listener, struct sockaddr *address, socklen_t *len, int flags)
{
    struct wire *wire = NULL;
    int          fd, error;

    if (!is_simulated(listener))
        return __real_accept4(listener, address, len, flags);
    call_begin();
    error = accept_error();
    if (error == 0)
        error = wire_accept(handle_of(listener), &wire);
    if (error < 0)
        return (int)told(error);
    fd = handle_new(HANDLE_SOCKET);
    wire_join(wire, handle_of(fd));
    address_fill(address, len, 0x7f000002, LOWEST_PORT);
    return fd;
}

REAL(int, getsockname, int fd, struct sockaddr *address, socklen_t *len)
{
    if (!is_simulated(fd))
        return __real_getsockname(fd, address, len);
    address_fill(address, len, 0x7f000001, wire_port(wire_at(fd)));
    return 0;
}

REAL(int, setsockopt, int fd, int level, int name, const void *value, socklen_t len)
{
    if (!is_simulated(fd))
        return __real_setsockopt(fd, level, name, value, len);
    if (level == SOL_SOCKET && name == SO_LINGER)
        wire_set_linger_zero(wire_at(fd));
    return 0;
}

REAL(int, getsockopt, int fd, int level, int name, void *value, socklen_t *len)
{
    int error;

    if (!is_simulated(fd))
        return __real_getsockopt(fd, level, name, value, len);
    if (level != SOL_SOCKET || name != SO_ERROR)
        return (int)told(-ENOPROTOOPT);
    error = wire_error(wire_at(fd));
    memcpy(value, &error, sizeof(error));
    return 0;
}

REAL(int, shutdown, int fd, int how)
{
    if (!is_simulated(fd))
        return __real_shutdown(fd, how);
    must(how == SHUT_WR);
    wire_shutdown(wire_at(fd));
    return 0;
}

REAL(int, close, int fd)
{
    if (!is_simulated(fd))
        return __real_close(fd);
    call_begin();
    handle_close(fd);
    return 0;
}

/* ---- bytes ---- */

static ssize_t receive(int fd, void *bytes, size_t room, int flags)
{
    call_begin();
    if (is_interrupted())
        return -1;
    return told(wire_take(wire_at(fd), bytes, room, (flags & MSG_PEEK) != 0));
}

REAL(ssize_t, recv, int fd, void *bytes, size_t room, int flags)
{
    return is_simulated(fd) ? receive(fd, bytes, room, flags)
                            : __real_recv(fd, bytes, room, flags);
}

/* What _FORTIFY_SOURCE makes of recv() and read(). */
REAL(ssize_t, __recv_chk, int fd, void *bytes, size_t room, size_t size, int flags)
{
    must(room <= size);
    return is_simulated(fd) ? receive(fd, bytes, room, flags)
                            : __real___recv_chk(fd, bytes, room, size, flags);
}

static ssize_t transmit(int fd, const struct iovec *iov, int count)
{
    call_begin();
    if (is_interrupted())
        return -1;
    return told(wire_give(wire_at(fd), iov, count));
}

REAL(ssize_t, send, int fd, const void *bytes, size_t len, int flags)
{
    struct iovec iov = { .iov_base = (void *)bytes, .iov_len = len };

    return is_simulated(fd) ? transmit(fd, &iov, 1) : __real_send(fd, bytes, len, flags);
}

REAL(ssize_t, sendmsg, int fd, const struct msghdr *message, int flags)
{
    return is_simulated(fd) ? transmit(fd, message->msg_iov, (int)message->msg_iovlen)
                            : __real_sendmsg(fd, message, flags);
}

/* ---- lanes ---- */

REAL(int, pipe2, int ret_fds[2], int flags)
{
    if (!kernel_is_on())
        return __real_pipe2(ret_fds, flags);
    call_begin();
    if (one_in(kernel_mood()->no_lanes))
        return (int)told(-EMFILE);
    return lane_pipe(ret_fds);
}

REAL(ssize_t, splice, int from, off_t *from_at, int to, off_t *to_at, size_t most, unsigned flags)
{
    if (!is_simulated(from))
        return __real_splice(from, from_at, to, to_at, most, flags);
    call_begin();
    if (is_interrupted())
        return -1;
    return told(lane_splice(from, to, most));
}

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);

int __wrap_fcntl(int fd, int command, ...)
{
    va_list args;
    void   *argument;

    va_start(args, command);
    argument = va_arg(args, void *);
    va_end(args);
    if (!is_simulated(fd))
        return __real_fcntl(fd, command, argument);
    must(command == F_SETPIPE_SZ);
    return lane_size();
}

/* ---- names: every lookup takes ten seconds and finds nothing ---- */

enum { LOOKUP_US = 10000000 };

struct lookup {
    struct lookup *next;
    ares_callback  answered;
    void          *arg;
};

static struct lookup *lookups;

static void lookups_end(void)
{
    while (lookups != NULL) {
        struct lookup *lookup = lookups;

        lookups = lookup->next;
        lookup->answered(lookup->arg, ARES_ENOTFOUND, 0, NULL, 0);
        mem_free(lookup);
    }
}

void __wrap_ares_search(ares_channel channel, const char *name, int class_number, int type,
                        ares_callback answered, void *arg);

void __wrap_ares_search(ares_channel channel, const char *name, int class_number, int type,
                        ares_callback answered, void *arg)
{
    struct lookup *lookup = mem_new(sizeof(*lookup));

    (void)channel, (void)name, (void)class_number, (void)type;
    *lookup = (struct lookup){ .next = lookups, .answered = answered, .arg = arg };
    lookups = lookup;
    kernel_call_at(kernel_now_us() + LOOKUP_US, lookups_end);
}
