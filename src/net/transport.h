// SPDX-License-Identifier: MIT
/* Bytes over a descriptor: what a conn needs of TCP, and later of TLS. */
#ifndef NET_TRANSPORT_H
#define NET_TRANSPORT_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

struct transport;

struct transport_ops {
    const char *name;                                             /* "tcp" */
    bool        is_plain;                                         /* splice() may be used on fd */
    ssize_t   (*read)(struct transport *transport, void *bytes, size_t room);       /* 0: end; -errno */
    ssize_t   (*write)(struct transport *transport, const struct iovec *iov, int count);
    void      (*shutdown)(struct transport *transport);           /* we send no more */
    void      (*close)(struct transport *transport);
};

struct transport {
    const struct transport_ops *ops;
    int                         fd;
};

extern const struct transport_ops transport_tcp;

#endif
