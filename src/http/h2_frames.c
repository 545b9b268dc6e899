// SPDX-License-Identifier: MIT
/* Frames as they come, one at a time, seen before the engine sees them: what moves nothing is counted
 * (also what the engine would pass over in silence), pieces of header blocks are, and a stream that
 * was skipped is not opened later. At a frame's head the engine has done with all before it. */
#include "http/h2_parts.h"

enum { OPENED_SEEN = 64 };               /* odd numbers back from the last, in one word */

struct frame {
    uint32_t len, id;
    uint8_t  type, flags;
};

static bool is_known(const struct h2_codec *h2, uint32_t id)
{
    return nghttp2_session_get_stream_user_data(h2->engine, (int32_t)id) != NULL;
}

static bool is_useless(struct h2_codec *h2, const struct frame *frame)
{
    bool is_ack = frame->flags & NGHTTP2_FLAG_ACK;

    switch (frame->type) {
    case NGHTTP2_DATA:
    case NGHTTP2_RST_STREAM:
        return !is_known(h2, frame->id);
    case NGHTTP2_SETTINGS:
        if (is_ack || h2->has_settings)
            return !is_ack;
        h2->has_settings = true;
        return false;
    case NGHTTP2_PING:
        return !is_ack;
    case NGHTTP2_HEADERS:
    case NGHTTP2_CONTINUATION:
    case NGHTTP2_GOAWAY:
        return false;
    default:
        return true;
    }
}

/* RFC 9113 5.1.1: a higher number closes all idle streams below it. The engine takes one of those for
 * a stream that was reset, and says nothing. False: that rule is broken. */
static bool note_opened(struct h2_codec *h2, uint32_t id)
{
    uint32_t back = (h2->last_id - id) / 2, ahead = (id - h2->last_id) / 2;

    if (!h2->is_server || id % 2 == 0)
        return true;
    if (h2->last_id == 0 || id > h2->last_id) {
        h2->opened = h2->last_id == 0 || ahead >= OPENED_SEEN ? 0 : h2->opened << ahead;
        h2->opened |= 1;
        h2->last_id = id;
        return true;
    }
    return back >= OPENED_SEEN || (h2->opened >> back & 1);
}

static void judge(struct h2_codec *h2, const struct frame *frame)
{
    if (frame->type == NGHTTP2_CONTINUATION) {
        if (!glitches_continuation(&h2->glitches, frame->len))
            h2_doom(h2, NGHTTP2_ENHANCE_YOUR_CALM);
        return;
    }
    h2_block_drop(h2);
    if (frame->type == NGHTTP2_HEADERS && !note_opened(h2, frame->id))
        h2_doom(h2, NGHTTP2_PROTOCOL_ERROR);
    if (is_useless(h2, frame) && !glitches_useless(&h2->glitches, h2_now_ms(h2)))
        h2_doom(h2, NGHTTP2_ENHANCE_YOUR_CALM);
}

size_t h2_frames_next(struct h2_codec *h2, const unsigned char *bytes, size_t len)
{
    if (h2->frame_left == 0) {
        struct frame frame;

        if (len < H2_FRAME_HEAD_BYTES)
            return 0;
        frame.len = (uint32_t)bytes[0] << 16 | (uint32_t)bytes[1] << 8 | bytes[2];
        frame.type = bytes[H2_FRAME_TYPE_AT];
        frame.flags = bytes[H2_FRAME_FLAGS_AT];
        frame.id = (uint32_t)(bytes[5] & 0x7f) << 24 | (uint32_t)bytes[6] << 16 |
                   (uint32_t)bytes[7] << 8 | bytes[8];
        h2->frame_left = H2_FRAME_HEAD_BYTES + frame.len;
        judge(h2, &frame);
    }
    return len < h2->frame_left ? len : h2->frame_left;
}
