// SPDX-License-Identifier: MIT
/* From a stored response, or one that is still coming, into a pipe: the whole body, a range, or several
 * with texts between them. Slices go as they are, nothing is copied. A task of the loop of the pipe's reader;
 * the owner embeds it and calls reader_done() before it goes. */
#ifndef CACHE_READER_H
#define CACHE_READER_H

#include "cache/fill.h"
#include "net/pipe.h"

struct large_read;

/* Of what is sent: a text, or bytes of the body. */
struct piece {
    struct text text;                    /* lives as long as the reader; ptr NULL: */
    uint64_t    from, len;               /* READER_TO_END: whatever comes */
};

#define READER_TO_END UINT64_MAX

struct reader {
    struct task         task;
    struct loop        *loop;
    struct pipe        *pipe;            /* NULL: not begun */
    struct object      *object;          /* a reference; or NULL: */
    struct fill        *fill;            /* a reference */
    struct follower    *follower;
    struct large_read  *read;            /* of a large body, under way */
    const struct piece *pieces;          /* the owner's */
    unsigned            piece_count, piece;
    uint64_t            at;              /* of the current piece */
    int                 fault_cut;       /* with which the pipe breaks when the fill fails */
    struct task        *owner;           /* set before it begins: woken with WAKE_FAULT then, as the
                                          * pipe's reader is; or NULL */
};

/* Of a whole object. Takes no reference of the caller's, holds its own. */
void reader_begin(struct reader *reader, struct loop *loop, struct pipe *pipe,
                  struct object *object, const struct piece *pieces, unsigned piece_count,
                  int fault_cut);
/* Of a fill whose beginning is there: by the leader before it appends, or by who follows already. */
void reader_begin_fill(struct reader *reader, struct loop *loop, struct pipe *pipe,
                       struct fill *fill, const struct piece *pieces, unsigned piece_count,
                       int fault_cut);
/* Nothing more is read; references go. Also when it never began. */
void reader_done(struct reader *reader);

#endif
