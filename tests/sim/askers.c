// SPDX-License-Identifier: MIT
/* Clients of caches, by chance: many for few keys, by GET, HEAD, POST, of the whole, parts, or what has
 * changed; slow, or gone in the middle. Each compares what it gets with the ledger. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "house.h"
#include "rooms.h"
#include "schedule.h"
#include "versions.h"

enum { ASKERS_MOST = 128, REQUESTS_MOST = 5, HEAD_BYTES = 16384, POSTS_MOST = 1024 };
enum { PATIENCE_US = 60000000, SLACK_US = 3000000 };

enum outcome { GOT_WHOLE = 0, GOT_PART, GOT_OURS, GOT_CUT, OUTCOMES };

struct asker {
    struct far      far;
    unsigned        number, kindness;
    unsigned        asked, answered, requests;
    size_t          read_most;
    int64_t         pause_us, asked_us, stirred_us;
    uint64_t        moved, leave_after;
    unsigned        leave;               /* 0: closes, 1: resets, 2: stalls */
    bool            is_over, is_waiting, is_reading, says_end;
    /* of the request that waits */
    unsigned        room, key, post;
    bool            is_head, has_range, has_condition;
    char            variant;
    /* of its answer */
    struct version *version;             /* NULL: of ours */
    unsigned        status;
    struct body     in;
    size_t          from;                /* of a single range */
    bool            is_multipart, is_last;
    unsigned        outcomes[OUTCOMES];
};

static struct asker *askers[ASKERS_MOST];
static unsigned      count, posts;
static bool          is_seen[POSTS_MOST];

static void asker_run(struct far *far);

void askers_begin(void)
{
    count = posts = 0;
    memset(is_seen, 0, sizeof(is_seen));
}

void askers_end(void)
{
    for (unsigned i = 0; i < count; i++)
        mem_free(askers[i]);
    count = 0;
}

bool askers_are_gone(void)
{
    for (unsigned i = 0; i < count; i++)
        if (!askers[i]->is_over)
            return false;
    return true;
}

void askers_count(unsigned ret_counts[4])
{
    memset(ret_counts, 0, 4 * sizeof(ret_counts[0]));
    for (unsigned i = 0; i < count; i++)
        for (unsigned k = 0; k < OUTCOMES; k++)
            ret_counts[k] += askers[i]->outcomes[k];
}

void askers_check_patience(void)
{
    for (unsigned i = 0; i < count; i++)
        if (!askers[i]->is_over && wire_is_accepted(askers[i]->far.wire) &&
            kernel_now_us() - askers[i]->stirred_us > PATIENCE_US)
            FAIL("asker %u waits since %lld s", i, (long long)(askers[i]->stirred_us / 1000000));
}

void post_is_seen(unsigned number)
{
    must(number > 0 && number < POSTS_MOST);
    if (is_seen[number])
        FAIL("post %u is seen again", number);
    is_seen[number] = true;
}

void asker_come(unsigned kindness)
{
    struct asker *asker = mem_new(sizeof(*asker));

    must(count < ASKERS_MOST);
    asker->number = count;
    asker->kindness = kindness;
    asker->far.run = asker_run;
    asker->requests = 1 + (unsigned)chance(REQUESTS_MOST);
    asker->read_most = SIZE_MAX;
    asker->leave_after = UINT64_MAX;
    if (one_in(4)) {
        asker->read_most = (kindness > 0 ? 1000 : 8000) + chance(40000);
        asker->pause_us = (int64_t)chance(40000);
    }
    if (one_in(kindness)) {
        asker->leave_after = chance(one_in(2) ? 600 : 100000);
        asker->leave = (unsigned)chance(3);
    }
    asker->says_end = one_in(kindness * 6);
    asker->stirred_us = kernel_now_us();
    askers[count++] = asker;
    (void)wire_connect(ROOM_PORT, &asker->far);
}

static void over(struct asker *asker, bool by_reset)
{
    if (asker->is_over)
        return;
    say("asker %u: %s", asker->number, by_reset ? "resets" : "closes");
    asker->is_over = true;
    if (asker->is_waiting)
        asker->outcomes[GOT_CUT]++;
    if (by_reset)
        wire_reset(asker->far.wire);
    else
        wire_close(asker->far.wire);
}

/* ---- asking ---- */

static size_t write_range(struct asker *asker, char *head, size_t room)
{
    unsigned a = (unsigned)chance(one_in(2) ? 100 : 100000), b = a + (unsigned)chance(50000);

    asker->has_range = asker->post == 0 && one_in(5);
    if (!asker->has_range)
        return 0;
    if (one_in(3))
        return (size_t)snprintf(head, room, "Range: bytes=%u-%u,%u-%u\r\n", b + 10, b + 20, a, b);
    if (one_in(3))
        return (size_t)snprintf(head, room, "Range: bytes=%u-%u,%u-\r\n", a, b, b + 10);
    if (one_in(2))
        return (size_t)snprintf(head, room, "Range: bytes=-%u\r\n", a + 1);
    return (size_t)snprintf(head, room, "Range: bytes=%u-%u\r\n", a, b);
}

static size_t write_condition(struct asker *asker, char *head, size_t room)
{
    const struct version *version = version_last(asker->room, asker->key);

    asker->has_condition = asker->post == 0 && version != NULL && one_in(6);
    if (!asker->has_condition)
        return 0;
    return (size_t)snprintf(head, room, "If-None-Match: \"%u\"\r\n", version->number);
}

static void ask(struct asker *asker)
{
    char        head[512];
    const char *method;
    size_t      len;

    asker->room = (unsigned)chance(one_in(2) ? 1 : cached_room_count);
    asker->key = (unsigned)chance(one_in(2) ? 1 : KEYS);
    asker->variant = one_in(3) ? 'b' : 'a';
    /* What makes it invalid makes others ask anew, whoever is filling. */
    asker->post = !cached_rooms[asker->room].is_strict && one_in(8) ? ++posts : 0;
    asker->is_head = asker->post == 0 && one_in(6);
    asker->is_last = asker->asked + 1 == asker->requests && one_in(2);
    method = asker->post > 0 ? "POST" : asker->is_head ? "HEAD" : "GET";
    len = (size_t)snprintf(head, sizeof(head), "%s %s/%u HTTP/1.1\r\nHost: sim\r\nX-V: %c\r\n",
                           method, cached_rooms[asker->room].path, asker->key, asker->variant);
    if (asker->post > 0)
        len += (size_t)snprintf(head + len, sizeof(head) - len,
                                "X-Post: %u\r\nContent-Length: 0\r\n", asker->post);
    len += write_range(asker, head + len, sizeof(head) - len);
    len += write_condition(asker, head + len, sizeof(head) - len);
    len += (size_t)snprintf(head + len, sizeof(head) - len, "%s\r\n",
                            asker->is_last ? "Connection: close\r\n" : "");
    say("asker %u: %s %s/%u, variant %c%s", asker->number, method, cached_rooms[asker->room].path,
        asker->key, asker->variant, asker->has_range ? ", a part" : "");
    wire_say(asker->far.wire, head, len);
    asker->moved += len;
    asker->asked_us = kernel_now_us();
    asker->asked++;
    asker->is_waiting = true;
    if (asker->asked == asker->requests && asker->says_end)
        wire_finish(asker->far.wire);
}

/* ---- judging ---- */

/* It was good when it was asked for, of this key, and for whom it was said. */
static void check_version(const struct asker *asker)
{
    const struct version *version = asker->version;
    int64_t until_us = version->fresh_us + (int64_t)version->age_most_s * 1000000 + SLACK_US;

    if (version->room != asker->room || version->key != asker->key)
        FAIL("asker %u got version %u of another key", asker->number, version->number);
    if (version->is_post != (asker->post > 0))
        FAIL("asker %u got version %u, for another method", asker->number, version->number);
    if (version->keeping == KEEP_BY_VARIANT && version->variant != asker->variant)
        FAIL("asker %u got version %u of variant %c", asker->number, version->number,
             version->variant);
    if (version->cut_us > 0 && version->cut_us < asker->asked_us - SLACK_US)
        FAIL("asker %u got version %u, which was cut", asker->number, version->number);
    if (version->fresh_us < asker->asked_us - SLACK_US &&
        (version->keeping == KEEP_NOT || version->status != 200))
        FAIL("asker %u got version %u, not to be kept", asker->number, version->number);
    if (asker->asked_us > until_us && !cached_rooms[asker->room].may_be_stale)
        FAIL("asker %u got version %u, which was stale", asker->number, version->number);
}

static void identify(struct asker *asker, const char *head)
{
    const char *mark = head_field(head, "X-Sim");
    unsigned    key = 0, number = 0;

    asker->version = NULL;
    if (mark == NULL) {
        if (asker->status != 500 && asker->status != 502 && asker->status != 503 &&
            asker->status != 504 && asker->status != 416)
            FAIL("asker %u got a strange %u of ours", asker->number, asker->status);
        if (asker->kindness == 0 && asker->status != 416 && !house_is_leaving())
            FAIL("asker %u got %u of ours, and nothing was wrong", asker->number, asker->status);
        return;
    }
    CHECK(head_count(head, "X-Sim") == 1);
    CHECK(sscanf(mark, "%u-%u", &key, &number) == 2);
    asker->version = version_find(number);
    check_version(asker);
}

static void part_read(struct asker *asker, const char *head)
{
    const char        *range = head_field(head, "Content-Range");
    unsigned long long first, last, whole;

    CHECK(asker->has_range && asker->version != NULL);
    asker->is_multipart = range == NULL;
    if (asker->is_multipart) {
        range = head_field(head, "Content-Type");
        CHECK(range != NULL && strncmp(range, "multipart/byteranges", 20) == 0);
        return;
    }
    CHECK(sscanf(range, "bytes %llu-%llu/%llu", &first, &last, &whole) == 3);
    CHECK(whole == asker->version->length && first <= last && last < whole);
    CHECK(asker->in.length == last - first + 1 || asker->is_head);
    asker->from = first;
}

static void framing_read(struct asker *asker, const char *head)
{
    const char *length = head_field(head, "Content-Length");
    bool        is_empty = asker->is_head || asker->status == 304;

    CHECK(head_count(head, "Content-Length") + head_count(head, "Transfer-Encoding") <= 1);
    asker->in.length = length != NULL ? strtoull(length, NULL, 10) : 0;
    asker->in.framing = is_empty         ? FRAMING_NONE
                        : length != NULL ? FRAMING_SIZED
                        : head_count(head, "Transfer-Encoding") > 0 ? FRAMING_CHUNKED
                                                                    : FRAMING_CLOSE;
    CHECK(asker->in.framing != FRAMING_CLOSE);
    if (asker->version != NULL && asker->status != 206 && asker->status != 416 && !is_empty) {
        if (length != NULL && asker->in.length != asker->version->length)
            FAIL("asker %u: %zu bytes of version %u, which has %zu", asker->number,
                 asker->in.length, asker->version->number, asker->version->length);
        asker->in.length = asker->version->length;
    }
}

static void head_take(struct asker *asker, const char *head)
{
    const char *connection = head_field(head, "Connection");

    if (!asker->is_waiting)
        FAIL("asker %u got what it did not ask for: %.60s", asker->number, head);
    CHECK(sscanf(head, "HTTP/1.1 %u", &asker->status) == 1);
    asker->is_last = asker->is_last || (connection != NULL && strcmp(connection, "close") == 0);
    asker->in = (struct body){ .id = asker->key };
    asker->from = 0;
    asker->is_multipart = false;
    identify(asker, head);
    if (asker->version != NULL)
        asker->in.serial = asker->version->number;
    framing_read(asker, head);
    if (asker->status == 206)
        part_read(asker, head);
    else if (asker->status == 304)
        CHECK(asker->has_condition);
    else if (asker->version != NULL && asker->status != 416 &&
             asker->status != asker->version->status)
        FAIL("version %u is %u now", asker->version->number, asker->status);
    asker->is_reading = true;
}

static void answer_end(struct asker *asker)
{
    const struct version *version = asker->version;
    bool is_whole = version != NULL && asker->status == version->status && !asker->is_head;

    if (is_whole && asker->in.at != version->length)
        FAIL("version %u seems whole with %zu bytes", version->number, asker->in.at);
    if (is_whole && version->is_cut)
        FAIL("version %u was cut, and seems whole", version->number);
    say("asker %u: has its answer, %u", asker->number, asker->status);
    asker->outcomes[version == NULL ? GOT_OURS : is_whole ? GOT_WHOLE : GOT_PART]++;
    asker->is_waiting = asker->is_reading = false;
    asker->answered++;
    if (asker->answered == asker->requests || asker->is_last)
        over(asker, false);
}

/* Bytes of a body from somewhere in its middle, or, of ours and in several parts, any. */
static enum reading sized_read(struct asker *asker)
{
    char   bytes[16384];
    size_t left = asker->in.length - asker->in.at, most = sizeof(bytes);
    bool   is_known = asker->status == 206 && !asker->is_multipart;

    most = left < most ? left : most;
    most = asker->read_most < most ? asker->read_most : most;
    most = wire_read(asker->far.wire, bytes, most);
    for (size_t i = 0; i < most && is_known; i++)
        CHECK(bytes[i] ==
              body_byte(asker->key, asker->version->number, asker->from + asker->in.at + i));
    asker->in.at += most;
    return asker->in.at == asker->in.length ? READING_DONE : READING_MORE;
}

static enum reading body_hear(struct asker *asker)
{
    bool is_whole = asker->version != NULL && asker->status != 206 && asker->status != 416;

    if (asker->in.framing == FRAMING_SIZED && !is_whole)
        return sized_read(asker);
    return body_read(&asker->in, asker->far.wire, asker->read_most);
}

static void hear(struct asker *asker)
{
    static char head[HEAD_BYTES];
    size_t      before = wire_unread(asker->far.wire);
    size_t      left;

    do {
        left = wire_unread(asker->far.wire);
        if (!asker->is_reading && head_read(asker->far.wire, head, sizeof(head)) > 0)
            head_take(asker, head);
        if (asker->is_reading) {
            enum reading reading = body_hear(asker);

            CHECK(reading != READING_BAD);
            if (reading == READING_DONE)
                answer_end(asker);
        }
    } while (!asker->is_over && asker->pause_us == 0 && wire_unread(asker->far.wire) < left);
    asker->moved += before - wire_unread(asker->far.wire);
}

/* ---- a look ---- */

static bool leaves(struct asker *asker)
{
    if (asker->moved < asker->leave_after)
        return false;
    if (asker->leave == 2 && !wire_is_ours_closed(asker->far.wire)) {
        asker->stirred_us = kernel_now_us();   /* its own fault */
        return true;
    }
    over(asker, asker->leave == 1);
    return true;
}

static void end_seen(struct asker *asker)
{
    if (asker->is_waiting && asker->kindness == 0 && !house_is_leaving())
        FAIL("asker %u is cut, and nothing was wrong", asker->number);
    over(asker, false);
}

static void asker_run(struct far *far)
{
    struct asker *asker = container_of(far, struct asker, far);
    uint64_t      before = asker->moved;

    if (asker->is_over || leaves(asker))
        return;
    hear(asker);
    if (asker->is_over)
        return;
    if (wire_is_reset(far->wire) || wire_has_end(far->wire)) {
        end_seen(asker);
        return;
    }
    if (!asker->is_waiting)
        ask(asker);
    if (asker->moved != before)
        asker->stirred_us = kernel_now_us();
    if (leaves(asker))
        return;
    if (wire_unread(far->wire) > 0)
        far_wake_in(far, asker->pause_us + (int64_t)chance(one_in(30) ? 1500000 : 300));
}
