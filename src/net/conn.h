// SPDX-License-Identifier: MIT
/* A connection: descriptor, transport, protocol, deadlines, and the bytes between them.
 *
 * Reads into the loop's shared block and feeds the protocol; keeps bytes only when the protocol
 * could not use them yet, so an idle conn holds no buffer. Writes once per turn, gathered. Closes
 * when the protocol says so, when the transport fails, or when a deadline passes; its memory stays
 * until nobody above holds a stream of it. Owner: itself (it buries itself); one loop for life. */
#ifndef NET_CONN_H
#define NET_CONN_H

#include "base/list.h"
#include "net/address.h"
#include "net/loop.h"
#include "net/protocol.h"
#include "net/transport.h"

/* Milliseconds; 0: no limit. */
struct conn_timeouts {
    uint32_t waits_ms[CONN_WAIT_KINDS];  /* by enum conn_wait; HEAD is a total, BODY between reads */
    uint32_t send_ms;                    /* between two writes */
    uint32_t body_rate, body_slack_ms;   /* least bytes per second of BODY, and how long it may stay
                                            behind; rate 0: any */
    uint32_t linger_ms, linger_most_ms;  /* before closing: between two reads, in all; 0: no linger */
    bool     is_lingering_always;        /* not only when the protocol asks for it */
};

struct conn {
    struct task          task;
    struct transport     transport;
    struct protocol     *protocol;
    struct loop         *loop;
    struct watch         watch;
    struct timer         timer;
    struct flush         flush;
    struct corpse        corpse;
    struct link          link;           /* in a list of its owner: clients, idle conns */
    struct slice         pending;        /* read, not consumed yet */
    struct slice         first;          /* while connecting: goes before everything else */
    struct conn_timeouts timeouts;
    int64_t              since_ms;       /* of the current wait */
    int64_t              pace_ms;        /* until when what came of a body is enough */
    int64_t              wrote_ms;       /* last progress of a blocked write */
    uint64_t             serial;         /* "*7" in logs; unique in the process */
    uint64_t             bytes_in, bytes_out;
    uint64_t             quiet_turn;     /* of the loop, in which its transport was quiet */
    uint32_t             lingered;       /* bytes, swallowed before the close */
    uint64_t             read_turn;      /* of the loop, in which it was last read */
    struct task         *owner;          /* told of connecting (WRITABLE) and of the end (END) */
    int                  error;          /* -errno that ended it */
    int                 *error_to;       /* where the owner wants it too, or NULL */
    uint8_t              wait;           /* enum conn_wait */
    uint8_t              reads;          /* in that turn */
    bool                 is_connecting, is_securing, is_readable, is_writable, has_hangup,
                         has_seen_end;
    bool                 is_closed, is_buried, is_blocked, is_lingering, is_reset_on_timeout;
    bool                 is_delaying;    /* its owner has turned TCP_NODELAY off */
    bool                 has_output;     /* perhaps: to be looked for at the flush */
};

/* Takes fd and the protocol. NULL, with fd closed and the protocol freed, if epoll refuses. `owner`
 * is woken with WAKE_END when the connection has ended; it must not use the conn after that. */
struct conn *conn_new(struct loop *loop, int fd, struct protocol *protocol,
                      const struct conn_timeouts *timeouts, struct task *owner);
/* The same for a connection that is being made: `owner` is also woken with WAKE_WRITABLE when it
 * stands, and has its turn before anything is read. When it does not by `deadline_ms`, or fails, it ends with conn->error set. */
struct conn *conn_open(struct loop *loop, int fd, struct protocol *protocol,
                       const struct conn_timeouts *timeouts, struct task *owner,
                       int64_t deadline_ms);

/* Another protocol takes over and the former is freed: from within feed() of the former, which then
 * returns how much of the bytes was its own, or from the owner's task. */
void conn_become(struct conn *conn, struct protocol *protocol);
/* Right after conn_open(): these bytes go before everything else, also before a handshake, and the connection stands
 * once they are out. Copied. */
void conn_say_first(struct conn *conn, struct text bytes);
/* Another transport takes over, on the same descriptor, and shakes hands, by `deadline_ms` (INT64_MAX: when
 * it will); nothing is read or written meanwhile. Then the owner is woken with WAKE_WRITABLE, and has its turn before what
 * comes is fed to the protocol. A handshake that fails ends the conn with conn->error set. */
void conn_secure(struct conn *conn, struct transport transport, int64_t deadline_ms);
/* A handshake under way has no longer than this. */
void conn_hasten(struct conn *conn, int64_t deadline_ms);

/* Nothing will come for a while: its transport and its protocol give buffers back. A closed one has none. */
void conn_rest(struct conn *conn);

/* A quiet conn without streams, of a plain transport, gives up its descriptor, still watched, and dies without lost(). */
int          conn_detach(struct conn *conn);
void         conn_close_detached(int fd);
/* As conn_new(), for a descriptor that the loop watches already. */
struct conn *conn_resume(struct loop *loop, int fd, struct protocol *protocol,
                         const struct conn_timeouts *timeouts, struct task *owner);

void conn_set_timeouts(struct conn *conn, const struct conn_timeouts *timeouts);
/* Closes now; the protocol hears lost(why) if the stream is still open. */
void conn_close(struct conn *conn, enum loss why);
/* Open, with nothing to read and no end seen: a non-blocking look, before a kept one is used. */
bool conn_is_quiet(struct conn *conn);
/* The conn whose task this is, or NULL: some other task. */
const struct conn *conn_of_task(const struct task *task);

#endif
