// SPDX-License-Identifier: MIT
/* What runs short, and how much: time, memory, descriptors, connections.
 *
 * Each has two marks. Past the first a loop keeps no more connections of clients between two requests;
 * past the second it lets nobody in until it is better. A level ends well below the mark where it
 * began, and each change is said once in the error log with its figures, at most once a second.
 *
 * Lag is how late a loop is with what is due: how long a turn took, or how late its alarm woke it. It
 * is smoothed over half a second, and one turn counts for a quarter at most, so that one hiccup is no
 * overload. Lag and connections are a loop's own, memory and descriptors the process's. */
#ifndef NET_PRESSURE_H
#define NET_PRESSURE_H

#include <stdbool.h>
#include <stdint.h>

enum pressure { PRESSURE_NONE = 0, PRESSURE_HIGH, PRESSURE_CRITICAL };

/* The first two are per loop. */
enum pressure_of { PRESSURE_OF_TIME = 0, PRESSURE_OF_CONNS, PRESSURE_OF_MEMORY,
                   PRESSURE_OF_DESCRIPTORS, PRESSURE_KINDS };

/* `worker_lag`; 0: off. Any thread. */
void pressure_set_lag(uint32_t high_ms, uint32_t critical_ms);

/* The calling thread's loop is watched from now on; others are under no pressure of their own. */
void pressure_begin(unsigned loop_number);
/* Between two turns, by the loop: how late it was, and the monotonic clock. */
void pressure_turn(int64_t lag_us, int64_t now_us);

enum pressure pressure_level(enum pressure_of kind);     /* for the calling loop */
/* May a client's connection be kept after its answer? Where only descriptors or connections are few,
 * another one that has rested for longer may go in its place. */
enum pressure_keep { PRESSURE_KEEP = 0, PRESSURE_KEEP_FOR_ANOTHER, PRESSURE_CLOSE };
enum pressure_keep pressure_keep(void);
/* A connection was closed for that. */
void pressure_note_closed(unsigned count);
/* May somebody come in? Few descriptors or connections alone don't forbid it: those who rest make
 * room for whom comes (proxy/front.c). A refusal is counted. */
bool pressure_may_accept(void);

/* All loops together, since the start. Any thread. */
struct pressure_figures {
    uint64_t closed;                     /* connections that were not kept */
    uint64_t pauses;                     /* of accepting: how often somebody was kept out */
    struct pressure_figure {
        enum pressure level;             /* of the loop that is worst off */
        uint64_t      now;               /* time: the lag, us; conns: of the loop that has most; bytes;
                                            descriptors */
        uint64_t      highs, criticals;  /* how often a loop, or the process, rose to that level */
        int64_t       for_us;            /* how long there has been any pressure; 0: there is none */
    } of[PRESSURE_KINDS];
};
struct pressure_figures pressure_figures(int64_t now_us);

#endif
