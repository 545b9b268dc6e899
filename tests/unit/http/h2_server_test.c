// SPDX-License-Identifier: MIT
/* The server side of HTTP/2, frame by frame: what becomes of each kind of request and answer, and of
 * each way to abuse a connection. */
#include "h2_peer.h"

#include "http/glitches.h"
#include "http/h2_parts.h"

static void serve_with(const struct h2_settings *settings)
{
    peer_begin(h2_server_new(&peer_limits, settings, &peer.host));
    peer_say_bytes(NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN);
    peer_say(NGHTTP2_SETTINGS, 0, 0, NULL, 0);
    peer_say(NGHTTP2_SETTINGS, ACK, 0, NULL, 0);
}

static void serve(void)
{
    serve_with(&peer_settings);
}

/* ---- requests and answers ---- */

static void a_request_is_answered(void **state)
{
    struct owner *owner = &peer.owners[0];
    struct frame *frame;

    (void)state;
    serve();
    peer_say_head(1, END, GET "user-agent x\n");
    assert_int_equal(peer.owner_count, 1);
    assert_int_equal(owner->stream->fault, FAULT_NONE);
    assert_int_equal(owner->stream->number, 1);
    assert_true(owner->stream->is_rx_done && owner->rx.is_ended);
    CHECK_TEXT(owner->stream->rx_head->host, "a.example");
    owner_put(owner, 5, true);
    owner_answer(owner, 200, BODY_SIZED, 5);
    check_status(1, "200", false);
    frame = peer_heard(NGHTTP2_DATA, 1);
    assert_true(frame != NULL && frame->len == 5 && (frame->flags & END));
    assert_true(owner->stream->is_tx_done);
    assert_true(owner->stream->tx_bytes > 5 + FRAME_HEAD_BYTES);
    owner_leave(owner);
    assert_null(peer_heard(NGHTTP2_RST_STREAM, 1));
    assert_true(peer.codec->ops->is_idle(peer.codec));
    assert_int_equal(peer.codec->ops->count(peer.codec), 1);
}

static void an_answer_without_body_is_one_frame(void **state)
{
    (void)state;
    serve();
    peer_say_head(1, END, ":method HEAD\n:scheme https\n:authority a.example\n:path /\n");
    owner_answer(&peer.owners[0], 200, BODY_SIZED, 5);
    check_status(1, "200", true);
    peer_say_head(3, END, GET);
    owner_answer(&peer.owners[1], 204, BODY_NONE, 0);
    check_status(3, "204", true);
    peer_say_head(5, END, GET);
    owner_answer(&peer.owners[2], 200, BODY_SIZED, 0);
    check_status(5, "200", true);
}

static void a_large_answer_waits_for_windows(void **state)
{
    struct owner *owner = &peer.owners[0];
    size_t        sum = 0;
    struct frame *frame;

    (void)state;
    serve();
    peer_say_head(1, END, GET);
    owner_answer(owner, 200, BODY_CHUNKED, 0);
    for (int i = 0; i < 3; i++)
        owner_put(owner, 60000, i == 2);
    while ((frame = peer_heard(NGHTTP2_DATA, 1)) != NULL) {
        assert_true(frame->len <= peer_settings.chunk_size);
        sum += frame->len;
    }
    assert_int_equal(sum, 65535);
    peer_say_number(NGHTTP2_WINDOW_UPDATE, 0, 200000);
    assert_null(peer_heard(NGHTTP2_DATA, 1));
    peer_say_number(NGHTTP2_WINDOW_UPDATE, 1, 200000);
    while ((frame = peer_heard(NGHTTP2_DATA, 1)) != NULL)
        sum += frame->len;
    assert_int_equal(sum, 180000);
    assert_true(owner->stream->is_tx_done);
}

static void an_empty_answer_needs_no_window(void **state)
{
    static const unsigned char shut[] = { 0, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0, 0, 0, 0 };
    struct frame              *frame;

    (void)state;
    serve();
    peer_say(NGHTTP2_SETTINGS, 0, 0, shut, sizeof(shut));
    peer_say_head(1, END, GET);
    owner_answer(&peer.owners[0], 200, BODY_CHUNKED, 0);
    check_status(1, "200", false);
    owner_put(&peer.owners[0], 0, true);
    frame = peer_heard(NGHTTP2_HEADERS, 1);
    assert_true(frame != NULL && frame->len == 0 && (frame->flags & END));
    assert_true(peer.owners[0].stream->is_tx_done);
}

static void a_short_answer_never_seems_whole(void **state)
{
    struct owner *owner = &peer.owners[0];

    (void)state;
    serve();
    peer_say_head(1, END, GET);
    owner_answer(owner, 200, BODY_SIZED, 10);
    owner_put(owner, 5, true);
    check_status(1, "200", false);
    check_reset(1, NGHTTP2_INTERNAL_ERROR);
    assert_int_equal(owner->stream->fault, FAULT_INTERNAL);
    assert_false(owner->stream->is_tx_done);
}

static void the_owner_resets(void **state)
{
    (void)state;
    serve();
    peer_say_head(1, END, GET);
    owner_answer(&peer.owners[0], 200, BODY_CHUNKED, 0);
    owner_put(&peer.owners[0], 100, false);
    peer_hear();
    peer.owners[0].stream->ops->reset(peer.owners[0].stream, FAULT_BODY_CUT);
    check_reset(1, NGHTTP2_INTERNAL_ERROR);
    owner_leave(&peer.owners[0]);
    assert_null(peer_heard(NGHTTP2_RST_STREAM, 1));
    peer_say_head(3, END, GET);
    assert_int_equal(peer.owner_count, 2);
}

static void an_early_answer_ends_the_upload(void **state)
{
    struct owner *owner = &peer.owners[0];
    char          bytes[1000] = "";

    (void)state;
    serve();
    peer_say_head(1, 0, POST "content-length 5000\n");
    peer_say(NGHTTP2_DATA, 0, 1, bytes, sizeof(bytes));
    owner_answer(owner, 403, BODY_SIZED, 0);
    check_status(1, "403", true);
    peer_say(NGHTTP2_DATA, 0, 1, bytes, sizeof(bytes));
    assert_int_equal(owner->stream->fault, FAULT_NONE);
    assert_true(owner->stream->is_tx_done);
    owner_leave(owner);
    peer_say(NGHTTP2_DATA, 0, 1, bytes, sizeof(bytes));
    assert_null(peer_heard(NGHTTP2_RST_STREAM, 1));      /* the answer may be looked at first */
    peer_wait(H2_REST_MS + 1);
    check_reset(1, NGHTTP2_NO_ERROR);
    assert_false(peer.codec->protocol.is_closing);
}

static void an_upload_that_ends_by_itself_is_not_reset(void **state)
{
    (void)state;
    serve();
    for (uint32_t id = 1; id <= 3; id += 2) {
        peer_say_head(id, 0, POST);
        owner_answer(&peer.owners[id / 2], 403, BODY_SIZED, 0);
        check_status(id, "403", true);
        owner_leave(&peer.owners[id / 2]);
    }
    peer_say(NGHTTP2_DATA, END, 1, "", 0);
    peer_say_number(NGHTTP2_RST_STREAM, 3, NGHTTP2_CANCEL);
    peer_wait(H2_REST_MS + 1);
    assert_null(peer_heard(NGHTTP2_RST_STREAM, 1));
    assert_null(peer_heard(NGHTTP2_RST_STREAM, 3));
}

static void of_many_uploads_the_oldest_is_reset(void **state)
{
    (void)state;
    serve();
    for (uint32_t i = 0; i <= H2_RESTS_MOST; i++) {
        peer_say_head(2 * i + 1, 0, POST);
        owner_answer(&peer.owners[i], 403, BODY_SIZED, 0);
        check_status(2 * i + 1, "403", true);
        owner_leave(&peer.owners[i]);
    }
    check_reset(1, NGHTTP2_NO_ERROR);
    assert_null(peer_heard(NGHTTP2_RST_STREAM, 3));
}

static void expectations_are_met_when_the_body_is_wanted(void **state)
{
    struct stream *stream;

    (void)state;
    serve();
    peer_say_head(1, 0, POST "content-length 5\nexpect 100-continue\n");
    stream = peer.owners[0].stream;
    assert_null(peer_heard(NGHTTP2_HEADERS, 1));
    stream->ops->want_body(stream);
    check_status(1, "100", false);
    stream->ops->want_body(stream);
    assert_null(peer_heard(NGHTTP2_HEADERS, 1));
    peer_say(NGHTTP2_DATA, END, 1, "hello", 5);
    assert_true(stream->is_rx_done);
    owner_answer(&peer.owners[0], 200, BODY_NONE, 0);
    check_status(1, "200", true);
}

static void websockets_are_tunnels(void **state)
{
    struct owner  *owner = &peer.owners[0];
    struct stream *stream;
    struct frame  *frame;
    struct iovec   iov;

    (void)state;
    serve();
    peer_say_head(1, 0, ":method CONNECT\n:protocol websocket\n:scheme https\n"
                        ":authority a.example\n:path /\nsec-websocket-version 13\n");
    stream = owner->stream;
    assert_int_equal(stream->rx_head->method, METHOD_GET);
    CHECK_TEXT(stream->rx_head->upgrade, "websocket");
    assert_true(stream->is_rx_done);
    peer_say(NGHTTP2_DATA, 0, 1, "early", 5);
    assert_int_equal(owner->rx.fill, 0);
    owner_answer(owner, 101, BODY_NONE, 0);
    pipe_done(&owner->rx);
    pipe_init(&owner->rx, 65536);
    stream->tx_body = &owner->tx;
    stream->ops->tunnel(stream);
    check_status(1, "200", false);
    assert_false(stream->is_tx_done || stream->is_rx_done);
    assert_int_equal(pipe_peek(&owner->rx, &iov, 1), 1);
    assert_memory_equal(iov.iov_base, "early", 5);
    owner_put(owner, 7, false);
    frame = peer_heard(NGHTTP2_DATA, 1);
    assert_true(frame != NULL && frame->len == 7 && !(frame->flags & END));
    peer_say(NGHTTP2_DATA, END, 1, "last", 4);
    assert_true(stream->is_rx_done && owner->rx.is_ended && owner->rx.fill == 9);
    owner_put(owner, 0, true);
    frame = peer_heard(NGHTTP2_DATA, 1);
    assert_true(frame != NULL && frame->len == 0 && (frame->flags & END));
    assert_true(stream->is_tx_done);
}

/* ---- what is refused ---- */

static void malformed_requests_are_reset(void **state)
{
    static const char *const heads[] = {
        GET "Upper case\n", GET "connection close\n", ":method GET\n:path /\n", GET "te gzip\n",
    };

    (void)state;
    serve();
    for (unsigned i = 0; i < COUNT_OF(heads); i++) {
        peer_say_head(2 * i + 1, END, heads[i]);
        check_reset(2 * i + 1, NGHTTP2_PROTOCOL_ERROR);
    }
    assert_int_equal(peer.owner_count, 0);
    peer_say_head(99, END, GET);
    assert_int_equal(peer.owner_count, 1);
}

static void large_heads_are_answered(void **state)
{
    static unsigned char block[40000];
    static char          lines[40000] = GET;
    size_t               at = strlen(lines), len;

    (void)state;
    serve();
    for (int i = 0; i < 5; i++) {
        at += (size_t)snprintf(lines + at, sizeof(lines) - at, "name-%d ", i);
        memset(lines + at, '~', 5000);       /* 13 bits in Huffman's code, so it stays as it is */
        at += 5000;
        lines[at++] = '\n';
    }
    len = peer_block(block, sizeof(block), lines);
    peer_say(NGHTTP2_HEADERS, END, 1, block, 16384);
    assert_int_equal(peer.codec->protocol.ops->wait(&peer.codec->protocol), CONN_WAIT_HEAD);
    peer_say(NGHTTP2_CONTINUATION, WHOLE, 1, block + 16384, len - 16384);
    assert_int_equal(peer.owner_count, 1);
    assert_int_equal(peer.owners[0].stream->fault, FAULT_HEAD_TOO_LARGE);
    owner_answer(&peer.owners[0], 431, BODY_NONE, 0);
    check_status(1, "431", true);
    peer_say_head(3, END, GET);              /* the table is in step */
    assert_int_equal(peer.owners[1].stream->fault, FAULT_NONE);
}

static void bodies_are_as_long_as_announced(void **state)
{
    (void)state;
    serve();
    peer_say_head(1, 0, POST "content-length 5\n");
    peer_say(NGHTTP2_DATA, END, 1, "hell", 4);
    check_reset(1, NGHTTP2_PROTOCOL_ERROR);
    assert_int_equal(peer.owners[0].stream->fault, FAULT_BAD_BODY);
    peer_say_head(3, 0, POST "content-length 3\n");
    peer_say(NGHTTP2_DATA, 0, 3, "hell", 4);
    check_reset(3, NGHTTP2_PROTOCOL_ERROR);
    assert_int_equal(peer.owners[1].stream->fault, FAULT_BAD_BODY);
    assert_int_equal(peer.owners[1].rx.fault, FAULT_BAD_BODY);
    peer_say_head(5, 0, POST);
    peer_say(NGHTTP2_DATA, 0, 5, "hell", 4);
    peer_say_head(5, 0, "trailer x\n");      /* which does not end it */
    check_reset(5, NGHTTP2_PROTOCOL_ERROR);
}

static void bodies_have_a_limit(void **state)
{
    char bytes[100] = "";

    (void)state;
    serve();
    peer_say_head(1, 0, POST);
    peer.owners[0].stream->rx_most = 150;
    peer_say(NGHTTP2_DATA, 0, 1, bytes, 100);
    assert_int_equal(peer.owners[0].stream->fault, FAULT_NONE);
    peer_say(NGHTTP2_DATA, 0, 1, bytes, 100);
    assert_int_equal(peer.owners[0].stream->fault, FAULT_BODY_TOO_LARGE);
    owner_answer(&peer.owners[0], 413, BODY_NONE, 0);
    check_status(1, "413", true);
}

/* ---- flow ---- */

static void a_slow_stream_stalls_itself_alone(void **state)
{
    static char   bytes[16000];
    struct owner *slow = &peer.owners[0];
    size_t        read = 0;

    (void)state;
    peer.pipe_bytes = 8192;
    serve();
    (void)peer_heard(NGHTTP2_WINDOW_UPDATE, 0);
    peer_say_head(1, 0, POST);
    for (int i = 0; i < 4; i++)
        peer_say(NGHTTP2_DATA, 0, 1, bytes, sizeof(bytes));
    assert_int_equal(slow->rx.fill, 8192);
    assert_null(peer_heard(NGHTTP2_WINDOW_UPDATE, 1));
    assert_non_null(peer_heard(NGHTTP2_WINDOW_UPDATE, 0));
    assert_false(peer.codec->protocol.is_paused);
    while (slow->rx.fill > 0) {
        read += slow->rx.fill;
        pipe_drop(&slow->rx, slow->rx.fill);
        peer_tasks_run();
    }
    assert_int_equal(read, 4 * sizeof(bytes));
    assert_non_null(peer_heard(NGHTTP2_WINDOW_UPDATE, 1));
    peer_say(NGHTTP2_DATA, END, 1, bytes, 10);
    assert_true(slow->stream->is_rx_done);
}

static void more_than_the_window_is_an_error(void **state)
{
    static char bytes[16000];

    (void)state;
    peer.pipe_bytes = 8192;
    serve();
    peer_say_head(1, 0, POST);
    for (int i = 0; i < 5; i++)
        peer_say(NGHTTP2_DATA, 0, 1, bytes, sizeof(bytes));
    check_reset(1, NGHTTP2_FLOW_CONTROL_ERROR);
    assert_int_equal(peer.owners[0].stream->fault, FAULT_BAD_HTTP2);
}

/* ---- abuse ---- */

static void rapid_resets_end_it(void **state)
{
    uint32_t id = 1;

    (void)state;
    serve();
    for (int i = 0; i < GLITCHES_RESETS_MOST; i++, id += 2) {
        peer_say_head(id, END, GET);
        peer_say_number(NGHTTP2_RST_STREAM, id, NGHTTP2_CANCEL);
        assert_int_equal(peer.owners[i % OWNERS_MOST].stream->fault, FAULT_CLIENT_CANCEL);
        owner_leave(&peer.owners[i]);
    }
    assert_null(peer_heard(NGHTTP2_GOAWAY, 0));
    peer_say_head(id, END, GET);
    peer_say_number(NGHTTP2_RST_STREAM, id, NGHTTP2_CANCEL);
    check_goaway(id, CALM);
    assert_true(peer.codec->protocol.is_closing);
}

static void resets_that_they_cause_count_too(void **state)
{
    unsigned i = 0;

    (void)state;
    serve();
    for (; i < OWNERS_MOST - 2 && !peer.codec->protocol.is_closing; i++) {
        peer_say_head(2 * i + 1, 0, POST);
        peer_say_number(NGHTTP2_WINDOW_UPDATE, 2 * i + 1, INT32_MAX);   /* too much: a stream error */
        peer_hear();
        if (peer.owner_count > 0)
            owner_leave(&peer.owners[peer.owner_count - 1]);
    }
    assert_int_equal(i, GLITCHES_RESETS_MOST + 1);
}

static void more_streams_than_allowed_are_refused(void **state)
{
    const struct h2_settings two = { 2, 65535, 8192, 65535 };
    struct frame            *frame;

    (void)state;
    serve_with(&two);
    frame = peer_heard(NGHTTP2_SETTINGS, 0);
    assert_non_null(frame);
    assert_int_equal(frame->payload[1], NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    assert_int_equal(peer_number(frame, 2), 2);
    for (uint32_t id = 1; id < 7; id += 2)
        peer_say_head(id, END, GET);
    check_reset(5, NGHTTP2_REFUSED_STREAM);
    assert_int_equal(peer.owner_count, 2);
    assert_false(peer.codec->protocol.is_closing);
}

static void a_stream_that_was_skipped_is_no_more(void **state)
{
    (void)state;
    serve();
    peer_say_head(5, END, GET);
    peer_say_head(3, END, GET);
    check_goaway(5, NGHTTP2_PROTOCOL_ERROR);
    assert_int_equal(peer.owner_count, 1);
}

static void a_reset_stream_keeps_its_place(void **state)
{
    const struct h2_settings two = { 2, 65535, 8192, 65535 };

    (void)state;
    serve_with(&two);
    for (uint32_t id = 1; id < 5; id += 2) {
        peer_say_head(id, END, GET);
        peer_say_number(NGHTTP2_RST_STREAM, id, NGHTTP2_CANCEL);
    }
    peer_say_head(5, END, GET);
    assert_int_equal(peer.owner_count, 2);
    check_reset(5, NGHTTP2_REFUSED_STREAM);
    owner_leave(&peer.owners[0]);
    peer_say_head(7, END, GET);
    assert_int_equal(peer.owner_count, 3);
}

static void blocks_in_many_pieces_end_it(void **state)
{
    unsigned char block[200];
    size_t        len;

    (void)state;
    serve();
    len = peer_block(block, sizeof(block), GET);
    peer_say(NGHTTP2_HEADERS, END, 1, block, len);
    for (int i = 0; i <= GLITCHES_PIECES_MOST; i++)
        peer_say(NGHTTP2_CONTINUATION, 0, 1, "\x40\x01x\x01y", 5);
    check_goaway(1, CALM);
    assert_int_equal(peer.owner_count, 0);
}

static void floods_pause_reading_then_end_it(void **state)
{
    static unsigned char bytes[17 * 1200];
    size_t               len = 0, said = 0;

    (void)state;
    serve();
    peer_hear();
    for (int i = 0; i < 1200; i++)
        len += peer_frame(bytes + len, NGHTTP2_PING, 0, 0, "12345678", 8);
    peer_say_bytes(bytes, len);
    assert_true(peer.codec->protocol.is_paused);
    assert_true(peer.fed < 17 * 200);
    for (int i = 0; i < 100 && !peer.codec->protocol.is_closing; i++) {
        said += (size_t)peer.fed;
        peer_hear();
        assert_false(peer.codec->protocol.is_paused);
        peer_say_bytes(bytes + said, len - said);
    }
    check_goaway(0, CALM);
}

static void unknown_frames_are_counted(void **state)
{
    (void)state;
    serve();
    for (int i = 0; i < 1100 && !peer.codec->protocol.is_closing; i++)
        peer_say(0x77, 0, 0, NULL, 0);
    check_goaway(0, CALM);
}

static void a_bomb_is_not_unpacked_for_ever(void **state)
{
    static unsigned char block[16000];
    static char          line[4200] = GET "x ";
    size_t               len;

    (void)state;
    serve();
    memset(line + strlen(line), 'v', 3900);
    len = peer_block(block, sizeof(block), line);
    memset(block + len, 0xbe, sizeof(block) - len);   /* the newest entry, again and again */
    peer_say(NGHTTP2_HEADERS, END | WHOLE, 1, block, sizeof(block));
    assert_int_equal(peer.owner_count, 0);
    check_goaway(1, CALM);
}

static void broken_frames_end_it(void **state)
{
    (void)state;
    serve();
    peer_say_head(1, END, GET);
    peer_say(NGHTTP2_DATA, 0, 0, "x", 1);
    check_goaway(1, NGHTTP2_PROTOCOL_ERROR);
    peer.codec->ops->drain(peer.codec);      /* too late to be polite */
    assert_null(peer_heard(NGHTTP2_GOAWAY, 0));
    assert_true(peer.codec->protocol.is_closing);
    assert_int_equal(peer.owners[0].stream->fault, FAULT_BAD_HTTP2);
    peer_say_head(3, END, GET);
    assert_int_equal(peer.owner_count, 1);
}

static void another_protocol_is_not_spoken_to(void **state)
{
    (void)state;
    peer_begin(h2_server_new(&peer_limits, &peer_settings, &peer.host));
    peer_say_bytes("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27);
    assert_int_equal(peer.fed, -1);
}

/* ---- the end ---- */

static void draining_loses_no_request(void **state)
{
    struct frame *ping;

    (void)state;
    serve();
    peer_say_head(1, END, GET);
    peer.codec->ops->drain(peer.codec);
    check_goaway(INT32_MAX, NGHTTP2_NO_ERROR);
    ping = peer_heard(NGHTTP2_PING, 0);
    assert_non_null(ping);
    peer_say_head(3, END, GET);              /* it was on its way */
    assert_int_equal(peer.owner_count, 2);
    peer_say(NGHTTP2_PING, ACK, 0, ping->payload, 8);
    check_goaway(3, NGHTTP2_NO_ERROR);
    peer_say_head(5, END, GET);
    assert_int_equal(peer.owner_count, 2);
    for (int i = 0; i < 2; i++) {
        assert_false(peer.codec->protocol.is_closing);
        owner_answer(&peer.owners[i], 204, BODY_NONE, 0);
        peer_hear();
        owner_leave(&peer.owners[i]);
    }
    assert_true(peer.codec->protocol.is_closing);
}

static void draining_ends_without_an_answer(void **state)
{
    (void)state;
    serve();
    peer.codec->ops->drain(peer.codec);
    check_goaway(INT32_MAX, NGHTTP2_NO_ERROR);
    peer_wait(H2_DRAIN_MS + 50);
    check_goaway(0, NGHTTP2_NO_ERROR);
    assert_true(peer.codec->protocol.is_closing);
}

static void every_stream_hears_of_a_loss(void **state)
{
    (void)state;
    serve();
    peer_say_head(1, END, GET);
    peer_say_head(3, 0, POST);
    peer_say_head(5, END, GET);
    owner_answer(&peer.owners[2], 204, BODY_NONE, 0);
    peer_hear();
    peer_lose(LOSS_RESET);
    assert_int_equal(peer.owners[0].stream->fault, FAULT_CLIENT_RESET);
    assert_int_equal(peer.owners[1].rx.fault, FAULT_CLIENT_RESET);
    assert_int_equal(peer.owners[2].stream->fault, FAULT_NONE);
    assert_true(peer.codec->protocol.ops->is_held(&peer.codec->protocol));
}

static void deadlines_are_the_streams_own(void **state)
{
    struct conn_timeouts timeouts = { .waits_ms[CONN_WAIT_BODY] = 30, .send_ms = 30 };
    struct stream       *stream;

    (void)state;
    serve();
    peer_say_head(1, 0, POST);
    peer_say_head(3, 0, POST);
    peer_say_head(5, END, GET);
    stream = peer.owners[0].stream;
    stream->ops->use(stream, &timeouts);
    stream = peer.owners[2].stream;
    stream->ops->use(stream, &timeouts);
    owner_answer(&peer.owners[2], 200, BODY_CHUNKED, 0);
    owner_put(&peer.owners[2], 60000, false);
    owner_put(&peer.owners[2], 60000, false);
    peer_hear();
    peer_wait(100);
    assert_int_equal(peer.owners[0].stream->fault, FAULT_CLIENT_SLOW_BODY);
    assert_int_equal(peer.owners[1].stream->fault, FAULT_NONE);
    assert_int_equal(peer.owners[2].stream->fault, FAULT_CLIENT_STALLED);
    check_reset(5, NGHTTP2_CANCEL);
    owner_answer(&peer.owners[0], 408, BODY_NONE, 0);
    check_status(1, "408", true);
}

static void a_stall_has_its_own_timer(void **state)
{
    (void)state;
    peer.conn.timeouts.send_ms = 30;
    serve();
    peer_say_head(1, END, GET);
    owner_put(&peer.owners[0], 60000, false);
    owner_put(&peer.owners[0], 60000, false);
    owner_answer(&peer.owners[0], 200, BODY_CHUNKED, 0);
    peer_hear();
    peer_wait(100);
    assert_int_equal(peer.owners[0].stream->fault, FAULT_CLIENT_STALLED);
}

static void waits_are_told_to_the_conn(void **state)
{
    struct protocol *protocol;

    (void)state;
    serve();
    protocol = &peer.codec->protocol;
    assert_int_equal(protocol->ops->wait(protocol), CONN_WAIT_HEAD);
    peer_say_head(1, END, GET);
    assert_int_equal(protocol->ops->wait(protocol), CONN_WAIT_NONE);
    owner_leave(&peer.owners[0]);
    assert_int_equal(protocol->ops->wait(protocol), CONN_WAIT_IDLE);
    protocol->ops->expire(protocol, CONN_WAIT_IDLE);
    check_goaway(1, NGHTTP2_NO_ERROR);
    assert_true(protocol->is_closing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PEER(a_request_is_answered),
        WITH_PEER(an_answer_without_body_is_one_frame),
        WITH_PEER(a_large_answer_waits_for_windows),
        WITH_PEER(an_empty_answer_needs_no_window),
        WITH_PEER(a_short_answer_never_seems_whole),
        WITH_PEER(the_owner_resets),
        WITH_PEER(an_early_answer_ends_the_upload),
        WITH_PEER(an_upload_that_ends_by_itself_is_not_reset),
        WITH_PEER(of_many_uploads_the_oldest_is_reset),
        WITH_PEER(expectations_are_met_when_the_body_is_wanted),
        WITH_PEER(websockets_are_tunnels),
        WITH_PEER(malformed_requests_are_reset),
        WITH_PEER(large_heads_are_answered),
        WITH_PEER(bodies_are_as_long_as_announced),
        WITH_PEER(bodies_have_a_limit),
        WITH_PEER(a_slow_stream_stalls_itself_alone),
        WITH_PEER(more_than_the_window_is_an_error),
        WITH_PEER(rapid_resets_end_it),
        WITH_PEER(resets_that_they_cause_count_too),
        WITH_PEER(more_streams_than_allowed_are_refused),
        WITH_PEER(a_stream_that_was_skipped_is_no_more),
        WITH_PEER(a_reset_stream_keeps_its_place),
        WITH_PEER(blocks_in_many_pieces_end_it),
        WITH_PEER(floods_pause_reading_then_end_it),
        WITH_PEER(unknown_frames_are_counted),
        WITH_PEER(a_bomb_is_not_unpacked_for_ever),
        WITH_PEER(broken_frames_end_it),
        WITH_PEER(another_protocol_is_not_spoken_to),
        WITH_PEER(draining_loses_no_request),
        WITH_PEER(draining_ends_without_an_answer),
        WITH_PEER(every_stream_hears_of_a_loss),
        WITH_PEER(deadlines_are_the_streams_own),
        WITH_PEER(a_stall_has_its_own_timer),
        WITH_PEER(waits_are_told_to_the_conn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
