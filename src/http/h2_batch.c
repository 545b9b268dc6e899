// SPDX-License-Identifier: MIT
/* Bytes on their way out: a batch of frames that the engine has made, shown piece by piece until the
 * last is written; then there is another. Frames and small bodies are copied, one behind the other;
 * large bodies stay where they are and are referred to. A connection with nothing to send holds no
 * batch. Marks say which bytes are whose, so that a stream is over when its last byte is out. */
#include <string.h>

#include "base/must.h"
#include "base/pool.h"
#include "http/h2_parts.h"

enum {
    FRAME_MOST = 16 * 1024 + H2_FRAME_HEAD_BYTES,   /* that the engine makes */
    BATCH_BYTES = FRAME_MOST + 24 * 1024,
    BATCH_MOST = 128 * 1024,             /* sent in one go, references included */
    COPY_MOST = 1024,                    /* up to here copying costs less than a reference */
    PIECES = 64, MARKS = 96,
    PIECES_OF_CHUNK = PIPE_SLICES + 1
};

struct piece {
    const unsigned char *ptr;
    size_t               len;
    struct block        *block;          /* that it lies in; NULL: in the batch */
};

struct mark {
    struct h2_stream *stream;            /* NULL: gone */
    uint32_t          end;               /* where in the batch its bytes end */
    uint32_t          bytes;
    bool              is_end;            /* the message is whole then */
    bool              is_upgrade;        /* or the part of it before a tunnel */
};

struct h2_batch {
    uint32_t      made, sent;
    uint32_t      used;                  /* of `bytes` */
    unsigned      piece_at, piece_count, mark_at, mark_count;
    struct piece  pieces[PIECES];
    struct mark   marks[MARKS];
    unsigned char bytes[BATCH_BYTES];
};

static struct pool pool = POOL("h2_batch", struct h2_batch, 8);

/* ---- making one ---- */

static bool has_room(const struct h2_batch *batch)
{
    return batch->made < BATCH_MOST && batch->used + FRAME_MOST <= BATCH_BYTES &&
           batch->piece_count + PIECES_OF_CHUNK <= PIECES && batch->mark_count < MARKS;
}

static void add_copy(struct h2_batch *batch, const void *ptr, size_t len)
{
    unsigned char *at = batch->bytes + batch->used;
    struct piece  *last = batch->piece_count > 0 ? &batch->pieces[batch->piece_count - 1] : NULL;

    must(len <= BATCH_BYTES - batch->used);
    memcpy(at, ptr, len);
    batch->used += (uint32_t)len;
    batch->made += (uint32_t)len;
    if (last != NULL && last->block == NULL)
        last->len += len;
    else
        batch->pieces[batch->piece_count++] = (struct piece){ .ptr = at, .len = len };
}

static void add_reference(struct h2_batch *batch, struct slice slice)
{
    must(batch->piece_count < PIECES);
    batch->pieces[batch->piece_count++] =
        (struct piece){ .ptr = slice_ptr(slice), .len = slice.len, .block = slice.block };
    batch->made += slice.len;
}

static void add_mark(struct h2_batch *batch, struct h2_stream *s, size_t bytes, bool is_end)
{
    struct mark *last = batch->mark_count > 0 ? &batch->marks[batch->mark_count - 1] : NULL;

    if (last == NULL || last->stream != s || last->is_upgrade || last->is_end) {
        last = &batch->marks[batch->mark_count++];
        *last = (struct mark){ .stream = s };
    }
    last->end = batch->made;
    last->bytes += (uint32_t)bytes;
    last->is_end = is_end;
    last->is_upgrade = s->is_upgrade && !is_end;
}

static void copy_body(struct h2_batch *batch, struct pipe *pipe, size_t len)
{
    struct iovec iov[PIPE_SLICES];
    int          n = pipe_peek(pipe, iov, PIPE_SLICES);
    size_t       left = len;

    for (int i = 0; i < n && left > 0; i++) {
        size_t part = iov[i].iov_len < left ? iov[i].iov_len : left;

        add_copy(batch, iov[i].iov_base, part);
        left -= part;
    }
    must(left == 0);
    pipe_drop(pipe, len);
}

bool h2_batch_add_chunk(struct h2_codec *h2, struct h2_stream *s, const uint8_t *frame_head,
                        size_t len)
{
    struct h2_batch *batch = h2->batch;
    size_t           left = len;

    add_copy(batch, frame_head, H2_FRAME_HEAD_BYTES);
    if (len > 0 && len <= COPY_MOST) {
        copy_body(batch, s->stream.tx_body, len);
        left = 0;
    }
    while (left > 0) {
        struct slice slice = pipe_take(s->stream.tx_body, left);

        must(slice.len > 0);
        left -= slice.len;
        add_reference(batch, slice);
    }
    add_mark(batch, s, H2_FRAME_HEAD_BYTES + len,
             frame_head[H2_FRAME_FLAGS_AT] & NGHTTP2_FLAG_END_STREAM);
    return has_room(batch);
}

/* False: the engine has nothing more, or the connection ends. */
static bool add_frame(struct h2_codec *h2)
{
    const uint8_t *bytes;
    ssize_t        n;

    h2->framed = NULL;
    n = nghttp2_session_mem_send(h2->engine, &bytes);
    if (n <= 0) {
        h2_check(h2, (int)n);
        return false;
    }
    add_copy(h2->batch, bytes, (size_t)n);
    h2_engine_mend_settings(h2, h2->batch->bytes + h2->batch->used - n, (size_t)n);
    if (h2->framed != NULL)
        add_mark(h2->batch, h2->framed, (size_t)n, h2->is_framed_end);
    return true;
}

static void batch_give(struct h2_codec *h2)
{
    pool_give(&pool, h2->batch);
    h2->batch = NULL;
}

/* Reading pauses while too much of ours waits to be written (h2_codec.c, feed()). */
static void read_again(struct h2_codec *h2)
{
    if (!h2->codec.protocol.is_paused ||
        nghttp2_session_get_outbound_queue_size(h2->engine) > H2_QUEUE_MOST / 2 + h2->held)
        return;
    h2->codec.protocol.is_paused = false;
    h2_wake_conn(h2, WAKE_ROOM);
}

static void batch_make(struct h2_codec *h2)
{
    struct h2_batch *batch;

    if (!nghttp2_session_want_write(h2->engine))
        return;
    batch = h2->batch = pool_take_raw(&pool);
    memset(batch, 0, offsetof(struct h2_batch, pieces));
    while (has_room(batch) && add_frame(h2)) {
    }
    if (batch->made == 0)
        batch_give(h2);
    read_again(h2);
    if (h2->is_doomed)
        h2_condemn(h2, h2->is_server ? FAULT_BAD_HTTP2 : FAULT_BAD_RESPONSE);
    h2_settle(h2);
}

/* ---- writing it ---- */

int h2_fill(struct protocol *protocol, struct iovec *ret_iov, int most)
{
    struct h2_codec *h2 = h2_of(protocol);
    int              n = 0;

    if (h2->batch == NULL && !h2->is_lost)
        batch_make(h2);
    if (h2->batch == NULL)
        return 0;
    for (unsigned i = h2->batch->piece_at; i < h2->batch->piece_count && n < most; i++, n++)
        ret_iov[n] = (struct iovec){ .iov_base = (void *)h2->batch->pieces[i].ptr,
                                     .iov_len = h2->batch->pieces[i].len };
    return n;
}

static void drop_written(struct h2_batch *batch, size_t len)
{
    while (len > 0) {
        struct piece *piece = &batch->pieces[batch->piece_at];
        size_t        n = len < piece->len ? len : piece->len;

        must(batch->piece_at < batch->piece_count);
        piece->ptr += n;
        piece->len -= n;
        len -= n;
        if (piece->len > 0)
            return;
        if (piece->block != NULL)
            block_unref(piece->block);
        batch->piece_at++;
    }
}

static void mark_passed(struct h2_codec *h2, const struct mark *mark)
{
    struct h2_stream *s = mark->stream;

    if (s == NULL)
        return;
    s->stream.tx_bytes += mark->bytes;
    s->tx_since_ms = h2_now_ms(h2);
    if (!mark->is_end && !(mark->is_upgrade && !s->is_tunnel))
        return;
    s->stream.is_tx_done = true;
    if (!h2->is_server)
        h2_clock_arm(s);
    h2_stream_wake_owner(s, WAKE_END);
}

void h2_sent(struct protocol *protocol, size_t len)
{
    struct h2_codec *h2 = h2_of(protocol);
    struct h2_batch *batch = h2->batch;

    batch->sent += (uint32_t)len;
    drop_written(batch, len);
    while (batch->mark_at < batch->mark_count && batch->marks[batch->mark_at].end <= batch->sent)
        mark_passed(h2, &batch->marks[batch->mark_at++]);
    if (batch->sent < batch->made)
        return;
    batch_give(h2);
    h2_settle(h2);
}

void h2_batch_drop(struct h2_codec *h2)
{
    if (h2->batch == NULL)
        return;
    for (unsigned i = h2->batch->piece_at; i < h2->batch->piece_count; i++)
        if (h2->batch->pieces[i].block != NULL)
            block_unref(h2->batch->pieces[i].block);
    batch_give(h2);
}

void h2_batch_forget(struct h2_codec *h2, const struct h2_stream *s)
{
    if (h2->framed == s)
        h2->framed = NULL;
    for (unsigned i = 0; h2->batch != NULL && i < h2->batch->mark_count; i++)
        if (h2->batch->marks[i].stream == s)
            h2->batch->marks[i].stream = NULL;
}
