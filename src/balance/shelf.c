// SPDX-License-Identifier: MIT
/* The shelf: a list by age of all that rests on it, one of each group, and a stack for each peer.
 *
 * Looking whether a connection lives is a system call, so a sweep looks at a few at a time and gives the
 * lock back in between; a bookmark in the list keeps its place. */
#include "balance/shelf.h"

#include <unistd.h>

#include "balance/group_parts.h"
#include "balance/patience.h"
#include "base/mem.h"
#include "net/room.h"
#include "net/socket.h"

enum { SWEEP_AT_ONCE = 32 };

struct item {
    struct shelved shelved;
    struct peer   *peer;                 /* referenced; NULL: a bookmark */
    struct link    link;                 /* in peer->shelf, newest first */
    struct link    age_link;             /* in `by_age`, newest first */
    struct link    group_link;           /* in peer->group->shelf, newest first */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;   /* of the lists */
static struct link     by_age = { &by_age, &by_age };
static atomic_uint     count;
static _Atomic(int64_t) swept_ms;

static struct item *item_of(struct link *link)
{
    return container_of(link, struct item, link);
}

static struct item *item_of_age(struct link *link)
{
    return container_of(link, struct item, age_link);
}

static struct item *item_of_group(struct link *link)
{
    return container_of(link, struct item, group_link);
}

/* Off the lists; the caller holds the lock. */
static void leave(struct item *item)
{
    list_remove(&item->link);
    list_remove(&item->age_link);
    list_remove(&item->group_link);
    atomic_fetch_sub_explicit(&count, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&item->peer->shelved, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&item->peer->group->shelved, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&item->peer->group->resting, 1, memory_order_relaxed);
    room_shelved_gone();
}

static void item_free(struct item *item)
{
    peer_unref(&item->peer);
    mem_free(item);
}

static void items_close(struct link *gone)
{
    LIST_EACH_SAFE(gone, at, after) {
        struct item *item = item_of(at);

        list_remove(at);
        (void)close(item->shelved.fd);
        item_free(item);
    }
}

void shelf_put(struct peer *peer, const struct shelved *shelved)
{
    struct item *item = mem_new(sizeof(*item));

    item->shelved = *shelved;
    item->peer = peer_ref(peer);
    list_init(&item->link);
    list_init(&item->age_link);
    list_init(&item->group_link);
    pthread_mutex_lock(&lock);
    list_prepend(&peer->shelf, &item->link);
    list_prepend(&by_age, &item->age_link);
    list_prepend(&peer->group->shelf, &item->group_link);
    if (atomic_fetch_add_explicit(&count, 1, memory_order_relaxed) == 0)
        atomic_store_explicit(&swept_ms, shelved->rested_ms, memory_order_relaxed);
    atomic_fetch_add_explicit(&peer->shelved, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&peer->group->shelved, 1, memory_order_relaxed);
    pthread_mutex_unlock(&lock);
}

static struct item *take_newest(struct peer *peer)
{
    struct item *item = NULL;

    pthread_mutex_lock(&lock);
    if (!list_is_empty(&peer->shelf)) {
        item = item_of(peer->shelf.next);
        leave(item);
    }
    pthread_mutex_unlock(&lock);
    return item;
}

bool shelf_take(struct peer *peer, struct shelved *ret_shelved)
{
    while (atomic_load_explicit(&peer->shelved, memory_order_relaxed) > 0) {
        struct item *item = take_newest(peer);
        bool         is_good;

        if (item == NULL)
            return false;
        is_good = socket_is_quiet(item->shelved.fd);
        if (is_good)
            *ret_shelved = item->shelved;
        else
            (void)close(item->shelved.fd);
        item_free(item);
        if (is_good)
            return true;
    }
    return false;
}

/* One loop at a time, and none too early. */
static bool may_sweep(int64_t now_ms)
{
    int64_t last = atomic_load_explicit(&swept_ms, memory_order_relaxed);

    return now_ms - last >= SHELF_SWEEP_MS &&
           atomic_compare_exchange_strong_explicit(&swept_ms, &last, now_ms, memory_order_relaxed,
                                                   memory_order_relaxed);
}

static bool is_over(const struct item *item, int64_t now_ms)
{
    if (now_ms >= item->shelved.until_ms)
        return true;
    if (socket_is_quiet(item->shelved.fd))
        return false;
    patience_note_closed(item->peer, now_ms - item->shelved.rested_ms, now_ms);
    return true;
}

static void close_later(struct item *item, struct link *gone)
{
    leave(item);
    list_append(gone, &item->link);
}

/* Moves the bookmark on, towards the newest; NULL: there is nobody behind it. Under the lock. */
static struct item *next_of(struct item *bookmark)
{
    struct link *at = bookmark->age_link.prev;

    if (at == &by_age)
        return NULL;
    list_remove(&bookmark->age_link);
    list_append(at, &bookmark->age_link);
    return item_of_age(at);
}

/* False: the list is through. */
static bool sweep_some(struct item *bookmark, int64_t now_ms, struct link *gone)
{
    struct item *item = NULL;

    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < SWEEP_AT_ONCE && (item = next_of(bookmark)) != NULL; i++)
        if (item->peer != NULL && is_over(item, now_ms))
            close_later(item, gone);
    pthread_mutex_unlock(&lock);
    return item != NULL;
}

void shelf_sweep(int64_t now_ms)
{
    struct item bookmark = { .peer = NULL };
    struct link gone;
    unsigned    rounds = shelf_count() / SWEEP_AT_ONCE + 1;   /* the newest may come while it looks */

    if (shelf_count() == 0 || !may_sweep(now_ms))
        return;
    list_init(&gone);
    list_init(&bookmark.age_link);
    pthread_mutex_lock(&lock);
    list_append(&by_age, &bookmark.age_link);
    pthread_mutex_unlock(&lock);
    while (rounds-- > 0 && sweep_some(&bookmark, now_ms, &gone))
        continue;
    pthread_mutex_lock(&lock);
    list_remove(&bookmark.age_link);
    pthread_mutex_unlock(&lock);
    items_close(&gone);
}

/* NULL: none. Under the lock. */
static struct item *oldest_of(struct group *group)
{
    struct link *at = by_age.prev;

    if (group != NULL)
        return list_is_empty(&group->shelf) ? NULL : item_of_group(group->shelf.prev);
    while (at != &by_age && item_of_age(at)->peer == NULL)
        at = at->prev;
    return at == &by_age ? NULL : item_of_age(at);
}

unsigned shelf_close_oldest(struct group *group, unsigned most)
{
    struct link  gone;
    struct item *item;
    unsigned     closed = 0;

    if (shelf_count() == 0)
        return 0;
    list_init(&gone);
    pthread_mutex_lock(&lock);
    for (; closed < most && (item = oldest_of(group)) != NULL; closed++)
        close_later(item, &gone);
    pthread_mutex_unlock(&lock);
    items_close(&gone);
    return closed;
}

unsigned shelf_count(void)
{
    return atomic_load_explicit(&count, memory_order_relaxed);
}
