// SPDX-License-Identifier: MIT
/* What main/edition.c and main/worker.c do with bundles and threads, here with a text and with one
 * loop, which is its own control loop. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "balance/group.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "house.h"
#include "kernel.h"
#include "net/loop.h"
#include "origins.h"
#include "proxy/front.h"
#include "rooms.h"
#include "schedule.h"

enum { LISTENS_MOST = 4, LINE_BYTES = 200, STEPS_BYTES = 4096 };
enum { CALM_US = 2000000, REST_US = 150000000 };

struct edition {
    struct config_source source;
    struct text          text;
    struct config       *config;
    struct snapshot     *snapshot;
};

static struct {
    struct loop    *loop;
    struct front   *front;
    struct edition *current;
    unsigned        editions;            /* not freed yet */
    int             doors[2];            /* descriptors by port */
    bool            is_leaving, is_drained;
    char            steps[STEPS_BYTES], words[STEPS_BYTES];
    int64_t         words_us;
} house;

/* ---- what it says ---- */

static void gather(char *texts, struct text text)
{
    size_t len = strlen(texts);

    (void)snprintf(texts + len, STEPS_BYTES - len, "%.*s\n", TEXT_ARGS(text));
}

/* "2026/.. [error] 1#1: *7 words, client: ..." without date, pid and number, which differ from run to
 * run. */
static struct text words_of(struct text line)
{
    size_t at = text_find(line, ']');

    at += text_find(text_from_offset(line, at), ':');
    if (at + 2 < line.len)
        line = text_from_offset(line, at + 2);
    if (line.len > 0 && line.ptr[0] == '*')
        line = text_from_offset(line, text_find(line, ' ') + 1);
    return text_part(line, 0, text_find(line, '\n'));
}

static void log_write(void *target, enum log_level level, struct text line)
{
    struct text words = words_of(line);

    (void)target;
    (void)level;
    if (text_has_prefix(words, TEXT("step "))) {
        size_t len = strlen(house.steps);

        words = text_part(words, 4, text_find(words, ',') - 4);
        (void)snprintf(house.steps + len, STEPS_BYTES - len, "%.*s", TEXT_ARGS(words));
        return;
    }
    gather(house.words, words);
    house.words_us = kernel_now_us();
    say("log: %.*s", (int)(words.len < LINE_BYTES ? words.len : LINE_BYTES), words.ptr);
}

static struct log house_log = { .level = LOG_INFO, .write = log_write };

const char *house_steps(void)
{
    return house.steps;
}

const char *house_words(void)
{
    return house.words;
}

int64_t house_words_us(void)
{
    return house.words_us;
}

void house_listen_to_steps(bool is_on)
{
    house_log.level = is_on ? LOG_DEBUG : LOG_INFO;
}

/* ---- editions ---- */

static int source_read(struct config_source *source, struct text path, struct text *ret_text)
{
    if (!text_is_equal(path, TEXT("/sim.conf")))
        return -ENOENT;
    *ret_text = container_of(source, struct edition, source)->text;
    return 0;
}

static int source_glob(struct config_source *source, struct text pattern, struct text **ret_paths,
                       unsigned *ret_count)
{
    (void)source;
    (void)pattern;
    *ret_paths = NULL;
    *ret_count = 0;
    return 0;
}

static void edition_free(void *owner)
{
    struct edition *edition = owner;

    config_free(&edition->config);
    mem_free((void *)edition->text.ptr);
    mem_free(edition);
    house.editions--;
    say("an edition is gone");
}

static struct edition *edition_new(const char *text)
{
    const struct config_options options = { .prefix = TEXT("/"), .path = TEXT("/sim.conf"),
                                            .error_log = TEXT("stderr") };
    struct edition  *edition = mem_new(sizeof(*edition));
    struct arena    *arena = arena_new();
    struct diagnoses diagnoses;

    edition->source = (struct config_source){ .read = source_read, .glob = source_glob };
    edition->text = text_of(mem_string(text, strlen(text)), strlen(text));
    diagnoses_init(&diagnoses, arena);
    edition->config = config_load(&edition->source, &options, &diagnoses);
    if (edition->config == NULL)
        FAIL("%.*s", TEXT_ARGS(diagnosis_line(arena, diagnoses.first)));
    arena_free(&arena);
    house.editions++;
    edition->snapshot = snapshot_new(&edition->config->site, edition, edition_free, house.loop);
    return edition;
}

static void adopt(struct edition *edition)
{
    int      fds[LISTENS_MOST];
    unsigned count = 0;

    for (const struct listen *listen = edition->config->site.listens; listen != NULL;
         listen = listen->next) {
        unsigned port = (unsigned)address_port(&listen->address);

        must(count < LISTENS_MOST && port >= ROOM_PORT && port <= ROOM_SECOND_PORT);
        fds[count++] = house.doors[port - ROOM_PORT];
    }
    front_adopt(house.front, edition->snapshot, fds);
    house.current = edition;
}

/* The supervisor's part: a port is listened on as long as an edition says so. */
static bool is_listened(const struct edition *edition, unsigned port)
{
    for (const struct listen *listen = edition->config->site.listens; listen != NULL;
         listen = listen->next)
        if ((unsigned)address_port(&listen->address) == port)
            return true;
    return false;
}

static void doors_open(const struct edition *edition)
{
    for (unsigned i = 0; i < 2; i++)
        if (house.doors[i] < 0 && is_listened(edition, ROOM_PORT + i))
            house.doors[i] = kernel_listen(ROOM_PORT + i);
}

static void doors_close(const struct edition *edition)
{
    for (unsigned i = 0; i < 2; i++)
        if (house.doors[i] >= 0 && (edition == NULL || !is_listened(edition, ROOM_PORT + i))) {
            kernel_close_listener(house.doors[i]);
            house.doors[i] = -1;
        }
}

void house_open(const char *text, unsigned connections_most)
{
    memset(&house, 0, sizeof(house));
    house.doors[0] = house.doors[1] = -1;
    log_use(&house_log);
    house.loop = loop_new(0);
    house.front = front_new(house.loop, connections_most);
    house_reload(text);
}

void house_reload(const char *text)
{
    struct edition *former = house.current, *edition;

    if (house.is_leaving)
        return;
    say("an edition is adopted");
    edition = edition_new(text);
    doors_open(edition);
    adopt(edition);
    doors_close(edition);
    if (former != NULL)
        snapshot_retire(former->snapshot, house.loop, &house.loop, 1);
}

/* ---- leaving ---- */

static void retries_check(const struct upstream *upstream)
{
    struct upstream only_one = *upstream;

    only_one.retry_percent = 0;
    only_one.retry_least = 1;
    CHECK(group_retry_begin(&only_one));
    group_retry_end(&only_one);
}

/* Each peer that may be picked is picked once: that is its only request in flight. */
static void peers_check(const struct upstream *upstream)
{
    struct pick_ask ask = { .now_ms = kernel_now_us() / 1000 };
    enum nobody     nobody;
    struct ending   ending = { .is_failure = false };
    struct peer    *peer;

    while ((peer = group_pick(upstream, &ask, &nobody)) != NULL) {
        bool is_now_down;

        if (atomic_load(&peer->in_flight) != 1)
            FAIL("%.*s has %u requests in flight", TEXT_ARGS(peer->name),
                 atomic_load(&peer->in_flight) - 1);
        ask.tried[ask.tried_count++] = peer;
        group_done(&peer, &ending, &is_now_down);
    }
    CHECK(nobody != NOBODY_FREE);        /* nor does anybody wait */
    retries_check(upstream);
}

static void stop(void)
{
    if (house.editions > 0 || origins_open() > 0)
        FAIL("%u editions and %u connections to origins are left", house.editions, origins_open());
    front_free(&house.front);
    loop_stop(house.loop);
}

/* Doors pin what they serve, so they are closed by an edition without any. */
static void retire(void)
{
    const struct site *site = &house.current->config->site;
    struct edition    *last;

    CHECK(front_connections(house.front) == 0);
    for (unsigned i = 0; i < site->upstream_count; i++)
        peers_check(site->upstreams[i]);
    house.is_leaving = false;
    house_reload("events {} http {}");
    last = house.current;
    house.is_leaving = true;
    snapshot_retire(last->snapshot, house.loop, &house.loop, 1);
    kernel_call_at(kernel_now_us() + REST_US, stop);
}

/* Connections to peers rest for a while; then nothing may be left. */
static void drained(void *argument)
{
    (void)argument;
    say("drained");
    CHECK(!house.is_drained);
    house.is_drained = true;
    kernel_calm();
    kernel_call_at(kernel_now_us() + CALM_US, retire);
}

static void cut(void)
{
    if (house.is_drained)
        return;
    say("what is left is cut");
    front_close_all(house.front);
}

void house_leave(int64_t cut_at_us)
{
    house.is_leaving = true;
    say("leaving");
    front_drain(house.front, drained, NULL);
    doors_close(NULL);
    kernel_call_at(cut_at_us, cut);
}

bool house_is_leaving(void)
{
    return house.is_leaving;
}

void house_run(void)
{
    loop_run(house.loop);
}

void house_close(void)
{
    loop_free(&house.loop);
    log_use(NULL);
}
