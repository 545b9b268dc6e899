// SPDX-License-Identifier: MIT
/* What the tests of the HTTP/2 codec share: the other side of its connection, which says any frame
 * and hears every one; a loop and a conn without a socket; and an owner for each stream. */
#ifndef TESTS_UNIT_HTTP_H2_PEER_H
#define TESTS_UNIT_HTTP_H2_PEER_H

#include "base/unit.h"

#include <string.h>

#include <nghttp2/nghttp2.h>

#include "base/block.h"
#include "http/h2_codec.h"
#include "net/loop.h"
#include "net/task_queue.h"

enum { FRAMES_MOST = 2048, WIRE_MOST = 1024 * 1024, OWNERS_MOST = 128 };
enum { FRAME_HEAD_BYTES = 9, CALM = NGHTTP2_ENHANCE_YOUR_CALM };
enum { END = NGHTTP2_FLAG_END_STREAM, WHOLE = NGHTTP2_FLAG_END_HEADERS, ACK = NGHTTP2_FLAG_ACK };

struct frame {
    uint32_t             len, flags, id;
    uint8_t              type;
    const unsigned char *payload;
    char                 status[4];      /* of HEADERS */
    bool                 is_old;         /* somebody looked at it */
};

struct owner {
    struct task    task;
    struct stream *stream;
    struct arena  *arena;
    struct pipe    rx, tx;
};

static struct peer {
    struct loop         *loop;
    struct conn          conn;
    struct codec        *codec;
    struct codec_host    host;
    struct owner         owners[OWNERS_MOST];
    unsigned             owner_count;
    uint32_t             pipe_bytes;
    nghttp2_hd_deflater *deflater;
    nghttp2_hd_inflater *inflater;
    unsigned char        wire[WIRE_MOST];
    size_t               wire_len, parsed;
    struct frame         frames[FRAMES_MOST];
    unsigned             frame_count;
    ssize_t              fed;            /* what the last feed() returned */
} peer;

static const struct head_limits  peer_limits = { 8192, 8192, 16384, 100 };
static const struct h2_settings  peer_settings = { 100, 65535, 8192, 65535 };
static const struct conn_timeouts no_timeouts;

static inline void peer_task_run(struct task *task, unsigned wakes)
{
    (void)task;
    (void)wakes;
}

static inline void peer_tasks_run(void)
{
    task_queue_renew(task_queue_self());
    for (int i = 0; i < 1000 && task_queue_run(task_queue_self(), 100); i++) {
    }
}

/* ---- what it hears ---- */

static inline void peer_read_head(struct frame *frame)
{
    const unsigned char *at = frame->payload;
    size_t               left = frame->len;
    int                  flags = 0;

    for (;;) {
        nghttp2_nv field;
        ssize_t    n = nghttp2_hd_inflate_hd2(peer.inflater, &field, &flags, at, left, 1);

        assert_true(n >= 0);
        at += n;
        left -= (size_t)n;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) && field.namelen == 7 &&
            memcmp(field.name, ":status", 7) == 0)
            memcpy(frame->status, field.value, 3);
        if (flags & NGHTTP2_HD_INFLATE_FINAL)
            break;
    }
    nghttp2_hd_inflate_end_headers(peer.inflater);
}

static inline void peer_parse(void)
{
    while (peer.wire_len - peer.parsed >= FRAME_HEAD_BYTES) {
        const unsigned char *at = peer.wire + peer.parsed;
        uint32_t             len = (uint32_t)(at[0] << 16 | at[1] << 8 | at[2]);
        struct frame        *frame = &peer.frames[peer.frame_count];

        if (peer.wire_len - peer.parsed < FRAME_HEAD_BYTES + len)
            break;
        assert_true(peer.frame_count < FRAMES_MOST);
        *frame = (struct frame){ .len = len, .type = at[3], .flags = at[4],
                                 .id = (uint32_t)(at[5] << 24 | at[6] << 16 | at[7] << 8 | at[8]),
                                 .payload = at + FRAME_HEAD_BYTES };
        peer.frame_count++;
        peer.parsed += FRAME_HEAD_BYTES + len;
        if (frame->type == NGHTTP2_HEADERS)
            peer_read_head(frame);
    }
}

/* Everything the codec has to send. */
static inline void peer_hear(void)
{
    struct protocol *protocol = &peer.codec->protocol;
    struct iovec     iov[16];
    int              n;

    peer_tasks_run();
    while ((n = protocol->ops->fill(protocol, iov, 16)) > 0) {
        size_t sent = 0;

        for (int i = 0; i < n; i++) {
            assert_true(iov[i].iov_len <= WIRE_MOST - peer.wire_len);
            memcpy(peer.wire + peer.wire_len, iov[i].iov_base, iov[i].iov_len);
            peer.wire_len += iov[i].iov_len;
            sent += iov[i].iov_len;
        }
        protocol->ops->sent(protocol, sent);
        peer_tasks_run();
    }
    peer_parse();
}

/* The next frame of this type on this stream that was not asked for yet, or NULL. */
static inline struct frame *peer_heard(uint8_t type, uint32_t id)
{
    peer_hear();
    for (unsigned i = 0; i < peer.frame_count; i++) {
        struct frame *frame = &peer.frames[i];

        if (frame->type != type || frame->id != id || frame->is_old)
            continue;
        frame->is_old = true;
        return frame;
    }
    return NULL;
}

static inline uint32_t peer_number(const struct frame *frame, unsigned at)
{
    const unsigned char *p = frame->payload + at;

    assert_true(frame->len >= at + 4);
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void check_reset(uint32_t id, uint32_t code)
{
    struct frame *frame = peer_heard(NGHTTP2_RST_STREAM, id);

    assert_non_null(frame);
    assert_int_equal(peer_number(frame, 0), code);
}

static inline void check_goaway(uint32_t last, uint32_t code)
{
    struct frame *frame = peer_heard(NGHTTP2_GOAWAY, 0);

    assert_non_null(frame);
    assert_int_equal(peer_number(frame, 0), last);
    assert_int_equal(peer_number(frame, 4), code);
}

static inline void check_status(uint32_t id, const char *status, bool is_end)
{
    struct frame *frame = peer_heard(NGHTTP2_HEADERS, id);

    assert_non_null(frame);
    assert_string_equal(frame->status, status);
    assert_int_equal(!!(frame->flags & END), is_end);
}

/* ---- what it says ---- */

static inline void peer_say_bytes(const void *bytes, size_t len)
{
    struct protocol *protocol = &peer.codec->protocol;
    struct slice     slice = slice_copy(text_of(bytes, len));

    peer.fed = protocol->ops->feed(protocol, slice);
    slice_unref(slice);
    peer_tasks_run();
}

static inline size_t peer_frame(unsigned char *room, uint8_t type, unsigned flags, uint32_t id,
                                const void *payload, size_t len)
{
    const unsigned char head[FRAME_HEAD_BYTES] = {
        (unsigned char)(len >> 16), (unsigned char)(len >> 8), (unsigned char)len,
        type, (unsigned char)flags,
        (unsigned char)(id >> 24), (unsigned char)(id >> 16), (unsigned char)(id >> 8),
        (unsigned char)id
    };

    memcpy(room, head, sizeof(head));
    if (len > 0)
        memcpy(room + sizeof(head), payload, len);
    return sizeof(head) + len;
}

static inline void peer_say(uint8_t type, unsigned flags, uint32_t id, const void *payload, size_t len)
{
    static unsigned char bytes[FRAME_HEAD_BYTES + 17 * 1024];

    peer_say_bytes(bytes, peer_frame(bytes, type, flags, id, payload, len));
}

static inline void peer_say_number(uint8_t type, uint32_t id, uint32_t number)
{
    const unsigned char bytes[4] = { (unsigned char)(number >> 24), (unsigned char)(number >> 16),
                                     (unsigned char)(number >> 8), (unsigned char)number };

    peer_say(type, 0, id, bytes, sizeof(bytes));
}

/* Each line is a name, one space, a value. */
static inline size_t peer_block(unsigned char *room, size_t size, const char *lines)
{
    nghttp2_nv  fields[200];
    size_t      count = 0;
    struct text rest = text_from(lines), line;
    ssize_t     n;

    while (text_split(&rest, '\n', &line) && line.len > 0) {
        size_t space = text_find(text_from_offset(line, 1), ' ') + 1;

        assert_true(count < COUNT_OF(fields));
        fields[count++] = (nghttp2_nv){ .name = (uint8_t *)line.ptr, .namelen = space,
                                        .value = (uint8_t *)line.ptr + space + 1,
                                        .valuelen = line.len - space - 1 };
    }
    n = nghttp2_hd_deflate_hd(peer.deflater, room, size, fields, count);
    assert_true(n >= 0);
    return (size_t)n;
}

static inline void peer_say_head(uint32_t id, unsigned flags, const char *lines)
{
    unsigned char block[16 * 1024];

    peer_say(NGHTTP2_HEADERS, flags | WHOLE, id, block, peer_block(block, sizeof(block), lines));
}

#define GET ":method GET\n:scheme https\n:authority a.example\n:path /\n"
#define POST ":method POST\n:scheme https\n:authority a.example\n:path /\n"

/* ---- owners ---- */

static inline struct owner *owner_new(struct stream *stream)
{
    struct owner *owner = &peer.owners[peer.owner_count++];

    assert_true(peer.owner_count <= OWNERS_MOST);
    owner->stream = stream;
    owner->arena = stream->arena;
    task_init(&owner->task, peer_task_run);
    stream->owner = &owner->task;
    pipe_init(&owner->rx, peer.pipe_bytes);
    pipe_init(&owner->tx, 256 * 1024);
    pipe_set_writer(&owner->rx, &stream->task);
    pipe_set_reader(&owner->tx, &stream->task);
    stream->rx_body = &owner->rx;
    return owner;
}

static inline void peer_accept(struct codec_host *host, struct stream *stream)
{
    (void)host;
    (void)owner_new(stream);
}

static inline void owner_leave(struct owner *owner)
{
    if (owner->stream == NULL)
        return;
    task_cancel(&owner->task);
    owner->stream->ops->release(owner->stream);
    owner->stream = NULL;
    pipe_done(&owner->rx);
    pipe_done(&owner->tx);
    arena_free(&owner->arena);
    peer_tasks_run();
}

static inline void owner_put(struct owner *owner, size_t len, bool is_end)
{
    static char bytes[64 * 1024];

    memset(bytes, 'x', sizeof(bytes));
    if (len > 0)
        pipe_put(&owner->tx, slice_copy(text_of(bytes, len)));
    if (is_end)
        pipe_end(&owner->tx);
}

static inline struct head *owner_answer(struct owner *owner, unsigned status, enum body_kind body,
                                        uint64_t length)
{
    struct head *head = ARENA_NEW(owner->arena, struct head);

    head_init(head, owner->arena, 0);
    head->status = status;
    head->may_persist = true;
    head->body = body;
    head->length = length;
    owner->stream->tx_head = head;
    owner->stream->tx_body = body == BODY_NONE ? NULL : &owner->tx;
    owner->stream->ops->send(owner->stream);
    return head;
}

/* ---- begin and end ---- */

static inline void peer_begin(struct codec *codec)
{
    peer.codec = codec;
    peer.conn.loop = peer.loop;
    peer.conn.transport = (struct transport){ .ops = &transport_tcp, .fd = -1 };
    task_init(&peer.conn.task, peer_task_run);
    codec->protocol.conn = &peer.conn.task;
    codec->ops->attach(codec, &peer.conn);
    assert_int_equal(nghttp2_hd_deflate_new(&peer.deflater, 4096), 0);
    assert_int_equal(nghttp2_hd_inflate_new(&peer.inflater), 0);
}

static inline int peer_set_up(void **state)
{
    (void)state;
    memset(&peer, 0, sizeof(peer));
    peer.loop = loop_new(0);
    peer.host.accept = peer_accept;
    peer.pipe_bytes = 256 * 1024;
    return 0;
}

static inline void peer_stop(struct task *task, unsigned wakes)
{
    (void)task;
    (void)wakes;
    loop_stop(peer.loop);
}

/* The loop runs for so long: timers fire, the dead are buried. */
static inline void peer_wait(uint32_t ms)
{
    struct task  task;
    struct timer timer;

    task_init(&task, peer_stop);
    timer_init(&timer, &task);
    timer_set(loop_timers(peer.loop), &timer, loop_now_ms(peer.loop) + ms);
    loop_run(peer.loop);
    timer_remove(loop_timers(peer.loop), &timer);
}

/* ---- a client of ours ---- */

/* The preface is no frame. */
static inline void peer_begin_client(void)
{
    struct protocol *protocol;
    struct iovec     iov[4];

    peer_begin(h2_client_new(&peer_settings));
    peer.codec->ops->set_limits(peer.codec, &peer_limits);
    protocol = &peer.codec->protocol;
    assert_true(protocol->ops->fill(protocol, iov, 4) > 0);
    assert_memory_equal(iov[0].iov_base, NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN);
    protocol->ops->sent(protocol, NGHTTP2_CLIENT_MAGIC_LEN);
    peer_say(NGHTTP2_SETTINGS, 0, 0, NULL, 0);
    peer_say(NGHTTP2_SETTINGS, ACK, 0, NULL, 0);
}

static inline struct owner *peer_ask(const char *method, enum body_kind body, uint64_t length,
                                     struct text upgrade)
{
    struct stream *stream = peer.codec->ops->open(peer.codec);
    struct arena  *arena = arena_new();
    struct head   *head = ARENA_NEW(arena, struct head);
    struct owner  *owner;

    stream->arena = arena;
    owner = owner_new(stream);
    head_init(head, arena, 0);
    head->method_name = text_from(method);
    head->method = method[0] == 'H' ? METHOD_HEAD : method[0] == 'P' ? METHOD_POST : METHOD_GET;
    head->target = TEXT("/");
    head->may_persist = true;
    head->body = body;
    head->length = length;
    head->upgrade = upgrade;
    fields_add_id(&head->fields, FIELD_HOST, TEXT("a.example"));
    if (upgrade.len > 0) {
        fields_add(&head->fields, TEXT("Sec-WebSocket-Key"), TEXT("dGhlIHNhbXBsZSBub25jZQ=="));
        fields_add(&head->fields, TEXT("Sec-WebSocket-Version"), TEXT("13"));
    }
    stream->tx_head = head;
    stream->tx_body = body == BODY_NONE ? NULL : &owner->tx;
    stream->ops->send(stream);
    peer_hear();
    return owner;
}

static inline void peer_lose(enum loss why)
{
    peer.codec->protocol.ops->lost(&peer.codec->protocol, why);
    peer_tasks_run();
}

static inline int peer_tear_down(void **state)
{
    struct protocol *protocol = &peer.codec->protocol;

    (void)state;
    peer_lose(LOSS_CLOSED);
    for (unsigned i = 0; i < peer.owner_count; i++)
        owner_leave(&peer.owners[i]);
    assert_false(protocol->ops->is_held(protocol));
    task_cancel(&peer.conn.task);
    protocol->ops->free(&protocol);
    nghttp2_hd_deflate_del(peer.deflater);
    nghttp2_hd_inflate_del(peer.inflater);
    peer_wait(1);
    loop_free(&peer.loop);
    assert_int_equal(block_total(), 0);
    pools_drain();
    return 0;
}

#define WITH_PEER(test) cmocka_unit_test_setup_teardown(test, peer_set_up, peer_tear_down)

#endif
