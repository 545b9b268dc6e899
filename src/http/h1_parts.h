// SPDX-License-Identifier: MIT
/* What the parts of the HTTP/1 codec share: its state, and the functions of one part that another
 * calls. For h1_codec.c, h1_server.c, h1_client.c, h1_receive.c and h1_send.c only. */
#ifndef HTTP_H1_PARTS_H
#define HTTP_H1_PARTS_H

#include "http/h1_chunk.h"
#include "http/h1_codec.h"
#include "http/h1_parse.h"
#include "http/h1_write.h"

/* What the next bytes from the wire are. */
enum h1_rx {
    RX_HEAD = 0,         /* a head begins or goes on */
    RX_SIZED,            /* body of known length */
    RX_CHUNKED,
    RX_TRAILERS,
    RX_UNTIL_CLOSE,
    RX_DONE,             /* the message is over: the next one waits for release() */
    RX_HOLD,             /* 101 was said; raw bytes wait for tunnel() */
    RX_TUNNEL,
    RX_DRAIN_SIZED,      /* a body that nobody wants, swallowed so that the conn may live on */
    RX_DRAIN_CHUNKED
};

/* What is being sent behind `out`. */
enum h1_tx { TX_NOTHING = 0, TX_SIZED, TX_CHUNKED, TX_RAW };

struct h1_codec {
    struct codec     codec;
    struct stream    stream;
    struct conn     *conn;
    struct head_limits limits;
    struct h1_scan   scan;
    struct h1_chunk  chunk;
    uint64_t         rx_left;
    uint32_t         drained;
    unsigned         messages;
    uint8_t          rx;                 /* enum h1_rx */
    uint8_t          tx;                 /* enum h1_tx */
    uint8_t          empty_lines, interims;
    bool             is_server, is_open /* a stream is held by its owner */, is_lost, is_draining,
                     must_close, has_sent_continue, has_sent_head,
                     has_more /* another request has come already */,
                     is_reading /* a part of a head has come */;

    /* output, in this order: text, chunk frame, body, what ends the chunk */
    struct text      out;
    uint64_t         tx_left;            /* of a sized body, or of the current chunk */
    char             frame[20];
    uint8_t          frame_at, frame_len;
    struct text      after;
    bool             is_last_chunk;      /* `after` ends the body */
};

/* h1_server.c, h1_client.c */
void    h1_server_init(struct h1_codec *h1);
void    h1_client_init(struct h1_codec *h1);

/* h1_receive.c */
/* As h1_scan(), of the head that begins with these bytes. */
enum h1_scan_result h1_find_end(struct h1_codec *h1, struct text bytes, size_t *ret_size,
                                int *reterr_fault);
ssize_t h1_receive(struct h1_codec *h1, struct slice bytes);   /* body states; as feed() */
void    h1_begin_body(struct h1_codec *h1, const struct head *head);
void    h1_end_body(struct h1_codec *h1);
void    h1_end_tunnel(struct h1_codec *h1);
uint64_t h1_splice_in(struct protocol *protocol, struct pipe **ret_pipe);
void    h1_spliced_in(struct protocol *protocol, uint64_t len);

/* h1_send.c */
void    h1_begin_send(struct h1_codec *h1, struct text head, enum body_kind body, uint64_t length);
void    h1_add_out(struct h1_codec *h1, struct text text);
int     h1_fill(struct protocol *protocol, struct iovec *ret_iov, int most);
void    h1_sent(struct protocol *protocol, size_t len);
uint64_t h1_splice_out(struct protocol *protocol, struct pipe **ret_pipe);
void    h1_spliced_out(struct protocol *protocol, uint64_t len);

/* h1_codec.c */
struct h1_codec *h1_of(struct protocol *protocol);
struct h1_codec *h1_of_stream(struct stream *stream);
void    h1_init(struct h1_codec *h1, const struct protocol_ops *protocol_ops,
                const struct codec_ops *codec_ops, const struct stream_ops *stream_ops);
/* Notes the stream's first fault, breaks its receiving pipe, wakes the owner. */
void    h1_fail(struct h1_codec *h1, int fault);
void    h1_wake_owner(struct h1_codec *h1, unsigned wakes);
void    h1_close(struct h1_codec *h1);                  /* once the output is out */
void    h1_pause(struct h1_codec *h1);
void    h1_resume(struct h1_codec *h1);
void    h1_start_tunnel(struct stream *stream);
/* As codec_ops and stream_ops have them; the same for both sides. */
void    h1_attach(struct codec *codec, struct conn *conn);
void    h1_set_limits(struct codec *codec, const struct head_limits *limits);
bool    h1_is_idle(const struct codec *codec);
unsigned h1_count(const struct codec *codec);
void    h1_set_count(struct codec *codec, unsigned count);
const struct task *h1_owner(const struct codec *codec);
void    h1_use(struct stream *stream, const struct conn_timeouts *timeouts);
bool    h1_is_held(const struct protocol *protocol);
void    h1_free(struct protocol **protocol);
/* Forgets the message, keeps the connection. */
void    h1_next_message(struct h1_codec *h1);
/* Server side: a part of a head is here, and no more than that. */
void    h1_note_reading(struct h1_codec *h1, bool is_reading);
/* Nothing of what waits to be sent goes out any more. */
void    h1_drop_output(struct h1_codec *h1);
/* Common to release() of both sides: the owner is gone. */
void    h1_let_go(struct h1_codec *h1);

#endif
