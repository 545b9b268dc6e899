// SPDX-License-Identifier: MIT
/* A kernel for one process with one thread: sockets, a poller, clocks, pipes. The linker puts it
 * under the real code (--wrap, tests/CMakeLists.txt). Descriptors from KERNEL_FD on are its own;
 * everything else goes to the real system.
 *
 * The other end of every connection is a `far` end: a script. It runs when something has reached it
 * or when its time has come, reads and writes its wire, and never touches what is under test.
 *
 * Time is simulated: it passes a little with each call, and when nothing can be done now it jumps to
 * the next thing that happens. */
#ifndef TESTS_SIM_KERNEL_H
#define TESTS_SIM_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KERNEL_FD = 1000000, KERNEL_FDS_MOST = 1024 };

/* How the system and the network behave; 1 in n, 0: never. */
struct mood {
    unsigned interrupts;                 /* a call ends with EINTR */
    unsigned no_descriptors;             /* EMFILE from accept4() and socket() */
    unsigned no_lanes;                   /* pipe2() fails */
    unsigned no_watches;                 /* epoll_ctl() of a socket fails */
    unsigned short_writes;               /* less is taken than there is room for */
    unsigned hurry;                      /* the world goes on in the middle of a turn */
    unsigned slow_wires;                 /* a piece takes long */
    bool     has_whole_wires;            /* all that was sent arrives in one piece, at once */
    size_t   send_bytes;                 /* of a socket's send buffer */
    unsigned lane_slots;                 /* of a kernel pipe: pages */
};

struct wire;

struct far {
    void        (*run)(struct far *far);
    void        (*used)(struct far *far);   /* we are about to send; NULL: it need not know */
    struct wire  *wire;
    int64_t       due_us;                /* its time; 0: none */
};

/* Who takes connections at an address. Given a far end that is not joined yet, or NULL. */
enum taking { TAKE_OPEN, TAKE_REFUSE, TAKE_SILENT, TAKE_AT_ONCE, TAKE_UNREACHABLE };
struct place_at {
    uint32_t      ip;                    /* host order */
    enum taking (*take)(struct place_at *place, struct far **ret_far);
};

void     kernel_begin(const struct mood *mood);
/* Everything must be closed by now. */
void     kernel_end(void);
bool     kernel_is_on(void);
int64_t  kernel_now_us(void);
/* Turns of the loop, and what has happened: bytes moved, connections, ends, deadlines. */
uint64_t kernel_turns(void);
uint64_t kernel_happenings(void);
void     kernel_calm(void);              /* no more injected errors from here on */
struct mood *kernel_mood(void);

/* What is called between two turns, on the loop's thread, as a signal would interrupt epoll_wait(). */
void kernel_call_at(int64_t at_us, void (*call)(void));

void kernel_serve(struct place_at *place);
int  kernel_listen(unsigned port);       /* a listening socket of ours */
void kernel_close_listener(int fd);

/* ---- far ends ---- */

/* A client connects; its far end runs when it stands. */
struct wire *wire_connect(unsigned port, struct far *far);
void   far_wake_at(struct far *far, int64_t at_us);
void   far_wake_in(struct far *far, int64_t delay_us);

size_t wire_unread(const struct wire *wire);             /* bytes of ours that arrived there */
size_t wire_read(struct wire *wire, char *bytes, size_t room);
size_t wire_look(const struct wire *wire, char *bytes, size_t room);
bool   wire_has_end(const struct wire *wire);            /* and all before it was read */
bool   wire_end_came(const struct wire *wire);           /* whatever is still unread */
bool   wire_is_reset(const struct wire *wire);           /* by us or by the far end */
size_t wire_unsent(const struct wire *wire);             /* written there, not read by us */
size_t wire_under_way(const struct wire *wire);          /* written by us, not read there */
void   wire_say(struct wire *wire, const char *bytes, size_t len);
void   wire_finish(struct wire *wire);                      /* says no more */
void   wire_close(struct wire *wire);                    /* nor listens */
void   wire_reset(struct wire *wire);
void   wire_drop_unread(struct wire *wire);              /* what we have not read gets lost */
bool   wire_is_accepted(const struct wire *wire);
bool   wire_is_ours_closed(const struct wire *wire);
/* Its bytes arrive now, to the last one: for tests of an exact order. */
void   wire_rush(struct wire *wire);

#endif
