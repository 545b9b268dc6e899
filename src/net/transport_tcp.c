// SPDX-License-Identifier: MIT
/* Plain sockets. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/transport.h"

static ssize_t tcp_read(struct transport *transport, void *bytes, size_t room)
{
    ssize_t n;

    do
        n = recv(transport->fd, bytes, room, 0);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static ssize_t tcp_write(struct transport *transport, const struct iovec *iov, int count)
{
    struct msghdr message = { .msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)count };
    ssize_t       n;

    do
        n = count == 1 ? send(transport->fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL)
                       : sendmsg(transport->fd, &message, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static void tcp_shutdown(struct transport *transport)
{
    (void)shutdown(transport->fd, SHUT_WR);
}

static void tcp_close(struct transport *transport)
{
    (void)close(transport->fd);
    transport->fd = -1;
}

const struct transport_ops transport_tcp = {
    .name = "tcp",
    .is_plain = true,
    .read = tcp_read,
    .write = tcp_write,
    .shutdown = tcp_shutdown,
    .close = tcp_close,
};
