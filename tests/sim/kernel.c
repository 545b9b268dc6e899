// SPDX-License-Identifier: MIT
/* Time, what happens when, descriptors, and the poller: edge triggered as Linux does it. An edge puts
 * a descriptor into the poller's list; epoll_wait() asks it what is the case now, tells that, and
 * forgets it. So nobody is told twice of one thing, and a wake-up that the code under test loses is
 * lost for good. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <sys/epoll.h>

#include "base/mem.h"
#include "kernel_calls.h"
#include "kernel_parts.h"

enum { SPINS_MOST = 300, START_US = 1000000 };

/* The thread that keeps a cache in order asks for the time, too. */
static atomic_bool is_on;
static _Atomic int64_t now_us;

static struct {
    struct mood mood;
    uint64_t turns, happenings, spins, events_made;
    struct handle handles[KERNEL_FDS_MOST];
    int ready[KERNEL_FDS_MOST];
    unsigned ready_count;
    struct event *heap;
    size_t event_count, event_room;
    bool was_called;
} kernel;

/* ---- life ---- */

void kernel_begin(const struct mood *mood)
{
    struct event *heap = kernel.heap;
    size_t room = kernel.event_room;

    memset(&kernel, 0, sizeof(kernel));
    kernel.heap = heap;
    kernel.event_room = room;
    is_on = true;
    kernel.mood = *mood;
    now_us = START_US;
    wires_begin();
}

void kernel_end(void)
{
    for (int i = 0; i < KERNEL_FDS_MOST; i++)
        if (kernel.handles[i].kind != HANDLE_NONE)
            FAIL("descriptor %d, kind %d, is still open", i, kernel.handles[i].kind);
    wires_end();
    MEM_FREE(&kernel.heap);
    kernel.event_room = 0;
    is_on = false;
}

bool kernel_is_on(void)
{
    return is_on;
}

int64_t kernel_now_us(void)
{
    return now_us;
}

uint64_t kernel_turns(void)
{
    return kernel.turns;
}

uint64_t kernel_happenings(void)
{
    return kernel.happenings;
}

struct mood *kernel_mood(void)
{
    return &kernel.mood;
}

void kernel_calm(void)
{
    kernel.mood.interrupts = kernel.mood.no_descriptors = kernel.mood.no_watches = 0;
    kernel.mood.short_writes = kernel.mood.slow_wires = 0;
}

/* ---- what happens when: a binary heap ---- */

static bool is_before(const struct event *a, const struct event *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->number < b->number;
}

static void event_swap(size_t a, size_t b)
{
    struct event kept = kernel.heap[a];

    kernel.heap[a] = kernel.heap[b];
    kernel.heap[b] = kept;
}

void event_at(int64_t at_us, struct event event)
{
    size_t at = kernel.event_count++;

    if (kernel.event_count > kernel.event_room) {
        kernel.event_room = kernel.event_room == 0 ? 256 : kernel.event_room * 2;
        kernel.heap = mem_resize(kernel.heap, kernel.event_room * sizeof(event));
    }
    event.at_us = at_us > now_us ? at_us : now_us;
    event.number = kernel.events_made++;
    kernel.heap[at] = event;
    for (; at > 0 && is_before(&kernel.heap[at], &kernel.heap[(at - 1) / 2]); at = (at - 1) / 2)
        event_swap(at, (at - 1) / 2);
}

static struct event event_take(void)
{
    struct event first = kernel.heap[0];
    size_t at = 0;

    kernel.heap[0] = kernel.heap[--kernel.event_count];
    for (;;) {
        size_t least = at, left = at * 2 + 1;

        for (size_t i = left; i < left + 2 && i < kernel.event_count; i++)
            if (is_before(&kernel.heap[i], &kernel.heap[least]))
                least = i;
        if (least == at)
            return first;
        event_swap(at, least);
        at = least;
    }
}

void kernel_call_at(int64_t at_us, void (*call)(void))
{
    event_at(at_us, (struct event){ .kind = EVENT_CALL, .call = call });
}

/* Mostly at once, sometimes a little later, seldom much. */
int64_t delay_us(void)
{
    if (kernel.mood.has_whole_wires)
        return 0;
    if (one_in(kernel.mood.slow_wires))
        return (int64_t)chance(400000);
    return (int64_t)chance(one_in(3) ? 3000 : 60);
}

static void alarm_event(struct handle *handle)
{
    if (handle->kind != HANDLE_ALARM || handle->alarm_us == 0 || handle->alarm_us > now_us)
        return;
    handle->alarm_us = 0;
    handle->count++;
    handle_edge(handle);
}

static void far_event(struct far *far)
{
    if (far->due_us == 0 || far->due_us > now_us)
        return;
    far->due_us = 0;
    far->run(far);
}

static void event_run(const struct event *event)
{
    switch (event->kind) {
    case EVENT_IN:
    case EVENT_OUT:
    case EVENT_STAND:
    case EVENT_ROOM:
        wire_event(event);
        break;
    case EVENT_FAR:
        far_event(event->far);
        break;
    case EVENT_ALARM:
        alarm_event(event->handle);
        break;
    case EVENT_CALL:
        kernel.was_called = true;
        event->call();
        break;
    }
}

/* What is due by now; in the middle of a turn nothing that touches what is under test. */
static void world_run(bool is_between_turns)
{
    while (kernel.event_count > 0 && kernel.heap[0].at_us <= now_us &&
           (is_between_turns || kernel.heap[0].kind != EVENT_CALL)) {
        struct event event = event_take();

        event_run(&event);
    }
}

void world_note(void)
{
    kernel.spins = 0;
    kernel.happenings++;
}

void call_begin(void)
{
    now_us += (int64_t)chance(3);
    if (one_in(kernel.mood.hurry))
        world_run(false);
}

bool is_interrupted(void)
{
    if (!one_in(kernel.mood.interrupts))
        return false;
    errno = EINTR;
    return true;
}

/* ---- descriptors ---- */

struct handle *handle_of(int fd)
{
    int at = fd - KERNEL_FD;

    if (!is_on || at < 0 || at >= KERNEL_FDS_MOST || kernel.handles[at].kind == HANDLE_NONE)
        return NULL;
    return &kernel.handles[at];
}

/* The lowest that is free, as a real one: what holds on to a closed descriptor meets a stranger. */
int handle_new(enum handle_kind kind)
{
    for (int i = 0; i < KERNEL_FDS_MOST; i++)
        if (kernel.handles[i].kind == HANDLE_NONE) {
            kernel.handles[i] = (struct handle){ .kind = kind };
            return KERNEL_FD + i;
        }
    FAIL("the simulated kernel is out of descriptors");
    return -1;
}

static void ready_remove(struct handle *handle)
{
    int index = (int)(handle - kernel.handles);

    for (unsigned i = 0; i < kernel.ready_count; i++)
        if (kernel.ready[i] == index) {
            memmove(&kernel.ready[i], &kernel.ready[i + 1],
                    (--kernel.ready_count - i) * sizeof(kernel.ready[0]));
            break;
        }
    handle->is_ready = false;
}

void handle_close(int fd)
{
    struct handle *handle = handle_of(fd);

    ready_remove(handle);
    if (handle->kind == HANDLE_SOCKET)
        wire_forget(handle);
    else if (handle->kind == HANDLE_LISTENER)
        listener_forget(handle);
    else if (handle->kind == HANDLE_LANE)
        lane_forget(handle);
    handle->kind = HANDLE_NONE;
}

/* ---- the poller ---- */

uint32_t handle_events(const struct handle *handle)
{
    switch (handle->kind) {
    case HANDLE_SOCKET:
        return wire_events(handle);
    case HANDLE_LISTENER:
        return listener_events(handle);
    case HANDLE_BELL:
        return EPOLLOUT | (handle->count > 0 ? EPOLLIN : 0u);
    case HANDLE_ALARM:
        return handle->count > 0 ? EPOLLIN : 0;
    case HANDLE_NONE:
    case HANDLE_POLLER:
    case HANDLE_LANE:
        break;
    }
    return 0;
}

void handle_edge(struct handle *handle)
{
    world_note();
    if (!handle->is_watched || handle->is_ready)
        return;
    handle->is_ready = true;
    kernel.ready[kernel.ready_count++] = (int)(handle - kernel.handles);
}

static uint32_t wanted_events(const struct handle *handle)
{
    return handle_events(handle) & (handle->interest | EPOLLERR | EPOLLHUP);
}

int kernel_epoll_ctl(int operation, int fd, const struct epoll_event *event)
{
    struct handle *handle = handle_of(fd);

    if (handle == NULL)
        return -EBADF;
    if (handle->is_watched == (operation == EPOLL_CTL_ADD))
        return operation == EPOLL_CTL_ADD ? -EEXIST : -ENOENT;
    if (operation == EPOLL_CTL_DEL) {
        handle->is_watched = false;
        ready_remove(handle);
        return 0;
    }
    if ((handle->kind == HANDLE_SOCKET || handle->kind == HANDLE_LISTENER) &&
        one_in(kernel.mood.no_watches))
        return -ENOMEM;
    handle->is_watched = true;
    handle->interest = event->events & ~(uint32_t)(EPOLLET | EPOLLEXCLUSIVE);
    handle->is_level = (event->events & EPOLLET) == 0;
    handle->watcher = event->data.ptr;
    if (wanted_events(handle) != 0)
        handle_edge(handle);
    return 0;
}

/* A real kernel tells in the order in which things arose, which is by chance. */
static void ready_shuffle(void)
{
    for (unsigned i = kernel.ready_count; i > 1; i--) {
        unsigned other = (unsigned)chance(i);
        int kept = kernel.ready[i - 1];

        kernel.ready[i - 1] = kernel.ready[other];
        kernel.ready[other] = kept;
    }
}

static int ready_take(struct epoll_event *events, int most)
{
    unsigned looked = kernel.ready_count;
    int count = 0;

    if (!kernel.mood.has_whole_wires)
        ready_shuffle();
    for (; looked > 0 && count < most; looked--) {
        struct handle *handle = &kernel.handles[kernel.ready[0]];
        uint32_t now = wanted_events(handle);

        ready_remove(handle);
        if (now == 0)
            continue;
        events[count++] = (struct epoll_event){ .events = now, .data.ptr = handle->watcher };
        if (!handle->is_level)
            continue;
        handle->is_ready = true;
        kernel.ready[kernel.ready_count++] = (int)(handle - kernel.handles);
    }
    return count;
}

/* To the next thing that happens. False: there is none. */
static bool time_jump(void)
{
    if (kernel.event_count == 0)
        return false;
    if (kernel.heap[0].at_us > now_us)
        now_us = kernel.heap[0].at_us;
    return true;
}

int kernel_epoll_wait(struct epoll_event *events, int most, int timeout_ms)
{
    kernel.turns++;
    now_us += 1;
    if (++kernel.spins > SPINS_MOST)
        FAIL("the loop turns and turns, and nothing happens");
    for (;;) {
        int count;

        kernel.was_called = false;
        world_run(true);
        if (kernel.was_called || one_in(kernel.mood.interrupts)) {
            kernel.turns--; /* not of its own accord */
            kernel.spins--;
            errno = EINTR;
            return -1;
        }
        count = ready_take(events, most);
        if (count > 0 || timeout_ms == 0)
            return count;
        if (!time_jump())
            FAIL("nothing will ever happen again");
    }
}
