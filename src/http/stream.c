// SPDX-License-Identifier: MIT
/* What the client sides of all codecs make of a lost connection. */
#include "http/stream.h"

int stream_fault_of_loss(const struct stream *stream, bool has_head, enum loss why)
{
    if (why == LOSS_MEMORY)
        return FAULT_NO_BUFFERS;
    if (has_head)
        return why == LOSS_TIMEOUT ? FAULT_BODY_TIMEOUT : FAULT_BODY_CUT;
    if (why == LOSS_TIMEOUT)
        return stream->is_tx_done ? FAULT_HEAD_TIMEOUT : FAULT_SEND_TIMEOUT;
    if (stream->is_reused && !stream->has_reply_begun)
        return FAULT_REUSED_CLOSED;
    return why == LOSS_RESET ? FAULT_PEER_RESET : FAULT_PEER_CLOSED;
}
