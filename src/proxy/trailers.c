// SPDX-License-Identifier: MIT
#include "proxy/trailers.h"

#include "http/status.h"

enum { SPARE_FIELDS = 4, VERSION_2 = 20 };

/* What has a meaning to us is a head's matter: it frames, routes, lets in or is kept, and must not come behind
 * (RFC 9110 6.5.1). Of that an ETag alone may (8.8.3). */
static bool may_trail(const struct field *field)
{
    return (field->id == FIELD_OTHER || field->id == FIELD_ETAG) && !field->is_odd &&
           !field->is_gone;
}

/* `own` may be NULL, as may the result: nothing. */
static struct fields *merge(struct arena *arena, const struct fields *said, struct fields *own)
{
    struct fields *merged = own;

    if (said == NULL)
        return own;
    FIELDS_EACH(said, field) {
        if (!may_trail(field))
            continue;
        if (merged == NULL) {
            merged = ARENA_NEW(arena, struct fields);
            fields_init(merged, arena, said->count + SPARE_FIELDS);
        }
        *fields_push(merged) = *field;
    }
    return merged;
}

static void let_go(struct stream *stream)
{
    stream->is_tail_held = false;
    task_wake(&stream->task, WAKE_END);
}

/* HTTP/2 carries them always; to HTTP/1.1 they go if it says that it wants them, and only behind chunks. */
static bool may_have_trailers(const struct exchange *x)
{
    if (!status_has_content(x->answer->status) || x->request->method == METHOD_HEAD)
        return false;
    if (x->request->version >= VERSION_2)
        return x->answer->body != BODY_NONE;
    return x->answer->body == BODY_CHUNKED && x->request->version == 11 &&
           field_list_has(fields_value(&x->request->fields, FIELD_TE), TEXT("trailers"));
}

/* HTTP/1 has them behind chunks only; who waits for none can mark the end with the last bytes. And an
 * answer that is a head alone stays one, which gRPC takes for trailers. */
static bool may_say_trailers(const struct stream *peer)
{
    if (peer->is_rx_done)
        return peer->rx_trailers != NULL;
    return peer->rx_head->version >= VERSION_2 || peer->rx_head->body == BODY_CHUNKED;
}

void trailers_await_answer(struct exchange *x)
{
    x->client->is_tail_held = x->peer != NULL && !x->is_unattended && may_have_trailers(x) &&
                              may_say_trailers(x->peer);
}

void trailers_pass_answer(struct exchange *x)
{
    if (!x->client->is_tail_held)
        return;
    x->client->tx_trailers = merge(x->arena, x->response_trailers, x->client->tx_trailers);
    let_go(x->client);
}

void trailers_await_request(struct exchange *x, struct stream *peer)
{
    peer->is_tail_held = peer->tx_body == &x->request_body &&
                         peer->tx_head->version >= VERSION_2 &&
                         x->request->body == BODY_CHUNKED;
    if (peer->is_tail_held)
        trailers_pass_request(x);
}

void trailers_pass_request(struct exchange *x)
{
    if (x->peer == NULL || !x->peer->is_tail_held || !x->request_body.is_ended)
        return;
    x->peer->tx_trailers = merge(x->arena, x->client->rx_trailers, NULL);
    let_go(x->peer);
}
