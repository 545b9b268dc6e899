// SPDX-License-Identifier: MIT
/* The stored head becomes a response as if the peer had just sent it, shaped by what the request asks
 * for; from there on it is an answer like any other (answer_head.h). */
#include "proxy/cached_answer.h"

#include "base/writer.h"
#include "cache/stored_head.h"
#include "http/conditional.h"
#include "http/multipart.h"
#include "http/status.h"
#include "proxy/answer_head.h"
#include "proxy/shaped_head.h"
#include "proxy/steps.h"

/* What an answer is made of. */
struct making {
    struct head *head;                   /* a copy that is ours to shape */
    uint64_t     length;                 /* of the whole body, if has_length */
    bool         has_length, has_no_body;
};

/* ---- what there is ---- */

static bool reads_fill(const struct caching *caching)
{
    return caching->fill != NULL;
}

static void whole_length(const struct caching *caching, struct making *making)
{
    uint64_t length = reads_fill(caching) ? fill_length(caching->fill)
                                          : caching->stored->body_len;

    making->has_length = length != FILL_LENGTH_UNKNOWN;
    making->length = making->has_length ? length : 0;
}

static void note_found(struct exchange *x, const struct object *object, const struct head *head)
{
    int64_t age_s = object_age_s(object, loop_now_ms(x->loop));

    x->cache_age_s = age_s > 0 ? (uint64_t)age_s : 0;
    x->has_cache_age = true;
    x->cache_last_modified = fields_value(&head->fields, FIELD_LAST_MODIFIED);
}

static struct text number(struct arena *arena, uint64_t n)
{
    struct writer writer = writer_arena(arena, 20);

    writer_u64(&writer, n);
    return writer_done(&writer);
}

/* Its head could be unpacked when it came from a disk, or we packed it. */
static void from_stored(struct exchange *x, struct making *making)
{
    struct caching *caching = x->caching;
    struct head    *head = ARENA_NEW(x->arena, struct head);

    must(stored_head_unpack(object_head(caching->stored), x->arena, head) == 0);
    note_found(x, caching->stored, head);
    fields_set(&head->fields, FIELD_AGE, number(x->arena, x->cache_age_s));
    x->response = head;
    making->head = head;
}

/* ---- conditions ---- */

static void make_304(struct exchange *x, struct making *making)
{
    making->head = shaped_head_copy(x->arena, making->head);
    shaped_head_304(making->head);
    making->has_no_body = true;
    making->has_length = false;
}

/* ---- ranges ---- */

static void add_piece(struct caching *caching, struct piece piece)
{
    caching->pieces[caching->piece_count++] = piece;
}

static void make_416(struct exchange *x, struct making *making)
{
    making->head = shaped_head_copy(x->arena, making->head);
    shaped_head_416(making->head, making->length);
    making->length = 0;
    add_piece(x->caching, (struct piece){ .text = TEXT("") });
}

static void make_single(struct exchange *x, struct making *making, struct range_part part)
{
    shaped_head_part(making->head, part, making->length);
    making->length = part.len;
    add_piece(x->caching, (struct piece){ .from = part.first, .len = part.len });
}

static struct text written(struct exchange *x, const struct multipart *multipart, unsigned i)
{
    struct writer writer = writer_arena(x->arena, 160);

    if (i < multipart->set->count)
        multipart_write_head(multipart, i, &writer);
    else
        multipart_write_end(multipart, &writer);
    return writer_done(&writer);
}

static void make_multipart(struct exchange *x, struct making *making, const struct range_set *set)
{
    struct multipart multipart;
    struct writer    writer = writer_arena(x->arena, 80);

    multipart_init(&multipart, set, fields_value(&making->head->fields, FIELD_CONTENT_TYPE),
                   making->length);
    multipart_write_type(&multipart, &writer);
    fields_set(&making->head->fields, FIELD_CONTENT_TYPE, writer_done(&writer));
    for (unsigned i = 0; i < set->count; i++) {
        add_piece(x->caching, (struct piece){ .text = written(x, &multipart, i) });
        add_piece(x->caching,
                  (struct piece){ .from = set->parts[i].first, .len = set->parts[i].len });
    }
    add_piece(x->caching, (struct piece){ .text = written(x, &multipart, set->count) });
    making->length = multipart_total(&multipart);
}

static void make_206(struct exchange *x, struct making *making, const struct range_set *set)
{
    making->head = shaped_head_copy(x->arena, making->head);
    shaped_head_206(making->head);
    if (set->count == 1)
        make_single(x, making, set->parts[0]);
    else
        make_multipart(x, making, set);
}

/* An origin that says it has no ranges is believed, unless proxy_force_ranges says otherwise. */
static bool may_range(const struct exchange *x, const struct making *making)
{
    struct text accepts = fields_value(&making->head->fields, FIELD_ACCEPT_RANGES);

    return making->has_length && making->head->status == 200 &&
           (x->location->proxy.cache.is_forcing_ranges ||
            !text_is_equal_nocase(accepts, TEXT("none")));
}

/* What is on its way may be gone once it was read, and comes in its own order. */
static bool may_read(const struct caching *caching, const struct range_set *set)
{
    for (unsigned i = 1; i < set->count && reads_fill(caching); i++)
        if (set->parts[i].first < set->parts[i - 1].first)
            return false;
    return true;
}

static void apply_range(struct exchange *x, struct making *making,
                        const struct validators *validators, int64_t now_s)
{
    struct range_set set;

    if (!may_range(x, making) || fields_find(&x->request->fields, FIELD_RANGE) == NULL ||
        !conditional_may_range(&x->request->fields, validators, now_s))
        return;
    switch (range_judge(x->request->method, &x->request->fields, making->length, &set)) {
    case RANGE_IGNORED:
        break;
    case RANGE_PARTS:
        if (may_read(x->caching, &set))
            make_206(x, making, &set);
        break;
    case RANGE_UNSATISFIABLE:
        make_416(x, making);
        break;
    }
}

/* ---- all together ---- */

static bool has_questions(const struct fields *request)
{
    return fields_find(request, FIELD_IF_NONE_MATCH) != NULL ||
           fields_find(request, FIELD_IF_MODIFIED_SINCE) != NULL ||
           fields_find(request, FIELD_RANGE) != NULL;
}

static void shape(struct exchange *x, struct making *making)
{
    int64_t           now_s = loop_wall_ms(x->loop) / 1000;
    struct validators validators;

    if (!has_questions(&x->request->fields))
        return;
    validators_of(&making->head->fields, now_s, &validators);
    if (conditional_judge(x->request->method, &x->request->fields, making->head->status,
                          &validators, now_s) == CONDITIONAL_NOT_MODIFIED)
        make_304(x, making);
    else
        apply_range(x, making, &validators, now_s);
}

static void set_framing(struct exchange *x, struct making *making)
{
    struct head *head = making->head;
    bool         has_content = status_has_content(head->status) && !making->has_no_body;

    head->has_length = making->has_length && has_content;
    head->length = making->length;
    if (!has_content || x->request->method == METHOD_HEAD)
        head->body = BODY_NONE;
    else
        head->body = making->has_length ? BODY_SIZED : BODY_CHUNKED;
}

/* A part that is asked for costs a piece; a multipart answer twice as many and the end. */
static void prepare_pieces(struct exchange *x)
{
    struct caching *caching = x->caching;
    bool            has_range = fields_find(&x->request->fields, FIELD_RANGE) != NULL;

    caching->pieces = ARENA_ARRAY(x->arena, struct piece, has_range ? 2 * RANGE_PARTS_MAX + 1 : 1);
    caching->piece_count = 0;
}

/* Into a connection that takes what it has not seen, in one piece. */
static bool may_splice(const struct exchange *x, const struct head *answer)
{
    return answer->body == BODY_SIZED && x->location->trailers == NULL &&
           x->location->limit_rate == NULL && x->set_rate.ptr == NULL &&
           stream_may_splice(x->client);
}

static void begin_body(struct exchange *x, const struct head *answer)
{
    struct caching *caching = x->caching;

    if (answer->body == BODY_NONE) {
        pipe_end(&x->response_body);
        return;
    }
    if (caching->piece_count == 0)
        add_piece(caching, (struct piece){ .from = 0,
                                           .len = answer->body == BODY_SIZED ? answer->length
                                                                             : READER_TO_END });
    caching->reader.owner = &x->task;
    x->response_body.may_splice = may_splice(x, answer);
    if (reads_fill(caching))
        reader_begin_fill(&caching->reader, x->loop, &x->response_body, caching->fill,
                          caching->pieces, caching->piece_count, FAULT_BODY_CUT);
    else
        reader_begin(&caching->reader, x->loop, &x->response_body, caching->stored, caching->pieces,
                     caching->piece_count, FAULT_CACHE_UNREADABLE);
}

/* What the fill has made of it; NULL: it has the body itself, on its way, being written, or not kept. It
 * may have become so only now, on another loop. */
static struct object *made_of(struct fill *fill)
{
    bool           is_whole = fill_state(fill) == FILL_WHOLE;
    struct object *object = is_whole ? fill_object(fill) : NULL;

    if (object == NULL || object->body_len == fill_length(fill))
        return object;
    object_unref(object);
    return NULL;
}

/* A follower reads the fill until its end is known; what is whole is read as it is stored. */
static void leave_fill_if_whole(struct caching *caching)
{
    struct object *object = NULL;

    if (caching->fill != NULL && caching->role == ROLE_FOLLOWER)
        object = made_of(caching->fill);
    if (object == NULL)
        return;
    object_unref(caching->stored);
    caching->stored = object;
    fill_leave(caching->fill, &caching->follower);
    fill_unref(caching->fill);
    caching->fill = NULL;
}

void cached_answer_begin(struct exchange *x)
{
    struct caching *caching = x->caching;
    struct making   making = { .head = NULL };
    bool            is_leader = x->step == &step_fill;

    pipe_done(&x->response_body);
    pipe_init(&x->response_body, OBJECT_SLICE_BYTES * 2);
    pipe_set_share(&x->response_body, exchange_share(x));
    leave_fill_if_whole(caching);
    if (is_leader)
        making.head = shaped_head_copy(x->arena, x->response);
    else
        from_stored(x, &making);
    whole_length(caching, &making);
    prepare_pieces(x);
    shape(x, &making);
    set_framing(x, &making);
    answer_use_status(x, making.head);
    x->answer = answer_head_of(x, making.head, true);
    x->answer->status = x->status;
    begin_body(x, x->answer);
    if (caching->follower != NULL)
        fill_leave(caching->fill, &caching->follower);
    deliver_begin(x);
}
