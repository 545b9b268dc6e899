// SPDX-License-Identifier: MIT
/* Waits: in the group's queue under its lock; told of what has come on their own loop. `state` is
 * written under the lock, once, by whoever settles it; its own loop reads it when it has been told. */
#include "balance/wait.h"

#include "balance/group_parts.h"
#include "base/hash.h"
#include "base/mem.h"

enum {
    LOOKS_MOST = 16,          /* who cannot have what is free (they have tried it) is passed over */
    LOOK_MS = 100,            /* peers become usable by the clock as well */
    LOOK_APART_MS = 10,       /* one look is for all who wait */
    RETRY_AFTER_MOST_S = 5
};

struct wait {
    struct waiter          waiter;       /* first: a place in the queue */
    struct link            told_link;    /* settled, its letter is not posted yet */
    struct letter          letter;
    struct group          *group;
    struct loop           *loop;
    struct task           *task;         /* NULL: forgotten */
    const struct pick_ask *ask;
    struct peer           *peer;         /* granted: counted and referenced */
    int64_t                picked_ms;    /* when it was granted */
    enum wait_state        state;
    bool                   is_told;
};

static struct wait *wait_of(struct waiter *waiter)
{
    return container_of(waiter, struct wait, waiter);
}

/* ---- the news ---- */

static void wait_end(struct wait *wait)
{
    if (wait->peer != NULL)
        group_give_back(&wait->peer, wait->picked_ms);
    mem_free(wait);
}

static void wait_tell(struct wait *wait)
{
    wait->is_told = true;
    if (wait->task != NULL)
        task_wake(wait->task, WAKE_LETTER);
    else
        wait_end(wait);
}

static void letter_open(struct loop *loop, struct letter *letter)
{
    (void)loop;
    wait_tell(container_of(letter, struct wait, letter));
}

static void waiters_tell(struct link *told)
{
    LIST_EACH_SAFE(told, at, after)
    {
        struct wait *wait = container_of(at, struct wait, told_link);

        list_remove(at);
        if (wait->loop == loop_self())
            wait_tell(wait);
        else
            mailbox_post(wait->loop, &wait->letter);
    }
}

/* ---- under the lock ---- */

static void count(struct queue_counts *waits, enum wait_state state)
{
    waits->served += state == WAIT_GRANTED;
    waits->full += state == WAIT_FULL;
    waits->late += state == WAIT_OVER;
    waits->no_server += state == WAIT_NOBODY;
}

static void settle(struct wait *wait, enum wait_state state, struct link *told)
{
    count(&wait->group->waits, state);
    queue_drop(&wait->group->queue, &wait->waiter);
    wait->state = state;
    list_append(told, &wait->told_link);
}

static struct peer *choose_for(struct wait *wait, int64_t now_ms)
{
    struct pick_ask ask = *wait->ask;
    struct peer    *peer;

    ask.now_ms = now_ms;
    peer = group_choose(wait->group, &ask);
    if (peer != NULL)
        group_take(peer, now_ms);
    return peer;
}

static bool grant(struct wait *wait, int64_t now_ms, struct link *told)
{
    wait->peer = choose_for(wait, now_ms);
    if (wait->peer == NULL)
        return false;
    wait->picked_ms = now_ms;
    wait->group->waits.waited_ms += (uint64_t)queue_waited_ms(&wait->waiter, now_ms);
    queue_serve(&wait->group->queue, &wait->waiter);
    settle(wait, WAIT_GRANTED, told);
    return true;
}

/* True: somebody was granted a peer. */
static bool serve(struct group *group, int64_t now_ms, unsigned most, struct link *told)
{
    struct queue  *queue = &group->queue;
    struct waiter *waiter = queue_first(queue, now_ms);
    unsigned       looks = 0, granted = 0;

    while (waiter != NULL && granted < most && looks < LOOKS_MOST) {
        if (now_ms >= queue_until_ms(queue, waiter, now_ms)) {
            settle(wait_of(waiter), WAIT_OVER, told);
            waiter = queue_first(queue, now_ms);
        } else if (grant(wait_of(waiter), now_ms, told)) {
            granted++;
            waiter = queue_first(queue, now_ms);
        } else {
            looks++;
            waiter = queue_after(queue, waiter, now_ms);
        }
    }
    return granted > 0;
}

static void dismiss(struct group *group, int64_t now_ms, struct link *told)
{
    struct waiter *waiter;

    while ((waiter = queue_first(&group->queue, now_ms)) != NULL)
        settle(wait_of(waiter), WAIT_NOBODY, told);
}

void group_unlock_serving(struct group *group, int64_t now_ms, unsigned most)
{
    struct link told;

    list_init(&told);
    if (group->queue.count > 0 && !serve(group, now_ms, most, &told) &&
        !group_is_alive(group, now_ms))
        dismiss(group, now_ms, &told);
    pthread_mutex_unlock(&group->lock);
    waiters_tell(&told);
}

/* ---- who waits ---- */

struct wait *wait_begin(const struct upstream *upstream, const struct pick_ask *ask,
                        struct text key, struct loop *loop, struct task *task)
{
    struct wait   *wait = mem_new(sizeof(*wait));
    struct waiter *loser;
    struct link    told;

    list_init(&told);
    list_init(&wait->told_link);
    list_init(&wait->waiter.link);
    wait->letter.open = letter_open;
    wait->group = upstream->group;
    wait->loop = loop;
    wait->task = task;
    wait->ask = ask;
    pthread_mutex_lock(&wait->group->lock);
    if (!queue_add(&wait->group->queue, &wait->waiter, hash_text(key), ask->now_ms, &loser))
        settle(wait, WAIT_FULL, &told);
    else if (loser != NULL)
        settle(wait_of(loser), WAIT_FULL, &told);
    group_unlock_serving(wait->group, ask->now_ms, SERVE_ALL);   /* a place may have become free meanwhile */
    waiters_tell(&told);
    return wait;
}

/* Others can be served, but of those it has not tried nobody is up. */
static bool is_in_vain(const struct wait *wait, int64_t now_ms)
{
    struct pick_ask ask = *wait->ask;

    ask.now_ms = now_ms;
    return !group_may_serve(wait->group, &ask) && group_is_alive(wait->group, now_ms);
}

/* Unlocks. */
static void look(struct wait *wait, int64_t now_ms)
{
    struct group *group = wait->group;
    struct link   told;

    list_init(&told);
    if (now_ms >= queue_until_ms(&group->queue, &wait->waiter, now_ms))
        settle(wait, WAIT_OVER, &told);
    else if (is_in_vain(wait, now_ms))
        settle(wait, WAIT_NOBODY, &told);
    if (now_ms - group->looked_ms < LOOK_APART_MS) {
        pthread_mutex_unlock(&group->lock);
    } else {
        group->looked_ms = now_ms;
        group_unlock_serving(group, now_ms, SERVE_ALL);
    }
    waiters_tell(&told);
}

enum wait_state wait_poll(struct wait *wait, int64_t now_ms, int64_t *ret_look_ms)
{
    struct group *group = wait->group;
    int64_t       look_ms;

    if (wait->is_told)
        return wait->state;
    *ret_look_ms = now_ms + LOOK_MS;
    pthread_mutex_lock(&group->lock);
    if (wait->state == WAIT_QUEUED) {
        look_ms = queue_look_ms(&group->queue, &wait->waiter, now_ms);
        if (look_ms < *ret_look_ms)
            *ret_look_ms = look_ms;
        look(wait, now_ms);
    } else {
        pthread_mutex_unlock(&group->lock);   /* its letter is on its way */
    }
    return wait->is_told ? wait->state : WAIT_QUEUED;
}

struct peer *wait_take(struct wait **wait, int64_t *ret_picked_ms)
{
    struct wait *done = *wait;
    struct peer *peer = done->peer;

    must(done->is_told && peer != NULL);
    *ret_picked_ms = done->picked_ms;
    done->peer = NULL;
    *wait = NULL;
    wait_end(done);
    return peer;
}

void wait_cancel(struct wait **wait)
{
    struct wait *done = *wait;
    bool         is_over;

    *wait = NULL;
    if (done == NULL)
        return;
    pthread_mutex_lock(&done->group->lock);
    queue_drop(&done->group->queue, &done->waiter);
    done->group->waits.left += done->state == WAIT_QUEUED;
    is_over = done->state == WAIT_QUEUED || done->is_told;
    done->ask = NULL;
    done->task = NULL;
    pthread_mutex_unlock(&done->group->lock);
    if (is_over)
        wait_end(done);
}

unsigned wait_retry_after_s(const struct upstream *upstream, int64_t now_ms)
{
    struct group *group = upstream->group;
    int64_t       crowded_s = 0;

    pthread_mutex_lock(&group->lock);
    if (group->queue.count > 0)
        crowded_s = (now_ms - group->queue.busy_since_ms) / 1000;
    pthread_mutex_unlock(&group->lock);
    return crowded_s < RETRY_AFTER_MOST_S ? 1 + (unsigned)crowded_s : RETRY_AFTER_MOST_S;
}
