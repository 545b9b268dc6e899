// SPDX-License-Identifier: MIT
/* Sockets and their options: opened by the supervisor (listening) and by connectors (outgoing).
 * Everything is non-blocking and close-on-exec. */
#ifndef NET_SOCKET_H
#define NET_SOCKET_H

#include <stdbool.h>

#include "net/address.h"

/* Options of `listen`, as plain data. Zero means "system default" everywhere. */
struct listen_options {
    int  backlog;                        /* 0: 511 */
    int  receive_bytes, send_bytes;      /* rcvbuf, sndbuf */
    int  fastopen;                       /* queue length */
    bool has_reuseport, is_deferred, is_ipv6_only_off;
    int  keepalive;                      /* so_keepalive: 0 default, 1 on, -1 off */
    int  keepalive_idle_s, keepalive_interval_s, keepalive_count;
};

/* A bound, listening socket with TCP_NODELAY set (accepted sockets inherit it). A stale unix socket
 * file that nobody listens on is replaced. -errno; *reterr_call names the failing call. */
int socket_listen(const struct address *address, const struct listen_options *options,
                  int *ret_fd, const char **reterr_call) WARN_UNUSED;
/* Applies what may change on a socket that listens already (backlog, buffers, deferred). */
int socket_listen_again(int fd, const struct listen_options *options) WARN_UNUSED;

/* Starts connecting; `bind_to` may be NULL. 0: connected or in progress (*ret_in_progress); the
 * descriptor is non-blocking with TCP_NODELAY. */
int socket_connect(const struct address *address, const struct address *bind_to, int *ret_fd,
                   bool *ret_in_progress) WARN_UNUSED;

/* Takes one connection; -EAGAIN, -EMFILE and so on. */
int socket_accept(int listener_fd, int *ret_fd, struct address *ret_remote) WARN_UNUSED;

int  socket_error(int fd);                                       /* SO_ERROR as -errno or 0 */
/* Open, with neither an end nor a byte to read: a non-blocking look. */
bool socket_is_quiet(int fd);
/* Has the other side's kernel acknowledged anything in the last so many ms? Where nobody can tell: yes. */
bool socket_is_acknowledging(int fd, uint32_t within_ms);
int  socket_local(int fd, struct address *ret_local) WARN_UNUSED;
/* close() will then send a reset instead of a clean end. */
void socket_set_reset(int fd);
void socket_set_keepalive(int fd);
/* Listening sockets have it on, and accepted ones inherit that. */
void socket_set_nodelay(int fd, bool is_on);

#endif
