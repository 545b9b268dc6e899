// SPDX-License-Identifier: MIT
/* Both sides of HTTP/1 on wires in memory that deliver what they like when they like, and are cut at
 * any byte. The server answers each request with the request's own body; the client checks every
 * byte of it. A schedule is a function of its seed: SIM_SEED=n replays the one that failed, SIM_RUNS
 * asks for more of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/block.h"
#include "ends.h"
#include "http/h1_codec.h"

enum { RUNS = 400, REQUESTS = 6, STEPS_MOST = 200000 };
enum { BODY_MOST = 30000, WIRE_BYTES = 4096, PIPE_BYTES = 8192 };

static const struct head_limits limits = { .line_bytes = 8192, .field_bytes = 8192,
                                         .head_bytes = 16384, .fields = 100 };

/* An exchange without a proxy: the body comes and goes through one pipe. */
static struct echo {
    struct codec_host host;
    struct task       task;
    struct stream    *stream;
    struct arena     *arena;
    struct pipe       body;
} echo;

static struct asker {
    struct task    task;
    struct stream *stream;
    struct arena  *arena;
    struct head   *head;
    struct pipe    request, answer;
    uint64_t       length, put, got;
    unsigned       number, answered;
    bool           is_lost;
} asker;

static struct end   client, server;
static struct loop *loop;

static char byte_at(unsigned number, uint64_t at)
{
    return (char)('a' + (number * 7 + at + at / 251) % 26);
}

/* ---- the server's owner ---- */

static void echo_accept(struct codec_host *host, struct stream *stream)
{
    (void)host;
    CHECK(stream->fault == FAULT_NONE && echo.stream == NULL);
    echo.stream = stream;
    echo.arena = stream->arena;
    stream->owner = &echo.task;
    pipe_init(&echo.body, PIPE_BYTES);
    pipe_set_writer(&echo.body, &stream->task);
    pipe_set_reader(&echo.body, &stream->task);
    stream->rx_body = stream->tx_body = &echo.body;
    task_wake(&echo.task, WAKE_DATA);
}

static void echo_answer(struct stream *stream)
{
    struct head *head = ARENA_NEW(echo.arena, struct head);

    head_init(head, echo.arena, 0);
    head->version = 11;
    head->status = 200;
    head->may_persist = true;
    head->body = stream->rx_head->body == BODY_CHUNKED ? BODY_CHUNKED : BODY_SIZED;
    head->length = stream->rx_head->length;
    stream->tx_head = head;
    stream->ops->send(stream);
}

static void echo_run(struct task *task, unsigned wakes)
{
    struct stream *stream = echo.stream;

    (void)task;
    (void)wakes;
    if (stream == NULL)
        return;
    if (stream->fault != FAULT_NONE)
        stream->ops->reset(stream, stream->fault);
    else if (stream->tx_head == NULL && chance(3) == 0)
        echo_answer(stream);
    else if (stream->tx_head == NULL)
        task_wake_last(&echo.task, WAKE_DATA);
    if (stream->fault == FAULT_NONE && !(stream->is_tx_done && stream->is_rx_done))
        return;
    echo.stream = NULL;
    task_cancel(&echo.task);
    stream->ops->release(stream);
    pipe_done(&echo.body);
    arena_free(&echo.arena);
}

/* ---- the client's owner ---- */

static void ask(void)
{
    struct arena *arena = arena_new();
    struct head  *head = ARENA_NEW(arena, struct head);

    asker.number++;
    asker.length = chance(3) == 0 ? 0 : 1 + chance(chance(2) == 0 ? 100 : BODY_MOST);
    asker.put = asker.got = 0;
    asker.arena = arena;
    asker.stream = client.codec->ops->open(client.codec);
    head_init(head, arena, 0);
    head->version = 11;
    head->method = METHOD_POST;
    head->method_name = TEXT("POST");
    head->target = TEXT("/");
    head->may_persist = true;
    head->body = chance(2) == 0 ? BODY_CHUNKED : BODY_SIZED;
    head->length = asker.length;
    fields_add_id(&head->fields, FIELD_HOST, TEXT("a"));
    pipe_init(&asker.request, PIPE_BYTES);
    pipe_init(&asker.answer, PIPE_BYTES);
    pipe_set_writer(&asker.request, &asker.task);
    pipe_set_reader(&asker.request, &asker.stream->task);
    pipe_set_writer(&asker.answer, &asker.stream->task);
    pipe_set_reader(&asker.answer, &asker.task);
    asker.stream->owner = &asker.task;
    asker.stream->arena = arena;
    asker.stream->tx_head = head;
    asker.stream->tx_body = &asker.request;
    asker.stream->rx_body = &asker.answer;
    asker.stream->ops->send(asker.stream);
    task_wake(&asker.task, WAKE_ROOM);
}

static void put_some(void)
{
    static char bytes[PIPE_BYTES];
    size_t      room = pipe_room(&asker.request), len;

    if (asker.request.is_ended || asker.request.fault != 0 || room == 0)
        return;
    len = asker.length - asker.put < room ? (size_t)(asker.length - asker.put) : room;
    len = len > 0 ? some_of(len) : 0;
    for (size_t i = 0; i < len; i++)
        bytes[i] = byte_at(asker.number, asker.put + i);
    if (len > 0)
        pipe_put(&asker.request, slice_copy(text_of(bytes, len)));
    asker.put += len;
    if (asker.put == asker.length)
        pipe_end(&asker.request);
    else
        task_wake_last(&asker.task, WAKE_ROOM);
}

static void get_some(void)
{
    struct iovec iov[4];
    int          n = pipe_peek(&asker.answer, iov, 4);
    size_t       len;

    if (n == 0)
        return;
    len = some_of(iov[0].iov_len);
    for (size_t i = 0; i < len; i++)
        CHECK(((const char *)iov[0].iov_base)[i] == byte_at(asker.number, asker.got + i));
    asker.got += len;
    pipe_drop(&asker.answer, len);
    task_wake_last(&asker.task, WAKE_DATA);
}

static void end_of_answer(bool is_complete)
{
    if (is_complete) {
        CHECK(asker.stream->rx_head->status == 200 && asker.got == asker.length);
        asker.answered++;
    } else {
        asker.stream->ops->reset(asker.stream, asker.stream->fault);
        asker.is_lost = true;
    }
    task_cancel(&asker.task);
    asker.stream->ops->release(asker.stream);
    asker.stream = NULL;
    pipe_done(&asker.request);
    pipe_done(&asker.answer);
    arena_free(&asker.arena);
}

static void asker_run(struct task *task, unsigned wakes)
{
    (void)task;
    (void)wakes;
    if (asker.stream == NULL)
        return;
    put_some();
    get_some();
    if (asker.stream->is_tx_done && pipe_is_finished(&asker.answer))
        end_of_answer(true);
    else if (asker.stream->fault != FAULT_NONE && !pipe_has_data(&asker.answer))
        end_of_answer(false);
}

/* ---- the end ---- */

/* The server is gone: what it had sent still comes, or, with a reset, does not. */
static void cut(bool is_reset)
{
    struct protocol *protocol = &client.codec->protocol;

    end_lose(&server, LOSS_RESET);
    for (int i = 0; i < STEPS_MOST && !is_reset && client.sent > 0 && asker.stream != NULL; i++) {
        end_receive(&client);
        ends_run_tasks();
    }
    if (!is_reset)
        protocol->ops->finish(protocol);
    for (int i = 0; i < STEPS_MOST && asker.stream != NULL && !is_reset; i++)
        ends_run_tasks();
    end_lose(&client, is_reset ? LOSS_RESET : LOSS_CLOSED);
    for (int i = 0; i < STEPS_MOST && (asker.stream != NULL || echo.stream != NULL); i++)
        ends_run_tasks();
    CHECK(asker.stream == NULL && echo.stream == NULL);
}

/* ---- one schedule ---- */

static void connection_begin(void)
{
    end_begin(&client, loop, h1_client_new(), WIRE_BYTES);
    client.codec->ops->set_limits(client.codec, &limits);
    end_begin(&server, loop, h1_server_new(&limits, &echo.host), WIRE_BYTES);
}

static void connection_done(void)
{
    for (int i = 0; i < STEPS_MOST && echo.stream != NULL; i++)
        ends_run_tasks();
    CHECK(echo.stream == NULL);
    end_done(&client);
    end_done(&server);
}

/* An answer that began before its request was read ends the connection. */
static void ask_when_free(void)
{
    if (asker.stream != NULL)
        return;
    if (client.codec->ops->room(client.codec) == 0) {
        CHECK(server.codec->protocol.is_closing);
        connection_done();
        connection_begin();
    }
    ask();
}

static void run_schedule(uint64_t seed, bool is_cut)
{
    uint64_t cut_at;

    schedule_begin(seed);
    cut_at = is_cut ? 1 + chance(400) : STEPS_MOST;
    memset(&asker, 0, sizeof(asker));
    memset(&echo, 0, sizeof(echo));
    task_init(&asker.task, asker_run);
    task_init(&echo.task, echo_run);
    echo.host.accept = echo_accept;
    connection_begin();
    for (uint64_t step = 0; asker.answered < REQUESTS && step < cut_at; step++) {
        ask_when_free();
        ends_move(&client, &server);
        ends_run_tasks();
        CHECK(!asker.is_lost && step + 1 < STEPS_MOST);
    }
    if (asker.answered < REQUESTS)
        cut(chance(2) == 0);
    connection_done();
}

static void run_schedules(bool is_cut)
{
    uint64_t first = schedules_first(), end = first + schedules_count(RUNS);
    size_t   blocks;

    loop = loop_new(0);
    blocks = block_total();
    for (uint64_t seed = first; seed < end; seed++) {
        run_schedule(seed, is_cut);
        CHECK(block_total() == blocks);
    }
    loop_free(&loop);
}

static void every_answer_is_whole(void **unused)
{
    (void)unused;
    run_schedules(false);
}

static void a_cut_is_never_an_answer(void **unused)
{
    (void)unused;
    run_schedules(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_answer_is_whole),
        cmocka_unit_test(a_cut_is_never_an_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
