// SPDX-License-Identifier: MIT
/* The client side of HTTP/2, frame by frame: what becomes of requests, answers and of each way in
 * which a server can fail one. */
#include "h2_peer.h"

static struct owner *ask(void)
{
    return peer_ask("GET", BODY_NONE, 0, TEXT(""));
}

/* ---- answers ---- */

static void an_answer_comes(void **state)
{
    struct owner *owner;
    struct frame *frame;

    (void)state;
    peer_begin_client();
    assert_int_equal(peer.codec->ops->room(peer.codec), 100);
    owner = ask();
    assert_int_equal(peer.codec->ops->room(peer.codec), 99);
    frame = peer_heard(NGHTTP2_HEADERS, 1);
    assert_true(frame != NULL && (frame->flags & END));
    assert_true(owner->stream->is_tx_done && owner->stream->tx_bytes > 0);
    peer_say_head(1, 0, ":status 200\ncontent-length 5\n");
    assert_int_equal(owner->stream->rx_head->status, 200);
    peer_say(NGHTTP2_DATA, END, 1, "hello", 5);
    assert_true(owner->stream->is_rx_done && owner->rx.is_ended && owner->rx.fill == 5);
    owner_leave(owner);
    assert_null(peer_heard(NGHTTP2_RST_STREAM, 1));
    assert_true(peer.codec->ops->is_idle(peer.codec));
    assert_true(ask()->stream->is_reused);
}

static void bodies_and_trailers_go_and_come(void **state)
{
    struct owner *owner;
    struct frame *frame;

    (void)state;
    peer_begin_client();
    owner = peer_ask("POST", BODY_CHUNKED, 0, TEXT(""));
    owner->stream->is_tail_held = true;
    owner_put(owner, 10, true);
    frame = peer_heard(NGHTTP2_DATA, 1);
    assert_true(frame != NULL && frame->len == 10 && !(frame->flags & END));
    owner->stream->tx_trailers = ARENA_NEW(owner->arena, struct fields);
    fields_init(owner->stream->tx_trailers, owner->arena, 1);
    fields_add(owner->stream->tx_trailers, TEXT("Sum"), TEXT("1"));
    owner->stream->is_tail_held = false;
    task_wake(&owner->stream->task, WAKE_DATA);
    (void)peer_heard(NGHTTP2_HEADERS, 1);
    frame = peer_heard(NGHTTP2_HEADERS, 1);
    assert_true(frame != NULL && (frame->flags & END));
    assert_true(owner->stream->is_tx_done);
    peer_say_head(1, 0, ":status 200\n");
    peer_say(NGHTTP2_DATA, 0, 1, "x", 1);
    peer_say_head(1, END, "grpc-status 0\n");
    assert_true(owner->stream->is_rx_done);
    CHECK_TEXT(fields_find_name(owner->stream->rx_trailers, TEXT("grpc-status"))->value, "0");
}

static void interim_answers_come_one_by_one(void **state)
{
    struct stream *stream;

    (void)state;
    peer_begin_client();
    stream = ask()->stream;
    peer_say_head(1, 0, ":status 100\n");
    assert_null(stream->rx_interim);
    peer_say_head(1, 0, ":status 103\nlink <a>\n");
    peer_say_head(1, 0, ":status 103\nlink <b>\n");
    peer_say_head(1, END, ":status 204\n");
    CHECK_TEXT(fields_value(&stream->rx_interim->fields, FIELD_LINK), "<a>");
    assert_null(stream->rx_head);
    stream->rx_interim = NULL;
    task_wake(&stream->task, WAKE_ROOM);
    peer_tasks_run();
    CHECK_TEXT(fields_value(&stream->rx_interim->fields, FIELD_LINK), "<b>");
    stream->rx_interim = NULL;
    task_wake(&stream->task, WAKE_ROOM);
    peer_tasks_run();
    assert_int_equal(stream->rx_head->status, 204);
    assert_true(stream->is_rx_done);
}

static void a_tunnel_is_asked_for_where_it_may_be(void **state)
{
    static const unsigned char connect[] = { 0, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL,
                                             0, 0, 0, 1 };
    struct owner *owner;
    struct frame *frame;

    (void)state;
    peer_begin_client();
    peer_say(NGHTTP2_SETTINGS, 0, 0, connect, sizeof(connect));
    owner = peer_ask("GET", BODY_NONE, 0, TEXT("websocket"));
    frame = peer_heard(NGHTTP2_HEADERS, 1);
    assert_true(frame != NULL && !(frame->flags & END));
    assert_true(owner->stream->is_tx_done);
    peer_say_head(1, 0, ":status 200\n");
    assert_int_equal(owner->stream->rx_head->status, 101);
    assert_false(owner->stream->is_rx_done);
    owner->stream->tx_body = &owner->tx;
    owner->stream->ops->tunnel(owner->stream);
    owner_put(owner, 6, false);
    frame = peer_heard(NGHTTP2_DATA, 1);
    assert_true(frame != NULL && frame->len == 6);
    peer_say(NGHTTP2_DATA, 0, 1, "back", 4);
    assert_int_equal(owner->rx.fill, 4);
}

/* ---- failures ---- */

static void resets_have_their_faults(void **state)
{
    struct owner *refused, *reset, *cut;

    (void)state;
    peer_begin_client();
    refused = ask();
    reset = ask();
    cut = ask();
    peer_say_number(NGHTTP2_RST_STREAM, 1, NGHTTP2_REFUSED_STREAM);
    assert_int_equal(refused->stream->fault, FAULT_PEER_REFUSED);
    peer_say_number(NGHTTP2_RST_STREAM, 3, NGHTTP2_INTERNAL_ERROR);
    assert_int_equal(reset->stream->fault, FAULT_PEER_RESET);
    peer_say_head(5, 0, ":status 200\n");
    peer_say(NGHTTP2_DATA, 0, 5, "x", 1);
    peer_say_number(NGHTTP2_RST_STREAM, 5, NGHTTP2_INTERNAL_ERROR);
    assert_int_equal(cut->stream->fault, FAULT_BODY_CUT);
    assert_int_equal(cut->rx.fault, FAULT_BODY_CUT);
}

static void an_early_whole_answer_is_no_failure(void **state)
{
    struct owner *owner;

    (void)state;
    peer_begin_client();
    owner = peer_ask("POST", BODY_SIZED, 100, TEXT(""));
    owner_put(owner, 10, false);
    peer_hear();
    peer_say_head(1, END, ":status 403\n");
    peer_say_number(NGHTTP2_RST_STREAM, 1, NGHTTP2_NO_ERROR);
    assert_int_equal(owner->stream->fault, FAULT_NONE);
    assert_true(owner->stream->is_rx_done);
}

static void a_goaway_refuses_what_is_above(void **state)
{
    static const unsigned char goaway[8] = { 0, 0, 0, 1 };
    struct owner              *first, *second;

    (void)state;
    peer_begin_client();
    first = ask();
    second = ask();
    peer_say(NGHTTP2_GOAWAY, 0, 0, goaway, sizeof(goaway));
    assert_int_equal(first->stream->fault, FAULT_NONE);
    assert_int_equal(second->stream->fault, FAULT_PEER_REFUSED);
    assert_int_equal(peer.codec->ops->room(peer.codec), 0);
    owner_leave(second);
    peer_say_head(1, END, ":status 204\n");
    assert_true(first->stream->is_rx_done);
    owner_leave(first);
    assert_true(peer.codec->protocol.is_closing);
}

static void wrong_answers_are_refused(void **state)
{
    static const struct {
        const char *lines;
        unsigned    flags;
    } heads[] = {
        { ":status 200\nUpper x\n", END }, { "no-status x\n", END }, { ":status 103\n", END },
        { ":status 200\ncontent-length 5\n", END }, { ":status 99\n", END },
    };

    (void)state;
    peer_begin_client();
    for (unsigned i = 0; i < COUNT_OF(heads); i++) {
        struct owner *owner = ask();

        peer_say_head(2 * i + 1, heads[i].flags, heads[i].lines);
        assert_int_equal(owner->stream->fault, FAULT_BAD_RESPONSE);
        check_reset(2 * i + 1, NGHTTP2_PROTOCOL_ERROR);
    }
}

static void wrong_bodies_are_refused(void **state)
{
    struct owner *longer, *shorter, *headless;

    (void)state;
    peer_begin_client();
    longer = ask();
    shorter = ask();
    headless = ask();
    peer_say_head(1, 0, ":status 200\ncontent-length 2\n");
    peer_say(NGHTTP2_DATA, 0, 1, "abc", 3);
    assert_int_equal(longer->stream->fault, FAULT_BAD_PEER_BODY);
    peer_say_head(3, 0, ":status 200\ncontent-length 2\n");
    peer_say(NGHTTP2_DATA, END, 3, "a", 1);
    assert_int_equal(shorter->stream->fault, FAULT_BAD_PEER_BODY);
    peer_say(NGHTTP2_DATA, 0, 5, "a", 1);
    peer_hear();
    assert_int_equal(headless->stream->fault, FAULT_BAD_RESPONSE);   /* of the whole connection */
}

static void too_many_interim_answers(void **state)
{
    struct owner *owner;

    (void)state;
    peer_begin_client();
    owner = ask();
    for (int i = 0; i <= H2_INTERIM_MOST; i++)
        peer_say_head(1, 0, ":status 103\n");
    assert_int_equal(owner->stream->fault, FAULT_TOO_MANY_INTERIM);
}

static void a_loss_has_its_faults(void **state)
{
    struct owner *fresh, *begun, *whole;

    (void)state;
    peer_begin_client();
    fresh = ask();
    begun = ask();
    whole = ask();
    peer_say_head(3, 0, ":status 200\n");
    peer_say_head(5, END, ":status 204\n");
    peer_lose(LOSS_CLOSED);
    assert_int_equal(fresh->stream->fault, FAULT_PEER_CLOSED);   /* the first of its connection */
    assert_int_equal(begun->stream->fault, FAULT_BODY_CUT);
    assert_int_equal(whole->stream->fault, FAULT_NONE);
}

static void a_silent_server_is_given_up(void **state)
{
    const struct conn_timeouts timeouts = { .waits_ms = { [CONN_WAIT_HEAD] = 30,
                                                          [CONN_WAIT_BODY] = 30 } };
    struct owner              *silent, *slow;

    (void)state;
    peer_begin_client();
    silent = ask();
    slow = ask();
    silent->stream->ops->use(silent->stream, &timeouts);
    slow->stream->ops->use(slow->stream, &timeouts);
    peer_say_head(3, 0, ":status 200\n");
    peer_wait(100);
    assert_int_equal(silent->stream->fault, FAULT_HEAD_TIMEOUT);
    assert_int_equal(slow->stream->fault, FAULT_BODY_TIMEOUT);
    owner_leave(silent);
    check_reset(1, NGHTTP2_CANCEL);
}

static void who_leaves_cancels(void **state)
{
    (void)state;
    peer_begin_client();
    owner_leave(ask());
    check_reset(1, NGHTTP2_CANCEL);
    peer_say_head(1, 0, ":status 200\n");    /* it was on its way */
    peer_say(NGHTTP2_DATA, END, 1, "x", 1);
    assert_true(peer.codec->ops->is_idle(peer.codec));
    assert_int_equal(peer.codec->ops->room(peer.codec), 100);
}

static void the_last_one_closes(void **state)
{
    struct owner *owner;

    (void)state;
    peer_begin_client();
    owner = ask();
    peer.codec->ops->drain(peer.codec);
    assert_int_equal(peer.codec->ops->room(peer.codec), 0);
    peer_say_head(1, END, ":status 204\n");
    assert_true(owner->stream->is_rx_done);
    owner_leave(owner);
    assert_true(peer.codec->protocol.is_closing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PEER(an_answer_comes),
        WITH_PEER(bodies_and_trailers_go_and_come),
        WITH_PEER(interim_answers_come_one_by_one),
        WITH_PEER(a_tunnel_is_asked_for_where_it_may_be),
        WITH_PEER(resets_have_their_faults),
        WITH_PEER(an_early_whole_answer_is_no_failure),
        WITH_PEER(a_goaway_refuses_what_is_above),
        WITH_PEER(wrong_answers_are_refused),
        WITH_PEER(wrong_bodies_are_refused),
        WITH_PEER(too_many_interim_answers),
        WITH_PEER(a_loss_has_its_faults),
        WITH_PEER(a_silent_server_is_given_up),
        WITH_PEER(who_leaves_cancels),
        WITH_PEER(the_last_one_closes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
