// SPDX-License-Identifier: MIT
/* When a silent server is asked by PING, and what becomes of no answer. Time is what the test says. */
#include "h2_peer.h"

#include "http/h2_parts.h"

enum { SILENCE_MS = 10 * 1000, ANSWER_MS = 10 * 1000, AGAIN_MS = 330 * 1000 };

static struct h2_codec *h2;
static int64_t          began_ms;

static void begin(void)
{
    peer_begin_client();
    peer_hear();
    h2 = h2_of_codec(peer.codec);
    began_ms = h2->said_ms;
}

static struct owner *ask(void)
{
    return peer_ask("GET", BODY_NONE, 0, TEXT(""));
}

/* As if so much time had passed since everything. */
static void age(int64_t ms)
{
    h2->heard_ms -= ms;
    h2->said_ms -= ms;
    if (h2->asked_ms > 0)
        h2->asked_ms -= ms;
}

static bool is_asked(void)
{
    return peer_heard(NGHTTP2_PING, 0) != NULL;
}

static void answer(void)
{
    peer_say(NGHTTP2_PING, ACK, 0, "pulse\0\0\0", 8);
}

/* A request, no word of an answer, and a PING that asks why. */
static struct owner *begin_in_silence(void)
{
    struct owner *owner;

    begin();
    owner = ask();
    (void)h2_pulse_look(h2, began_ms + SILENCE_MS);
    assert_true(is_asked());
    return owner;
}

static void silence_at_rest_is_asked_about_once(void **state)
{
    (void)state;
    begin();
    assert_int_equal(h2_pulse_look(h2, began_ms + SILENCE_MS - 1), began_ms + SILENCE_MS);
    assert_false(is_asked());
    assert_int_equal(h2_pulse_look(h2, began_ms + SILENCE_MS), began_ms + SILENCE_MS + ANSWER_MS);
    assert_true(is_asked());
    answer();
    assert_true(h2_pulse_look(h2, began_ms + SILENCE_MS + ANSWER_MS) == INT64_MAX);
    assert_true(h2_pulse_look(h2, began_ms + AGAIN_MS * 10) == INT64_MAX);
    assert_false(is_asked());
    assert_false(peer.codec->protocol.must_reset);
}

static void no_answer_at_rest_is_the_end(void **state)
{
    (void)state;
    begin();
    (void)h2_pulse_look(h2, began_ms + SILENCE_MS);
    (void)h2_pulse_look(h2, began_ms + SILENCE_MS + ANSWER_MS - 1);
    assert_false(peer.codec->protocol.must_reset);
    assert_int_equal(peer.codec->ops->room(peer.codec) > 0, 1);
    (void)h2_pulse_look(h2, began_ms + SILENCE_MS + ANSWER_MS);
    assert_true(peer.codec->protocol.must_reset);
    assert_int_equal(peer.codec->ops->room(peer.codec), 0);
}

/* There is no socket underneath of which the kernel could say that nobody hears it. */
static void a_busy_one_keeps_what_it_has_and_gets_no_more(void **state)
{
    struct owner *owner = begin_in_silence();

    (void)state;
    assert_int_equal(h2_pulse_look(h2, began_ms + SILENCE_MS + ANSWER_MS),
                     began_ms + SILENCE_MS + AGAIN_MS);
    assert_false(peer.codec->protocol.must_reset);
    assert_int_equal(owner->stream->fault, FAULT_NONE);
    assert_int_equal(peer.codec->ops->room(peer.codec), 0);
    peer_say(NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\0\1", 4);
    assert_true(peer.codec->ops->room(peer.codec) > 0);
    owner_leave(owner);
}

static void streams_in_silence_are_asked_about_seldom(void **state)
{
    struct owner *owner = begin_in_silence();

    (void)state;
    answer();
    assert_int_equal(h2_pulse_look(h2, began_ms + SILENCE_MS + AGAIN_MS - 1),
                     began_ms + SILENCE_MS + AGAIN_MS);
    assert_false(is_asked());
    (void)h2_pulse_look(h2, began_ms + SILENCE_MS + AGAIN_MS);
    assert_true(is_asked());
    owner_leave(owner);
}

/* What is said of a message begins the count anew; the answer to PING does not. */
static void who_speaks_is_not_asked(void **state)
{
    struct owner *owner;

    (void)state;
    begin();
    owner = ask();
    age(SILENCE_MS - 1);
    peer_say_head(1, 0, ":status 200\n");
    assert_true(h2_pulse_look(h2, began_ms + SILENCE_MS - 1) >= began_ms + SILENCE_MS);
    age(SILENCE_MS);
    peer_say(NGHTTP2_DATA, 0, 1, "x", 1);
    (void)h2_pulse_look(h2, began_ms + SILENCE_MS - 1);
    assert_false(is_asked());
    age(SILENCE_MS + (loop_now_ms(peer.loop) - began_ms));
    peer_say(NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\0\1", 4);
    (void)h2_pulse_look(h2, began_ms);
    assert_true(is_asked());
    owner_leave(owner);
}

static void a_request_after_a_long_rest_asks(void **state)
{
    struct owner *owner;

    (void)state;
    begin();
    age(SILENCE_MS - 1000);
    owner = ask();
    assert_false(is_asked());
    owner_leave(owner);
    age(SILENCE_MS);
    owner = ask();
    assert_true(is_asked());
    owner_leave(owner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PEER(silence_at_rest_is_asked_about_once),
        WITH_PEER(no_answer_at_rest_is_the_end),
        WITH_PEER(a_busy_one_keeps_what_it_has_and_gets_no_more),
        WITH_PEER(streams_in_silence_are_asked_about_seldom),
        WITH_PEER(who_speaks_is_not_asked),
        WITH_PEER(a_request_after_a_long_rest_asks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
