// SPDX-License-Identifier: MIT
/* A connection of an origin: a head, a body, an answer, and again. It compares every byte that it
 * gets with the ledger, and writes down what it answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "origins.h"
#include "schedule.h"

enum {
    CONNS_MOST = 2048,
    ORIGINS = 10,
    ANSWER_MOST = 200000,
    LARGE_ANSWER_MOST = 700000,
    TUNNEL_MOST = 60000
};
enum { HEAD_BYTES = 32768, WINDOW = 65536, LARGE_WINDOW = 500000, LARGE_HEAD = 20000 };

enum phase {
    PHASE_HEAD = 0,
    PHASE_BODY,
    PHASE_THINK,
    PHASE_INTERIM,
    PHASE_SAY,
    PHASE_TUNNEL,
    PHASE_MUTE,
    PHASE_OVER
};

struct origin_conn {
    struct far     far;
    unsigned       number;
    enum phase     phase;
    enum doing     doing;
    struct ask    *ask;
    struct body    request, answer;
    unsigned       serial, served;
    size_t         cut_at;               /* of the answer's content */
    int64_t        ready_us;             /* it thinks until then */
    bool           is_last, is_body_read, is_early;
    bool           has_surplus;          /* has said what nobody asked for */
    bool           is_patient;           /* says nothing in a tunnel before the client has ended */
};

static struct {
    unsigned                    kindness;
    size_t                      window;  /* what they have under way at most */
    const struct origin_orders *orders;
    struct place_at             places[ORIGINS];
    struct origin_conn         *conns[CONNS_MOST];
    unsigned                    count;
} origins;

static const char surplus[] = "HTTP/1.1 200 Sim\r\nX-Sim: 0-0\r\nContent-Length: 3\r\n\r\nbad";

static void origin_run(struct far *far);
static void origin_used(struct far *far);
static void answer_begin(struct origin_conn *conn);

/* ---- taking connections ---- */

static enum taking taking_by_chance(void)
{
    static const enum taking bad[] = { TAKE_REFUSE, TAKE_REFUSE, TAKE_SILENT, TAKE_UNREACHABLE };

    if (one_in(origins.kindness * 2))
        return bad[chance(sizeof(bad) / sizeof(bad[0]))];
    return one_in(16) ? TAKE_AT_ONCE : TAKE_OPEN;
}

static enum taking take(struct place_at *place, struct far **ret_far)
{
    enum taking taking = origins.orders != NULL ? origins.orders->taking : taking_by_chance();
    struct origin_conn *conn;

    (void)place;
    if (taking != TAKE_OPEN && taking != TAKE_AT_ONCE)
        return taking;
    must(origins.count < CONNS_MOST);
    conn = mem_new(sizeof(*conn));
    conn->number = origins.count;
    conn->far.run = origin_run;
    conn->far.used = origin_used;
    origins.conns[origins.count++] = conn;
    *ret_far = &conn->far;
    return taking;
}

void origins_begin(unsigned kindness, const struct origin_orders *orders)
{
    memset(&origins, 0, sizeof(origins));
    origins.kindness = kindness;
    origins.orders = orders;
    origins.window = one_in(4) ? LARGE_WINDOW : WINDOW;
    for (unsigned i = 0; i < ORIGINS; i++) {
        origins.places[i] = (struct place_at){ .ip = 0x0a000001 + i, .take = take };
        kernel_serve(&origins.places[i]);
    }
}

void origins_end(void)
{
    for (unsigned i = 0; i < origins.count; i++)
        mem_free(origins.conns[i]);
    origins.count = 0;
}

unsigned origins_open(void)
{
    unsigned open = 0;

    for (unsigned i = 0; i < origins.count; i++)
        open += origins.conns[i]->phase != PHASE_OVER;
    return open;
}

static void over(struct origin_conn *conn, bool by_reset)
{
    if (conn->phase == PHASE_OVER)
        return;
    say("origin conn %u: %s", conn->number, by_reset ? "resets" : "closes");
    conn->phase = PHASE_OVER;
    if (by_reset)
        wire_reset(conn->far.wire);
    else
        wire_close(conn->far.wire);
}

void origins_close_resting(void)
{
    for (unsigned i = 0; i < origins.count; i++) {
        struct origin_conn *conn = origins.conns[i];
        struct wire        *wire = conn->far.wire;

        if (conn->phase != PHASE_HEAD || conn->served == 0)
            continue;
        over(conn, false);
        wire_rush(wire);
    }
}

static enum using using_by_chance(void)
{
    if (!one_in(origins.kindness * 8))
        return USED_SERVES;
    return one_in(2) ? USED_CLOSES : USED_RESETS;
}

/* Bytes that come after a request has gone out are its answer, and nobody can tell. But whoever has
 * read them before must not use the connection again. */
static void surplus_used(struct origin_conn *conn)
{
    if (wire_unsent(conn->far.wire) < sizeof(surplus) - 1)
        FAIL("origin conn %u is used again after a surplus answer", conn->number);
    over(conn, true);
    wire_drop_unread(conn->far.wire);
}

static void answer_at_once(struct origin_conn *conn)
{
    struct wire *wire = conn->far.wire;

    if (conn->phase != PHASE_THINK || !conn->is_early)
        return;
    answer_begin(conn);
    body_write(&conn->answer, wire, SIZE_MAX);
    over(conn, false);
    wire_rush(wire);
}

static void origin_used(struct far *far)
{
    struct origin_conn *conn = container_of(far, struct origin_conn, far);
    struct wire        *wire = far->wire;
    enum using          using;

    if (origins.orders != NULL && origins.orders->used == USED_ANSWERS)
        answer_at_once(conn);
    if (conn->phase != PHASE_HEAD || conn->served == 0)
        return;
    if (conn->has_surplus) {
        surplus_used(conn);
        return;
    }
    using = origins.orders != NULL ? origins.orders->used : using_by_chance();
    if (using == USED_SERVES)
        return;
    over(conn, using == USED_RESETS);
    wire_rush(wire);
}

/* ---- a request ---- */

static enum doing doing_by_chance(const struct origin_conn *conn)
{
    if (!one_in(origins.kindness))
        return one_in(12) ? DO_ANSWER_EARLY : DO_ANSWER;
    if (conn->served > 0 && one_in(2))
        return one_in(2) ? DO_CLOSE : DO_RESET;
    return (enum doing)chance(DOINGS);
}

static void check_head(const struct origin_conn *conn, const char *head)
{
    const struct ask *ask = conn->ask;
    char              wanted[128];

    (void)snprintf(wanted, sizeof(wanted), "%s %s/%u?n=%u HTTP/1.%u\r\n", ask->method,
                   ask->room->path, ask->id, ask->id, ask->room->is_old ? 0u : 1u);
    if (strncmp(head, wanted, strlen(wanted)) != 0)
        FAIL("an origin got \"%.60s\", not \"%s\"", head, wanted);
    CHECK(head_count(head, "Host") == 1);
    CHECK(head_count(head, "X-Sim") == 1);
    CHECK(head_count(head, "Content-Length") + head_count(head, "Transfer-Encoding") <= 1);
    CHECK(!ask->room->is_old || head_count(head, "Transfer-Encoding") == 0);
}

static struct body body_of(const char *head, const struct ask *ask)
{
    struct body body = { .id = ask->id, .length = ask->length };
    const char *length = head_field(head, "Content-Length");

    if (head_count(head, "Transfer-Encoding") > 0) {
        body.framing = FRAMING_CHUNKED;
    } else if (length != NULL) {
        body.framing = FRAMING_SIZED;
        CHECK(strtoull(length, NULL, 10) == ask->length);
    }
    /* A body may be left out when it can no longer be given: never, unless an error page asks anew. */
    if (body.framing == FRAMING_NONE && ask->framing != FRAMING_NONE && ask->length > 0 &&
        strcmp(ask->room->path, "/page") != 0)
        FAIL("request %u came without its body", ask->id);
    return body;
}

static void request_begin(struct origin_conn *conn, const char *head)
{
    const char *id = head_field(head, "X-Sim");

    CHECK(id != NULL);
    conn->ask = ask_find((unsigned)atoi(id));
    conn->request = body_of(head, conn->ask);
    check_head(conn, head);
    ask_note_seen(conn->ask);
    conn->doing = origins.orders != NULL ? origins.orders->doing : doing_by_chance(conn);
    if (origins.orders != NULL)
        conn->ready_us = kernel_now_us() + origins.orders->think_us;
    conn->is_last = head_field(head, "Connection") != NULL &&
                    strcmp(head_field(head, "Connection"), "close") == 0;
    conn->is_last = conn->is_last || conn->ask->room->is_old;
    conn->is_body_read = conn->is_early = false;
    say("origin conn %u: request %u, doing %d", conn->number, conn->ask->id, (int)conn->doing);
    conn->phase = PHASE_BODY;
    if (conn->doing == DO_ANSWER_EARLY || conn->doing == DO_FAIL) {
        conn->is_early = true;
        conn->phase = PHASE_THINK;
    }
}

static void body_is_read(struct origin_conn *conn)
{
    conn->is_body_read = true;
    if (conn->request.framing == FRAMING_NONE)
        return;                          /* or an error page asks, without the body */
    CHECK(conn->request.at == conn->ask->length);
    CHECK(!conn->ask->has_bad_chunk);
}

/* False: it waits. */
static bool run_body(struct origin_conn *conn)
{
    for (;;) {
        enum reading reading = body_read(&conn->request, conn->far.wire, some_of(WINDOW));

        if (reading == READING_BAD)
            FAIL("request %u: the body is no chunked coding", conn->ask->id);
        if (reading == READING_DONE)
            break;
        if (wire_unread(conn->far.wire) == 0)
            return false;
    }
    body_is_read(conn);
    return true;
}

/* ---- an answer ---- */

static bool has_content(const struct ask *ask, unsigned status)
{
    return !ask->is_head && status != 204 && status != 304;
}

static struct answer answer_by_chance(const struct origin_conn *conn)
{
    static const unsigned good[] = { 200, 200, 200, 201, 204, 304, 301 };
    static const unsigned bad[] = { 500, 502, 503, 504, 404, 403, 429 };
    struct answer         answer = { .status = good[chance(7)] };

    if (origins.orders != NULL)
        return origins.orders->answer;
    if (conn->doing == DO_FAIL)
        answer.status = bad[chance(7)];
    answer.framing = (enum framing)(1 + chance(3));
    if (conn->ask->room->is_old && answer.framing == FRAMING_CHUNKED)
        answer.framing = FRAMING_CLOSE;
    answer.length = one_in(4) ? 0 : chance(one_in(3) ? ANSWER_MOST : one_in(2) ? 20000 : 300);
    if (one_in(40))
        answer.length = chance(LARGE_ANSWER_MOST);
    if (!has_content(conn->ask, answer.status)) {
        answer.framing = FRAMING_NONE;
        answer.length = 0;
    }
    return answer;
}

static size_t write_framing(char *head, size_t room, const struct origin_conn *conn,
                            const struct answer *answer)
{
    if (answer->framing == FRAMING_SIZED)
        return (size_t)snprintf(head, room, "Content-Length: %zu\r\n", answer->length);
    if (answer->framing == FRAMING_CHUNKED)
        return (size_t)snprintf(head, room, "Transfer-Encoding: chunked\r\n");
    if (conn->ask->is_head && one_in(2))
        return (size_t)snprintf(head, room, "Content-Length: 12345\r\n");
    return 0;
}

static const char *fields_of(const struct origin_conn *conn)
{
    return origins.orders != NULL && origins.orders->says != NULL ? origins.orders->says
                                                                  : conn->ask->room->says;
}

static void head_write(struct origin_conn *conn, const struct answer *answer)
{
    static char head[HEAD_BYTES];
    size_t      len;

    len = (size_t)snprintf(head, sizeof(head), "HTTP/1.1 %u Sim\r\nX-Sim: %u-%u\r\n",
                           answer->status, conn->ask->id, conn->serial);
    len += write_framing(head + len, sizeof(head) - len, conn, answer);
    if (fields_of(conn) != NULL)
        len += (size_t)snprintf(head + len, sizeof(head) - len, "%s", fields_of(conn));
    if (conn->is_last)
        len += (size_t)snprintf(head + len, sizeof(head) - len, "Connection: close\r\n");
    if (conn->doing == DO_LARGE_HEAD)
        len += (size_t)snprintf(head + len, sizeof(head) - len, "X-Large: %0*d\r\n", LARGE_HEAD, 7);
    len += (size_t)snprintf(head + len, sizeof(head) - len, "\r\n");
    wire_say(conn->far.wire, head, len);
}

static void answer_begin(struct origin_conn *conn)
{
    struct answer answer = answer_by_chance(conn);

    conn->is_last = conn->is_last || answer.framing == FRAMING_CLOSE ||
                    (origins.orders == NULL && (one_in(12) || (conn->is_early && one_in(2))));
    conn->cut_at = SIZE_MAX;
    if (conn->doing == DO_CUT_CLOSE || conn->doing == DO_CUT_RESET || conn->doing == DO_STALL)
        conn->cut_at = answer.length > 0 ? chance(answer.length) : 0;
    if (conn->doing == DO_CUT_CLOSE && answer.framing == FRAMING_CLOSE)
        answer.length = conn->cut_at;   /* nobody can tell */
    else
        answer.is_cut = conn->cut_at != SIZE_MAX && answer.framing != FRAMING_NONE &&
                        (answer.framing != FRAMING_SIZED || answer.length > 0);
    conn->serial = ask_answer_new(conn->ask, &answer);
    conn->answer = (struct body){ .id = conn->ask->id, .serial = conn->serial,
                                  .framing = answer.framing, .length = answer.length };
    say("origin conn %u: answers %u-%u, %u, framing %d, %zu bytes%s", conn->number, conn->ask->id,
        conn->serial, answer.status, (int)answer.framing, answer.length,
        answer.is_cut ? ", cut" : "");
    head_write(conn, &answer);
    conn->phase = PHASE_SAY;
}

static void tunnel_begin(struct origin_conn *conn)
{
    struct answer answer = { .status = 101, .framing = FRAMING_CLOSE,
                             .length = chance(TUNNEL_MOST) };
    char          head[256];
    int           len;

    conn->serial = ask_answer_new(conn->ask, &answer);
    len = snprintf(head, sizeof(head),
                   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: sim\r\nConnection: upgrade\r\n"
                   "X-Sim: %u-%u\r\n\r\n",
                   conn->ask->id, conn->serial);
    say("origin conn %u: opens the tunnel %u-%u", conn->number, conn->ask->id, conn->serial);
    wire_say(conn->far.wire, head, (size_t)len);
    conn->request = (struct body){ .id = conn->ask->id, .framing = FRAMING_CLOSE,
                                   .length = SIZE_MAX };
    conn->answer = (struct body){ .id = conn->ask->id, .serial = conn->serial,
                                  .framing = FRAMING_CLOSE, .length = answer.length };
    conn->is_patient = one_in(3);
    conn->phase = conn->doing == DO_STALL ? PHASE_MUTE : PHASE_TUNNEL;
}

/* ---- phases ---- */

static void write_text(struct origin_conn *conn, const char *text)
{
    wire_say(conn->far.wire, text, strlen(text));
}

/* What nobody asked for: whoever gets it fails its test by the mark. */
static void surplus_write(struct origin_conn *conn)
{
    if (conn->has_surplus || wire_under_way(conn->far.wire) > 0)
        return;
    say("origin conn %u: a surplus answer", conn->number);
    conn->has_surplus = true;
    write_text(conn, surplus);
}

static void run_think(struct origin_conn *conn)
{
    if (kernel_now_us() < conn->ready_us) {
        far_wake_at(&conn->far, conn->ready_us);
        return;
    }
    switch (conn->doing) {
    case DO_SILENCE:
        conn->phase = PHASE_MUTE;
        break;
    case DO_CLOSE:
    case DO_RESET:
        over(conn, conn->doing == DO_RESET);
        break;
    case DO_GARBAGE:
        wire_say(conn->far.wire, "NONSENSE\r\n\r\n", 12);
        conn->phase = PHASE_MUTE;
        break;
    case DO_SWITCH:
        write_text(conn, "HTTP/1.1 101 Switching\r\nUpgrade: other\r\nConnection: upgrade\r\n\r\n");
        conn->phase = PHASE_MUTE;
        break;
    case DO_ANSWER:
    case DO_ANSWER_EARLY:
    case DO_FAIL:
    case DO_CUT_CLOSE:
    case DO_CUT_RESET:
    case DO_LARGE_HEAD:
    case DO_STALL:
    case DO_SURPLUS:
    case DOINGS:
        if (conn->ask->is_upgrade && (conn->doing == DO_ANSWER || conn->doing == DO_STALL))
            tunnel_begin(conn);
        else
            conn->phase = PHASE_INTERIM;
        break;
    }
}

static void run_interim(struct origin_conn *conn)
{
    static const char *const interims[] = { "HTTP/1.1 100 Continue\r\n\r\n",
                                            "HTTP/1.1 102 Processing\r\n\r\n",
                                            "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" };

    if (origins.orders == NULL && one_in(6) && !conn->ask->room->is_old) {
        write_text(conn, interims[chance(3)]);
        return;
    }
    answer_begin(conn);
}

static void answer_end(struct origin_conn *conn)
{
    bool is_settled = conn->is_body_read || conn->request.framing == FRAMING_NONE;

    conn->served++;
    say("origin conn %u: has answered", conn->number);
    if (conn->doing == DO_SURPLUS && !conn->is_last)
        surplus_write(conn);
    if (conn->is_last || (!is_settled && one_in(origins.kindness * 2))) {
        if (is_settled || one_in(origins.kindness * 3)) {
            over(conn, false);
        } else {                         /* says no more, but swallows what comes */
            wire_finish(conn->far.wire);
            conn->phase = PHASE_MUTE;
        }
        return;
    }
    conn->phase = is_settled ? PHASE_HEAD : PHASE_BODY;
}

static void run_say(struct origin_conn *conn)
{
    size_t most = some_of(origins.window / 2);

    if (conn->cut_at != SIZE_MAX && conn->answer.at + most >= conn->cut_at) {
        if (conn->cut_at > conn->answer.at)
            body_write(&conn->answer, conn->far.wire, conn->cut_at - conn->answer.at);
        if (conn->doing == DO_STALL)
            conn->phase = PHASE_MUTE;
        else
            over(conn, conn->doing == DO_CUT_RESET);
        return;
    }
    if (wire_unsent(conn->far.wire) > origins.window)
        return;
    body_write(&conn->answer, conn->far.wire, most);
    if (conn->answer.is_done)
        answer_end(conn);
}

static void run_tunnel(struct origin_conn *conn)
{
    struct wire *wire = conn->far.wire;

    (void)body_read(&conn->request, wire, some_of(WINDOW));
    if (!conn->answer.is_done && wire_unsent(wire) < WINDOW &&
        (!conn->is_patient || wire_has_end(wire))) {
        body_write(&conn->answer, wire, some_of(WINDOW / 4));
        if (conn->answer.is_done)
            wire_finish(wire);
    }
    if (wire_has_end(wire) && conn->answer.is_done)
        over(conn, false);
    else if (one_in(origins.kindness * 40))
        over(conn, one_in(2));
}

static void run_mute(struct origin_conn *conn)
{
    char bytes[4096];

    while (wire_read(conn->far.wire, bytes, sizeof(bytes)) > 0)
        ;
}

static void run_head(struct origin_conn *conn)
{
    static char head[HEAD_BYTES];

    if (wire_unread(conn->far.wire) > 0 && conn->served > 0 && one_in(origins.kindness * 4)) {
        over(conn, one_in(2));           /* at the first bytes of a second request */
        return;
    }
    if (head_read(conn->far.wire, head, sizeof(head)) > 0)
        request_begin(conn, head);
    else if (conn->served > 0 && wire_unread(conn->far.wire) == 0 && one_in(origins.kindness * 6))
        one_in(4) ? surplus_write(conn) : over(conn, one_in(3));
}

/* An early answer reads the body while it speaks, or after it. */
static void read_beside(struct origin_conn *conn)
{
    if (conn->is_early && !conn->is_body_read && conn->request.framing != FRAMING_NONE &&
        wire_unread(conn->far.wire) > 0 && one_in(2))
        (void)run_body(conn);
}

static void phase_run(struct origin_conn *conn)
{
    switch (conn->phase) {
    case PHASE_HEAD:
        run_head(conn);
        break;
    case PHASE_BODY:
        if ((conn->is_body_read || run_body(conn)))
            conn->phase = conn->is_early ? PHASE_HEAD : PHASE_THINK;
        break;
    case PHASE_THINK:
        run_think(conn);
        break;
    case PHASE_INTERIM:
        run_interim(conn);
        break;
    case PHASE_SAY:
        read_beside(conn);
        run_say(conn);
        break;
    case PHASE_TUNNEL:
        run_tunnel(conn);
        break;
    case PHASE_MUTE:
        run_mute(conn);
        break;
    case PHASE_OVER:
        break;
    }
}

static bool is_waiting_for_us(const struct origin_conn *conn)
{
    return conn->phase == PHASE_HEAD || conn->phase == PHASE_BODY || conn->phase == PHASE_MUTE ||
           conn->phase == PHASE_OVER;
}

static void origin_run(struct far *far)
{
    struct origin_conn *conn = container_of(far, struct origin_conn, far);
    enum phase          before;

    if (conn->phase == PHASE_OVER)
        return;
    if (wire_is_reset(far->wire) || (wire_has_end(far->wire) && conn->phase != PHASE_TUNNEL)) {
        over(conn, false);
        return;
    }
    do {
        before = conn->phase;
        phase_run(conn);
    } while (conn->phase != before && one_in(2));
    if (conn->phase == PHASE_OVER)
        return;
    if (conn->phase == PHASE_HEAD && wire_end_came(far->wire))
        over(conn, false);               /* in the middle of a head */
    else if (conn->phase != before || !is_waiting_for_us(conn) || wire_has_end(far->wire))
        far_wake_in(far, (int64_t)chance(one_in(20) ? 300000 : 500));
    else if (wire_unread(far->wire) > 0 && conn->phase == PHASE_BODY)
        far_wake_in(far, (int64_t)chance(200));
}
