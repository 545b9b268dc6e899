// SPDX-License-Identifier: MIT
/* What a conn needs from whoever speaks on it: bytes in, bytes out. Owns no descriptor, no timer, no
 * clock. Tells its conn of news by setting the facts below and waking it: WAKE_DATA (there may be
 * output), WAKE_ROOM (reading may go on), WAKE_END (look whether I am done). */
#ifndef NET_PROTOCOL_H
#define NET_PROTOCOL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/block.h"
#include "net/task.h"

struct pipe;
struct protocol;

enum loss { LOSS_CLOSED = 0, LOSS_RESET, LOSS_TIMEOUT, LOSS_SHUTDOWN, LOSS_MEMORY };

/* What the protocol waits for on the wire; each kind has a deadline of its own. */
enum conn_wait {
    CONN_WAIT_NONE = 0, CONN_WAIT_IDLE, CONN_WAIT_HEAD, CONN_WAIT_BODY, CONN_WAIT_KINDS,
    CONN_WAIT_PACE = CONN_WAIT_KINDS     /* told to expire() only: a body that comes, but too slowly */
};

struct protocol_ops {
    /* Consumed bytes (what is left is offered again, with more behind it), or -1: close me. */
    ssize_t        (*feed)(struct protocol *protocol, struct slice bytes);
    /* The other side sends no more. */
    void           (*finish)(struct protocol *protocol);
    /* Bytes to send now, in order; number of entries. */
    int            (*fill)(struct protocol *protocol, struct iovec *ret_iov, int most);
    void           (*sent)(struct protocol *protocol, size_t len);
    enum conn_wait (*wait)(const struct protocol *protocol);
    /* The deadline of that wait has passed. */
    void           (*expire)(struct protocol *protocol, enum conn_wait wait);
    /* The connection goes: break streams and pipes; must_reset may still be set. Called once, last
     * but for free(). */
    void           (*lost)(struct protocol *protocol, enum loss why);
    /* Somebody above still holds a stream: the memory must stay. */
    bool           (*is_held)(const struct protocol *protocol);
    void           (*free)(struct protocol **protocol);
    /* Nothing will come for a while: buffers may be given back. NULL: it has none. */
    void           (*rest)(struct protocol *protocol);
    /* Bytes that are worth reading at a time; 0: as many as come. NULL: always. */
    uint32_t       (*read_most)(const struct protocol *protocol);
    /* Plain body bytes that may be moved from the descriptor to this pipe's lane without being
     * looked at; 0: none. NULL: never. */
    uint64_t       (*splice_in)(struct protocol *protocol, struct pipe **ret_pipe);
    void           (*spliced_in)(struct protocol *protocol, uint64_t len);
    /* How many of the next bytes to send lie in this pipe's lane and may go now; 0: none. NULL:
     * never. */
    uint64_t       (*splice_out)(struct protocol *protocol, struct pipe **ret_pipe);
    void           (*spliced_out)(struct protocol *protocol, uint64_t len);
};

struct protocol {
    const struct protocol_ops *ops;
    struct task               *conn;
    uint32_t                   linger_most;     /* bytes that a lingering conn swallows; 0: any */
    bool                       is_paused;       /* do not read: a pipe is full */
    bool                       is_yielding;     /* set by feed(): the rest in another turn, this was work enough */
    bool                       is_closing;      /* close once the output is out */
    bool                       must_reset;      /* close at once, with a reset */
    bool                       must_linger;     /* before closing read what still comes, for a while */
};

#endif
