// SPDX-License-Identifier: MIT
/* What a server may send on a connection of HTTP/2 to a client that asks in different ways, reads,
 * leaves, or takes a tunnel. Checked: an answer has a head that keeps its promises, comes after its
 * interim ones, is never complete without a head, and nothing is left. */
#include "h2_wire.h"

enum { ASKED_MOST = 60 };

static void ask(void)
{
    struct stream *stream = wire.codec->ops->open(wire.codec);
    struct party  *party = party_new(stream, arena_new());
    struct head   *head = ARENA_NEW(party->arena, struct head);
    unsigned       kind = party->number % 4;

    head_init(head, party->arena, 0);
    head->method = kind == 1 ? METHOD_POST : kind == 2 ? METHOD_HEAD : METHOD_GET;
    head->method_name = kind == 1 ? TEXT("POST") : kind == 2 ? TEXT("HEAD") : TEXT("GET");
    head->target = TEXT("/");
    head->may_persist = true;
    head->body = kind == 1 ? BODY_CHUNKED : BODY_NONE;
    fields_add_id(&head->fields, FIELD_HOST, TEXT("a"));
    if (kind == 3) {
        head->upgrade = TEXT("websocket");
        fields_add(&head->fields, TEXT("Sec-WebSocket-Key"), TEXT("dGhlIHNhbXBsZSBub25jZQ=="));
    }
    stream->tx_head = head;
    if (kind == 1)
        stream->tx_body = &party->tx;
    stream->ops->send(stream);
}

static void check_head(const struct stream *stream)
{
    const struct head *head = stream->rx_head;

    must(head->status >= 200 || head->status == 101);
    must(stream->rx_interim == NULL);
    FIELDS_EACH(&head->fields, field)
        must(field_name_is_valid(field->name) && field_value_is_valid(field->value));
}

static void party_act(struct party *party)
{
    struct stream *stream = party->stream;

    if (stream == NULL)
        return;
    party->turns++;
    if (party->number % 5 != 0 || party->turns > 8)
        party_read(party);
    if (stream->tx_body != NULL && !party->tx.is_ended && pipe_room(&party->tx) > 0)
        party_say(party, 500, party->turns > 5);
    if (stream->rx_interim != NULL && party->turns % 2 == 0) {
        must(stream->rx_interim->status < 200 && stream->rx_head == NULL);
        stream->rx_interim = NULL;
        task_wake(&stream->task, WAKE_ROOM);
    }
    if (stream->rx_head != NULL)
        check_head(stream);
    if (stream->rx_head != NULL && stream->rx_head->status == 101 && stream->tx_body == NULL) {
        stream->tx_body = &party->tx;
        stream->ops->tunnel(stream);
    }
    if (stream->fault != FAULT_NONE || party->turns > 200 ||
        (stream->rx_head != NULL && stream->is_rx_done && pipe_is_finished(&party->rx)))
        party_leave(party);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    size_t at = 1;

    if (len < 1)
        return 0;
    if (wire.loop == NULL)
        wire.loop = loop_new(0);
    wire_begin(h2_client_new(&settings), bytes[0]);
    if (wire.mode & MODE_RAW)
        ask();
    while (at < len && !wire.is_over) {
        for (int i = 0;
             i < 4 && !(wire.mode & MODE_RAW) && wire.codec->ops->count(wire.codec) < ASKED_MOST &&
             wire.codec->ops->room(wire.codec) > 0;
             i++)
            ask();
        turn();
        if (wire.mode & MODE_RAW)
            feed(bytes + at, len - at);
        at += wire.mode & MODE_RAW ? len - at : feed_frame(bytes + at, len - at);
    }
    wire_end(bytes[0] & 16);
    return 0;
}
