// SPDX-License-Identifier: MIT
/* Codecs alone: the two ends of a connection on wires in memory, which deliver what they like when they like, and
 * can be cut at any byte. */
#ifndef TESTS_SIM_ENDS_H
#define TESTS_SIM_ENDS_H

#include "http/codec.h"
#include "schedule.h"

enum { END_WIRE_MOST = 16384 };

/* What its codec takes for a conn, and the bytes on their way to it. */
struct end {
    struct conn   conn;
    struct codec *codec;
    char          wire[END_WIRE_MOST];
    size_t        wire_bytes;            /* of it that are used */
    size_t        sent, arrived;         /* in the wire; the first `arrived` may be read */
    bool          is_lost;
};

/* Takes the codec. */
void end_begin(struct end *end, struct loop *loop, struct codec *codec, size_t wire_bytes);
void end_done(struct end *end);
/* Into the other's wire, as much as chance wants and it takes. */
void end_send(struct end *end, struct end *other);
void end_receive(struct end *end);
/* One of the four, by chance. */
void ends_move(struct end *a, struct end *b);
/* The connection is lost: once. */
void end_lose(struct end *end, enum loss why);
/* All tasks of this thread that are awake, and those that they wake; for some rounds. */
void ends_run_tasks(void);

#endif
