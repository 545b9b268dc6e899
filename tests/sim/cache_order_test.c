// SPDX-License-Identifier: MIT
/* Caches in an exact order of events: who leads, who follows, who is served from what is stored, and
 * each of them gone, late, or left without an answer. All ask for the same, in the same words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "asks.h"
#include "house.h"
#include "kernel.h"
#include "scenes.h"
#include "schedule.h"

enum { VISITORS = 4, MS = 1000, ANSWER = 30000 };

static struct visitor visitors[VISITORS];
static struct ask    *ask;
static unsigned       came;
static char           line[256];

/* ---- what a test says ---- */

/* `room` is asked for, with these fields besides; by visitor 0 now, by the others later. */
static void begin(const char *room, size_t send_bytes, const char *fields)
{
    memset(visitors, 0, sizeof(visitors));
    came = 0;
    scene_open(send_bytes);
    scene_orders.answer.length = ANSWER;
    ask = scene_ask(room, "GET", 11, 0);
    (void)snprintf(line, sizeof(line),
                   "GET %s/1?n=1 HTTP/1.1\r\nHost: sim\r\nX-Sim: 1\r\n%sConnection: close\r\n\r\n",
                   room, fields);
    for (unsigned i = 0; i < VISITORS; i++)
        visitors[i].lines[0].bytes = line;
}

/* The next visitor comes, so long after START_US. */
static struct visitor *at(int64_t ms)
{
    scene_visit_at(START_US + ms * MS, &visitors[came]);
    return &visitors[came++];
}

static const char *body_in(const struct visitor *visitor)
{
    const char *end = strstr(visitor->heard, "\r\n\r\n");

    return end == NULL ? NULL : end + 4;
}

static size_t body_len(const struct visitor *visitor)
{
    const char *body = body_in(visitor);

    return body == NULL ? 0 : visitor->len - (size_t)(body - visitor->heard);
}

/* It got so many bytes of the origin's answer with that serial, from `from` on, as they were said. */
static void check_part(const struct visitor *visitor, unsigned status, unsigned serial, size_t from,
                       size_t len)
{
    char        wanted[32];
    const char *body = body_in(visitor);

    (void)snprintf(wanted, sizeof(wanted), "HTTP/1.1 %u ", status);
    if (strncmp(visitor->heard, wanted, strlen(wanted)) != 0 || body == NULL)
        FAIL("not %u, but: %.200s", status, visitor->heard);
    if (body_len(visitor) != len)
        FAIL("%zu bytes, not %zu: %.300s", body_len(visitor), len, visitor->heard);
    for (size_t i = 0; i < len; i++)
        if (body[i] != body_byte(1, serial, from + i))
            FAIL("byte %zu of answer %u is '%c'", from + i, serial, body[i]);
}

static void check_whole(const struct visitor *visitor, unsigned serial)
{
    CHECK(visitor->has_end && !visitor->is_reset);
    check_part(visitor, 200, serial, 0, scene_orders.answer.length);
}

static void check_status(const struct visitor *visitor, unsigned status)
{
    char wanted[32];

    (void)snprintf(wanted, sizeof(wanted), "HTTP/1.1 %u ", status);
    if (strncmp(visitor->heard, wanted, strlen(wanted)) != 0)
        FAIL("not %u, but: %.200s", status, visitor->heard);
}

/* Shorter than its Content-Length says, and all that came was as it was said. */
static void check_cut(const struct visitor *visitor)
{
    CHECK(visitor->has_end || visitor->is_reset);
    CHECK(body_in(visitor) != NULL && body_len(visitor) < scene_orders.answer.length);
    check_part(visitor, 200, 1, 0, body_len(visitor));
}

static void check_steps(const char *steps)
{
    if (strstr(house_steps(), steps) == NULL)
        FAIL("the steps were \"%s\", without \"%s\"", house_steps(), steps);
}

static void check_words(const char *words, int64_t at_ms)
{
    int64_t said_ms = (house_words_us() - START_US) / MS;

    if (strstr(house_words(), words) == NULL)
        FAIL("the words were \"%s\", not \"%s\"", house_words(), words);
    if (said_ms < at_ms || said_ms > at_ms + 30)
        FAIL("that was said at %lld ms, not %lld", (long long)said_ms, (long long)at_ms);
}

static void check_silence(void)
{
    if (house_words()[0] != '\0')
        FAIL("the words were \"%s\"", house_words());
}

/* ---- one asks, the others get the same ---- */

static void followers_get_what_the_leader_gets(void **state)
{
    (void)state;
    begin("/kept", SEND_BYTES, "");
    scene_orders.think_us = 500 * MS;
    for (unsigned i = 0; i < VISITORS; i++)
        at(i * 100);
    scene_run();
    CHECK(ask->seen == 1);
    for (unsigned i = 0; i < VISITORS; i++)
        check_whole(&visitors[i], 1);
    check_silence();
}

static void what_is_stored_is_served_until_it_is_stale(void **state)
{
    (void)state;
    begin("/kept", SEND_BYTES, "");
    at(0);
    at(1000);
    at(61000);
    at(62000);
    scene_run();
    CHECK(ask->seen == 2);
    check_whole(&visitors[0], 1);
    check_whole(&visitors[1], 1);
    check_whole(&visitors[2], 2);
    check_whole(&visitors[3], 2);
    CHECK(strstr(visitors[1].heard, "Age: 1\r\n") != NULL);
}

/* What the origin keeps for itself: those who wait ask for themselves, all at once. */
static void followers_of_a_private_answer_ask_for_themselves(void **state)
{
    (void)state;
    begin("/own", SEND_BYTES, "");
    scene_orders.think_us = 500 * MS;
    at(0);
    at(100);
    scene_run();
    CHECK(ask->seen == 2);
    check_whole(&visitors[0], 1);
    check_whole(&visitors[1], 2);
}

/* More than is kept, and all of it has come before the one who waits has looked. */
static void a_follower_gets_what_is_too_large_to_keep(void **state)
{
    (void)state;
    begin("/long", SEND_BYTES, "");
    scene_orders.think_us = 500 * MS;
    at(0);
    at(100);
    scene_run();
    CHECK(ask->seen == 1);
    check_whole(&visitors[0], 1);
    check_whole(&visitors[1], 1);
}

static void a_part_of_what_is_too_large_to_keep(void **state)
{
    (void)state;
    begin("/long", SEND_BYTES, "Range: bytes=100000-129999\r\n");
    scene_orders.answer.length = 150000;
    scene_orders.think_us = 500 * MS;
    at(0);
    at(100);
    scene_run();
    CHECK(ask->seen == 1);
    check_part(&visitors[0], 206, 1, 100000, 30000);
    check_part(&visitors[1], 206, 1, 100000, 30000);
}

/* Whoever has what it wanted holds up nobody. */
static void parts_of_a_long_stream(void **state)
{
    static const char later[] = "GET /long/1?n=1 HTTP/1.1\r\nHost: sim\r\nX-Sim: 1\r\n"
                                "Range: bytes=2990000-2990009\r\nConnection: close\r\n\r\n";

    (void)state;
    begin("/long", SEND_BYTES, "Range: bytes=0-9\r\n");
    scene_orders.answer.length = 3000000;
    scene_orders.think_us = 500 * MS;
    at(0);
    at(100)->lines[0].bytes = later;
    scene_run();
    CHECK(ask->seen == 1);
    check_part(&visitors[0], 206, 1, 0, 10);
    check_part(&visitors[1], 206, 1, 2990000, 10);
    check_silence();
}

/* The earlier part is gone when the later one comes: so all of it is sent. */
static void ranges_that_run_backwards(void **state)
{
    (void)state;
    begin("/long", SEND_BYTES, "Range: bytes=140000-140009,0-9\r\n");
    scene_orders.answer.length = 150000;
    at(0);
    scene_run();
    CHECK(ask->seen == 1);
    check_status(&visitors[0], 200);
    CHECK(visitors[0].has_end && !visitors[0].is_reset);
}

static void parts_of_what_is_on_its_way(void **state)
{
    (void)state;
    begin("/kept", SEND_BYTES, "Range: bytes=0-9,29990-29999\r\n");
    scene_orders.think_us = 500 * MS;
    at(0);
    at(100);
    scene_run();
    CHECK(ask->seen == 1);
    for (unsigned i = 0; i < 2; i++) {
        check_status(&visitors[i], 206);
        CHECK(strstr(body_in(&visitors[i]), "bytes 29990-29999/30000") != NULL);
    }
}

/* ---- follow ---- */

static void a_follower_waits_as_long_as_it_may(void **state)
{
    (void)state;
    begin("/kept", SEND_BYTES, "");
    scene_orders.think_us = 2500 * MS;
    at(0);
    at(100);
    scene_run();
    CHECK(ask->seen == 2);               /* proxy_cache_lock_timeout is 1 s */
    check_steps(" follow pick");
    check_whole(&visitors[0], 1);
    check_whole(&visitors[1], 2);
}

static void a_follower_goes(void **state)
{
    (void)state;
    for (int by_reset = 0; by_reset < 2; by_reset++) {
        begin("/kept", SEND_BYTES, "");
        scene_orders.think_us = 800 * MS;
        at(0);
        *at(100) = (struct visitor){ .lines[0].bytes = line,
                                     .goes_us = 200 * MS,
                                     .goes_by_reset = by_reset };
        scene_run();
        CHECK(ask->seen == 1);
        check_steps(" follow finish");
        check_words(by_reset ? "connection reset by client" : "prematurely closed connection", 300);
        check_whole(&visitors[0], 1);
    }
}

/* One more is asked for, and then they know. */
static void followers_of_one_without_an_answer(void **state)
{
    (void)state;
    begin("/kept", SEND_BYTES, "");
    scene_orders.doing = DO_CLOSE;
    scene_orders.think_us = 500 * MS;
    for (unsigned i = 0; i < VISITORS; i++)
        at(i * 100);
    scene_run();
    CHECK(ask->seen == 2);
    for (unsigned i = 0; i < VISITORS; i++)
        check_status(&visitors[i], 502);
}

/* The leader's client does not read what it is told of that. */
static void followers_hear_at_once_that_there_is_no_answer(void **state)
{
    (void)state;
    begin("/kept", 64, "");
    scene_orders.doing = DO_CLOSE;
    scene_orders.think_us = 500 * MS;
    at(0)->deaf_until_us = 900 * MS;
    at(100);
    scene_run();
    CHECK(ask->seen == 2);
    check_words("while reading response header", 1000);   /* the second one's */
    check_status(&visitors[1], 502);
}

static void an_answer_that_is_cut_is_cut_for_all_and_not_kept(void **state)
{
    (void)state;
    begin("/kept", SEND_BYTES, "");
    scene_orders.doing = DO_STALL;
    scene_orders.think_us = 500 * MS;
    at(0);
    at(100);
    scene_run();
    CHECK(ask->seen == 1);
    check_steps(" serve finish");
    check_words("while reading upstream", 3500);
    for (unsigned i = 0; i < 2; i++)
        check_cut(&visitors[i]);
}

/* One that has said all it wanted hears of the end all the same. */
static void a_follower_that_has_closed_its_side_is_cut_too(void **state)
{
    (void)state;
    begin("/kept", SEND_BYTES, "");
    scene_orders.doing = DO_STALL;
    at(0);
    at(100)->says_end_us = 200 * MS;
    scene_run();
    CHECK(ask->seen == 1);
    check_words("while reading upstream", 3000);
    for (unsigned i = 0; i < 2; i++)
        check_cut(&visitors[i]);
}

/* A HEAD is asked for by GET, and then the answer is not to be stored. */
static void a_head_of_what_is_not_stored(void **state)
{
    static const char head[] = "HEAD /own/1?n=1 HTTP/1.1\r\nHost: sim\r\nX-Sim: 1\r\n"
                               "Connection: close\r\n\r\n";

    (void)state;
    begin("/own", SEND_BYTES, "");
    ask->is_head = true;
    scene_orders.answer = (struct answer){ .status = 200, .framing = FRAMING_SIZED,
                                           .length = 3000000 };
    at(0)->lines[0].bytes = head;
    scene_run();
    check_status(&visitors[0], 200);
    CHECK(strstr(house_steps(), "deliver finish") != NULL && body_len(&visitors[0]) == 0);
}

/* ---- fill ---- */

/* Whoever began it is not needed for it to end. */
static void a_leader_goes(void **state)
{
    (void)state;
    for (int by_reset = 0; by_reset < 2; by_reset++) {
        begin("/kept", SEND_BYTES, "");
        scene_orders.think_us = 800 * MS;
        *at(0) = (struct visitor){ .lines[0].bytes = line,
                                   .goes_us = 200 * MS,
                                   .goes_by_reset = by_reset };
        at(100);
        at(500);
        at(2000);
        scene_run();
        CHECK(ask->seen == 1);
        check_words(by_reset ? "connection reset by client" : "prematurely closed connection", 200);
        for (unsigned i = 1; i < VISITORS; i++)
            check_whole(&visitors[i], 1);
    }
}

static void a_leader_goes_and_nobody_waits(void **state)
{
    (void)state;
    begin("/kept", SEND_BYTES, "");
    scene_orders.think_us = 800 * MS;
    *at(0) = (struct visitor){ .lines[0].bytes = line, .goes_us = 200 * MS };
    at(2000);
    scene_run();
    CHECK(ask->seen == 1);
    check_whole(&visitors[1], 1);
}

/* In the middle of the body, which stays away: neither waits for ever. */
static void a_leader_goes_from_a_body_that_stalls(void **state)
{
    (void)state;
    begin("/kept", SEND_BYTES, "");
    scene_orders.doing = DO_STALL;
    *at(0) = (struct visitor){ .lines[0].bytes = line, .goes_us = 200 * MS };
    at(100);
    scene_run();
    CHECK(ask->seen == 1);
    check_words("while reading upstream", 3000);
    check_cut(&visitors[1]);
}

static void nobody_is_filled_for_when_all_are_cut(void **state)
{
    (void)state;
    begin("/kept", SEND_BYTES, "");
    scene_orders.doing = DO_SILENCE;
    *at(0) = (struct visitor){ .lines[0].bytes = line, .goes_us = 200 * MS };
    scene_run();                         /* from 500 ms on it leaves, a second later all are cut */
    check_words("prematurely closed connection", 200);
    check_steps(" await_head finish");
}

/* One that reads slowly holds up nobody else. */
static void a_leader_that_does_not_read(void **state)
{
    (void)state;
    begin("/kept", 2000, "");
    at(0)->deaf_until_us = INT64_MAX;
    at(100);
    scene_run();
    CHECK(ask->seen == 1);
    check_words("while sending to client", 4000);
    check_whole(&visitors[1], 1);
}

/* ---- serve ---- */

static void a_reader_of_what_is_stored_does_not_read(void **state)
{
    (void)state;
    begin("/kept", 2000, "");
    at(0);
    at(1000)->deaf_until_us = INT64_MAX;
    at(1100);
    scene_run();
    CHECK(ask->seen == 1);
    check_steps(" serve finish");
    check_words("while sending to client", 5000);
    check_whole(&visitors[0], 1);
    check_whole(&visitors[2], 1);
}

static void a_reader_of_what_is_stored_goes(void **state)
{
    (void)state;
    begin("/kept", 2000, "");
    at(0);
    *at(1000) = (struct visitor){ .lines[0].bytes = line, .deaf_until_us = INT64_MAX,
                                  .goes_us = 200 * MS, .goes_by_reset = true };
    scene_run();
    CHECK(ask->seen == 1);
    check_steps(" serve finish");
    check_words("connection reset by client", 1200);
}

/* ---- purges ---- */

static struct visitor *purge_at(int64_t ms)
{
    struct visitor *visitor = at(ms);

    visitor->lines[0].bytes = "PURGE /kept/1?n=1 HTTP/1.1\r\nHost: sim\r\nX-Purge: 1\r\n"
                              "Connection: close\r\n\r\n";
    return visitor;
}

static void what_is_stored_is_purged(void **state)
{
    (void)state;
    begin("/kept", SEND_BYTES, "");
    at(0);
    purge_at(500);
    at(500);
    at(1000);
    scene_run();
    CHECK(ask->seen == 2);
    check_status(&visitors[1], 204);
    check_whole(&visitors[2], 2);
    check_whole(&visitors[3], 2);
}

/* Before it the first came alone; the third does not wait for what was asked for before. */
static void what_is_asked_for_is_purged(void **state)
{
    (void)state;
    begin("/kept", SEND_BYTES, "");
    scene_orders.think_us = 400 * MS;
    at(0);
    purge_at(200);
    at(300);
    at(3000);
    scene_run();
    CHECK(ask->seen == 2);
    check_status(&visitors[1], 204);
    check_whole(&visitors[0], 1);
    check_whole(&visitors[2], 2);
    check_whole(&visitors[3], 2);
}

/* Who waits already gets what it waits for. */
static void who_waits_is_not_disturbed_by_a_purge(void **state)
{
    (void)state;
    begin("/kept", SEND_BYTES, "");
    scene_orders.think_us = 400 * MS;
    at(0);
    at(100);
    purge_at(200);
    at(3000);
    scene_run();
    CHECK(ask->seen == 2);
    check_whole(&visitors[0], 1);
    check_whole(&visitors[1], 1);
    check_whole(&visitors[3], 2);
}

/* ---- relay ---- */

static void a_part_of_what_is_passed(void **state)
{
    (void)state;
    begin("/ranges", 2000, "Range: bytes=5000-27999\r\n");
    at(0);
    scene_run();
    check_steps(" relay finish");
    check_part(&visitors[0], 206, 1, 5000, 23000);
    check_silence();
}

static void a_part_of_what_stalls(void **state)
{
    (void)state;
    begin("/ranges", SEND_BYTES, "Range: bytes=10-29999\r\n");
    scene_orders.doing = DO_STALL;
    at(0);
    scene_run();
    check_steps(" relay finish");
    check_words("while reading upstream", 3000);
    CHECK(visitors[0].has_end || visitors[0].is_reset);
}

static void a_reader_of_a_part_does_not_read(void **state)
{
    (void)state;
    begin("/ranges", 2000, "Range: bytes=10-29999\r\n");
    at(0)->deaf_until_us = INT64_MAX;
    scene_run();
    check_steps(" relay finish");
    check_words("while sending to client", 4000);
}

static void a_reader_of_a_part_goes(void **state)
{
    (void)state;
    begin("/ranges", 2000, "Range: bytes=10-29999\r\n");
    *at(0) = (struct visitor){ .lines[0].bytes = line, .deaf_until_us = INT64_MAX,
                               .goes_us = 200 * MS, .goes_by_reset = true };
    scene_run();
    check_steps(" relay finish");
    check_words("connection reset by client", 200);
}

/* ---- stale ---- */

static void what_is_stale_is_served_while_it_is_renewed(void **state)
{
    (void)state;
    begin("/stale", SEND_BYTES, "");
    scene_orders.think_us = 300 * MS;
    at(0);
    at(2000);
    at(2100);
    at(3000);
    scene_run();
    CHECK(ask->seen == 2);
    check_whole(&visitors[0], 1);
    check_whole(&visitors[1], 1);
    check_whole(&visitors[2], 1);
    check_whole(&visitors[3], 2);
}

/* The one for whom it was renewed has gone by then. */
static void what_is_renewed_outlives_its_cause(void **state)
{
    (void)state;
    begin("/stale", 2000, "");
    scene_orders.think_us = 300 * MS;
    at(0);
    *at(2000) = (struct visitor){ .lines[0].bytes = line, .deaf_until_us = INT64_MAX,
                                  .goes_us = 100 * MS, .goes_by_reset = true };
    at(3000);
    scene_run();
    CHECK(ask->seen == 2);
    check_whole(&visitors[2], 2);
}

static void another_is_not_modified(void)
{
    scene_orders.answer = (struct answer){ .status = 304 };
    scene_orders.says = "Cache-Control: max-age=1\r\nETag: \"b\"\r\n";
}

/* Such a 304 is about something else: the origin is asked once more, without conditions. */
static void a_304_about_something_else(void **state)
{
    (void)state;
    begin("/sure", SEND_BYTES, "");
    at(0);
    kernel_call_at(START_US + 1500 * MS, another_is_not_modified);
    at(2000);
    scene_run();
    CHECK(ask->seen == 3);
    check_status(&visitors[1], 304);     /* to no conditions: its origin's business */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(followers_get_what_the_leader_gets),
        cmocka_unit_test(what_is_stored_is_served_until_it_is_stale),
        cmocka_unit_test(followers_of_a_private_answer_ask_for_themselves),
        cmocka_unit_test(a_follower_gets_what_is_too_large_to_keep),
        cmocka_unit_test(a_part_of_what_is_too_large_to_keep),
        cmocka_unit_test(parts_of_what_is_on_its_way),
        cmocka_unit_test(parts_of_a_long_stream),
        cmocka_unit_test(ranges_that_run_backwards),
        cmocka_unit_test(a_follower_waits_as_long_as_it_may),
        cmocka_unit_test(a_follower_goes),
        cmocka_unit_test(followers_of_one_without_an_answer),
        cmocka_unit_test(followers_hear_at_once_that_there_is_no_answer),
        cmocka_unit_test(an_answer_that_is_cut_is_cut_for_all_and_not_kept),
        cmocka_unit_test(a_follower_that_has_closed_its_side_is_cut_too),
        cmocka_unit_test(a_head_of_what_is_not_stored),
        cmocka_unit_test(a_leader_goes),
        cmocka_unit_test(a_leader_goes_and_nobody_waits),
        cmocka_unit_test(a_leader_goes_from_a_body_that_stalls),
        cmocka_unit_test(nobody_is_filled_for_when_all_are_cut),
        cmocka_unit_test(a_leader_that_does_not_read),
        cmocka_unit_test(a_reader_of_what_is_stored_does_not_read),
        cmocka_unit_test(a_reader_of_what_is_stored_goes),
        cmocka_unit_test(what_is_stored_is_purged),
        cmocka_unit_test(what_is_asked_for_is_purged),
        cmocka_unit_test(who_waits_is_not_disturbed_by_a_purge),
        cmocka_unit_test(a_part_of_what_is_passed),
        cmocka_unit_test(a_part_of_what_stalls),
        cmocka_unit_test(a_reader_of_a_part_does_not_read),
        cmocka_unit_test(a_reader_of_a_part_goes),
        cmocka_unit_test(what_is_stale_is_served_while_it_is_renewed),
        cmocka_unit_test(what_is_renewed_outlives_its_cause),
        cmocka_unit_test(a_304_about_something_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
