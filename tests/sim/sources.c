// SPDX-License-Identifier: MIT
/* Origins of caches, by chance: what they answer is a new version each time, of a key that says how
 * it may be kept; they think, stall, cut, refuse, and say 304 to conditions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "schedule.h"
#include "versions.h"

enum { CONNS_MOST = 2048, SOURCES = 3, HEAD_BYTES = 16384, WINDOW = 65536 };
enum { OBJECT_MOST = 2 * 1024 * 1024 };  /* an eighth of the larger cache: beyond, it is a stream */

enum phase { PHASE_HEAD = 0, PHASE_THINK, PHASE_SAY, PHASE_MUTE, PHASE_OVER };
enum failing { FAIL_NOT = 0, FAIL_SILENT, FAIL_CLOSE, FAIL_STATUS, FAIL_CUT, FAIL_STALL, FAILINGS };

struct source {
    struct far      far;
    unsigned        number, served;
    enum phase      phase;
    enum failing    failing;
    unsigned        room, key, post;
    bool            is_head, is_kept;
    char            variant;
    char            condition[64];
    struct version *version;
    struct body     answer;
    size_t          cut_at;
    int64_t         ready_us;
};

static struct {
    unsigned        kindness, count, asked;
    struct place_at places[SOURCES];
    struct source  *all[CONNS_MOST];
} sources;

static void source_run(struct far *far);

/* ---- connections ---- */

static enum taking take(struct place_at *place, struct far **ret_far)
{
    struct source *source;

    (void)place;
    if (one_in(sources.kindness * 3))
        return one_in(2) ? TAKE_REFUSE : TAKE_SILENT;
    must(sources.count < CONNS_MOST);
    source = mem_new(sizeof(*source));
    source->number = sources.count;
    source->far.run = source_run;
    sources.all[sources.count++] = source;
    *ret_far = &source->far;
    return TAKE_OPEN;
}

void sources_begin(unsigned kindness)
{
    memset(&sources, 0, sizeof(sources));
    sources.kindness = kindness;
    for (unsigned i = 0; i < SOURCES; i++) {
        sources.places[i] = (struct place_at){ .ip = 0x0a000001 + i, .take = take };
        kernel_serve(&sources.places[i]);
    }
}

void sources_end(void)
{
    for (unsigned i = 0; i < sources.count; i++)
        mem_free(sources.all[i]);
    sources.count = 0;
}

unsigned sources_asked(void)
{
    return sources.asked;
}

static void over(struct source *source, bool by_reset)
{
    if (source->phase == PHASE_OVER)
        return;
    say("source %u: %s", source->number, by_reset ? "resets" : "closes");
    if (source->phase == PHASE_SAY && source->version->cut_us == 0) {
        source->version->is_cut = true;
        source->version->cut_us = kernel_now_us();
    }
    source->phase = PHASE_OVER;
    if (by_reset)
        wire_reset(source->far.wire);
    else
        wire_close(source->far.wire);
}

/* ---- a request ---- */

/* While one fills, nobody else asks for the same; what is said there is fresh when it arrives. */
static void check_alone(const struct source *source)
{
    for (unsigned i = 0; i < sources.count; i++) {
        const struct source *other = sources.all[i];

        if (other != source && other->is_kept && other->room == source->room &&
            other->key == source->key &&
            (other->phase == PHASE_THINK || other->phase == PHASE_SAY) &&
            !wire_is_ours_closed(other->far.wire) && sources.kindness == 0)
            FAIL("source %u is asked for %s/%u, and so is %u", source->number,
                 cached_rooms[source->room].path, source->key, other->number);
    }
}

static enum keeping keeping_of(unsigned key)
{
    return (enum keeping)(key % KEEPINGS);
}

static void target_read(struct source *source, const char *head)
{
    char     method[16], path[32];
    unsigned key;

    CHECK(sscanf(head, "%15s %31[/a-z]%u HTTP/1.1", method, path, &key) == 3);
    CHECK(path[0] == '/' && strlen(path) > 2 && path[strlen(path) - 1] == '/');
    path[strlen(path) - 1] = '\0';
    source->room = cached_room_count;
    for (unsigned i = 0; i < cached_room_count; i++)
        if (strcmp(cached_rooms[i].path, path) == 0)
            source->room = i;
    CHECK(source->room < cached_room_count && key < KEYS);
    source->key = key;
    source->is_head = strcmp(method, "HEAD") == 0;
    source->post = strcmp(method, "POST") == 0 ? (unsigned)atoi(head_field(head, "X-Post")) : 0;
}

static enum failing failing_by_chance(void)
{
    return one_in(sources.kindness) ? (enum failing)chance(FAILINGS) : FAIL_NOT;
}

static void request_begin(struct source *source, const char *head)
{
    const char *variant = head_field(head, "X-V"), *condition;

    sources.asked++;
    CHECK(head_count(head, "X-V") == 1);
    source->variant = *variant;
    target_read(source, head);
    CHECK(source->post == 0 || head_count(head, "If-None-Match") <= 1);
    condition = head_field(head, "If-None-Match");
    (void)snprintf(source->condition, sizeof(source->condition), "%s",
                   condition != NULL ? condition : "");
    source->is_kept = source->post == 0 && keeping_of(source->key) == KEEP_FRESH &&
                      cached_rooms[source->room].is_strict;
    say("source %u: asked for %s/%u, variant %c%s", source->number, cached_rooms[source->room].path,
        source->key, source->variant, source->post > 0 ? ", post" : "");
    if (source->post > 0)
        post_is_seen(source->post);
    if (source->is_kept)
        check_alone(source);
    source->failing = failing_by_chance();
    source->ready_us = kernel_now_us() + (int64_t)chance(one_in(3) ? 1500000 : 5000);
    source->phase = PHASE_THINK;
}

/* ---- an answer ---- */

static size_t length_by_chance(void)
{
    if (one_in(10))
        return 0;
    return chance(one_in(12) ? 2500000 : one_in(3) ? 200000 : one_in(2) ? 40000 : 300);
}

static void version_make(struct source *source)
{
    struct version *version = source->version = version_new(source->room, source->key);
    bool            has_content = !source->is_head;

    version->status = source->failing == FAIL_STATUS ? (one_in(2) ? 500 : 503) : 200;
    version->keeping = keeping_of(source->key);
    version->variant = source->variant;
    version->is_post = source->post > 0;
    version->length = length_by_chance();
    version->framing = has_content ? (enum framing)(1 + chance(3)) : FRAMING_NONE;
    version->age_most_s = (cached_rooms[source->room].is_strict ? 4 : 1) + (unsigned)chance(6);
    version->fresh_us = kernel_now_us();
    source->is_kept = source->is_kept && version->length <= OBJECT_MOST;
    source->cut_at = SIZE_MAX;
    if ((source->failing == FAIL_CUT || source->failing == FAIL_STALL) && has_content &&
        version->length > 0 && version->framing != FRAMING_CLOSE) {
        source->cut_at = chance(version->length);
        version->is_cut = true;
    }
    source->answer = (struct body){ .id = source->key, .serial = version->number,
                                    .framing = version->framing, .length = version->length };
}

static size_t write_keeping(char *head, size_t room, const struct version *version)
{
    static const char *const never[] = { "no-store", "private, max-age=60" };

    if (version->keeping == KEEP_NOT)
        return (size_t)snprintf(head, room, "Cache-Control: %s\r\n", never[chance(2)]);
    return (size_t)snprintf(head, room, "Cache-Control: max-age=%u\r\n%s", version->age_most_s,
                            version->keeping == KEEP_BY_VARIANT ? "Vary: X-V\r\n" : "");
}

static void head_write(struct source *source)
{
    const struct version *version = source->version;
    char                  head[1024];
    size_t                len;

    len =
        (size_t)snprintf(head, sizeof(head), "HTTP/1.1 %u Sim\r\nX-Sim: %u-%u\r\nETag: \"%u\"\r\n",
                         version->status, version->key, version->number, version->number);
    if (version->status == 200)
        len += write_keeping(head + len, sizeof(head) - len, version);
    if (version->framing == FRAMING_SIZED || (source->is_head && one_in(2)))
        len += (size_t)snprintf(head + len, sizeof(head) - len, "Content-Length: %zu\r\n",
                                version->length);
    else if (version->framing == FRAMING_CHUNKED)
        len += (size_t)snprintf(head + len, sizeof(head) - len, "Transfer-Encoding: chunked\r\n");
    else if (version->framing == FRAMING_CLOSE)
        len += (size_t)snprintf(head + len, sizeof(head) - len, "Connection: close\r\n");
    len += (size_t)snprintf(head + len, sizeof(head) - len, "\r\n");
    wire_say(source->far.wire, head, len);
    say("source %u: says version %u of %u: %u, framing %d, %zu bytes%s", source->number,
        version->number, version->key, version->status, (int)version->framing, version->length,
        version->is_cut ? ", cut" : "");
}

/* Of a version that it said before, whole. */
static bool not_modified(struct source *source)
{
    struct version *version = version_last(source->room, source->key);
    unsigned        number = 0;
    char            head[256];
    int             len;

    if (source->condition[0] == '\0' || version == NULL ||
        sscanf(source->condition, "\"%u\"", &number) != 1 || number != version->number ||
        (version->keeping == KEEP_BY_VARIANT && version->variant != source->variant) || one_in(3))
        return false;
    version->fresh_us = kernel_now_us();
    len = snprintf(head, sizeof(head),
                   "HTTP/1.1 304 Sim\r\nX-Sim: %u-%u\r\nETag: \"%u\"\r\n"
                   "Cache-Control: max-age=%u\r\n%s\r\n",
                   version->key, version->number, version->number, version->age_most_s,
                   version->keeping == KEEP_BY_VARIANT ? "Vary: X-V\r\n" : "");
    wire_say(source->far.wire, head, (size_t)len);
    say("source %u: version %u is still good", source->number, version->number);
    return true;
}

static void answer_is_said(struct source *source)
{
    source->served++;
    source->is_kept = false;
    source->phase = PHASE_HEAD;
    if (source->version != NULL && source->answer.framing == FRAMING_CLOSE)
        over(source, false);
}

static void run_think(struct source *source)
{
    if (kernel_now_us() < source->ready_us) {
        far_wake_at(&source->far, source->ready_us);
        return;
    }
    source->version = NULL;
    if (source->failing == FAIL_SILENT) {
        source->phase = PHASE_MUTE;
    } else if (source->failing == FAIL_CLOSE) {
        over(source, one_in(2));
    } else if (source->failing == FAIL_NOT && not_modified(source)) {
        answer_is_said(source);
    } else {
        version_make(source);
        head_write(source);
        source->phase = PHASE_SAY;
    }
}

static void cut(struct source *source)
{
    source->version->cut_us = kernel_now_us();
    if (source->failing == FAIL_STALL)
        source->phase = PHASE_MUTE;
    else
        over(source, one_in(2));
}

static void run_say(struct source *source)
{
    size_t most = some_of(WINDOW / 2);

    if (source->cut_at != SIZE_MAX && source->answer.at + most >= source->cut_at) {
        if (source->cut_at > source->answer.at)
            body_write(&source->answer, source->far.wire, source->cut_at - source->answer.at);
        cut(source);
        return;
    }
    if (wire_unsent(source->far.wire) > WINDOW)
        return;
    body_write(&source->answer, source->far.wire, most);
    if (source->answer.is_done)
        answer_is_said(source);
}

/* ---- a look ---- */

static void run_head(struct source *source)
{
    static char head[HEAD_BYTES];

    if (source->served > 0 && wire_unread(source->far.wire) == 0 && one_in(sources.kindness * 8))
        over(source, one_in(3));
    else if (head_read(source->far.wire, head, sizeof(head)) > 0)
        request_begin(source, head);
}

static void source_run(struct far *far)
{
    struct source *source = container_of(far, struct source, far);
    enum phase     before = source->phase;
    char           bytes[512];

    if (source->phase == PHASE_OVER)
        return;
    if (wire_is_reset(far->wire) || wire_end_came(far->wire)) {
        over(source, false);
        return;
    }
    if (source->phase == PHASE_HEAD)
        run_head(source);
    else if (source->phase == PHASE_THINK)
        run_think(source);
    else if (source->phase == PHASE_SAY)
        run_say(source);
    else
        (void)wire_read(far->wire, bytes, sizeof(bytes));
    if (source->phase == PHASE_THINK || source->phase == PHASE_SAY ||
        (source->phase == PHASE_HEAD && before != PHASE_HEAD))
        far_wake_in(far, (int64_t)chance(one_in(20) ? 300000 : 500));
}
