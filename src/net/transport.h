// SPDX-License-Identifier: MIT
/* Bytes over a descriptor: what a conn needs of TCP and of TLS (tls/transport.h). */
#ifndef NET_TRANSPORT_H
#define NET_TRANSPORT_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

struct transport;

struct transport_ops {
    const char *name;                                             /* "tcp", "tls" */
    bool        is_plain;                                         /* splice() may be used on fd */
    /* Goes on with the handshake: 0 once it is over, -EAGAIN (the poller tells when to call again),
     * -errno: it has failed. NULL: there is none. */
    int       (*handshake)(struct transport *transport);
    /* 0: end; -EAGAIN; -errno. Fewer bytes than there is room for: nothing more is there now, unless is_over. */
    ssize_t   (*read)(struct transport *transport, void *bytes, size_t room);
    /* Bytes taken; -EAGAIN: none. A plain one takes fewer than it is given when the socket is full; another may
     * for reasons of its own, and says so with has_unsent: what was taken and has not gone yet. */
    ssize_t   (*write)(struct transport *transport, const struct iovec *iov, int count);
    /* With has_unsent: sends what was taken before. 0: all of it is out; -EAGAIN; -errno. */
    int       (*flush)(struct transport *transport);
    /* Nothing is under way for a while: gives buffers back. NULL: has none. */
    void      (*rest)(struct transport *transport);
    void      (*shutdown)(struct transport *transport);           /* we send no more */
    void      (*close)(struct transport *transport);              /* and frees `state` */
};

struct transport {
    const struct transport_ops *ops;
    int                         fd;
    bool                        has_unsent;
    bool                        is_over; /* the next read() says at once how it ends: no poller tells of that */
    bool                        is_quiet;   /* the kernel has just said that no more is there, and need not be
                                               asked again: cleared when the poller may have news */
    void                       *state;   /* of TLS; owned */
};

extern const struct transport_ops transport_tcp;

#endif
