// SPDX-License-Identifier: MIT
/* The whole proxy in an exact order of events, where chance would need long to meet it: every step
 * that waits is left by what guards it, and by a client that goes; races that once were bugs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "asks.h"
#include "clients.h"
#include "house.h"
#include "kernel.h"
#include "origins.h"
#include "proxy/exchange.h"
#include "scenes.h"
#include "schedule.h"

enum { PART_MS = 1000 };

static struct visitor visitor;

static void scene_begin(size_t send_bytes)
{
    visitor = (struct visitor){ 0 };
    scene_open(send_bytes);
}

static void leave_now(void)
{
    house_leave(kernel_now_us() + START_US);
}

static void visitor_comes_now(void)
{
    scene_visit_at(kernel_now_us(), &visitor);
}

/* ---- every step that waits ---- */

/* How a step is left. `steps` must be among those that were taken, one after the other. */
struct leaving {
    const char  *step;                   /* that waits */
    const char  *room, *method;
    enum taking  taking;
    enum doing   doing;
    size_t       body, answer, send_bytes;
    struct manner manner;
    const char  *steps, *words;
    unsigned     status;                 /* for the client; 0: it is cut */
    unsigned     after_ms;               /* when it is said in the log */
};

#define WAITS       .manner = { .requests = 1, .read_most = SIZE_MAX, .leave_after = UINT64_MAX }
#define STALLS_AT(n) .manner = { .requests = 1, .read_most = SIZE_MAX, .leave_after = (n), \
                                 .leave = LEAVE_STALL }
#define GOES_AT(n)  .manner = { .requests = 1, .read_most = SIZE_MAX, .leave_after = (n), \
                                .leave = LEAVE_CLOSE, .leave_pause_us = 100000 }, .after_ms = 100
#define RESETS_AT(n) .manner = { .requests = 1, .read_most = SIZE_MAX, .leave_after = (n), \
                                 .leave = LEAVE_RESET, .leave_pause_us = 100000 }, .after_ms = 100

/* The guards of steps.def, each at its deadline. */
static const struct leaving deadlines[] = {
    { .step = "gather", .room = "/one", .method = "POST", .body = 100000, STALLS_AT(1),
      .steps = " gather respond finish", .words = "while reading client request body",
      .after_ms = 4000 },
    { .step = "pick", .room = "/named", .method = "GET", WAITS, .steps = " pick respond finish",
      .words = "host not found in upstream", .status = 502, .after_ms = 2000 },
    { .step = "connect", .room = "/one", .method = "POST", .taking = TAKE_SILENT, WAITS,
      .steps = " connect retry respond finish", .words = "while connecting to upstream",
      .status = 504, .after_ms = 2000 },
    { .step = "await_head", .room = "/one", .method = "POST", .doing = DO_SILENCE, WAITS,
      .steps = " await_head retry respond finish", .words = "while reading response header",
      .status = 504, .after_ms = 3000 },
    { .step = "await_head", .room = "/one", .method = "POST", .body = 200000, STALLS_AT(80000),
      .steps = " await_head respond finish", .words = "while reading client request body",
      .after_ms = 4000 },
    { .step = "hold", .room = "/poor", .method = "GET", .doing = DO_CLOSE, WAITS,
      .steps = " retry hold respond finish", .words = "the retry budget is used up", .status = 502,
      .after_ms = 250 },
    { .step = "deliver", .room = "/one", .method = "GET", .doing = DO_STALL, .answer = 5000, WAITS,
      .steps = " deliver finish", .words = "while reading upstream", .after_ms = 3000 },
    { .step = "deliver", .room = "/one", .method = "GET", .answer = 150000, STALLS_AT(1),
      .steps = " deliver finish", .words = "while sending to client", .after_ms = 4000 },
    { .step = "fill", .room = "/kept", .method = "GET", .doing = DO_STALL, .answer = 5000, WAITS,
      .steps = " store fill finish", .words = "while reading upstream", .after_ms = 3000 },
    { .step = "fill", .room = "/kept", .method = "GET", .answer = 150000, STALLS_AT(1),
      .steps = " store fill finish", .words = "while sending to client", .after_ms = 4000 },
    { .step = "slice", .room = "/slices", .method = "GET", .doing = DO_SILENCE, WAITS,
      .steps = " await_head retry respond", .words = "while reading response header",
      .after_ms = 3000, .status = 504 },
    { .step = "stitch", .room = "/slices", .method = "GET", .doing = DO_STALL, .answer = 5000, WAITS,
      .steps = " deliver stitch", .words = "while reading upstream", .after_ms = 3000 },
    { .step = "stitch", .room = "/slices", .method = "GET", .answer = 350000, STALLS_AT(1),
      .steps = " deliver stitch finish", .words = "while sending to client", .after_ms = 4000 },
    { .step = "tunnel", .room = "/tunnel", .method = "GET", .doing = DO_STALL,
      STALLS_AT(150), .steps = " tunnel finish", .words = "while proxying upgraded connection", .status = 101,
      .after_ms = 3000 },
    { .step = "finish", .room = "/plain", .method = "GET", .send_bytes = 64, STALLS_AT(1),
      .steps = " respond finish", .words = "while sending to client", .after_ms = 4000 },
};

/* The same steps, and a client that does not wait. */
static const struct leaving departures[] = {
    { .step = "gather", .room = "/one", .method = "POST", .body = 100000, GOES_AT(1),
      .steps = " gather finish", .words = "client prematurely closed connection" },
    { .step = "gather", .room = "/one", .method = "POST", .body = 100000, RESETS_AT(1),
      .steps = " gather finish", .words = "connection reset by client" },
    { .step = "pick", .room = "/named", .method = "GET", GOES_AT(1), .steps = " pick finish",
      .words = "client prematurely closed connection" },
    { .step = "connect", .room = "/one", .method = "GET", .taking = TAKE_SILENT, GOES_AT(1),
      .steps = " connect finish", .words = "client prematurely closed connection" },
    { .step = "connect", .room = "/one", .method = "GET", .taking = TAKE_SILENT, RESETS_AT(1),
      .steps = " connect finish", .words = "connection reset by client" },
    { .step = "await_head", .room = "/one", .method = "GET", .doing = DO_SILENCE, GOES_AT(1),
      .steps = " await_head finish", .words = "client prematurely closed connection" },
    { .step = "await_head", .room = "/one", .method = "GET", .doing = DO_SILENCE, RESETS_AT(1),
      .steps = " await_head finish", .words = "connection reset by client" },
    { .step = "hold", .room = "/poor", .method = "GET", .doing = DO_CLOSE, GOES_AT(1),
      .steps = " retry hold finish", .words = "client prematurely closed connection" },
    { .step = "deliver", .room = "/one", .method = "GET", .doing = DO_STALL, .answer = 5000,
      GOES_AT(150), .steps = " deliver finish", .words = "client prematurely closed connection" },
    { .step = "deliver", .room = "/one", .method = "GET", .doing = DO_STALL, .answer = 5000,
      RESETS_AT(150), .steps = " deliver finish", .words = "connection reset by client" },
    { .step = "fill", .room = "/kept", .method = "GET", .answer = 150000, RESETS_AT(1),
      .steps = " store fill finish", .words = "connection reset by client" },
    { .step = "slice", .room = "/slices", .method = "GET", .doing = DO_SILENCE, GOES_AT(1),
      .steps = " finish", .words = "client prematurely closed connection" },
    { .step = "slice", .room = "/slices", .method = "GET", .doing = DO_SILENCE, RESETS_AT(1),
      .steps = " finish", .words = "connection reset by client" },
    { .step = "stitch", .room = "/slices", .method = "GET", .answer = 350000, RESETS_AT(150),
      .steps = " deliver stitch finish", .words = "connection reset by client" },
    { .step = "tunnel", .room = "/tunnel", .method = "GET", .doing = DO_STALL, RESETS_AT(150),
      .steps = " tunnel finish", .words = "connection reset by client", .status = 101 },
    { .step = "finish", .room = "/plain", .method = "GET", .send_bytes = 64, RESETS_AT(1),
      .steps = " respond finish", .words = "connection reset by client" },
};

static void leave_as(const struct leaving *leaving)
{
    struct ask *ask;
    int64_t     said_ms;

    scene_begin(leaving->send_bytes > 0 ? leaving->send_bytes : SEND_BYTES);
    say("---- %s: %s", leaving->step, leaving->steps);
    scene_orders.taking = leaving->taking;
    scene_orders.doing = leaving->doing;
    scene_orders.answer.length = leaving->answer;
    ask = client_come_for(&leaving->manner, ROOM_PORT, leaving->room, leaving->method,
                          leaving->body > 0 ? FRAMING_SIZED : FRAMING_NONE, leaving->body);
    scene_run();
    said_ms = (house_words_us() - START_US) / 1000;
    if (strstr(house_steps(), leaving->steps) == NULL)
        FAIL("the steps were \"%s\", without \"%s\"", house_steps(), leaving->steps);
    if (strstr(house_words(), leaving->words) == NULL)
        FAIL("the words were \"%s\", not \"%s\"", house_words(), leaving->words);
    CHECK(said_ms >= leaving->after_ms && said_ms < leaving->after_ms + 30);
    CHECK(ask->status == leaving->status || leaving->status == 0);
    CHECK(leaving->status != 0 || ask->outcome == OUTCOME_CUT);
}

static void every_wait_ends_at_its_deadline(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(deadlines) / sizeof(deadlines[0]); i++)
        leave_as(&deadlines[i]);
}

static void every_wait_ends_when_the_client_goes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(departures) / sizeof(departures[0]); i++)
        leave_as(&departures[i]);
}

static bool is_in(const struct leaving *table, size_t count, const char *step)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(table[i].step, step) == 0)
            return true;
    return false;
}

/* One holds the only place for a while, another one waits for it. */
static struct ask *wait_in_queue(const struct leaving *leaving, int64_t held_us)
{
    static const struct leaving patient = { WAITS };
    struct ask                 *ask;

    scene_begin(SEND_BYTES);
    scene_orders.think_us = held_us;
    (void)client_come_for(&patient.manner, ROOM_PORT, "/tight", "GET", FRAMING_NONE, 0);
    ask = client_come_for(&leaving->manner, ROOM_PORT, "/tight", "GET", FRAMING_NONE, 0);
    scene_run();
    if (strstr(house_steps(), leaving->steps) == NULL)
        FAIL("the steps were \"%s\", without \"%s\"", house_steps(), leaving->steps);
    if (strstr(house_words(), leaving->words) == NULL)
        FAIL("the words were \"%s\", not \"%s\"", house_words(), leaving->words);
    CHECK(ask->status == leaving->status);
    return ask;
}

static void a_place_in_the_queue_is_left(void **state)
{
    static const struct leaving in_time = { WAITS, .steps = " await_head respond finish",
                                            .words = "upstream queue timed out", .status = 503 },
                                gone = { GOES_AT(1), .steps = " await_head finish",
                                         .words = "client prematurely closed connection" },
                                reset = { RESETS_AT(1), .steps = " await_head finish",
                                          .words = "connection reset by client" };

    (void)state;
    CHECK(wait_in_queue(&in_time, 2500000)->seen == 0);
    CHECK((house_words_us() - START_US) / 1000 == 2000);
    CHECK(wait_in_queue(&gone, 2500000)->outcome == OUTCOME_CUT);
    CHECK(wait_in_queue(&reset, 2500000)->outcome == OUTCOME_CUT);
}

static void a_place_is_handed_over(void **state)
{
    static const struct leaving served = { WAITS, .steps = " deliver connect send", .words = "",
                                           .status = 200 };

    (void)state;
    CHECK(wait_in_queue(&served, 1000000)->seen == 1);
}

static bool is_left_elsewhere(const char *step)
{
    static const char *const steps[] = { "resolve", "load",   "purge", "limit",
                                         "queue",   "follow", "serve", "relay" };

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        if (strcmp(steps[i], step) == 0)
            return true;
    return false;
}

/* resolve asks the control loop, which answers in its next turn; here that is the loop itself, which
 * cannot be stuck, so the step is left by that answer alone. load asks a disk, of which there is none
 * here; its deadline is for one that does not answer. purge waits for one, too, and is left by answers,
 * clients and its deadline in tests/e2e/cache/test_purge.py. queue has tests of its own, follow, serve and relay have
 * theirs in cache_order_test.c; limit waits for its own time only, from the second request of a key
 * on: tests/e2e/test_limits.py. */
static void every_step_that_waits_is_left_here(void **state)
{
    static const struct step *const steps[] = {
#define S(name, guard, words) &step_##name,
#include "proxy/steps.def"
#undef S
    };

    (void)state;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        const char *name = steps[i]->name;
        bool        is_here = is_in(deadlines, sizeof(deadlines) / sizeof(deadlines[0]), name) &&
                       is_in(departures, sizeof(departures) / sizeof(departures[0]), name);

        if (steps[i]->guard != GUARD_NONE && !is_here && !is_left_elsewhere(name))
            fail_msg("no test leaves the step %s", name);
    }
}

/* ---- races ---- */

/* Request 1 leaves a kept connection behind; what becomes of request 2 on it? */
static void reuse(const char *method, enum using used, unsigned status, unsigned seen)
{
    char        line[256], wanted[32];
    struct ask *second;

    scene_begin(SEND_BYTES);
    (void)scene_ask("/one", "GET", 11, 0);
    second = scene_ask("/one", method, 11, 0);
    (void)snprintf(line, sizeof(line),
                   "%s /one/2?n=2 HTTP/1.1\r\nHost: sim\r\nX-Sim: 2\r\nConnection: close\r\n\r\n",
                   method);
    visitor.lines[0].bytes = "GET /one/1?n=1 HTTP/1.1\r\nHost: sim\r\nX-Sim: 1\r\n\r\n";
    visitor.lines[1].bytes = line;
    visitor.lines[1].at_us = 100000;
    scene_orders.used = used;
    visitor_comes_now();
    scene_run();
    (void)snprintf(wanted, sizeof(wanted), "HTTP/1.1 %u ", status);
    if (second->seen != seen || strstr(visitor.heard + 1, wanted) == NULL)
        FAIL("%s was seen %u times, and this was answered: %s", method, second->seen,
             visitor.heard);
}

static void a_kept_connection_that_closes_at_use(void **state)
{
    (void)state;
    reuse("GET", USED_CLOSES, 200, 1);
    reuse("GET", USED_RESETS, 200, 1);
    reuse("PUT", USED_CLOSES, 200, 1);
    reuse("POST", USED_CLOSES, 502, 0);   /* bytes of it were taken: who knows by whom */
    reuse("POST", USED_RESETS, 200, 1);   /* not one was */
}

static void both_speak(void)
{
    visitor_say(&visitor);
    origins_close_resting();
}

/* The poller tells both in one turn, the request first: what it has told is not overlooked. */
static void a_kept_connection_that_closes_in_the_same_turn(void **state)
{
    (void)state;
    scene_begin(SEND_BYTES);
    (void)scene_ask("/one", "GET", 11, 0);
    (void)scene_ask("/one", "POST", 11, 0);
    visitor.lines[0].bytes = "GET /one/1?n=1 HTTP/1.1\r\nHost: sim\r\nX-Sim: 1\r\n\r\n";
    visitor.lines[1].bytes = "POST /one/2?n=2 HTTP/1.1\r\nHost: sim\r\nX-Sim: 2\r\n"
                             "Connection: close\r\n\r\n";
    visitor.lines[1].at_us = INT64_MAX / 2;
    visitor_comes_now();
    kernel_call_at(START_US + START_US / 10, both_speak);
    scene_run();
    CHECK(strstr(visitor.heard + 1, "HTTP/1.1 200 ") != NULL);
}

static void an_early_answer_while_the_body_flows(void **state)
{
    const struct manner manner = { .requests = 1, .read_most = SIZE_MAX, .leave_after = UINT64_MAX };

    (void)state;
    for (size_t answer = 10; answer <= 150000; answer += 149990) {
        struct ask *ask;

        scene_begin(SEND_BYTES);
        scene_orders.doing = DO_ANSWER_EARLY;
        scene_orders.answer.length = answer;
        ask = client_come_for(&manner, ROOM_PORT, "/one", "POST", FRAMING_SIZED, 180000);
        scene_run();
        CHECK(ask->outcome == OUTCOME_ANSWERED && ask->status == 200 && ask->seen == 1);
    }
}

/* The server is gone while we still write, and its reset comes behind its answer. */
static void an_answer_before_a_reset_is_read(void **state)
{
    const struct manner manner = { .requests = 1, .read_most = SIZE_MAX, .leave_after = UINT64_MAX };
    struct ask         *ask;

    (void)state;
    scene_begin(20 * SEND_BYTES);
    scene_orders.doing = DO_ANSWER_EARLY;
    scene_orders.think_us = 100 * (int64_t)START_US;
    scene_orders.answer.length = 1000;
    scene_orders.used = USED_ANSWERS;
    ask = client_come_for(&manner, ROOM_PORT, "/one", "POST", FRAMING_SIZED, 180000);
    scene_run();
    CHECK(ask->outcome == OUTCOME_ANSWERED && ask->status == 200);
}

/* Who sends ahead goes on sending after our last answer; a close would reset the connection, and the
 * reset take that answer from it. */
static void the_last_answer_of_a_pipelining_client_arrives(void **state)
{
    (void)state;
    scene_begin(SEND_BYTES);
    visitor.lines[0].bytes = "GET /plain/1 HTTP/1.1\r\nHost: sim\r\n\r\n"
                             "GET /plain/2 HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n\r\n";
    visitor.lines[1].bytes = "GET /plain/3 HTTP/1.1\r\nHost: sim\r\n\r\n";
    visitor.lines[1].at_us = 50000;
    visitor.deaf_until_us = 100000;
    visitor.stays = true;
    visitor_comes_now();
    scene_run();
    CHECK(!visitor.is_reset && visitor.has_end);
    CHECK(strstr(visitor.heard + 1, "HTTP/1.1 200") != NULL);
}

/* house.c counts. */
static void a_drain_is_over_once(void **state)
{
    (void)state;
    scene_begin(SEND_BYTES);
    visitor.lines[0].bytes = "GET /plain/1 HTTP/1.1\r\nHost: sim\r\n\r\n";
    visitor_comes_now();
    kernel_call_at(3 * START_US, leave_now);   /* it is parked by then */
    scene_run();
    CHECK(visitor.has_end && !visitor.is_reset);
}

/* Its client has an answer to read: a deadline says that we wait no longer, not that it is bad. */
static void a_lingering_connection_is_not_reset(void **state)
{
    (void)state;
    scene_begin(SEND_BYTES);
    visitor.lines[0].bytes = "GET /hush/1 HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n\r\n";
    visitor.deaf_until_us = 4 * START_US;
    visitor.stays = true;
    visitor_comes_now();
    scene_run();
    CHECK(!visitor.is_reset && visitor.has_end);
    CHECK(strstr(visitor.heard, "\r\n\r\nhush") != NULL);
}

/* HTTP/1.0 marks the end of such a body by closing, so when we give up the close must not look like
 * an end. */
static void a_body_without_length_is_cut_by_reset(void **state)
{
    (void)state;
    scene_begin(SEND_BYTES);
    (void)scene_ask("/one", "GET", 10, 0);
    scene_orders.answer =
        (struct answer){ .status = 200, .framing = FRAMING_CHUNKED, .length = 150000 };
    visitor.lines[0].bytes = "GET /one/1?n=1 HTTP/1.0\r\nHost: sim\r\nX-Sim: 1\r\n\r\n";
    visitor.deaf_until_us = 6 * START_US;   /* send_timeout is 4 s */
    visitor_comes_now();
    scene_run();
    CHECK(visitor.is_reset);
}

/* The client's body stops, and so does its reading of an early answer, a little later: the first
 * deadline ends both, and the loop has no reason to turn until the second (kernel.c counts). */
static void a_stalled_upload_with_a_blocked_answer_ends(void **state)
{
    (void)state;
    scene_begin(SEND_BYTES);
    (void)scene_ask("/stream", "PUT", 11, 100000);
    scene_orders.doing = DO_ANSWER_EARLY;
    scene_orders.think_us = START_US;
    scene_orders.answer.length = 150000;
    visitor.lines[0].bytes = "PUT /stream/1?n=1 HTTP/1.1\r\nHost: sim\r\nX-Sim: 1\r\n"
                             "Content-Length: 100000\r\n\r\nhijk";
    visitor.deaf_until_us = INT64_MAX;
    visitor_comes_now();
    scene_run();
    CHECK(strstr(house_words(), "while reading client request body") != NULL);
    CHECK((house_words_us() - START_US) / 1000 == 4000);
}

/* 413 by its length; then more of the body comes than is allowed, while the answer is on its way. */
static void a_refused_body_does_not_cut_its_refusal(void **state)
{
    (void)state;
    scene_begin(64);
    visitor.lines[0].bytes =
        "POST /little/1 HTTP/1.1\r\nHost: sim\r\nContent-Length: 20000\r\n\r\n";
    visitor.lines[1].bytes = "a";
    visitor.lines[1].at_us = 50000;
    visitor.lines[1].zeros = 19999;
    visitor.deaf_until_us = 100000;
    visitor_comes_now();
    scene_run();
    CHECK(!visitor.is_reset && strstr(visitor.heard, " 413 ") != NULL);
    CHECK(strstr(visitor.heard, "</html>") != NULL);
}

/* No descriptor for it, and then no memory to watch the door again: it is tried until there is. */
static void a_door_that_cannot_be_watched_is_tried_again(void **state)
{
    (void)state;
    scene_begin(SEND_BYTES);
    visitor.lines[0].bytes = "GET /plain/1 HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n\r\n";
    visitor_comes_now();
    kernel_mood()->no_descriptors = kernel_mood()->no_watches = 1;
    kernel_call_at(START_US + START_US / 4, kernel_calm);
    scene_run();
    CHECK(strstr(visitor.heard, "HTTP/1.1 200 ") != NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_wait_ends_at_its_deadline),
        cmocka_unit_test(every_wait_ends_when_the_client_goes),
        cmocka_unit_test(a_place_in_the_queue_is_left),
        cmocka_unit_test(a_place_is_handed_over),
        cmocka_unit_test(every_step_that_waits_is_left_here),
        cmocka_unit_test(a_kept_connection_that_closes_at_use),
        cmocka_unit_test(a_kept_connection_that_closes_in_the_same_turn),
        cmocka_unit_test(an_early_answer_while_the_body_flows),
        cmocka_unit_test(an_answer_before_a_reset_is_read),
        cmocka_unit_test(the_last_answer_of_a_pipelining_client_arrives),
        cmocka_unit_test(a_drain_is_over_once),
        cmocka_unit_test(a_lingering_connection_is_not_reset),
        cmocka_unit_test(a_body_without_length_is_cut_by_reset),
        cmocka_unit_test(a_stalled_upload_with_a_blocked_answer_ends),
        cmocka_unit_test(a_refused_body_does_not_cut_its_refusal),
        cmocka_unit_test(a_door_that_cannot_be_watched_is_tried_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
