// SPDX-License-Identifier: MIT
#include "proxy/trailers.h"

#include "base/writer.h"
#include "http/status.h"
#include "proxy/answer_head.h"
#include "proxy/forward_head.h"

enum { SPARE_FIELDS = 4, VERSION_1_1 = 11, VERSION_2 = 20 };

/* What has a meaning to us is a head's matter: it frames, routes, lets in or is kept, and must not come behind
 * (RFC 9110 6.5.1). Of that an ETag alone may (8.8.3). */
static bool may_trail(const struct field *field)
{
    return (field->id == FIELD_OTHER || field->id == FIELD_ETAG) && !field->is_odd &&
           !field->is_gone;
}

/* Connection names trailers as well as fields (RFC 9110 7.6.1). */
static bool is_of_connection(const struct head *head, struct text name)
{
    const struct field *field = fields_find(&head->fields, FIELD_CONNECTION);

    while (field != NULL && !field_list_has(field->value, name))
        field = fields_find_next(&head->fields, field);
    return field != NULL;
}

/* What the configuration says or keeps back in a head is not to be said behind it: a server may take the one
 * for the other. */
static bool may_pass_request(const struct exchange *x, const struct field *field)
{
    return may_trail(field) && !forward_sets(x, field->name) &&
           !is_of_connection(x->request, field->name);
}

static bool may_pass_answer(const struct exchange *x, const struct field *field)
{
    return may_trail(field) && !answer_hides(x, field) &&
           !is_of_connection(x->response, field->name);
}

/* `own` may be NULL, as may the result: nothing. */
static struct fields *merge(const struct exchange *x, const struct fields *said,
                            bool (*may_pass)(const struct exchange *, const struct field *),
                            struct fields *own)
{
    struct fields *merged = own;

    if (said == NULL)
        return own;
    FIELDS_EACH(said, field) {
        if (!may_pass(x, field))
            continue;
        if (merged == NULL) {
            merged = ARENA_NEW(x->arena, struct fields);
            fields_init(merged, x->arena, said->count + SPARE_FIELDS);
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
    return x->answer->body == BODY_CHUNKED && x->request->version == VERSION_1_1 &&
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
    x->client->is_tail_held = x->peer != NULL && !x->is_unattended &&
                              x->location->proxy.is_passing_trailers && may_have_trailers(x) &&
                              may_say_trailers(x->peer);
}

void trailers_pass_answer(struct exchange *x)
{
    if (!x->client->is_tail_held)
        return;
    x->client->tx_trailers =
        merge(x, x->response_trailers, may_pass_answer, x->client->tx_trailers);
    let_go(x->client);
}

/* In HTTP/2 they have a place of their own. A server of HTTP/1.1 may mix them with the head's fields, so it gets
 * them if the configuration says so. */
static bool are_for(const struct exchange *x, unsigned version)
{
    const struct proxy_policy *policy = &x->location->proxy;

    if (policy->body != NULL || !policy->is_passing_headers || !policy->is_passing_body)
        return false;
    return version >= VERSION_2 || (version == VERSION_1_1 && policy->is_passing_request_trailers);
}

static bool may_end_with_trailers(const struct exchange *x, const struct head *head)
{
    return head->body == BODY_CHUNKED && are_for(x, head->version);
}

bool trailers_wait_behind_request(const struct exchange *x)
{
    return x->client->rx_trailers != NULL && are_for(x, x->location->proxy.http_version);
}

static bool is_plain(struct text name)
{
    for (size_t i = 0; i < name.len; i++)
        if (field_chars[(unsigned char)name.ptr[i]] != FIELD_CHAR_TOKEN)
            return false;
    return name.len > 0;
}

void trailers_announce_request(struct exchange *x, struct head *head)
{
    struct text   said = fields_joined(&x->request->fields, TEXT("Trailer"), x->arena), name;
    struct writer writer;

    if (said.len == 0 || !may_end_with_trailers(x, head) || forward_sets(x, TEXT("Trailer")))
        return;
    writer = writer_arena(x->arena, 2 * said.len);
    while (field_list_next(&said, &name)) {
        const struct field field = { .name = name,
                                     .id = (uint8_t)field_id_of(name),
                                     .is_odd = !is_plain(name) };

        if (!may_pass_request(x, &field))
            continue;
        writer_string(&writer, writer.len > 0 ? ", " : "");
        writer_text(&writer, name);
    }
    if (writer.len > 0)
        fields_add_id(&head->fields, FIELD_TRAILER, writer_done(&writer));
}

void trailers_await_request(struct exchange *x, struct stream *peer)
{
    peer->is_tail_held = peer->tx_body != NULL && may_end_with_trailers(x, peer->tx_head);
    if (peer->is_tail_held)
        trailers_pass_request(x);
}

void trailers_pass_request(struct exchange *x)
{
    if (x->peer == NULL || !x->peer->is_tail_held || !x->request_body.is_ended)
        return;
    x->peer->tx_trailers = merge(x, x->client->rx_trailers, may_pass_request, NULL);
    let_go(x->peer);
}
