// SPDX-License-Identifier: MIT
/* Opening sockets with the options that people expect. */
#include "net/socket.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BACKLOG = 511, ACCEPT_FILTER_S = 1 };

static int set(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int new_socket(const struct address *address)
{
    int fd = socket(address_family(address), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    return fd < 0 ? -errno : fd;
}

static bool is_tcp(const struct address *address)
{
    return address_family(address) != AF_UNIX;
}

static void set_keepalive_options(int fd, const struct listen_options *options)
{
    if (options->keepalive == 0)
        return;
    (void)set(fd, SOL_SOCKET, SO_KEEPALIVE, options->keepalive > 0);
    if (options->keepalive_idle_s > 0)
        (void)set(fd, IPPROTO_TCP, TCP_KEEPIDLE, options->keepalive_idle_s);
    if (options->keepalive_interval_s > 0)
        (void)set(fd, IPPROTO_TCP, TCP_KEEPINTVL, options->keepalive_interval_s);
    if (options->keepalive_count > 0)
        (void)set(fd, IPPROTO_TCP, TCP_KEEPCNT, options->keepalive_count);
}

static int set_before_bind(int fd, const struct address *address,
                           const struct listen_options *options, const char **reterr_call)
{
    *reterr_call = "setsockopt(SO_REUSEADDR)";
    if (is_tcp(address) && set(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0)
        return -errno;
    *reterr_call = "setsockopt(SO_REUSEPORT)";
    if (options->has_reuseport && is_tcp(address) && set(fd, SOL_SOCKET, SO_REUSEPORT, 1) < 0)
        return -errno;
    if (address_family(address) == AF_INET6)
        (void)set(fd, IPPROTO_IPV6, IPV6_V6ONLY, !options->is_ipv6_only_off);
    /* Accepted sockets inherit it: one system call less for each of them. */
    if (is_tcp(address))
        (void)set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    return 0;
}

/* A socket file that nobody listens on is left over from a crash. connect() refuses any other kind
 * of file with the same error, and that file is not ours to remove. */
static bool is_stale(const struct address *address)
{
    struct stat stat;
    int         fd, r;

    if (lstat(address->raw.un.sun_path, &stat) < 0 || !S_ISSOCK(stat.st_mode))
        return false;
    fd = new_socket(address);
    if (fd < 0)
        return false;
    r = connect(fd, &address->raw.any, address->len) < 0 ? errno : 0;
    (void)close(fd);
    return r == ECONNREFUSED;
}

static int bind_to(int fd, const struct address *address)
{
    if (bind(fd, &address->raw.any, address->len) == 0)
        return 0;
    if (errno != EADDRINUSE || is_tcp(address) || !is_stale(address))
        return -errno;
    (void)unlink(address->raw.un.sun_path);
    return bind(fd, &address->raw.any, address->len) < 0 ? -errno : 0;
}

int socket_listen_again(int fd, const struct listen_options *options)
{
    if (options->receive_bytes > 0)
        (void)set(fd, SOL_SOCKET, SO_RCVBUF, options->receive_bytes);
    if (options->send_bytes > 0)
        (void)set(fd, SOL_SOCKET, SO_SNDBUF, options->send_bytes);
    set_keepalive_options(fd, options);
    /* Of no effect on unix sockets, which say so. */
    (void)set(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, options->is_deferred ? ACCEPT_FILTER_S : 0);
    if (options->fastopen > 0)
        (void)set(fd, IPPROTO_TCP, TCP_FASTOPEN, options->fastopen);
    return listen(fd, options->backlog > 0 ? options->backlog : BACKLOG) < 0 ? -errno : 0;
}

int socket_listen(const struct address *address, const struct listen_options *options, int *ret_fd,
                  const char **reterr_call)
{
    int fd = new_socket(address), r;

    if (fd < 0) {
        *reterr_call = "socket()";
        return fd;
    }
    r = set_before_bind(fd, address, options, reterr_call);
    if (r == 0) {
        *reterr_call = "bind()";
        r = bind_to(fd, address);
    }
    if (r == 0 && !is_tcp(address))
        (void)chmod(address->raw.un.sun_path, 0666);
    if (r == 0) {
        *reterr_call = "listen()";
        r = socket_listen_again(fd, options);
    }
    if (r < 0) {
        (void)close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

int socket_connect(const struct address *address, const struct address *from, int *ret_fd,
                   bool *ret_in_progress)
{
    int fd = new_socket(address), r = 0;

    if (fd < 0)
        return fd;
    if (is_tcp(address))
        (void)set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (from != NULL) {
        (void)set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
        r = bind(fd, &from->raw.any, from->len) < 0 ? -errno : 0;
    }
    if (r == 0 && connect(fd, &address->raw.any, address->len) < 0)
        r = -errno;
    if (r < 0 && r != -EINPROGRESS) {
        (void)close(fd);
        return r;
    }
    *ret_fd = fd;
    *ret_in_progress = r == -EINPROGRESS;
    return 0;
}

int socket_accept(int listener_fd, int *ret_fd, struct address *ret_remote)
{
    int fd;

    ret_remote->len = sizeof(ret_remote->raw);
    do
        fd = accept4(listener_fd, &ret_remote->raw.any, &ret_remote->len,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return -errno;
    *ret_fd = fd;
    return 0;
}

bool socket_is_quiet(int fd)
{
    char    byte;
    ssize_t n;

    do
        n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n < 0 && errno == EAGAIN;
}

bool socket_is_acknowledging(int fd, uint32_t within_ms)
{
    struct tcp_info state;
    socklen_t       len = sizeof(state);

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &state, &len) < 0)
        return true;
    return state.tcpi_last_ack_recv < within_ms;
}

int socket_error(int fd)
{
    int       error = 0;
    socklen_t len = sizeof(error);

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        return -errno;
    return -error;
}

int socket_local(int fd, struct address *ret_local)
{
    ret_local->len = sizeof(ret_local->raw);
    return getsockname(fd, &ret_local->raw.any, &ret_local->len) < 0 ? -errno : 0;
}

void socket_set_reset(int fd)
{
    struct linger linger = { .l_onoff = 1, .l_linger = 0 };

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

void socket_set_nodelay(int fd, bool is_on)
{
    (void)set(fd, IPPROTO_TCP, TCP_NODELAY, is_on);
}

void socket_set_keepalive(int fd)
{
    (void)set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}
