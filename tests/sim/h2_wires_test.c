// SPDX-License-Identifier: MIT
/* Both sides of HTTP/2 on wires in memory that deliver what they like when they like, and are cut at
 * any byte; several requests are under way at a time. The server answers each with its own body and
 * trailers, or early and without reading; clients check every byte, and some lose interest. A
 * schedule is a function of its seed: SIM_SEED=n replays the one that failed, SIM_RUNS asks for more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/block.h"
#include "ends.h"
#include "http/h2_codec.h"

enum { RUNS = 300, REQUESTS = 24, ASKERS = 6, STEPS_MOST = 200000 };
enum { BODY_MOST = 90000, WIRE_BYTES = 16384, PIPE_BYTES = 8192, EARLY_BYTES = 5000 };

static const struct head_limits limits = { .line_bytes = 8192, .field_bytes = 8192,
                                           .head_bytes = 16384, .fields = 100 };
static const struct h2_settings settings = { .max_streams = ASKERS, .window = 65535,
                                             .chunk_size = 8192, .recv_buffer_size = 262144 };

/* An exchange without a proxy: the body comes and goes through one pipe. */
struct echo {
    struct task    task;
    struct stream *stream;               /* NULL: free */
    struct arena  *arena;
    struct pipe    body, early;
    unsigned       told;
    bool           is_early;
};

struct asker {
    struct task    task;
    struct stream *stream;               /* NULL: free */
    struct arena  *arena;
    struct fields  trailers;
    struct pipe    request, answer;
    uint64_t       length, put, got;
    unsigned       number;
    bool           has_trailers, is_early, will_leave;
};

static struct echo       echoes[ASKERS];
static struct asker      askers[ASKERS];
static struct codec_host host;
static unsigned          asked, answered, left, failed;
static struct end        client, server;
static struct loop      *loop;
static bool              is_cut;

static char byte_at(unsigned number, uint64_t at)
{
    return (char)('a' + (number * 7 + at + at / 251) % 26);
}

static struct text number_text(struct arena *arena, unsigned number)
{
    return arena_format(arena, "%u", number);
}

/* ---- the server's owner ---- */

static void echo_accept(struct codec_host *unused, struct stream *stream)
{
    struct echo *echo = echoes;

    (void)unused;
    while (echo < echoes + ASKERS && echo->stream != NULL)
        echo++;
    CHECK(stream->fault == FAULT_NONE && echo < echoes + ASKERS);
    echo->stream = stream;
    echo->arena = stream->arena;
    echo->is_early = fields_find_name(&stream->rx_head->fields, TEXT("early")) != NULL;
    echo->told = 0;
    stream->owner = &echo->task;
    pipe_init(&echo->body, PIPE_BYTES);
    pipe_init(&echo->early, PIPE_BYTES);
    pipe_set_writer(&echo->body, &stream->task);
    pipe_set_reader(&echo->body, &stream->task);
    pipe_set_reader(&echo->early, &stream->task);
    stream->rx_body = stream->tx_body = &echo->body;
    if (echo->is_early) {
        static char bytes[EARLY_BYTES];

        memset(bytes, 'e', sizeof(bytes));
        pipe_put(&echo->early, slice_copy(text_of(bytes, sizeof(bytes))));
        pipe_end(&echo->early);
        stream->tx_body = &echo->early;
    }
    task_wake(&echo->task, WAKE_DATA);
}

static void echo_tell(struct echo *echo)
{
    struct head *head = ARENA_NEW(echo->arena, struct head);

    head_init(head, echo->arena, 0);
    head->status = 103;
    fields_add(&head->fields, TEXT("Link"), TEXT("</x>"));
    echo->stream->ops->send_interim(echo->stream, head);
}

static void echo_answer(struct echo *echo)
{
    struct stream *stream = echo->stream;
    struct head   *head = ARENA_NEW(echo->arena, struct head);

    head_init(head, echo->arena, 0);
    head->status = echo->is_early ? 403 : 200;
    head->may_persist = true;
    head->body = echo->is_early ? BODY_SIZED : stream->rx_head->body;
    head->length = echo->is_early ? EARLY_BYTES : stream->rx_head->length;
    stream->tx_head = head;
    stream->is_tail_held = !stream->is_rx_done && !echo->is_early && head->body != BODY_NONE;
    stream->tx_trailers = stream->is_tail_held || echo->is_early ? NULL : stream->rx_trailers;
    stream->ops->want_body(stream);
    stream->ops->send(stream);
}

static void echo_run(struct task *task, unsigned wakes)
{
    struct echo   *echo = container_of(task, struct echo, task);
    struct stream *stream = echo->stream;

    (void)wakes;
    if (stream == NULL)
        return;
    if (stream->fault != FAULT_NONE) {
        stream->ops->reset(stream, stream->fault);
    } else if (stream->tx_head == NULL && chance(3) == 0) {
        echo_answer(echo);
    } else if (stream->tx_head == NULL) {
        if (chance(4) == 0 && echo->told++ < H2_INTERIM_MOST)
            echo_tell(echo);
        task_wake_last(&echo->task, WAKE_DATA);
    }
    if (stream->is_tail_held && stream->is_rx_done) {
        stream->tx_trailers = stream->rx_trailers;
        stream->is_tail_held = false;
        task_wake(&stream->task, WAKE_DATA);
    }
    if (stream->fault == FAULT_NONE && !stream->is_tx_done)
        return;
    echo->stream = NULL;
    task_cancel(&echo->task);
    stream->ops->release(stream);
    pipe_done(&echo->body);
    pipe_done(&echo->early);
    arena_free(&echo->arena);
}

/* ---- the client's owner ---- */

static void ask(struct asker *asker)
{
    struct arena  *arena = arena_new();
    struct head   *head = ARENA_NEW(arena, struct head);
    struct stream *stream = client.codec->ops->open(client.codec);
    struct text    number;

    memset(&asker->length, 0, sizeof(*asker) - offsetof(struct asker, length));
    asker->number = ++asked;
    asker->length = chance(3) == 0 ? 0 : 1 + chance(chance(2) == 0 ? 100 : BODY_MOST);
    asker->is_early = chance(6) == 0;
    asker->will_leave = chance(12) == 0;
    asker->arena = arena;
    asker->stream = stream;
    number = number_text(arena, asker->number);
    head_init(head, arena, 0);
    head->version = 20;
    head->method = METHOD_POST;
    head->method_name = TEXT("POST");
    head->target = TEXT("/");
    head->may_persist = true;
    head->body = chance(2) == 0 ? BODY_CHUNKED : BODY_SIZED;
    head->length = asker->length;
    fields_add_id(&head->fields, FIELD_HOST, TEXT("a"));
    fields_add(&head->fields, TEXT("Number"), number);
    if (chance(3) == 0)
        fields_add(&head->fields, TEXT("Priority"), chance(2) == 0 ? TEXT("u=1") : TEXT("u=6, i"));
    if (asker->is_early)
        fields_add(&head->fields, TEXT("Early"), TEXT("1"));
    if (head->body == BODY_CHUNKED && chance(2) == 0) {
        asker->has_trailers = true;
        fields_init(&asker->trailers, arena, 1);
        fields_add(&asker->trailers, TEXT("Sum"), number);
        stream->tx_trailers = &asker->trailers;
    }
    pipe_init(&asker->request, PIPE_BYTES);
    pipe_init(&asker->answer, PIPE_BYTES);
    pipe_set_writer(&asker->request, &asker->task);
    pipe_set_reader(&asker->request, &stream->task);
    pipe_set_writer(&asker->answer, &stream->task);
    pipe_set_reader(&asker->answer, &asker->task);
    stream->owner = &asker->task;
    stream->arena = arena;
    stream->tx_head = head;
    stream->tx_body = &asker->request;
    stream->rx_body = &asker->answer;
    if (chance(4) == 0)
        stream->rx_budget = chance(1000);
    stream->ops->send(stream);
    task_wake(&asker->task, WAKE_ROOM);
}

static void put_some(struct asker *asker)
{
    static char bytes[PIPE_BYTES];
    size_t      room = pipe_room(&asker->request), len;

    if (asker->request.is_ended || asker->request.fault != 0 || room == 0)
        return;
    len = asker->length - asker->put < room ? (size_t)(asker->length - asker->put) : room;
    len = len > 0 ? some_of(len) : 0;
    for (size_t i = 0; i < len; i++)
        bytes[i] = byte_at(asker->number, asker->put + i);
    if (len > 0)
        pipe_put(&asker->request, slice_copy(text_of(bytes, len)));
    asker->put += len;
    if (asker->put == asker->length)
        pipe_end(&asker->request);
    else
        task_wake_last(&asker->task, WAKE_ROOM);
}

static void get_some(struct asker *asker)
{
    struct iovec iov[4];
    int          n = pipe_peek(&asker->answer, iov, 4);
    size_t       len;

    if (n == 0)
        return;
    len = some_of(iov[0].iov_len);
    for (size_t i = 0; i < len; i++)
        CHECK(((const char *)iov[0].iov_base)[i] ==
              (asker->is_early ? 'e' : byte_at(asker->number, asker->got + i)));
    asker->got += len;
    pipe_drop(&asker->answer, len);
    task_wake_last(&asker->task, WAKE_DATA);
}

static void asker_done(struct asker *asker)
{
    task_cancel(&asker->task);
    asker->stream->ops->release(asker->stream);
    asker->stream = NULL;
    pipe_done(&asker->request);
    pipe_done(&asker->answer);
    arena_free(&asker->arena);
}

static void check_answer(const struct asker *asker)
{
    const struct stream *stream = asker->stream;
    struct text          sum;

    CHECK(stream->rx_head != NULL);
    CHECK(stream->rx_head->status == (asker->is_early ? 403u : 200u));
    CHECK(asker->got == (asker->is_early ? EARLY_BYTES : asker->length));
    CHECK((stream->rx_trailers != NULL) == (asker->has_trailers && !asker->is_early));
    if (stream->rx_trailers == NULL)
        return;
    sum = fields_find_name(stream->rx_trailers, TEXT("sum"))->value;
    CHECK(text_is_equal(sum, number_text(asker->arena, asker->number)));
}

static void asker_run(struct task *task, unsigned wakes)
{
    struct asker  *asker = container_of(task, struct asker, task);
    struct stream *stream = asker->stream;

    (void)wakes;
    if (stream == NULL)
        return;
    put_some(asker);
    get_some(asker);
    if (stream->rx_interim != NULL && chance(2) == 0) {
        CHECK(stream->rx_interim->status == 103 && stream->rx_head == NULL);
        stream->rx_interim = NULL;
        task_wake(&stream->task, WAKE_ROOM);
    } else if (stream->rx_interim != NULL) {
        task_wake_last(&asker->task, WAKE_DATA);
    }
    if (stream->rx_budget != BUDGET_NONE && chance(2) == 0) {
        stream->rx_budget = chance(20000);
        task_wake(&stream->task, WAKE_ROOM);
    }
    if (stream->rx_budget != BUDGET_NONE)
        task_wake_last(&asker->task, WAKE_DATA);
    if (asker->will_leave && chance(20) == 0) {
        if (chance(2) == 0)
            stream->ops->reset(stream, FAULT_CLIENT_GONE);
        left++;
        asker_done(asker);
    } else if (stream->rx_head != NULL && stream->is_rx_done && pipe_is_finished(&asker->answer)) {
        check_answer(asker);
        answered++;
        asker_done(asker);
    } else if (stream->fault != FAULT_NONE && !pipe_has_data(&asker->answer)) {
        failed++;
        CHECK(is_cut || stream->fault == FAULT_PEER_REFUSED);   /* one that was left holds its place */
        stream->ops->reset(stream, stream->fault);
        asker_done(asker);
    }
}

/* ---- the end ---- */

static bool is_quiet(void)
{
    for (unsigned i = 0; i < ASKERS; i++)
        if (askers[i].stream != NULL || echoes[i].stream != NULL)
            return false;
    return true;
}

/* The server is gone: what it had sent still comes, or, with a reset, does not. */
static void cut(bool is_reset)
{
    struct protocol *protocol = &client.codec->protocol;

    end_lose(&server, LOSS_RESET);
    for (int i = 0; i < STEPS_MOST && !is_reset && client.sent > 0; i++) {
        end_receive(&client);
        ends_run_tasks();
        if (protocol->is_closing)
            break;
    }
    if (!is_reset)
        protocol->ops->finish(protocol);
    end_lose(&client, is_reset ? LOSS_RESET : LOSS_CLOSED);
    for (int i = 0; i < STEPS_MOST && !is_quiet(); i++)
        ends_run_tasks();
    CHECK(is_quiet());
}

/* ---- one schedule ---- */

static void begin(void)
{
    asked = answered = left = failed = 0;
    memset(askers, 0, sizeof(askers));
    memset(echoes, 0, sizeof(echoes));
    for (unsigned i = 0; i < ASKERS; i++) {
        task_init(&askers[i].task, asker_run);
        task_init(&echoes[i].task, echo_run);
    }
    host.accept = echo_accept;
    end_begin(&client, loop, h2_client_new(&settings), WIRE_BYTES);
    client.codec->ops->set_limits(client.codec, &limits);
    end_begin(&server, loop, h2_server_new(&limits, &settings, &host), WIRE_BYTES);
}

static void finish(void)
{
    for (int i = 0; i < STEPS_MOST && !is_quiet(); i++) {
        end_send(&client, &server);
        end_receive(&server);
        end_send(&server, &client);
        end_receive(&client);
        ends_run_tasks();
    }
    CHECK(is_quiet());
    end_done(&client);
    end_done(&server);
    loop_stop(loop);
    loop_run(loop);                      /* no turn, but the dead are buried */
}

static void ask_when_free(void)
{
    for (unsigned i = 0; i < ASKERS; i++)
        if (askers[i].stream == NULL && asked < REQUESTS && chance(4) == 0 &&
            client.codec->ops->room(client.codec) > 0)
            ask(&askers[i]);
}

static void run_schedule(uint64_t seed, bool must_cut)
{
    uint64_t cut_at;

    schedule_begin(seed);
    cut_at = must_cut ? 1 + chance(800) : STEPS_MOST;
    is_cut = must_cut;
    begin();
    for (uint64_t step = 0; answered + left + failed < REQUESTS && step < cut_at; step++) {
        ask_when_free();
        ends_move(&client, &server);
        ends_run_tasks();
        CHECK(step + 1 < STEPS_MOST);
    }
    if (is_cut)
        cut(chance(2) == 0);
    finish();
}

static void run_schedules(bool must_cut)
{
    uint64_t first = schedules_first(), end = first + schedules_count(RUNS);
    size_t   blocks;

    loop = loop_new(0);
    blocks = block_total();
    for (uint64_t seed = first; seed < end; seed++) {
        run_schedule(seed, must_cut);
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
