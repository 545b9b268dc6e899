// SPDX-License-Identifier: MIT
#include "proxy/portion.h"

#include "http/slicing.h"
#include "proxy/shaped_head.h"

enum { RANGE_BYTES = 64 };

static struct portion *portion_of(struct stream *stream)
{
    return container_of(stream, struct portion, stream);
}

static void tell(struct portion *portion, unsigned wakes)
{
    if (portion->taker != NULL)
        task_wake(&portion->taker->task, wakes);
}

/* ---- figures ---- */

static struct attempt *attempt_copy(struct arena *arena, const struct attempt *attempt)
{
    struct attempt *copy = ARENA_NEW(arena, struct attempt);

    *copy = *attempt;
    copy->next = NULL;
    copy->address = arena_copy(arena, attempt->address);
    return copy;
}

/* Whom the fork asked is whom the other one asked, as far as logs and variables go. Its arena outlives the
 * fork. */
static void note_figures(struct exchange *to, const struct exchange *from)
{
    struct attempt **end = &to->attempts;

    for (const struct attempt *at = from->attempts; at != NULL; at = at->next) {
        *end = to->last_attempt = attempt_copy(to->arena, at);
        end = &(*end)->next;
    }
    to->attempt_count = from->attempt_count;
    to->cache_outcome = from->cache_outcome;
    to->cache_age_s = from->cache_age_s;
    to->has_cache_age = from->has_cache_age;
    to->cache_last_modified = arena_copy(to->arena, from->cache_last_modified);
    if (to->response == NULL && from->response != NULL)
        to->response = shaped_head_keep(to->arena, from->response);
}

/* ---- the stream ---- */

/* Of the pipes: something has come, or its end. */
static void run(struct task *task, unsigned wakes)
{
    tell(portion_of(container_of(task, struct stream, task)), wakes);
}

static void take_head(struct stream *stream)
{
    struct portion *portion = portion_of(stream);

    stream->tx_body->may_splice = false; /* bytes go through our hands */
    if (portion->is_first)
        note_figures(portion->fork->parent, portion->fork);
    tell(portion, WAKE_HEAD);
}

static void send_interim(struct stream *stream, const struct head *head)
{
    (void)stream;                        /* the client's answer has begun already, or will with the first */
    (void)head;
}

static void do_nothing(struct stream *stream)
{
    (void)stream;
}

static void reset(struct stream *stream, int fault)
{
    struct portion *portion = portion_of(stream);

    (void)fault;                         /* the fork has told of it */
    portion->is_cut = true;
    tell(portion, WAKE_FAULT);
}

static void forget(struct portion *portion)
{
    if (portion->place != NULL)
        *portion->place = NULL;
    portion->place = NULL;
    portion->taker = NULL;
}

static void release(struct stream *stream)
{
    struct portion *portion = portion_of(stream);

    task_cancel(&stream->task);
    if (stream->tx_body != NULL)
        pipe_set_reader(stream->tx_body, NULL);
    if (portion->is_first)
        note_figures(portion->fork->parent, portion->fork);
    tell(portion, WAKE_FAULT);
    forget(portion);
}

static const struct stream_ops portion_stream = { .send = take_head,
                                                  .send_interim = send_interim,
                                                  .want_body = do_nothing,
                                                  .tunnel = do_nothing,
                                                  .reset = reset,
                                                  .release = release };

/* ---- asking ---- */

/* In nobody's place. */
static struct portion *sit_down(struct exchange *fork)
{
    struct portion *portion = ARENA_NEW(fork->arena, struct portion);

    portion->fork = fork;
    portion->conn.transport.fd = -1;
    portion->stream.ops = &portion_stream;
    portion->stream.owner = &fork->task;
    portion->stream.conn = &portion->conn;
    portion->stream.arena = fork->arena;
    portion->stream.rx_head = fork->request;
    portion->stream.rx_body = &fork->request_body;
    portion->stream.tx_budget = portion->stream.rx_budget = BUDGET_NONE;
    portion->stream.started_us = loop_now_us(fork->loop);
    portion->stream.is_rx_done = portion->stream.is_last = true;
    task_init(&portion->stream.task, run);
    fork->client = &portion->stream;
    fork->is_unattended = false;
    return portion;
}

/* What the client asked for is judged by what comes of the slices. */
static void remove_questions(struct fields *request)
{
    static const enum field_id questions[] = { FIELD_RANGE, FIELD_IF_RANGE, FIELD_IF_NONE_MATCH,
                                               FIELD_IF_MODIFIED_SINCE };

    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++)
        fields_remove(request, questions[i]);
}

bool portion_ask(struct exchange *x, struct range_part asked, struct portion **ret_place)
{
    struct exchange *fork = exchange_fork(x, &step_lookup);
    struct portion  *portion;
    struct writer    writer;

    if (fork == NULL)
        return false;
    writer = writer_arena(fork->arena, RANGE_BYTES);
    slicing_write(&writer, asked);
    fork->slice_range = writer_done(&writer);
    remove_questions(&fork->request->fields);
    portion = sit_down(fork);
    portion->taker = x;
    portion->asked = asked;
    portion->place = ret_place;
    *ret_place = portion;
    return true;
}

/* ---- taking ---- */

const struct head *portion_head(const struct portion *portion)
{
    return portion->stream.tx_head;
}

struct slice portion_take(struct portion *portion, size_t most)
{
    struct slice slice = pipe_take(portion->stream.tx_body, most);

    portion->taken += slice.len;
    return slice;
}

bool portion_has_bytes(const struct portion *portion)
{
    return pipe_has_data(portion->stream.tx_body);
}

bool portion_is_finished(const struct portion *portion)
{
    return portion_head(portion)->body == BODY_NONE || pipe_is_finished(portion->stream.tx_body);
}

void portion_leave(struct portion *portion)
{
    struct stream *stream = &portion->stream;
    bool           is_finished = portion_head(portion) != NULL && portion_is_finished(portion);

    if (portion->is_first)
        note_figures(portion->taker, portion->fork);
    forget(portion);
    stream->is_tx_done = true;
    if (!is_finished && stream->fault == FAULT_NONE) {
        stream->fault = FAULT_CLIENT_GONE;
        portion->conn.is_closed = true;
    }
    task_wake(stream->owner, is_finished ? WAKE_END : WAKE_FAULT);
}
