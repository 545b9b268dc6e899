// SPDX-License-Identifier: MIT
/* The body in motion, and all the backpressure there is: a bounded queue of slices between two
 * tasks of one loop.
 *
 * The writer looks at pipe_room() and stops at zero; when the reader has drained below the low mark
 * the writer is woken with WAKE_ROOM. The reader is woken with WAKE_DATA, WAKE_END and WAKE_FAULT.
 * Small slices are gathered into one block, so that many little pieces never fill the ring.
 *
 * While a pipe keeps (pipe_keep), what was read stays until it no longer fits; pipe_rewind() gives
 * it to another reader from the start: a request body for the next server.
 *
 * Large plain bodies may pass through a kernel pipe instead (net/lane.h): the bytes never enter
 * user space, and only their number is counted here. Owner: the exchange that embeds it. */
#ifndef NET_PIPE_H
#define NET_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/block.h"
#include "net/task.h"

enum { PIPE_SLICES = 16 };

/* What the pipes of one client hold together. Each may fill a part of what is left, or `least`: a few have all
 * they need, and a hundred that nobody reads do not hold a hundred times as much. Owner: the codec of their
 * readers; it stays until the turn is over in which the last of them is done. */
struct pipe_share {
    uint32_t most, least, fill;
};

struct lane;

struct pipe {
    struct task  *writer, *reader;       /* either may be NULL while nobody is joined */
    uint16_t      first, count;          /* of the ring */
    uint16_t      kept;                  /* of count: read already, held for a rewind */
    uint32_t      offset;                /* read bytes of the first unread slice */
    uint32_t      high, low;
    uint32_t      fill;                  /* unread bytes in slices */
    uint64_t      total_in, total_out;
    uint32_t      promised;              /* counted in its share besides what is here */
    struct lane  *lane;                  /* NULL: bytes go through slices */
    struct pipe_share *share;            /* NULL: its bounds are its own */
    int           fault;
    bool          is_ended, is_keeping, is_writer_waiting, may_splice;
    bool          is_gathering;          /* filled to `high`, in however many pieces it comes */
    struct slice  slices[PIPE_SLICES];   /* ring: kept ones, then unread ones; `count` are set */
};

void pipe_init(struct pipe *pipe, uint32_t high);
void pipe_set_high(struct pipe *pipe, uint32_t high);     /* and low; wakes a writer that waits */
void pipe_done(struct pipe *pipe);                        /* drops what is left */
void pipe_set_share(struct pipe *pipe, struct pipe_share *share);   /* NULL: none */
void pipe_set_writer(struct pipe *pipe, struct task *writer);
void pipe_set_reader(struct pipe *pipe, struct task *reader);

/* Writer. Room 0 is also a promise of WAKE_ROOM. */
size_t pipe_room(struct pipe *pipe);
/* Of a share, whose bounds change with what others do: what is worth reading now; 0: as many as come. */
uint32_t pipe_read_most(const struct pipe *pipe);
/* The writer's side may have so many bytes on their way beside the pipe; they count until the pipe is done. */
uint32_t pipe_promise(struct pipe *pipe, uint32_t most);
bool     pipe_is_crowded(struct pipe *pipe);              /* no room in a share; else as pipe_room() 0 */
void   pipe_put(struct pipe *pipe, struct slice slice);   /* takes the slice */
void   pipe_end(struct pipe *pipe);                       /* whole body written */

/* Reader. */
int    pipe_peek(const struct pipe *pipe, struct iovec *ret_iov, int most);   /* entries filled */
void   pipe_drop(struct pipe *pipe, size_t len);
struct slice pipe_take(struct pipe *pipe, size_t most);   /* what lies together; len 0: nothing; not of a lane */
bool   pipe_has_data(const struct pipe *pipe);
/* Ended, and everything was read. */
bool   pipe_is_finished(const struct pipe *pipe);

/* Either side gives up; both are woken with WAKE_FAULT. The first fault stays. */
void pipe_break(struct pipe *pipe, int fault);

/* Bytes went into the lane, or out of it: for the conns that splice. */
void pipe_lane_took(struct pipe *pipe, size_t len);
void pipe_lane_gave(struct pipe *pipe, size_t len);

void pipe_keep(struct pipe *pipe);
bool pipe_may_rewind(const struct pipe *pipe);            /* nothing has been let go of */
void pipe_rewind(struct pipe *pipe);
void pipe_forget(struct pipe *pipe);                      /* stop keeping */

#endif
