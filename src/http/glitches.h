// SPDX-License-Identifier: MIT
/* How much of what a peer sends on one HTTP/2 connection is good for nothing.
 *
 * A frame that moves nothing costs a glitch; honest work earns some back; who has none left is told
 * GOAWAY(ENHANCE_YOUR_CALM). Streams that are reset before they were answered, and header blocks
 * in many pieces, have limits of their own. What nobody can tell from a busy client must pass: see
 * the patterns in the unit test. Pure: the clock is passed in. Owner: the codec; one thread. */
#ifndef HTTP_GLITCHES_H
#define HTTP_GLITCHES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    GLITCHES_MOST = 1000,                /* that a connection may have in hand */
    GLITCHES_PER_S = 10,                 /* that come back by themselves */
    GLITCHES_PER_REQUEST = 2,            /* that a complete request head earns */
    GLITCHES_PER_DATA_SENT = 4,          /* that a DATA frame of ours earns: windows, pings for it */
    GLITCHES_PAYLOAD_BYTES = 16 * 1024,  /* of body received, that earn one */
    GLITCHES_EMPTY_MOST = 10,            /* DATA frames in a row without bytes or END_STREAM */
    GLITCHES_PIECES_MOST = 16,           /* CONTINUATION frames of one header block */
    GLITCHES_EMPTY_PIECES_MOST = 9,      /* of them without a byte */
    GLITCHES_RESETS_MOST = 100,          /* streams reset before they were answered, within */
    GLITCHES_RESETS_MS = 30000
};

enum { GLITCHES_SLOTS = 6 };             /* that the time of resets is counted in */

struct glitches {
    int64_t  refilled_ms;
    int64_t  slot_ms;                    /* start of the newest slot */
    uint32_t left;
    uint32_t payload_bytes;              /* not yet worth a glitch */
    uint8_t  resets[GLITCHES_SLOTS];     /* newest first */
    uint8_t  empty;                      /* in a row */
    uint8_t  pieces, empty_pieces;       /* of the block under way */
};

void glitches_init(struct glitches *glitches, int64_t now_ms);

/* Each says whether the connection may go on; once false, it is to end. */

/* A frame that moves nothing: SETTINGS after the first, PING, PRIORITY, PRIORITY_UPDATE,
 * WINDOW_UPDATE, RST_STREAM and DATA for streams that are closed, unknown types. Not: what answers
 * a frame of ours (acknowledgements). */
bool glitches_useless(struct glitches *glitches, int64_t now_ms);
/* A DATA frame of `bytes` without padding; `is_end`: with END_STREAM. */
bool glitches_data(struct glitches *glitches, size_t bytes, bool is_end, int64_t now_ms);
/* A HEADERS frame opens a block; a CONTINUATION frame of `bytes` goes on with it. */
void glitches_block(struct glitches *glitches);
bool glitches_continuation(struct glitches *glitches, size_t bytes);
/* A stream ended by RST_STREAM before its answer's head was sent: theirs, or ours for what they
 * did (a stream error, a refused stream); or its head was over the limits. */
bool glitches_reset(struct glitches *glitches, int64_t now_ms);

/* What earns. */
void glitches_request(struct glitches *glitches);        /* a request's head is complete */
void glitches_data_sent(struct glitches *glitches);      /* a DATA frame of ours with bytes */

#endif
