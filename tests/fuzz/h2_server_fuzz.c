// SPDX-License-Identifier: MIT
/* What a client may send on a connection of HTTP/2, with a server that answers at once, late, early,
 * with trailers, by an echo, by a tunnel, or not at all. Checked: a request that is accepted has a
 * head that keeps its promises, each stream ends, and nothing is left. */
#include "h2_wire.h"

static void accept_request(struct codec_host *host, struct stream *stream)
{
    const struct head *head = stream->rx_head;

    (void)host;
    must(head != NULL && stream->arena != NULL);
    if (stream->fault == FAULT_NONE) {
        must(head->version == 20 && head->method_name.len > 0 && head->target.len > 0);
        must(head->body != BODY_UNTIL_CLOSE);
        FIELDS_EACH(&head->fields, field)
            must(field_name_is_valid(field->name) && field_value_is_valid(field->value));
    }
    (void)party_new(stream, stream->arena);
}

static void answer(struct party *party, unsigned status, enum body_kind body, uint64_t length)
{
    struct head *head = ARENA_NEW(party->arena, struct head);

    head_init(head, party->arena, 0);
    head->status = status;
    head->may_persist = true;
    head->body = body;
    head->length = length;
    fields_add_id(&head->fields, FIELD_SERVER, TEXT("x"));
    party->stream->tx_head = head;
    party->stream->tx_body = &party->tx;
    party->stream->ops->send(party->stream);
}

static void answer_by_number(struct party *party)
{
    struct stream *stream = party->stream;

    switch (party->number % 6) {
    case 0:
        party_say(party, 10, true);
        answer(party, 200, BODY_SIZED, 10);
        break;
    case 1:
        stream->tx_trailers = ARENA_NEW(party->arena, struct fields);
        fields_init(stream->tx_trailers, party->arena, 1);
        fields_add(stream->tx_trailers, TEXT("Sum"), TEXT("1"));
        party_say(party, ANSWER_BYTES, true);
        answer(party, 200, BODY_CHUNKED, 0);
        break;
    case 2:
        stream->ops->want_body(stream);
        if (stream->is_rx_done)
            answer(party, 204, BODY_NONE, 0);
        break;
    case 3:
        stream->ops->reset(stream, FAULT_PEER_RESET);
        break;
    case 4:
        if (stream->rx_head->upgrade.len == 0) {
            answer(party, 403, BODY_NONE, 0);
            break;
        }
        answer(party, 101, BODY_NONE, 0);
        pipe_done(&party->rx);
        pipe_init(&party->rx, PIPE_BYTES);
        pipe_set_writer(&party->rx, &stream->task);
        stream->ops->tunnel(stream);
        party_say(party, 100, true);
        break;
    default:
        stream->is_last = party->number > 20;
        party_say(party, 5, true);           /* shorter than announced */
        answer(party, 200, BODY_SIZED, 10);
    }
}

static void party_act(struct party *party)
{
    struct stream *stream = party->stream;

    if (stream == NULL)
        return;
    if (party->number % 3 != 0)
        party_read(party);
    if (stream->fault != FAULT_NONE && stream->tx_head == NULL && party->number % 2 == 0)
        answer(party, 400, BODY_NONE, 0);
    else if (stream->fault == FAULT_NONE && stream->tx_head == NULL &&
             party->turns++ >= party->number % 4)
        answer_by_number(party);
    if (stream->is_tx_done || (stream->fault != FAULT_NONE && party->turns++ > 4))
        party_leave(party);
}

static void feed_all(const uint8_t *bytes, size_t len)
{
    if (wire.mode & MODE_RAW)
        feed(bytes, len);
    for (size_t at = 0; !(wire.mode & MODE_RAW) && at < len && !wire.is_over;)
        at += feed_frame(bytes + at, len - at);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static const uint8_t begin[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";

    if (len < 1)
        return 0;
    if (wire.loop == NULL)
        wire.loop = loop_new(0);
    wire.host.accept = accept_request;
    wire_begin(h2_server_new(&limits, &settings, &wire.host), bytes[0]);
    if (!(bytes[0] & MODE_RAW))
        feed(begin, sizeof(begin));
    feed_all(bytes + 1, len - 1);
    if (bytes[0] & 8)
        wire.codec->ops->drain(wire.codec);
    wire_end(bytes[0] & 16);
    return 0;
}
