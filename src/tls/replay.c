// SPDX-License-Identifier: MIT
/* Two tables of hashes, each for as long as a hello can be replayed: OpenSSL takes early data when the ticket's
 * age as the client says it is at most ten seconds behind ours, and one ahead. A collision refuses early data,
 * which costs its client a round trip. */
#include "tls/replay.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"

enum { SLOTS = 16384, MOST = SLOTS / 4 * 3, WINDOW_MS = 12 * 1000 };

struct table {
    unsigned count;
    uint64_t hashes[SLOTS];              /* 0: free */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct table    tables[2];
static unsigned        young;            /* which of them is filled */
static int64_t         since_ms;         /* since when */
static pid_t           process;          /* whose tables these are: a child begins anew */
static int64_t         started_s, started_ms;

static uint64_t *find(struct table *table, uint64_t hash)
{
    size_t at = hash % SLOTS;

    while (table->hashes[at] != 0 && table->hashes[at] != hash)
        at = (at + 1) % SLOTS;
    return &table->hashes[at];
}

static void start(int64_t now_ms)
{
    process = getpid();
    started_s = clock_wall_ms() / 1000;
    started_ms = since_ms = now_ms;
    memset(tables, 0, sizeof(tables));
}

void tls_replay_start(void)
{
    (void)pthread_mutex_lock(&lock);
    if (process != getpid())
        start(clock_mono_ms());
    (void)pthread_mutex_unlock(&lock);
}

static void turn(int64_t now_ms)
{
    unsigned turns = 0;

    for (; now_ms - since_ms >= WINDOW_MS && turns < 2; turns++, since_ms += WINDOW_MS) {
        young = 1 - young;
        memset(&tables[young], 0, sizeof(tables[young]));
    }
    if (turns == 2)
        since_ms = now_ms;
}

static bool enter(uint64_t hash)
{
    uint64_t *slot;

    if (*find(&tables[1 - young], hash) != 0 || tables[young].count >= MOST)
        return false;
    slot = find(&tables[young], hash);
    if (*slot != 0)
        return false;
    *slot = hash;
    tables[young].count++;
    return true;
}

bool tls_replay_first(struct text random, int64_t issued_s)
{
    uint64_t hash = hash_text(random) | 1;
    int64_t  now_ms = clock_mono_ms();
    bool     is_first;

    (void)pthread_mutex_lock(&lock);
    if (process != getpid())
        start(now_ms);
    turn(now_ms);
    is_first = (now_ms - started_ms >= WINDOW_MS || issued_s > started_s) && enter(hash);
    (void)pthread_mutex_unlock(&lock);
    return is_first;
}
