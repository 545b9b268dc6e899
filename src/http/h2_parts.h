// SPDX-License-Identifier: MIT
/* What the parts of the HTTP/2 codec share: its state, and the functions of one part that another
 * calls. For h2_*.c of the codec only. */
#ifndef HTTP_H2_PARTS_H
#define HTTP_H2_PARTS_H

#include <nghttp2/nghttp2.h>

#include "base/list.h"
#include "base/pages.h"
#include "http/glitches.h"
#include "http/h2_codec.h"
#include "http/h2_head.h"
#include "http/h2_write.h"
#include "http/priority.h"

enum { H2_FRAME_HEAD_BYTES = 9, H2_FRAME_TYPE_AT = 3, H2_FRAME_FLAGS_AT = 4, H2_PING_BYTES = 8 };

struct h2_batch;

/* What has come of a window's worth of bytes, and since when. */
struct h2_round {
    uint64_t bytes;
    int64_t  began_us;
};

/* How far the connection's end is. */
enum h2_drain { H2_DRAIN_NONE = 0, H2_DRAIN_NOTICE, H2_DRAIN_LAST };

/* A stream that has its whole answer, and has not said all of its request: nobody's any more. */
enum { H2_RESTS_MOST = 8, H2_REST_MS = 1000 };
struct h2_rest {
    int32_t id;
    int64_t until_ms;                    /* then it is reset */
};

struct h2_codec {
    struct codec        codec;
    struct conn        *conn;
    nghttp2_session    *engine;
    struct page_run     pages;           /* the engine's two largest pieces, see h2_memory.c */
    bool                has_frame_room, has_table;   /* they are in use */
    struct link         streams;         /* that their owners hold, oldest first */
    unsigned            held;            /* how many */
    struct pipe_share   share;           /* of what waits to be sent in them */
    unsigned            messages;
    struct head_limits  limits;
    struct h2_settings  settings;
    struct glitches     glitches;

    /* bytes in */
    struct slice        fed;             /* what the engine looks at; borrowed */
    uint32_t            frame_left;      /* of the frame under way; first of the preface */
    uint32_t            last_id;         /* the highest stream that they opened */
    uint64_t            opened;          /* which below it: bit n, n odd numbers back */
    struct h2_head      block;           /* the header block under way */
    struct h2_stream   *block_stream;    /* whose; NULL: nobody's, it is only decoded */
    uint64_t            block_bytes;     /* decoded */
    int64_t             block_ms;        /* when it began */

    /* windows */
    struct h2_round     round;
    int64_t             path_us;         /* there and back, at least; 0: not measured yet */
    int64_t             measured_us;     /* when the last measurement began */
    bool                is_measuring;

    /* bytes out */
    struct h2_batch    *batch;           /* being written; NULL: nothing is */
    struct h2_stream   *framed;          /* whose HEADERS the engine has just made */
    bool                is_framed_end;

    /* client side: is the server still there? */
    int64_t             heard_ms;        /* the last byte */
    int64_t             said_ms;         /* the last one of a message, or of its SETTINGS */
    int64_t             asked_ms;        /* by PING */
    bool                is_asking, is_mute;          /* no answer yet; none came in time */

    struct task         clock;
    struct timer        timer;
    int64_t             drain_ms;
    int32_t             most_id;         /* of streams that are served: what the last GOAWAY says */
    struct h2_rest      rests[H2_RESTS_MOST];        /* oldest first */
    unsigned            rest_count;
    uint32_t            doom;            /* what the other side is told */
    uint8_t             drain;           /* enum h2_drain */
    bool                is_server, is_made /* the engine is */, is_in_block, has_settings, is_lost,
                        is_doomed /* to end at once */, is_condemned /* and told so */;
};

/* Of answers: what a stream may send unasked. */
enum { H2_FIRST_WINDOW = 16 * 1024 };

enum h2_rx { H2_RX_HEAD = 0, H2_RX_BODY, H2_RX_HELD /* until tunnel() */ };

/* A head that came while the owner still had an interim one to look at. */
struct h2_waiting {
    struct h2_waiting *next;
    struct head       *head;
};

struct h2_stream {
    struct stream        stream;
    struct h2_codec     *h2;
    struct link          link;
    struct corpse        corpse;
    struct conn_timeouts timeouts;
    int32_t              id;             /* 0: not asked yet */
    uint8_t              rx;             /* enum h2_rx */
    uint8_t              interims;
    struct priority      priority;       /* what both sides have said of it */

    uint64_t             rx_left;        /* of a sized body */
    struct slice        *spill;          /* what the pipe had no room for; at most the window */
    uint32_t             spill_bytes;
    uint16_t             spill_count, spill_capacity;
    uint32_t             window;         /* without what it has */
    uint32_t             grown, owed;    /* beyond it; given up again, and not taken yet */
    struct h2_round      round;
    int64_t              stall_ms;       /* since when much waits; 0: it does not */
    struct h2_waiting   *waiting;
    uint64_t             tx_left;        /* of a sized body */
    int64_t              rx_since_ms, tx_since_ms;   /* the last byte */
    int64_t              pace_ms;        /* until when what came of a body is enough */

    bool is_accepted /* an owner holds it */, is_live /* the engine knows it */, is_rx_sized,
        is_tx_sized, has_rx_end /* END_STREAM came */, is_dropping /* what comes is not wanted */,
        has_sent_head, has_sent_continue, has_tx_end /* END_STREAM is on its way out */,
        is_granted /* a window as the settings say */,
        is_deferred /* the engine waits for resume */, is_waiting /* or was not asked */, is_reset /* by us */,
        is_reset_by_peer, is_upgrade, is_tunnel;
};

/* h2_memory.c */
/* What nghttp2_session_*_new3() is to get; it makes a copy. */
nghttp2_mem h2_memory_of(struct h2_codec *h2);
/* Nothing is under way, in or out: what only then holds anything is given back. */
void h2_memory_rest(struct h2_codec *h2);
/* After nghttp2_session_del(). */
void h2_memory_done(struct h2_codec *h2);

/* h2_engine.c */
/* The engine of one side, its settings submitted. Aborts only when small memory is not to be had. */
nghttp2_session *h2_engine_new(struct h2_codec *h2);
/* The header block under way, if there is one, will not be complete. */
void h2_block_drop(struct h2_codec *h2);

/* Of our settings, as they go out: the engine is told of more streams than it announces, since for
 * it one too many is the end of the connection. Here it is refused. */
void h2_engine_mend_settings(const struct h2_codec *h2, unsigned char *frame, size_t len);

/* h2_frames.c */
/* How many of these bytes to give to the engine at once: no more than to the frame's end. 0: a frame's
 * head is not whole yet. */
size_t h2_frames_next(struct h2_codec *h2, const unsigned char *bytes, size_t len);

/* h2_codec.c */
struct h2_codec *h2_of(const struct protocol *protocol);
struct h2_codec *h2_of_codec(const struct codec *codec);
struct h2_codec *h2_new(const struct h2_settings *settings, bool is_server);
/* What came of a call of the engine; a fatal result ends the connection. */
void h2_check(struct h2_codec *h2, int result);
/* The connection ends with GOAWAY and this code; from within the engine's callbacks: soon. */
void h2_doom(struct h2_codec *h2, uint32_t code);
/* The same outside of them, and now: its streams fail with `fault`. */
void h2_condemn(struct h2_codec *h2, int fault);
void h2_close(struct h2_codec *h2);                      /* once the output is out */
/* Closes if nothing is left to be done. */
void h2_settle(struct h2_codec *h2);
void h2_wake_conn(struct h2_codec *h2, unsigned wakes);
void h2_drain_heard(struct h2_codec *h2, const uint8_t *opaque);   /* a PING was answered: ours? */
void h2_drain_end(struct h2_codec *h2);                  /* the grace is over */
int64_t h2_now_ms(const struct h2_codec *h2);
extern const struct protocol_ops h2_server_protocol, h2_client_protocol;

/* h2_stream.c */
struct h2_stream *h2_of_stream(struct stream *stream);
struct h2_stream *h2_stream_new(struct h2_codec *h2, const struct stream_ops *ops);
/* From now on an owner holds it. */
void h2_stream_hold(struct h2_stream *s);
/* One that nobody has held is forgotten, with its arena. */
void h2_stream_discard(struct h2_stream *s);
/* The owner is gone: tells the other side `code` if the stream is not over. */
void h2_stream_release(struct h2_stream *s, uint32_t code);
void h2_stream_use(struct stream *stream, const struct conn_timeouts *timeouts);
void h2_stream_wake_owner(struct h2_stream *s, unsigned wakes);
/* Notes the first fault, breaks the receiving pipe, wakes the owner. */
void h2_stream_fail(struct h2_stream *s, int fault);
void h2_stream_reset(struct h2_stream *s, uint32_t code);
/* The other side broke a rule in this stream: reset, counted. */
void h2_stream_refuse(struct h2_stream *s, int fault);
/* Its fault if it is not over yet, by what the side says. */
void h2_streams_fail(struct h2_codec *h2, int (*fault_of)(const struct h2_stream *s, int why),
                     int why);
/* The message is over, and what follows is raw, through new pipes. */
void h2_stream_tunnel(struct stream *stream);

/* h2_receive.c */
void h2_receive(struct h2_stream *s, struct slice bytes);
void h2_receive_end(struct h2_stream *s);                /* END_STREAM came */
void h2_receive_trailers(struct h2_stream *s, bool is_end);   /* their block is complete */
void h2_receive_begin(struct h2_stream *s, const struct head *head);
/* Room has come, or a tunnel has begun. */
void h2_receive_more(struct h2_stream *s);
void h2_receive_drop(struct h2_stream *s);               /* what comes or waits is not wanted */

/* h2_window.c */
uint32_t h2_window_of_stream(const struct h2_codec *h2); /* at first */
uint32_t h2_window_of_conn(const struct h2_codec *h2);
void h2_window_note(struct h2_stream *s, uint32_t len);  /* so much of a body has come, and is put or aside */
void h2_window_taken(struct h2_stream *s, uint32_t len); /* so much of it has found room */
void h2_window_measured(struct h2_codec *h2, const uint8_t *opaque);   /* a PING was answered */
void h2_window_forget(struct h2_stream *s);              /* it holds nothing any more */

/* h2_send.c */
/* How the body of tx_head goes: none; from the start, by *ret_provider; or, server side, once there is
 * some of it (h2_send_more()), since an end without bytes must not wait for a window. */
enum h2_send { H2_SEND_NOTHING = 0, H2_SEND_NOW, H2_SEND_LATER };
enum h2_send h2_send_begin(struct h2_stream *s, nghttp2_data_provider *ret_provider);
void h2_send_more(struct h2_stream *s);                  /* there may be something to send */
bool h2_send_is_stalled(const struct h2_stream *s);      /* by the other side's windows */
int  h2_send_chunk(struct h2_stream *s, const uint8_t *frame_head, size_t len);

/* h2_batch.c */
int  h2_fill(struct protocol *protocol, struct iovec *ret_iov, int most);
void h2_sent(struct protocol *protocol, size_t len);
void h2_batch_drop(struct h2_codec *h2);
void h2_batch_forget(struct h2_codec *h2, const struct h2_stream *s);
/* For h2_send_chunk(): a frame's head and `len` bytes from the pipe. True: there is room for more. */
bool h2_batch_add_chunk(struct h2_codec *h2, struct h2_stream *s, const uint8_t *frame_head,
                        size_t len);

/* h2_server.c, h2_client.c: what the engine has read */
struct h2_stream *h2_server_block_begin(struct h2_codec *h2, int32_t id);
void h2_server_head(struct h2_codec *h2, struct h2_stream *s, bool is_end);
void h2_client_head(struct h2_codec *h2, struct h2_stream *s, bool is_end);
/* The engine has forgotten the stream; `code`: how it ended. */
int  h2_server_fault_of_close(const struct h2_stream *s, uint32_t code);
int  h2_client_fault_of_close(const struct h2_stream *s, uint32_t code);
int  h2_server_fault_of_loss(const struct h2_stream *s, int why);   /* enum loss */
int  h2_client_fault_of_loss(const struct h2_stream *s, int why);
int  h2_server_fault_of_delay(const struct h2_stream *s, enum conn_wait wait);
int  h2_client_fault_of_delay(const struct h2_stream *s, enum conn_wait wait);
struct stream *h2_client_open(struct codec *codec);
unsigned h2_client_room(const struct codec *codec);
/* The next head that waits is shown. */
void h2_client_show(struct h2_stream *s);

/* h2_pulse.c, client side */
void h2_pulse_heard(struct h2_codec *h2);                /* some bytes */
void h2_pulse_said(struct h2_codec *h2);                 /* of a message */
void h2_pulse_use(struct h2_codec *h2);                  /* a request goes out */
/* What is due is done; when the next look is due. */
int64_t h2_pulse_look(struct h2_codec *h2, int64_t now_ms);

/* h2_clock.c */
void h2_clock_init(struct h2_codec *h2);
void h2_clock_done(struct h2_codec *h2);
/* Something has a deadline that may be the next one. */
/* What is still to come of a request is not wanted, since it was answered; but who hears that together with the
 * answer may take it for a failure (curl does). So it is said a moment later, or never: on the last one's
 * heels where there are many. */
void h2_rest_add(struct h2_codec *h2, int32_t id);
void h2_rest_over(struct h2_codec *h2, int32_t id);      /* if it is one: its end has come */
void h2_clock_look_at(struct h2_codec *h2, int64_t deadline_ms);
void h2_clock_arm(struct h2_stream *s);
void h2_clock_note_read(struct h2_stream *s, size_t len);

#endif
