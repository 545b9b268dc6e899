// SPDX-License-Identifier: MIT
/* What the files of the simulated kernel share: kernel.c (time, events, descriptors, the poller),
 * wires.c (sockets and their far ends), lanes.c (pipes), calls.c (what the linker redirects). */
#ifndef TESTS_SIM_KERNEL_PARTS_H
#define TESTS_SIM_KERNEL_PARTS_H

#include <sys/types.h>
#include <sys/uio.h>

#include "base/must.h"
#include "kernel.h"
#include "schedule.h"

enum handle_kind {
    HANDLE_NONE = 0, HANDLE_POLLER, HANDLE_BELL, HANDLE_ALARM, HANDLE_LISTENER, HANDLE_SOCKET,
    HANDLE_LANE
};

struct listener;
struct lane_bytes;

/* A descriptor. */
struct handle {
    enum handle_kind kind;
    bool             is_watched, is_level, is_ready;   /* is_ready: in the poller's list */
    bool             is_write_end;                     /* of a lane */
    uint32_t         interest;
    void            *watcher;
    uint64_t         count;                            /* of a bell, an alarm */
    int64_t          alarm_us;
    union {
        struct wire       *wire;
        struct listener   *listener;
        struct lane_bytes *lane;
    };
};

enum event_kind { EVENT_IN, EVENT_OUT, EVENT_STAND, EVENT_ROOM, EVENT_FAR, EVENT_ALARM, EVENT_CALL };

struct event {
    int64_t         at_us;
    uint64_t        number;
    enum event_kind kind;
    union {
        struct wire   *wire;
        struct far    *far;
        struct handle *handle;
        void         (*call)(void);
    };
};

/* Bytes in order, growing. */
struct stored {
    char  *bytes;
    size_t from, len, capacity;
};

void   stored_put(struct stored *stored, const char *bytes, size_t len);
size_t stored_look(const struct stored *stored, char *bytes, size_t room);
void   stored_drop(struct stored *stored, size_t len);
void   stored_done(struct stored *stored);

struct handle *handle_of(int fd);        /* NULL: not ours, or closed */
int            handle_new(enum handle_kind kind);   /* a descriptor */
void           handle_close(int fd);
/* Something arose: the poller looks at it. */
void           handle_edge(struct handle *handle);
uint32_t       handle_events(const struct handle *handle);

void    event_at(int64_t at_us, struct event event);
int64_t delay_us(void);                  /* of a piece on a wire */
void    world_note(void);                /* something happened: we are not spinning */
/* A call of ours: time passes, the world may go on. */
void    call_begin(void);
bool    is_interrupted(void);            /* sets errno */

/* wires.c */
void     wires_begin(void);
void     wires_end(void);
void     wire_event(const struct event *event);
uint32_t wire_events(const struct handle *handle);
uint32_t listener_events(const struct handle *handle);
void     wire_forget(struct handle *handle);      /* its descriptor is closed */
void     listener_forget(struct handle *handle);
/* As the system calls, but -errno. */
ssize_t  wire_take(struct wire *wire, char *bytes, size_t room, bool is_look);
ssize_t  wire_give(struct wire *wire, const struct iovec *iov, int count);
int      wire_begin_connect(struct handle *handle, uint32_t ip);
int      wire_accept(struct handle *listener, struct wire **ret_wire);
void     wire_join(struct wire *wire, struct handle *handle);   /* the descriptor of an accepted one */
unsigned wire_port(const struct wire *wire);
int      wire_error(struct wire *wire);            /* takes it */
void     wire_shutdown(struct wire *wire);
void     wire_set_linger_zero(struct wire *wire);
size_t   wire_ready(const struct wire *wire);      /* bytes that may be taken */

/* lanes.c */
int     lane_pipe(int ret_fds[2]);
void    lane_forget(struct handle *handle);
ssize_t lane_splice(int from, int to, size_t most);
int     lane_size(void);

#endif
