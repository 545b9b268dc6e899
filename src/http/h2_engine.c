// SPDX-License-Identifier: MIT
/* nghttp2 as the engine beneath the codec: its options, its settings, and what it calls us for.
 *
 * Its checks of messages are off: heads are judged by h2_head.c, which can tell what may be answered,
 * and bodies by h2_receive.c. Frames, states, HPACK, windows and priorities are the engine's. Its
 * callbacks run within feed() and fill(); they may fail streams and wake owners, and never destroy. */
#include <threads.h>

#include "base/must.h"
#include "base/random.h"
#include "http/h2_parts.h"

enum {
    TABLE_BYTES = 4096,                  /* HPACK, either way */
    PIECES_MOST = 1000,                  /* CONTINUATION frames: ours is the stricter limit */
    STREAMS_MOST = INT32_MAX,            /* the same of streams */
    SETTING_BYTES = 6,
    DECODED_SLACK = 64 * 1024, DECODED_TIMES = 4   /* of a refused block, before the connection ends */
};

static nghttp2_session_callbacks *callbacks;
static nghttp2_option            *options;
static once_flag                  once = ONCE_FLAG_INIT;

static struct h2_stream *stream_of(const struct h2_codec *h2, int32_t id)
{
    return nghttp2_session_get_stream_user_data(h2->engine, id);
}

/* ---- frames in ---- */

void h2_block_drop(struct h2_codec *h2)
{
    struct h2_stream *s = h2->block_stream;

    h2->is_in_block = false;
    h2->block_stream = NULL;
    if (s != NULL && !s->is_accepted)
        h2_stream_discard(s);
}

static void block_begin(struct h2_codec *h2, struct h2_stream *s)
{
    enum h2_head_kind kind = s->rx != H2_RX_HEAD ? H2_HEAD_TRAILERS
                             : h2->is_server     ? H2_HEAD_REQUEST
                                                 : H2_HEAD_RESPONSE;

    h2->block_stream = s;
    h2_head_begin(&h2->block, kind, &h2->limits, s->stream.arena);
}

static int block_begins(nghttp2_session *engine, const nghttp2_frame *frame, void *arg)
{
    struct h2_codec  *h2 = arg;
    struct h2_stream *s = stream_of(h2, frame->hd.stream_id);

    (void)engine;
    glitches_block(&h2->glitches);
    h2->is_in_block = true;
    h2->block_ms = h2_now_ms(h2);
    h2->block_stream = NULL;
    h2->block_bytes = 0;
    h2_pulse_said(h2);
    if (h2->is_server && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        s = h2_server_block_begin(h2, frame->hd.stream_id);
    if (s != NULL && !s->is_reset)
        block_begin(h2, s);
    return 0;
}

/* A block that is refused, or nobody's, is decoded to its end, for the sake of the table. But not for
 * ever: a byte on the wire may stand for thousands. */
static int field_came(nghttp2_session *engine, const nghttp2_frame *frame, const uint8_t *name,
                      size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                      void *arg)
{
    struct h2_codec *h2 = arg;

    (void)engine;
    (void)frame;
    (void)flags;
    h2->block_bytes += name_len + value_len + H2_FIELD_OVERHEAD;
    if (h2->block_bytes > (uint64_t)h2->limits.head_bytes * DECODED_TIMES + DECODED_SLACK)
        h2_doom(h2, NGHTTP2_ENHANCE_YOUR_CALM);
    if (h2->block_stream != NULL && !h2->is_doomed)
        h2_head_add(&h2->block, text_of((const char *)name, name_len),
                    text_of((const char *)value, value_len));
    return 0;
}

static void block_ends(struct h2_codec *h2, const nghttp2_frame *frame)
{
    struct h2_stream *s = h2->block_stream;
    bool              is_end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

    if (s == NULL || h2->is_doomed) {
        h2_block_drop(h2);
        return;
    }
    h2->is_in_block = false;
    h2->block_stream = NULL;
    s->stream.rx_bytes += frame->hd.length + H2_FRAME_HEAD_BYTES;
    if (h2->block.kind == H2_HEAD_TRAILERS)
        h2_receive_trailers(s, is_end);
    else if (h2->is_server)
        h2_server_head(h2, s, is_end);
    else
        h2_client_head(h2, s, is_end);
}

static void chunk_ends(struct h2_codec *h2, const nghttp2_frame *frame)
{
    struct h2_stream *s = stream_of(h2, frame->hd.stream_id);
    bool              is_end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

    if (!glitches_data(&h2->glitches, frame->hd.length - frame->data.padlen, is_end, h2_now_ms(h2)))
        h2_doom(h2, NGHTTP2_ENHANCE_YOUR_CALM);
    if (s == NULL)
        return;
    s->stream.rx_bytes += H2_FRAME_HEAD_BYTES;
    if (is_end)
        h2_receive_end(s);
}

/* Who cancels before he was answered wants us to work in vain; how often is counted. */
static void reset_came(struct h2_codec *h2, const nghttp2_frame *frame)
{
    struct h2_stream *s = stream_of(h2, frame->hd.stream_id);

    if (s == NULL)
        return;
    s->is_reset_by_peer = true;
    if (h2->is_server && !s->has_sent_head && !glitches_reset(&h2->glitches, h2_now_ms(h2)))
        h2_doom(h2, NGHTTP2_ENHANCE_YOUR_CALM);
}

static int frame_came(nghttp2_session *engine, const nghttp2_frame *frame, void *arg)
{
    struct h2_codec *h2 = arg;

    (void)engine;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        block_ends(h2, frame);
        break;
    case NGHTTP2_DATA:
        chunk_ends(h2, frame);
        break;
    case NGHTTP2_RST_STREAM:
        reset_came(h2, frame);
        break;
    case NGHTTP2_PING:
        if (frame->hd.flags & NGHTTP2_FLAG_ACK) {
            h2_drain_heard(h2, frame->ping.opaque_data);
            h2_window_measured(h2, frame->ping.opaque_data);
        }
        break;
    case NGHTTP2_GOAWAY:
        h2->drain = H2_DRAIN_LAST;       /* no stream will be added */
        break;
    case NGHTTP2_SETTINGS:
        if (!h2->is_server && h2->conn->owner != NULL)
            task_wake(h2->conn->owner, WAKE_ROOM);
        break;
    default:
        break;
    }
    return 0;
}

/* The connection's window is given back at once, so that no stream waits for another; a stream's
 * when its bytes have found room. */
static int chunk_came(nghttp2_session *engine, uint8_t flags, int32_t id, const uint8_t *bytes,
                      size_t len, void *arg)
{
    struct h2_codec  *h2 = arg;
    struct h2_stream *s = stream_of(h2, id);
    uint32_t          from = (uint32_t)(bytes - slice_ptr(h2->fed));

    (void)flags;
    h2_check(h2, nghttp2_session_consume_connection(engine, len));
    h2_pulse_said(h2);
    if (s != NULL && !s->is_reset)
        h2_receive(s, slice_view(h2->fed, from, (uint32_t)len));
    return 0;
}

static int stream_closes(nghttp2_session *engine, int32_t id, uint32_t code, void *arg)
{
    struct h2_codec  *h2 = arg;
    struct h2_stream *s = nghttp2_session_get_stream_user_data(engine, id);

    /* A request that was never made a stream of is known to us alone. */
    for (struct link *at = h2->streams.next; s == NULL && at != &h2->streams; at = at->next)
        if (container_of(at, struct h2_stream, link)->id == id)
            s = container_of(at, struct h2_stream, link);
    if (s == NULL) {
        h2_rest_over(h2, id);
        return 0;
    }
    s->is_live = false;
    if (!s->is_accepted) {
        h2_stream_discard(s);
    } else if (!s->is_reset || s->is_reset_by_peer) {
        int fault =
            h2->is_server ? h2_server_fault_of_close(s, code) : h2_client_fault_of_close(s, code);

        if (fault != FAULT_NONE)
            h2_stream_fail(s, fault);
    }
    return 0;
}

/* ---- frames out ---- */

static void reset_goes(struct h2_codec *h2, const nghttp2_frame *frame)
{
    struct h2_stream *s = stream_of(h2, frame->hd.stream_id);

    /* The engine's own, for what the other side did. */
    if (h2->is_server && s != NULL && !s->is_reset && !s->has_sent_head &&
        !glitches_reset(&h2->glitches, h2_now_ms(h2)))
        h2_doom(h2, NGHTTP2_ENHANCE_YOUR_CALM);
}

static int frame_goes(nghttp2_session *engine, const nghttp2_frame *frame, void *arg)
{
    struct h2_codec  *h2 = arg;
    bool              is_end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    struct h2_stream *s;

    (void)engine;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        s = stream_of(h2, frame->hd.stream_id);
        if (frame->hd.type == NGHTTP2_HEADERS) {
            h2->framed = s;
            h2->is_framed_end = is_end;
        } else if (frame->hd.length > 0) {
            glitches_data_sent(&h2->glitches);
        }
        if (s != NULL && is_end)
            s->has_tx_end = true;
        break;
    case NGHTTP2_RST_STREAM:
        reset_goes(h2, frame);
        break;
    case NGHTTP2_GOAWAY:
        if (frame->goaway.error_code != NGHTTP2_NO_ERROR)
            h2_doom(h2, frame->goaway.error_code);   /* perhaps the engine's decision */
        break;
    default:
        break;
    }
    return 0;
}

static int chunk_goes(nghttp2_session *engine, nghttp2_frame *frame, const uint8_t *frame_head,
                      size_t len, nghttp2_data_source *source, void *arg)
{
    struct h2_stream *s = stream_of(arg, frame->hd.stream_id);

    (void)engine;
    (void)source;
    return s == NULL ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : h2_send_chunk(s, frame_head, len);
}

/* ---- one of each for the process ---- */

static void prepare(void)
{
    /* Little and once; a second try comes after others have given something back. */
    must(nghttp2_session_callbacks_new(&callbacks) == 0 ||
         nghttp2_session_callbacks_new(&callbacks) == 0);
    must(nghttp2_option_new(&options) == 0 || nghttp2_option_new(&options) == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, block_begins);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, field_came);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, frame_came);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, chunk_came);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, stream_closes);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, frame_goes);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, chunk_goes);

    nghttp2_option_set_no_auto_window_update(options, 1);
    nghttp2_option_set_no_http_messaging(options, 1);
    nghttp2_option_set_no_closed_streams(options, 1);
    nghttp2_option_set_max_continuations(options, PIECES_MOST);
    nghttp2_option_set_max_deflate_dynamic_table_size(options, TABLE_BYTES);
    nghttp2_option_set_builtin_recv_extension_type(options, NGHTTP2_PRIORITY_UPDATE);
}

static void submit_settings(struct h2_codec *h2)
{
    const nghttp2_settings_entry server[] = {
        { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS_MOST },
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, h2_window_of_stream(h2) },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, h2->limits.head_bytes },
        { NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1 },
        { NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1 },
    };
    const nghttp2_settings_entry client[] = {
        { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
        { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0 },
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, h2_window_of_stream(h2) },
    };

    h2_check(h2, h2->is_server ? nghttp2_submit_settings(h2->engine, NGHTTP2_FLAG_NONE, server,
                                                         sizeof(server) / sizeof(*server))
                               : nghttp2_submit_settings(h2->engine, NGHTTP2_FLAG_NONE, client,
                                                         sizeof(client) / sizeof(*client)));
    h2_check(h2, nghttp2_session_set_local_window_size(h2->engine, NGHTTP2_FLAG_NONE, 0,
                     (int32_t)h2_window_of_conn(h2)));
}

void h2_engine_mend_settings(const struct h2_codec *h2, unsigned char *frame, size_t len)
{
    uint32_t most = h2->settings.max_streams;

    if (!h2->is_server || frame[H2_FRAME_TYPE_AT] != NGHTTP2_SETTINGS)
        return;
    for (size_t at = H2_FRAME_HEAD_BYTES; at + SETTING_BYTES <= len; at += SETTING_BYTES)
        if (frame[at] == 0 && frame[at + 1] == NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)
            for (unsigned i = 0; i < sizeof(most); i++)
                frame[at + 2 + i] = (unsigned char)(most >> (24 - 8 * i));
}

nghttp2_session *h2_engine_new(struct h2_codec *h2)
{
    nghttp2_mem memory = h2_memory_of(h2);
    int         result;

    call_once(&once, prepare);
    result = h2->is_server
                 ? nghttp2_session_server_new3(&h2->engine, callbacks, h2, options, &memory)
                 : nghttp2_session_client_new3(&h2->engine, callbacks, h2, options, &memory);
    must(result == 0);
    submit_settings(h2);
    h2->is_made = true;
    return h2->engine;
}
