// SPDX-License-Identifier: MIT
/* A client's connection: it writes requests and reads answers, each at its own pace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "clients.h"
#include "house.h"
#include "schedule.h"

enum { CLIENTS_MOST = 256, REQUESTS_MOST = 6, HEAD_BYTES = 32768, WINDOW = 65536 };
enum { BODY_MOST = 200000, TUNNEL_MOST = 60000, PATIENCE_US = 60000000 };

enum saying { SAYING_HEAD = 0, SAYING_WAIT, SAYING_BODY, SAYING_NOTHING };
enum hearing { HEARING_HEAD = 0, HEARING_BODY };

struct client {
    struct far      far;
    unsigned        number, kindness;
    struct manner   manner;
    struct ask     *asks[REQUESTS_MOST];
    unsigned        said, heard;         /* whole requests, whole answers */
    enum saying     saying;
    enum hearing    hearing;
    struct body     out, in;
    const struct answer *answer;         /* an origin's; NULL: one of ours */
    bool            is_last_answer, is_tunnel, is_over, is_stalled;
    uint64_t        moved;               /* bytes, both ways */
    int64_t         wait_until_us, stirred_us, leave_us;
};

static struct client *clients[CLIENTS_MOST];
static unsigned       client_count;
static const struct room *favourite;     /* where most want to go; NULL: there is none */

static void client_run(struct far *far);
static const struct room *room_by_chance(void);

void clients_begin(void)
{
    client_count = 0;
    favourite = one_in(3) ? room_by_chance() : NULL;
    if (one_in(5))
        while (favourite == NULL || !favourite->may_be_full)
            favourite = room_by_chance();
}

void clients_end(void)
{
    for (unsigned i = 0; i < client_count; i++)
        mem_free(clients[i]);
    client_count = 0;
}

bool clients_are_gone(void)
{
    for (unsigned i = 0; i < client_count; i++)
        if (!clients[i]->is_over)
            return false;
    return true;
}

void clients_count(unsigned ret_counts[4])
{
    memset(ret_counts, 0, 4 * sizeof(ret_counts[0]));
    for (unsigned i = 0; i < client_count; i++)
        for (unsigned k = 0; k < clients[i]->manner.requests; k++)
            ret_counts[clients[i]->asks[k]->outcome]++;
}

/* ---- what is asked ---- */

static const char *const flaws[] = {
    "Host: sim\r\n",                                       /* a second one */
    "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "Content-Length: 5x\r\n",
    "Content-Length: 5\r\nContent-Length: 6\r\n",
    "Transfer-Encoding: gzip, chunked, chunked\r\n",
    "X Y: space\r\n",
    " folded: line\r\n",
    "Expect: miracles\r\n",
};

static const struct room *room_by_chance(void)
{
    const struct room *room;

    do
        room = &rooms[chance(room_count)];
    while (room->is_directed);
    return room;
}

static void ask_fill(struct ask *ask)
{
    static const char *const methods[] = { "GET", "GET", "GET", "HEAD", "POST", "POST", "PUT",
                                           "DELETE", "PATCH" };

    ask->room = favourite != NULL && !one_in(4) ? favourite : room_by_chance();
    ask->method = methods[chance(9)];
    ask->version = one_in(8) ? 10 : 11;
    if (*ask->method == 'P' || one_in(10)) {
        ask->framing = one_in(3) && ask->version == 11 ? FRAMING_CHUNKED : FRAMING_SIZED;
        ask->length = one_in(6) ? 0 : chance(one_in(4) ? BODY_MOST : one_in(2) ? 20000 : 500);
    }
    ask->expects =
        ask->framing != FRAMING_NONE && ask->length > 0 && ask->version == 11 && one_in(6);
    if (ask->room->is_tunnel && one_in(2)) {
        ask->method = "GET";
        ask->version = 11;
        ask->is_upgrade = true;
        ask->expects = false;
        ask->framing = FRAMING_NONE;
        ask->length = 0;
    }
}

static void ask_finish(struct ask *ask)
{
    ask->is_head = strcmp(ask->method, "HEAD") == 0;
    ask->is_repeatable = strcmp(ask->method, "POST") != 0 && strcmp(ask->method, "PATCH") != 0;
}

static void spoil(struct ask *ask)
{
    if (ask->framing == FRAMING_CHUNKED && ask->length > 0 && one_in(2))
        ask->has_bad_chunk = true;
    else
        ask->flaw = flaws[chance(sizeof(flaws) / sizeof(flaws[0]))];
    ask->version = 11;                   /* 1.0 knows no Expect */
    ask->is_last = true;
}

static struct client *client_new(const struct manner *manner, unsigned port)
{
    struct client *client = mem_new(sizeof(*client));

    must(client_count < CLIENTS_MOST);
    client->number = client_count;
    client->manner = *manner;
    client->far.run = client_run;
    clients[client_count++] = client;
    client->stirred_us = kernel_now_us();
    (void)wire_connect(port, &client->far);
    return client;
}

static struct manner manner_by_chance(unsigned kindness)
{
    struct manner manner = { .requests = 1 + (unsigned)chance(REQUESTS_MOST),
                             .read_most = SIZE_MAX, .leave_after = UINT64_MAX };

    manner.ahead = one_in(3) ? (unsigned)chance(4) : 0;
    if (one_in(4)) {
        manner.read_most = (kindness > 0 ? 400 : 2000) + chance(4000);
        manner.read_pause_us = (int64_t)chance(40000);
    }
    if (one_in(kindness)) {
        manner.leave_after = chance(one_in(2) ? 400 : 100000);
        manner.leave = chance(3);
    }
    manner.says_end = kindness > 0 && one_in(12);
    return manner;
}

void client_come(unsigned kindness)
{
    struct manner  manner = manner_by_chance(kindness);
    struct client *client = client_new(&manner, one_in(4) ? ROOM_SECOND_PORT : ROOM_PORT);

    client->kindness = kindness;
    for (unsigned i = 0; i < manner.requests; i++) {
        struct ask *ask = client->asks[i] = ask_new();

        ask_fill(ask);
        ask->is_last = i + 1 == manner.requests && one_in(2);
        if (one_in(kindness * 3))
            spoil(ask);
        ask_finish(ask);
    }
    say("client %u: %u requests, leaves after %lld (%d)", client->number, manner.requests,
        (long long)manner.leave_after, (int)manner.leave);
}

struct ask *client_come_for(const struct manner *manner, unsigned port, const char *path,
                            const char *method, enum framing framing, size_t length)
{
    struct client *client = client_new(manner, port);
    struct ask    *first = NULL;

    client->kindness = 1;
    for (unsigned i = 0; i < manner->requests; i++) {
        struct ask *ask = client->asks[i] = ask_new();

        if (first == NULL)
            first = ask;
        for (size_t k = 0; k < room_count; k++)
            if (strcmp(rooms[k].path, path) == 0)
                ask->room = &rooms[k];
        must(ask->room != NULL);
        ask->method = method;
        ask->version = 11;
        ask->framing = framing;
        ask->length = length;
        ask->is_upgrade = ask->room->is_tunnel;
        ask_finish(ask);
    }
    return first;
}

/* ---- the end ---- */

static void over(struct client *client, bool by_reset)
{
    if (client->is_over)
        return;
    say("client %u: %s", client->number, by_reset ? "resets" : "closes");
    client->is_over = true;
    for (unsigned i = 0; i < client->manner.requests; i++)
        if (client->asks[i]->outcome == OUTCOME_OPEN)
            client->asks[i]->outcome = OUTCOME_CUT;
    if (by_reset)
        wire_reset(client->far.wire);
    else
        wire_close(client->far.wire);
}

/* Whoever sends the next request before the answer may meet a connection that has just closed, and
 * lose that answer to the reset. Whoever comes as we leave may come too late, but what a peer has
 * been asked is answered. */
static bool is_cut_allowed(const struct client *client)
{
    return client->kindness > 0 ||
           (house_is_leaving() && client->asks[client->heard]->seen == 0) ||
           (client->manner.ahead > 0 && wire_is_reset(client->far.wire));
}

/* ---- saying ---- */

static void say_bytes(struct client *client, const char *bytes, size_t len)
{
    wire_say(client->far.wire, bytes, len);
    client->moved += len;
}

static void say_head(struct client *client)
{
    struct ask *ask = client->asks[client->said];
    char        head[2048];
    size_t      len;

    len = (size_t)snprintf(head, sizeof(head),
                           "%s %s/%u?n=%u HTTP/1.%u\r\nHost: sim\r\nX-Sim: %u\r\n", ask->method,
                           ask->room->path, ask->id, ask->id, ask->version - 10, ask->id);
    if (ask->flaw != NULL)
        len += (size_t)snprintf(head + len, sizeof(head) - len, "%s", ask->flaw);
    if (ask->framing == FRAMING_SIZED)
        len += (size_t)snprintf(head + len, sizeof(head) - len, "Content-Length: %zu\r\n",
                                ask->length);
    else if (ask->framing == FRAMING_CHUNKED)
        len += (size_t)snprintf(head + len, sizeof(head) - len, "Transfer-Encoding: chunked\r\n");
    if (ask->expects)
        len += (size_t)snprintf(head + len, sizeof(head) - len, "Expect: 100-continue\r\n");
    if (ask->is_upgrade)
        len += (size_t)snprintf(head + len, sizeof(head) - len,
                                "Connection: upgrade\r\nUpgrade: sim\r\n");
    else if (ask->is_last)
        len += (size_t)snprintf(head + len, sizeof(head) - len, "Connection: close\r\n");
    else if (ask->version == 10)
        len += (size_t)snprintf(head + len, sizeof(head) - len, "Connection: keep-alive\r\n");
    len += (size_t)snprintf(head + len, sizeof(head) - len, "\r\n");
    say("client %u: says the head of %u (%s %s, framing %d, %zu bytes%s)", client->number, ask->id,
        ask->method, ask->room->path, (int)ask->framing, ask->length,
        ask->flaw != NULL ? ", flawed" : "");
    say_bytes(client, head, len);
    client->out = (struct body){ .id = ask->id, .framing = ask->framing, .length = ask->length };
    client->saying = ask->expects ? SAYING_WAIT : SAYING_BODY;
    client->wait_until_us = kernel_now_us() + 200000 + (int64_t)chance(500000);
}

static void say_body(struct client *client)
{
    struct ask *ask = client->asks[client->said];
    size_t      before = client->out.at, most = some_of(WINDOW / 4);

    if (wire_unsent(client->far.wire) > WINDOW)
        return;
    if (ask->has_bad_chunk && client->out.at == ask->length / 2) {
        say_bytes(client, "zz\r\n", 4);
        client->saying = SAYING_NOTHING;
        client->said = client->manner.requests;
        return;
    }
    if (ask->has_bad_chunk && most > ask->length / 2 - client->out.at)
        most = ask->length / 2 - client->out.at;
    body_write(&client->out, client->far.wire, most);
    client->moved += client->out.at - before;
    if (!client->out.is_done)
        return;
    ask->asked_us = kernel_now_us();
    client->said++;
    client->saying = SAYING_HEAD;
    if (client->said == client->manner.requests || ask->is_last || ask->is_upgrade) {
        client->saying = SAYING_NOTHING;
        if (client->manner.says_end && !ask->is_upgrade)
            wire_finish(client->far.wire);
    }
}

static void wait_no_longer(struct client *client)
{
    if (client->kindness == 0 && client->heard == client->said && !house_is_leaving())
        FAIL("client %u: nobody told it to continue", client->number);
    client->saying = SAYING_BODY;
}

static void run_saying(struct client *client)
{
    switch (client->saying) {
    case SAYING_HEAD:
        if (client->said <= client->heard + client->manner.ahead)
            say_head(client);
        break;
    case SAYING_WAIT:
        if (kernel_now_us() >= client->wait_until_us)
            wait_no_longer(client);
        else
            far_wake_at(&client->far, client->wait_until_us);
        break;
    case SAYING_BODY:
        say_body(client);
        break;
    case SAYING_NOTHING:
        break;
    }
}

/* ---- hearing ---- */

static void answer_end(struct client *client)
{
    struct ask *ask = client->asks[client->heard];

    if (client->answer != NULL && client->in.at != client->answer->length)
        FAIL("answer %u-%u seems whole with %zu of %zu bytes", ask->id, client->in.serial,
             client->in.at, client->answer->length);
    if (client->answer != NULL && client->answer->is_cut && !ask->is_head &&
        client->answer->framing != FRAMING_NONE)
        FAIL("answer %u-%u was cut, and seems whole", ask->id, client->in.serial);
    ask->outcome = client->answer != NULL ? OUTCOME_ANSWERED : OUTCOME_OURS;
    if (client->kindness == 0 && client->answer == NULL && ask->room->local_status == 0 &&
        !ask->room->may_be_full && ask->room->body_most == 0 && ask->status != 200)
        FAIL("request %u got %u of ours, and nothing was wrong", ask->id, ask->status);
    say("client %u: %u is answered, %u%s", client->number, ask->id, ask->status,
        client->answer == NULL ? " by us" : "");
    client->hearing = HEARING_HEAD;
    client->heard++;
    if (ask->is_upgrade && !ask->is_last && client->said == client->heard)
        client->saying = SAYING_HEAD;    /* it got no tunnel, and goes on */
    if (client->heard == client->manner.requests || client->is_last_answer ||
        client->said < client->heard)
        over(client, false);
}

/* Whose answer is it? "7-2" is the second that was given to request 7. */
static void answer_identify(struct client *client, const char *head)
{
    struct ask *ask = client->asks[client->heard];
    const char *mark = head_field(head, "X-Sim");
    unsigned    id = 0, serial = 0;

    client->answer = NULL;
    if (mark == NULL)
        return;
    CHECK(head_count(head, "X-Sim") == 1);
    CHECK(sscanf(mark, "%u-%u", &id, &serial) == 2);
    if (id != ask->id)
        FAIL("client %u asked %u and was answered %s", client->number, ask->id, mark);
    CHECK(serial >= 1 && serial <= ask->answer_count);
    client->answer = &ask->answers[serial - 1];
    if (client->answer->status != ask->status)
        FAIL("answer %s is %u, not %u", mark, ask->status, client->answer->status);
    client->in.serial = serial;
}

static void check_ours(const struct ask *ask, const char *head)
{
    static const unsigned allowed[] = { 400, 403, 404, 408, 411, 413, 414, 417, 431, 500, 501, 502,
                                        503, 504, 200 };
    bool is_allowed = false;

    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
        is_allowed = is_allowed || allowed[i] == ask->status;
    if (!is_allowed)
        FAIL("request %u got a strange answer: %.40s", ask->id, head);
    if (ask->flaw != NULL && (ask->status < 400 || ask->status > 501))
        FAIL("request %u is flawed, and got %u", ask->id, ask->status);
    if (ask->status == 200 && ask->room->local_status != 200 &&
        strcmp(ask->room->path, "/page") != 0)
        FAIL("request %u got 200, and nobody said so", ask->id);
}

static void framing_read(struct client *client, const char *head)
{
    struct ask *ask = client->asks[client->heard];
    const char *length = head_field(head, "Content-Length");
    unsigned    codings = head_count(head, "Transfer-Encoding");

    CHECK(head_count(head, "Content-Length") <= 1 && codings <= 1);
    CHECK(length == NULL || codings == 0);
    if (ask->is_head || ask->status == 204 || ask->status == 304) {
        client->in.framing = FRAMING_NONE;
    } else if (codings == 1) {
        CHECK(ask->version == 11);
        client->in.framing = FRAMING_CHUNKED;
    } else if (length != NULL) {
        client->in.framing = FRAMING_SIZED;
        if (client->answer != NULL)
            CHECK(strtoull(length, NULL, 10) == client->answer->length);
        else
            client->in.length = strtoull(length, NULL, 10);
    } else {
        client->in.framing = FRAMING_CLOSE;
    }
    client->is_last_answer = client->in.framing == FRAMING_CLOSE ||
                             (head_field(head, "Connection") != NULL &&
                              strcmp(head_field(head, "Connection"), "close") == 0);
}

static void tunnel_begin(struct client *client)
{
    struct ask *ask = client->asks[client->heard];

    CHECK(ask->is_upgrade && client->answer != NULL);
    client->is_tunnel = true;
    client->in.framing = FRAMING_CLOSE;
    client->out = (struct body){ .id = ask->id, .framing = FRAMING_CLOSE,
                                 .length = chance(TUNNEL_MOST) };
    ask->outcome = OUTCOME_ANSWERED;
    say("client %u: the tunnel is open", client->number);
}

static void head_take(struct client *client, const char *head)
{
    struct ask *ask;
    unsigned    version = 0;

    if (client->heard > client->said ||
        (client->heard == client->said && client->saying == SAYING_HEAD))
        FAIL("client %u got an answer that it did not ask for: %.60s", client->number, head);
    ask = client->asks[client->heard];
    CHECK(sscanf(head, "HTTP/1.%u %u", &version, &ask->status) == 2 && version == 1);
    if (ask->status < 200 && ask->status != 101) {
        CHECK(ask->version == 11);
        if (ask->status == 100 && client->saying == SAYING_WAIT)
            client->saying = SAYING_BODY;
        return;
    }
    client->in = (struct body){ .id = ask->id };
    answer_identify(client, head);
    if (client->answer != NULL)
        client->in.length = client->answer->length;
    else
        check_ours(ask, head);
    if (ask->status == 101) {
        tunnel_begin(client);
        return;
    }
    framing_read(client, head);
    client->hearing = HEARING_BODY;
}

/* Our own answers have words of ours: only their length is checked. */
static enum reading ours_read(struct client *client, size_t most)
{
    char   bytes[4096];
    size_t left = client->in.framing == FRAMING_SIZED ? client->in.length - client->in.at : SIZE_MAX;
    size_t n = most < sizeof(bytes) ? most : sizeof(bytes);

    if (client->in.framing == FRAMING_NONE)
        return READING_DONE;
    if (client->in.framing == FRAMING_CHUNKED)
        FAIL("an answer of ours in chunks");
    client->in.at += wire_read(client->far.wire, bytes, n < left ? n : left);
    return client->in.framing == FRAMING_SIZED && client->in.at == client->in.length ? READING_DONE
               : READING_MORE;
}

static bool hear_body(struct client *client, size_t most)
{
    enum reading reading = client->answer == NULL ? ours_read(client, most)
                                                  : body_read(&client->in, client->far.wire, most);

    if (reading == READING_BAD)
        FAIL("client %u: an answer is no chunked coding", client->number);
    if (reading == READING_DONE)
        answer_end(client);
    return reading == READING_DONE && !client->is_over;
}

static void run_hearing(struct client *client)
{
    static char head[HEAD_BYTES];
    size_t      before = wire_unread(client->far.wire);
    bool        goes_on = true;

    while (goes_on && !client->is_over && !client->is_tunnel) {
        if (client->hearing == HEARING_HEAD) {
            size_t len = head_read(client->far.wire, head, sizeof(head));

            goes_on = len > 0;
            if (goes_on)
                head_take(client, head);
        } else {
            goes_on = hear_body(client, client->manner.read_most);
        }
    }
    client->moved += before - wire_unread(client->far.wire);
}

static void run_tunnel(struct client *client)
{
    struct wire *wire = client->far.wire;

    (void)body_read(&client->in, wire, some_of(WINDOW));
    if (!client->out.is_done && wire_unsent(wire) < WINDOW) {
        body_write(&client->out, wire, some_of(WINDOW / 4));
        if (client->out.is_done)
            wire_finish(wire);
    }
    if (!wire_has_end(wire))
        return;
    if (client->kindness == 0 && client->in.at != client->answer->length)
        FAIL("client %u: %zu of %zu bytes came through the tunnel", client->number, client->in.at,
             client->answer->length);
    over(client, false);
}

/* ---- a look at the world ---- */

static void end_seen(struct client *client)
{
    struct ask *ask = client->heard < client->manner.requests ? client->asks[client->heard] : NULL;

    if (client->hearing == HEARING_BODY && client->in.framing == FRAMING_CLOSE &&
        !wire_is_reset(client->far.wire)) {
        answer_end(client);
    } else if (ask != NULL && !is_cut_allowed(client) &&
               (client->said > client->heard || client->saying != SAYING_HEAD)) {
        FAIL("client %u: %u was cut, and nothing was wrong", client->number, ask->id);
    }
    over(client, false);
}

static bool leaves(struct client *client)
{
    if (client->moved < client->manner.leave_after)
        return false;
    if (client->leave_us == 0)
        client->leave_us = kernel_now_us() + client->manner.leave_pause_us;
    if (kernel_now_us() < client->leave_us) {
        far_wake_at(&client->far, client->leave_us);
        return true;
    }
    if (client->manner.leave == LEAVE_STALL) {
        if (!client->is_stalled)
            say("client %u: stalls", client->number);
        client->is_stalled = true;
        if (wire_is_ours_closed(client->far.wire))
            over(client, false);
        return true;
    }
    over(client, client->manner.leave == LEAVE_RESET);
    return true;
}

static bool has_more_to_do(const struct client *client)
{
    return client->is_tunnel || wire_unread(client->far.wire) > 0 ||
           (client->saying == SAYING_BODY) ||
           (client->saying == SAYING_HEAD && client->said <= client->heard + client->manner.ahead);
}

static void client_run(struct far *far)
{
    struct client *client = container_of(far, struct client, far);
    uint64_t       before = client->moved;

    if (client->is_over)
        return;
    if (wire_is_reset(far->wire)) {
        if (!client->is_stalled && !client->is_tunnel)
            run_hearing(client);
        end_seen(client);
        return;
    }
    if (leaves(client))
        return;
    if (client->is_tunnel)
        run_tunnel(client);
    else
        run_hearing(client);
    if (!client->is_over && !client->is_tunnel)
        run_saying(client);
    if (!client->is_over && !client->is_tunnel &&
        (wire_has_end(far->wire) || (wire_end_came(far->wire) && client->hearing == HEARING_HEAD)))
        end_seen(client);
    if (client->is_over)
        return;
    if (client->moved != before)
        client->stirred_us = kernel_now_us();
    if (leaves(client))
        return;
    if (has_more_to_do(client))
        far_wake_in(far,
                    client->manner.read_pause_us + (int64_t)chance(one_in(30) ? 1500000 : 300));
}

/* Who has not been let in yet may wait longer, for who is in and slow. */
void clients_check_patience(void)
{
    for (unsigned i = 0; i < client_count; i++) {
        const struct client *client = clients[i];

        if (!client->is_over && wire_is_accepted(client->far.wire) &&
            kernel_now_us() - client->stirred_us > PATIENCE_US)
            FAIL("client %u waits since %lld s", client->number,
                 (long long)(client->stirred_us / 1000000));
    }
}
