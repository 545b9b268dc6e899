// SPDX-License-Identifier: MIT
/* Relaxed counters: a loop that sees another's descriptor a moment late meets EMFILE at worst, which
 * its callers survive. */
#include "net/room.h"

#include <stdatomic.h>
#include <sys/resource.h>
#include <threads.h>

enum {
    TENTH = 10,
    LOOP_DESCRIPTORS = 4 /* epoll, letters, alarm, listening */,
    LANE_DESCRIPTORS = 2
};

static uint64_t descriptors_most = UINT64_MAX;   /* for conns and lanes; set before there are loops */
static _Atomic(uint64_t) descriptors;
static unsigned          loops = 1;

static thread_local unsigned conns, conns_most;

void room_begin(unsigned loop_count)
{
    uint64_t      reserve = ROOM_RESERVE + (uint64_t)loop_count * LOOP_DESCRIPTORS;
    struct rlimit limit;

    loops = loop_count;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
        return;
    if (reserve > limit.rlim_cur / 4)
        reserve = limit.rlim_cur / 4;
    descriptors_most = limit.rlim_cur - reserve;
}

unsigned room_loops(void)
{
    return loops;
}

void room_set_most(unsigned most)
{
    conns_most = most;
}

static void note(int64_t count)
{
    atomic_fetch_add_explicit(&descriptors, (uint64_t)count, memory_order_relaxed);
}

void room_conn_opened(void)
{
    conns++;
    note(1);
}

void room_conn_closed(void)
{
    conns--;
    note(-1);
}

void room_conn_shelved(void)
{
    conns--;
}

void room_shelved_gone(void)
{
    note(-1);
}

void room_lane_opened(void)
{
    note(LANE_DESCRIPTORS);
}

void room_lane_closed(void)
{
    note(-LANE_DESCRIPTORS);
}

static bool are_descriptors_few(void)
{
    return atomic_load_explicit(&descriptors, memory_order_relaxed) >= descriptors_most;
}

enum room room_for_client(void)
{
    if (conns_most > 0 && conns >= conns_most - conns_most / TENTH)
        return ROOM_FEW_CONNS;
    return are_descriptors_few() ? ROOM_FEW_DESCRIPTORS : ROOM_PLENTY;
}

bool room_for_upstream(void)
{
    return conns_most == 0 || conns < conns_most;
}

bool room_for_lane(void)
{
    return !are_descriptors_few();
}

struct room_use room_conns(void)
{
    return (struct room_use){ .used = conns, .most = conns_most };
}

struct room_use room_descriptors(void)
{
    return (struct room_use){ .used = atomic_load_explicit(&descriptors, memory_order_relaxed),
                              .most = descriptors_most == UINT64_MAX ? 0 : descriptors_most };
}
