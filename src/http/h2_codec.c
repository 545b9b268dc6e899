// SPDX-License-Identifier: MIT
/* The connection: bytes into the engine, its end, and what both sides have in common. What goes out
 * is made in h2_batch.c. */
#include "http/h2_codec.h"

#include <string.h>

#include "base/pool.h"
#include "http/h2_parts.h"

/* Then others have their turn: small frames are worth little, and each costs as much as a large one. */
enum { FRAMES_PER_FEED = 256 };

/* Bodies that wait for windows, of all streams, and the least of one. */
enum { WAITING_MOST = 768 * 1024, WAITING_LEAST = 4 * 1024 };

/* What who was told GOAWAY for what he did may still send, so that no reset overtakes it: what was on its way. */
enum { DEAF_BYTES = 1024 * 1024 };

static struct pool pool = POOL("h2_codec", struct h2_codec, 64);

static const struct codec_ops server_codec, client_codec;

struct h2_codec *h2_of(const struct protocol *protocol)
{
    return container_of((struct protocol *)protocol, struct h2_codec, codec.protocol);
}

struct h2_codec *h2_of_codec(const struct codec *codec)
{
    return container_of((struct codec *)codec, struct h2_codec, codec);
}

int64_t h2_now_ms(const struct h2_codec *h2)
{
    return loop_now_ms(h2->conn->loop);
}

void h2_wake_conn(struct h2_codec *h2, unsigned wakes)
{
    if (h2->conn != NULL && !h2->is_lost)
        task_wake(&h2->conn->task, wakes);
}

struct h2_codec *h2_new(const struct h2_settings *settings, bool is_server)
{
    struct h2_codec *h2 = pool_take(&pool);

    h2->codec.protocol.ops = is_server ? &h2_server_protocol : &h2_client_protocol;
    h2->is_server = is_server;
    h2->settings = *settings;
    h2->most_id = INT32_MAX;
    h2->share = (struct pipe_share){ .most = WAITING_MOST, .least = WAITING_LEAST };
    list_init(&h2->streams);
    h2_clock_init(h2);
    return h2;
}

void h2_check(struct h2_codec *h2, int result)
{
    if (!nghttp2_is_fatal(result))
        return;
    h2->codec.protocol.must_reset = true;
    h2_wake_conn(h2, WAKE_END);
}

/* ---- the end ---- */

void h2_doom(struct h2_codec *h2, uint32_t code)
{
    if (h2->is_doomed)
        return;
    h2->is_doomed = true;
    h2->doom = code;
}

static int fault_as_told(const struct h2_stream *s, int fault)
{
    (void)s;
    return fault;
}

void h2_condemn(struct h2_codec *h2, int fault)
{
    if (h2->is_condemned || h2->is_lost)
        return;
    h2->is_condemned = true;
    h2_check(h2, nghttp2_session_terminate_session(h2->engine, h2->doom));
    h2_streams_fail(h2, fault_as_told, fault);
    h2->codec.protocol.linger_most = DEAF_BYTES;
    h2_close(h2);
}

/* Windows and pings come as long as there are answers on their way, which a reset would overtake. */
void h2_close(struct h2_codec *h2)
{
    h2->codec.protocol.is_closing = true;
    h2->codec.protocol.must_linger = h2->is_server;
    h2_wake_conn(h2, WAKE_END | WAKE_DATA);
}

static bool is_drained(const struct h2_codec *h2)
{
    return h2->drain == H2_DRAIN_LAST && h2->held == 0 && !h2->is_in_block;
}

static bool is_over(const struct h2_codec *h2)
{
    return h2->batch == NULL && !nghttp2_session_want_read(h2->engine) &&
           !nghttp2_session_want_write(h2->engine);
}

void h2_settle(struct h2_codec *h2)
{
    if (!h2->is_lost && !h2->codec.protocol.is_closing && (is_drained(h2) || is_over(h2)))
        h2_close(h2);
}

static const uint8_t drain_mark[H2_PING_BYTES] = "draining";

/* First the news, then, when the other side has surely heard it, the last number that counts. */
static void server_drain(struct codec *codec)
{
    struct h2_codec *h2 = h2_of_codec(codec);

    if (h2->drain != H2_DRAIN_NONE || h2->is_lost || codec->protocol.is_closing)
        return;
    h2->drain = H2_DRAIN_NOTICE;
    h2_check(h2, nghttp2_submit_shutdown_notice(h2->engine));
    h2_check(h2, nghttp2_submit_ping(h2->engine, NGHTTP2_FLAG_NONE, drain_mark));
    h2->drain_ms = h2_now_ms(h2) + H2_DRAIN_MS;
    h2_clock_look_at(h2, h2->drain_ms);
    h2_wake_conn(h2, WAKE_DATA);
}

void h2_drain_heard(struct h2_codec *h2, const uint8_t *opaque)
{
    if (h2->drain == H2_DRAIN_NOTICE && memcmp(opaque, drain_mark, sizeof(drain_mark)) == 0)
        h2_drain_end(h2);
}

void h2_drain_end(struct h2_codec *h2)
{
    if (h2->drain != H2_DRAIN_NOTICE || h2->is_lost || h2->codec.protocol.is_closing)
        return;
    h2->drain = H2_DRAIN_LAST;
    h2->most_id = nghttp2_session_get_last_proc_stream_id(h2->engine);
    h2_check(h2, nghttp2_submit_goaway(h2->engine, NGHTTP2_FLAG_NONE, h2->most_id, NGHTTP2_NO_ERROR,
                                       NULL, 0));
    h2_wake_conn(h2, WAKE_DATA);
    h2_settle(h2);
}

static void client_drain(struct codec *codec)
{
    struct h2_codec *h2 = h2_of_codec(codec);

    h2->drain = H2_DRAIN_LAST;
    h2_settle(h2);
}

/* ---- bytes in ---- */

/* What the engine calls fatal. -1: no word more. */
static ssize_t feed_failed(struct h2_codec *h2, int result, size_t len)
{
    if (result == NGHTTP2_ERR_NOMEM || result == NGHTTP2_ERR_BAD_CLIENT_MAGIC)
        return -1;
    h2_doom(h2, result == NGHTTP2_ERR_FLOODED ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_INTERNAL_ERROR);
    h2_condemn(h2, h2->is_server ? FAULT_BAD_HTTP2 : FAULT_BAD_RESPONSE);
    return (ssize_t)len;
}

static ssize_t h2_feed(struct protocol *protocol, struct slice bytes)
{
    struct h2_codec *h2 = h2_of(protocol);
    size_t           used = 0;
    unsigned         frames = 0;

    protocol->is_yielding = false;
    h2_pulse_heard(h2);
    while (used < bytes.len && !protocol->is_paused && !protocol->is_yielding &&
           !h2->is_condemned) {
        const unsigned char *at = slice_ptr(bytes) + used;
        size_t               len = h2_frames_next(h2, at, bytes.len - used);
        ssize_t              n;

        if (len == 0)
            break;
        h2->fed = slice_view(bytes, (uint32_t)used, (uint32_t)len);
        n = nghttp2_session_mem_recv(h2->engine, at, len);
        if (n < 0)
            return feed_failed(h2, (int)n, bytes.len);
        used += (size_t)n;
        h2->frame_left -= (uint32_t)n;
        protocol->is_yielding = ++frames == FRAMES_PER_FEED && used < bytes.len;
        if (h2->is_doomed)
            h2_condemn(h2, h2->is_server ? FAULT_BAD_HTTP2 : FAULT_BAD_RESPONSE);
        if (nghttp2_session_get_outbound_queue_size(h2->engine) > H2_QUEUE_MOST + h2->held)
            protocol->is_paused = true;
    }
    if (nghttp2_session_want_write(h2->engine))
        h2_wake_conn(h2, WAKE_DATA);
    h2_settle(h2);
    return h2->is_condemned ? (ssize_t)bytes.len : (ssize_t)used;
}

static void h2_finish(struct protocol *protocol)
{
    struct h2_codec *h2 = h2_of(protocol);

    h2_streams_fail(h2, h2->is_server ? h2_server_fault_of_loss : h2_client_fault_of_loss,
                    LOSS_CLOSED);
    h2_close(h2);
}

/* ---- waiting ---- */

static enum conn_wait server_wait(const struct protocol *protocol)
{
    const struct h2_codec *h2 = h2_of(protocol);

    if (h2->is_in_block || (h2->messages == 0 && h2->held == 0))
        return CONN_WAIT_HEAD;
    return h2->held > 0 ? CONN_WAIT_NONE : CONN_WAIT_IDLE;
}

static enum conn_wait client_wait(const struct protocol *protocol)
{
    const struct h2_codec *h2 = h2_of(protocol);

    if (h2->held == 0)
        return CONN_WAIT_IDLE;
    return h2->is_in_block ? CONN_WAIT_HEAD : CONN_WAIT_NONE;
}

static void h2_expire(struct protocol *protocol, enum conn_wait wait)
{
    struct h2_codec *h2 = h2_of(protocol);

    if (h2->is_in_block && h2->block_ms > h2->conn->since_ms) {
        /* Another block than the one that the wait began with. */
        h2->conn->since_ms = h2->block_ms;
        h2_wake_conn(h2, WAKE_END);
        return;
    }
    if (wait == CONN_WAIT_IDLE && h2->codec.host != NULL && h2->codec.host->resting != NULL) {
        task_wake(h2->codec.host->resting, WAKE_DEADLINE);
        return;
    }
    h2_doom(h2, h2->is_in_block ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_NO_ERROR);
    h2_condemn(h2, h2->is_server ? FAULT_CLIENT_SLOW_HEAD : FAULT_HEAD_TIMEOUT);
}

/* ---- the codec ---- */

static void h2_lost(struct protocol *protocol, enum loss why)
{
    struct h2_codec *h2 = h2_of(protocol);

    h2->is_lost = true;
    h2_clock_done(h2);
    h2_batch_drop(h2);
    h2_block_drop(h2);
    h2_streams_fail(h2, h2->is_server ? h2_server_fault_of_loss : h2_client_fault_of_loss,
                    (int)why);
}

static void h2_rest(struct protocol *protocol)
{
    struct h2_codec *h2 = h2_of(protocol);

    if (h2->held == 0 && h2->batch == NULL && !nghttp2_session_want_write(h2->engine))
        h2_memory_rest(h2);
}

static bool h2_is_held(const struct protocol *protocol)
{
    return h2_of(protocol)->held > 0;
}

static void h2_free(struct protocol **protocol)
{
    struct h2_codec *h2 = h2_of(*protocol);

    *protocol = NULL;
    h2_clock_done(h2);
    h2_batch_drop(h2);
    nghttp2_session_del(h2->engine);
    h2_memory_done(h2);
    pool_give(&pool, h2);
}

static void h2_attach(struct codec *codec, struct conn *conn)
{
    struct h2_codec *h2 = h2_of_codec(codec);

    h2->conn = conn;
    glitches_init(&h2->glitches, h2_now_ms(h2));
    h2_pulse_heard(h2);
    h2_pulse_said(h2);
    h2_wake_conn(h2, WAKE_DATA);         /* our settings */
}

static void h2_set_limits(struct codec *codec, const struct head_limits *limits)
{
    h2_of_codec(codec)->limits = *limits;
}

static bool h2_is_idle(const struct codec *codec)
{
    const struct h2_codec *h2 = h2_of_codec(codec);

    return h2->held == 0 && !h2->is_in_block && !h2->is_lost && !h2->is_doomed &&
           h2->drain == H2_DRAIN_NONE && !codec->protocol.is_closing && !codec->protocol.must_reset;
}

static struct pipe_share *server_share(struct codec *codec)
{
    return &h2_of_codec(codec)->share;
}

static unsigned h2_count(const struct codec *codec)
{
    return h2_of_codec(codec)->messages;
}

static const struct task *h2_owner(const struct codec *codec)
{
    const struct h2_codec *h2 = h2_of_codec(codec);

    if (list_is_empty(&h2->streams))
        return NULL;
    return container_of(h2->streams.next, struct h2_stream, link)->stream.owner;
}

struct codec *h2_server_new(const struct head_limits *limits, const struct h2_settings *settings,
                            struct codec_host *host)
{
    struct h2_codec *h2 = h2_new(settings, true);

    h2->codec.ops = &server_codec;
    h2->codec.host = host;
    h2->limits = *limits;
    h2->frame_left = NGHTTP2_CLIENT_MAGIC_LEN;
    h2->engine = h2_engine_new(h2);
    return &h2->codec;
}

struct codec *h2_client_new(const struct h2_settings *settings)
{
    struct h2_codec *h2 = h2_new(settings, false);

    h2->codec.ops = &client_codec;
    h2->engine = h2_engine_new(h2);
    return &h2->codec;
}

const struct protocol_ops h2_server_protocol = {
    .feed = h2_feed,
    .finish = h2_finish,
    .fill = h2_fill,
    .sent = h2_sent,
    .wait = server_wait,
    .expire = h2_expire,
    .lost = h2_lost,
    .is_held = h2_is_held,
    .free = h2_free,
    .rest = h2_rest,
};

const struct protocol_ops h2_client_protocol = {
    .feed = h2_feed,
    .finish = h2_finish,
    .fill = h2_fill,
    .sent = h2_sent,
    .wait = client_wait,
    .expire = h2_expire,
    .lost = h2_lost,
    .is_held = h2_is_held,
    .free = h2_free,
    .rest = h2_rest,
};

static const struct codec_ops server_codec = {
    .name = "h2",
    .is_multiplexed = true,
    .attach = h2_attach,
    .set_limits = h2_set_limits,
    .is_idle = h2_is_idle,
    .share = server_share,
    .count = h2_count,
    .owner = h2_owner,
    .drain = server_drain,
};

static const struct codec_ops client_codec = {
    .name = "h2",
    .is_multiplexed = true,
    .attach = h2_attach,
    .set_limits = h2_set_limits,
    .open = h2_client_open,
    .room = h2_client_room,
    .is_idle = h2_is_idle,
    .count = h2_count,
    .owner = h2_owner,
    .drain = client_drain,
};
