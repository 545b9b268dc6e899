// SPDX-License-Identifier: MIT
/* TCP as a server sees it on Linux: what is read, written and polled in every state of a connection.
 * `in` is what goes to us, `out` what goes to the far end; of both a part has arrived. What a close
 * or a reset does to bytes on their way is what Linux does, at its worst. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <sys/epoll.h>

#include "base/mem.h"
#include "kernel_parts.h"

enum { WIRES_MOST = 4096, PLACES_MOST = 16, LISTENERS_MOST = 8, WAITING_MOST = 256 };

struct wire {
    unsigned       number;
    struct handle *handle;               /* our end; NULL: not accepted yet, or closed */
    struct far    *far;
    unsigned       port;                 /* of the listener that it came to */
    struct stored  in, out;
    size_t         in_arrived, out_arrived;
    int            error;                /* SO_ERROR */
    bool           is_out_going, is_refused, stands;
    bool           is_in_due, is_out_due;              /* an event is on its way */
    bool           in_end, in_end_arrived, in_reset;
    bool           out_end, out_end_arrived, out_reset, out_reset_arrived;
    bool           is_far_closed, is_ours_closed, is_dead;   /* dead: reset, at our end */
    bool           has_no_space, has_linger_zero;
};

struct listener {
    unsigned     port;
    struct wire *waiting[WAITING_MOST];
    unsigned     count;
    struct handle *handle;
};

static struct {
    struct wire    *wires[WIRES_MOST];
    unsigned        wire_count;
    struct place_at *places[PLACES_MOST];
    unsigned        place_count;
    struct listener listeners[LISTENERS_MOST];
} net;

/* ---- queues ---- */

void stored_put(struct stored *stored, const char *bytes, size_t len)
{
    if (stored->from > 0 && stored->from + stored->len + len > stored->capacity) {
        memmove(stored->bytes, stored->bytes + stored->from, stored->len);
        stored->from = 0;
    }
    if (stored->len + len > stored->capacity) {
        stored->capacity = (stored->len + len) * 2;
        stored->bytes = mem_resize(stored->bytes, stored->capacity);
    }
    memcpy(stored->bytes + stored->from + stored->len, bytes, len);
    stored->len += len;
}

size_t stored_look(const struct stored *stored, char *bytes, size_t room)
{
    size_t n = room < stored->len ? room : stored->len;

    if (n > 0)
        memcpy(bytes, stored->bytes + stored->from, n);
    return n;
}

void stored_drop(struct stored *stored, size_t len)
{
    stored->from += len;
    stored->len -= len;
    if (stored->len == 0)
        stored->from = 0;
}

void stored_done(struct stored *stored)
{
    mem_free(stored->bytes);
    *stored = (struct stored){ 0 };
}

/* ---- life ---- */

void wires_begin(void)
{
    memset(&net, 0, sizeof(net));
}

void wires_end(void)
{
    for (unsigned i = 0; i < net.wire_count; i++) {
        stored_done(&net.wires[i]->in);
        stored_done(&net.wires[i]->out);
        mem_free(net.wires[i]);
    }
    net.wire_count = 0;
}

static struct wire *wire_new(struct far *far)
{
    struct wire *wire = mem_new(sizeof(*wire));

    must(net.wire_count < WIRES_MOST);
    wire->number = net.wire_count;
    wire->far = far;
    if (far != NULL)
        far->wire = wire;
    net.wires[net.wire_count++] = wire;
    return wire;
}

void kernel_serve(struct place_at *place)
{
    must(net.place_count < PLACES_MOST);
    net.places[net.place_count++] = place;
}

int kernel_listen(unsigned port)
{
    int fd = handle_new(HANDLE_LISTENER);

    for (unsigned i = 0; i < LISTENERS_MOST; i++)
        if (net.listeners[i].handle == NULL) {
            net.listeners[i] = (struct listener){ .port = port, .handle = handle_of(fd) };
            handle_of(fd)->listener = &net.listeners[i];
            return fd;
        }
    FAIL("too many listeners");
    return -1;
}

void kernel_close_listener(int fd)
{
    handle_close(fd);
}

/* ---- things on their way ---- */

static void edge(struct wire *wire)
{
    world_note();
    if (wire->handle != NULL)
        handle_edge(wire->handle);
}

static void far_note(struct wire *wire)
{
    if (wire->far != NULL)
        far_wake_in(wire->far, delay_us());
}

static void in_later(struct wire *wire)
{
    if (wire->is_in_due || !wire->stands)
        return;
    wire->is_in_due = true;
    event_at(kernel_now_us() + delay_us(), (struct event){ .kind = EVENT_IN, .wire = wire });
}

static void out_later(struct wire *wire)
{
    if (wire->is_out_due || !wire->stands)
        return;
    wire->is_out_due = true;
    event_at(kernel_now_us() + delay_us(), (struct event){ .kind = EVENT_OUT, .wire = wire });
}

/* Our end is gone or has never wanted this: what is on its way to the far end is lost, but for what
 * by chance got through before. */
static void out_reset(struct wire *wire)
{
    size_t under_way = wire->out.len - wire->out_arrived;

    if (wire->out_reset)
        return;
    wire->out_reset = true;
    if (under_way > 0)
        wire->out.len = wire->out_arrived + chance(under_way + 1);
    out_later(wire);
}

static void reset_arrives(struct wire *wire)
{
    if (wire->is_dead)
        return;
    wire->is_dead = true;
    wire->error = wire->in_end_arrived ? EPIPE : ECONNRESET;
    wire->out.len = wire->out_arrived;
    wire->in.len = wire->in_arrived;
    say("wire %u: reset arrives here", wire->number);
    edge(wire);
}

static void in_some(struct wire *wire)
{
    size_t pending = wire->in.len - wire->in_arrived;
    size_t n = pending == 0 ? 0 : kernel_mood()->has_whole_wires ? pending : some_of(pending);

    if (n == 0)
        return;
    wire->in_arrived += n;
    say("wire %u: %zu bytes arrive here", wire->number, n);
    edge(wire);
    far_note(wire);
}

static void in_event(struct wire *wire)
{
    wire->is_in_due = false;
    if (wire->is_dead)
        return;
    if (wire->is_ours_closed) {
        if (wire->in.len > wire->in_arrived)
            out_reset(wire);
        wire->in.len = wire->in_arrived = 0;
        wire->in_end_arrived = wire->in_end;
        return;
    }
    in_some(wire);
    if (wire->in.len > wire->in_arrived) {
        in_later(wire);
    } else if (wire->in_reset) {
        reset_arrives(wire);
    } else if (wire->in_end && !wire->in_end_arrived) {
        if (!kernel_mood()->has_whole_wires && one_in(2)) {
            in_later(wire);
            return;
        }
        wire->in_end_arrived = true;
        say("wire %u: end arrives here", wire->number);
        edge(wire);
    }
}

static void out_some(struct wire *wire)
{
    size_t pending = wire->out.len - wire->out_arrived;
    size_t n = pending == 0 ? 0 : kernel_mood()->has_whole_wires ? pending : some_of(pending);

    if (n == 0)
        return;
    if (wire->is_far_closed) {           /* nobody is there: it says so */
        wire->out.len = wire->out_arrived;
        wire->in_reset = true;
        in_later(wire);
        return;
    }
    wire->out_arrived += n;
    say("wire %u: %zu bytes arrive there", wire->number, n);
    far_note(wire);
}

static void out_event(struct wire *wire)
{
    wire->is_out_due = false;
    out_some(wire);
    if (wire->out.len > wire->out_arrived) {
        out_later(wire);
    } else if (wire->out_reset && !wire->out_reset_arrived) {
        wire->out_reset_arrived = true;
        say("wire %u: reset arrives there", wire->number);
        far_note(wire);
    } else if (wire->out_end && !wire->out_end_arrived && !wire->out_reset) {
        wire->out_end_arrived = true;
        say("wire %u: end arrives there", wire->number);
        far_note(wire);
    }
}

static void stand_outgoing(struct wire *wire)
{
    if (wire->is_refused) {
        wire->is_dead = true;
        wire->error = ECONNREFUSED;
        say("wire %u: refused", wire->number);
    } else {
        wire->stands = true;
        say("wire %u: stands", wire->number);
        if (wire->out_reset || wire->out_end)
            out_later(wire);
        far_note(wire);
    }
    edge(wire);
}

static struct listener *listener_at(unsigned port)
{
    for (unsigned i = 0; i < LISTENERS_MOST; i++)
        if (net.listeners[i].handle != NULL && net.listeners[i].port == port)
            return &net.listeners[i];
    return NULL;
}

static void stand_incoming(struct wire *wire)
{
    struct listener *listener = listener_at(wire->port);

    if (listener == NULL || listener->count == WAITING_MOST) {
        wire->out_reset = wire->out_reset_arrived = true;
        far_note(wire);
        return;
    }
    wire->stands = true;
    say("wire %u: a client has come to port %u", wire->number, wire->port);
    listener->waiting[listener->count++] = wire;
    handle_edge(listener->handle);
    far_note(wire);
}

void wire_event(const struct event *event)
{
    struct wire *wire = event->wire;

    world_note();
    switch (event->kind) {
    case EVENT_IN:
        in_event(wire);
        break;
    case EVENT_OUT:
        out_event(wire);
        break;
    case EVENT_STAND:
        if (wire->is_out_going)
            stand_outgoing(wire);
        else
            stand_incoming(wire);
        break;
    case EVENT_ROOM:
    case EVENT_FAR:
    case EVENT_ALARM:
    case EVENT_CALL:
        break;
    }
    if (event->kind != EVENT_ROOM || !wire->has_no_space || wire->handle == NULL)
        return;
    if ((wire_events(wire->handle) & EPOLLOUT) == 0)
        return;
    wire->has_no_space = false;
    edge(wire);
}

/* ---- our end ---- */

static size_t room_of(const struct wire *wire)
{
    size_t most = kernel_mood()->send_bytes;

    return wire->out.len < most ? most - wire->out.len : 0;
}

/* tcp_poll(): writable from a third of the buffer on. */
uint32_t wire_events(const struct handle *handle)
{
    const struct wire *wire = handle->wire;
    uint32_t           events = 0;

    if (wire == NULL || (!wire->stands && !wire->is_dead))
        return 0;
    if (wire->in_arrived > 0)
        events |= EPOLLIN;
    if (wire->in_end_arrived || wire->is_dead)
        events |= EPOLLIN | EPOLLRDHUP;
    if (wire->is_dead || (wire->in_end_arrived && wire->out_end))
        events |= EPOLLHUP;
    if (wire->error != 0)
        events |= EPOLLERR;
    if (wire->is_dead || wire->out_end || room_of(wire) * 3 >= kernel_mood()->send_bytes)
        events |= EPOLLOUT;
    else
        ((struct wire *)wire)->has_no_space = true;
    return events;
}

uint32_t listener_events(const struct handle *handle)
{
    return handle->listener->count > 0 ? EPOLLIN : 0;
}

int wire_error(struct wire *wire)
{
    int error = wire->error;

    wire->error = 0;
    return error;
}

ssize_t wire_take(struct wire *wire, char *bytes, size_t room, bool is_look)
{
    size_t n = room < wire->in_arrived ? room : wire->in_arrived;

    if (wire->in_arrived == 0) {
        if (wire->in_end_arrived)
            return 0;
        if (wire->error != 0)
            return -wire_error(wire);
        return wire->is_dead ? 0 : -EAGAIN;
    }
    memcpy(bytes, wire->in.bytes + wire->in.from, n);
    if (is_look)
        return (ssize_t)n;
    stored_drop(&wire->in, n);
    wire->in_arrived -= n;
    world_note();
    far_note(wire);
    return (ssize_t)n;
}

size_t wire_ready(const struct wire *wire)
{
    return wire->in_arrived;
}

static ssize_t give_error(struct wire *wire)
{
    if (!wire->stands && !wire->is_dead)
        return -EAGAIN;
    if (wire->error != 0)
        return -wire_error(wire);
    if (wire->is_dead || wire->out_end)
        return -EPIPE;
    return 0;
}

ssize_t wire_give(struct wire *wire, const struct iovec *iov, int count)
{
    size_t  room = room_of(wire), given = 0, wanted = 0;
    ssize_t error;

    if (wire->far != NULL && wire->far->used != NULL)
        wire->far->used(wire->far);
    error = give_error(wire);
    if (error < 0)
        return error;
    for (int i = 0; i < count; i++)
        wanted += iov[i].iov_len;
    if (room > 1 && one_in(kernel_mood()->short_writes)) {
        room = one_in(4) ? 0 : some_of(room);
        event_at(kernel_now_us() + delay_us(), (struct event){ .kind = EVENT_ROOM, .wire = wire });
    }
    for (int i = 0; i < count && given < room; i++) {
        size_t n = iov[i].iov_len < room - given ? iov[i].iov_len : room - given;

        stored_put(&wire->out, iov[i].iov_base, n);
        given += n;
    }
    if (given < wanted)
        wire->has_no_space = true;
    if (given == 0)
        return -EAGAIN;
    world_note();
    out_later(wire);
    return (ssize_t)given;
}

void wire_shutdown(struct wire *wire)
{
    if (wire->out_end)
        return;
    say("wire %u: we say no more", wire->number);
    wire->out_end = true;
    out_later(wire);
    edge(wire);
}

void wire_set_linger_zero(struct wire *wire)
{
    wire->has_linger_zero = true;
}

/* A close with bytes unread resets (tcp_close()). */
void wire_forget(struct handle *handle)
{
    struct wire *wire = handle->wire;

    if (wire == NULL)
        return;
    say("wire %u: we close%s", wire->number,
        wire->has_linger_zero  ? " by reset"
        : wire->in_arrived > 0 ? " with bytes unread"
                               : "");
    wire->handle = NULL;
    wire->is_ours_closed = true;
    if (wire->is_dead)
        return;
    if (wire->has_linger_zero || wire->in_arrived > 0) {
        out_reset(wire);
    } else {
        wire->out_end = true;
        out_later(wire);
    }
    if (wire->in.len > 0)
        in_later(wire);
    far_note(wire);
}

void listener_forget(struct handle *handle)
{
    struct listener *listener = handle->listener;

    for (unsigned i = 0; i < listener->count; i++) {
        listener->waiting[i]->is_ours_closed = true;
        out_reset(listener->waiting[i]);
    }
    listener->handle = NULL;
    listener->count = 0;
}

static struct place_at *place_find(uint32_t ip)
{
    for (unsigned i = 0; i < net.place_count; i++)
        if (net.places[i]->ip == ip)
            return net.places[i];
    return NULL;
}

int wire_begin_connect(struct handle *handle, uint32_t ip)
{
    struct place_at *place = place_find(ip);
    struct far      *far = NULL;
    enum taking      taking = place == NULL ? TAKE_REFUSE : place->take(place, &far);
    struct wire     *wire;

    if (taking == TAKE_UNREACHABLE)
        return -ENETUNREACH;
    wire = wire_new(far);
    wire->is_out_going = true;
    wire->handle = handle;
    handle->wire = wire;
    say("wire %u: we connect to 10.0.0.%u (%d)", wire->number, ip & 255, (int)taking);
    if (taking == TAKE_AT_ONCE) {
        wire->stands = true;
        far_note(wire);
        return 0;
    }
    wire->is_refused = taking == TAKE_REFUSE;
    if (taking != TAKE_SILENT)
        event_at(kernel_now_us() + delay_us(), (struct event){ .kind = EVENT_STAND, .wire = wire });
    return -EINPROGRESS;
}

int wire_accept(struct handle *handle, struct wire **ret_wire)
{
    struct listener *listener = handle->listener;

    if (listener->count == 0)
        return -EAGAIN;
    *ret_wire = listener->waiting[0];
    memmove(listener->waiting, listener->waiting + 1,
            --listener->count * sizeof(listener->waiting[0]));
    world_note();
    return 0;
}

void wire_join(struct wire *wire, struct handle *handle)
{
    wire->handle = handle;
    handle->wire = wire;
}

unsigned wire_port(const struct wire *wire)
{
    return wire->port;
}

/* ---- the far end ---- */

struct wire *wire_connect(unsigned port, struct far *far)
{
    struct wire *wire = wire_new(far);

    wire->port = port;
    event_at(kernel_now_us() + delay_us(), (struct event){ .kind = EVENT_STAND, .wire = wire });
    return wire;
}

void far_wake_at(struct far *far, int64_t at_us)
{
    if (at_us < kernel_now_us())
        at_us = kernel_now_us();
    if (far->due_us != 0 && far->due_us <= at_us)
        return;
    far->due_us = at_us;
    event_at(at_us, (struct event){ .kind = EVENT_FAR, .far = far });
}

void far_wake_in(struct far *far, int64_t wait_us)
{
    far_wake_at(far, kernel_now_us() + wait_us);
}

size_t wire_unread(const struct wire *wire)
{
    return wire->out_arrived;
}

size_t wire_look(const struct wire *wire, char *bytes, size_t room)
{
    return stored_look(&wire->out, bytes, room < wire->out_arrived ? room : wire->out_arrived);
}

size_t wire_read(struct wire *wire, char *bytes, size_t room)
{
    size_t n = wire_look(wire, bytes, room);

    if (n == 0)
        return 0;
    stored_drop(&wire->out, n);
    wire->out_arrived -= n;
    if (wire->has_no_space)
        event_at(kernel_now_us() + delay_us(), (struct event){ .kind = EVENT_ROOM, .wire = wire });
    return n;
}

bool wire_has_end(const struct wire *wire)
{
    return wire->out_end_arrived && wire->out_arrived == 0;
}

bool wire_end_came(const struct wire *wire)
{
    return wire->out_end_arrived;
}

bool wire_is_reset(const struct wire *wire)
{
    return wire->out_reset_arrived || wire->in_reset;
}

size_t wire_unsent(const struct wire *wire)
{
    return wire->in.len;
}

size_t wire_under_way(const struct wire *wire)
{
    return wire->out.len;
}

void wire_say(struct wire *wire, const char *bytes, size_t len)
{
    must(!wire->in_end && !wire->in_reset);
    if (wire->is_dead || wire->out_reset_arrived)
        return;
    stored_put(&wire->in, bytes, len);
    in_later(wire);
}

void wire_finish(struct wire *wire)
{
    if (wire->in_end || wire->in_reset)
        return;
    wire->in_end = true;
    in_later(wire);
}

void wire_close(struct wire *wire)
{
    wire_finish(wire);
    wire->is_far_closed = true;
    wire->far = NULL;
    if (wire->out_arrived > 0 || wire->out.len > 0) {
        wire->out.len = wire->out_arrived = 0;
        wire->in_reset = true;
        in_later(wire);
    }
}

void wire_reset(struct wire *wire)
{
    size_t under_way = wire->in.len - wire->in_arrived;

    if (wire->in_reset)
        return;
    if (under_way > 0 && one_in(2))
        wire->in.len = wire->in_arrived + chance(under_way + 1);
    wire->in_reset = true;
    wire->is_far_closed = true;
    wire->far = NULL;
    in_later(wire);
}

void wire_drop_unread(struct wire *wire)
{
    stored_drop(&wire->in, wire->in.len);
    wire->in_arrived = 0;
}

bool wire_is_accepted(const struct wire *wire)
{
    return wire->handle != NULL || wire->is_ours_closed;
}

bool wire_is_ours_closed(const struct wire *wire)
{
    return wire->is_ours_closed;
}

void wire_rush(struct wire *wire)
{
    struct mood kept = *kernel_mood();

    kernel_mood()->has_whole_wires = true;
    in_event(wire);
    out_event(wire);
    *kernel_mood() = kept;
}
