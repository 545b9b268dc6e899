// SPDX-License-Identifier: MIT
/* Lines by key in a hash table; the same lines in the order of their turns, and by the logarithm of
 * their length, so that no operation looks at more than a few of them. A line lives as long as somebody
 * stands in it. */
#include "balance/queue.h"

#include <stddef.h>

#include "base/mem.h"
#include "base/must.h"

enum { TABLE_SIZE = 1024 };

struct line {
    uint64_t    key;
    int64_t     since_ms;                /* since when it has not been empty */
    unsigned    count;
    struct link waiters;                 /* oldest first */
    struct link table_link, turn_link, size_link;
};

static struct waiter *waiter_of(struct link *link)
{
    return container_of(link, struct waiter, link);
}

void queue_init(struct queue *queue)
{
    *queue = (struct queue){ .count = 0 };
    list_init(&queue->turns);
    for (unsigned i = 0; i < QUEUE_SIZES; i++)
        list_init(&queue->sizes[i]);
}

void queue_done(struct queue *queue)
{
    must(queue->count == 0);
    mem_free(queue->table);
    queue->table = NULL;
}

/* ---- lines ---- */

static struct link *slot_of(struct queue *queue, uint64_t key)
{
    if (queue->table == NULL) {
        queue->table = mem_new(TABLE_SIZE * sizeof(struct link));
        for (unsigned i = 0; i < TABLE_SIZE; i++)
            list_init(&queue->table[i]);
    }
    return &queue->table[key % TABLE_SIZE];
}

static struct line *line_find(struct queue *queue, uint64_t key)
{
    struct link *slot = slot_of(queue, key);

    LIST_EACH(slot, at)
    {
        struct line *line = container_of(at, struct line, table_link);

        if (line->key == key)
            return line;
    }
    return NULL;
}

static struct line *line_new(struct queue *queue, uint64_t key, int64_t now_ms)
{
    struct line *line = mem_new(sizeof(*line));

    line->key = key;
    line->since_ms = now_ms;
    list_init(&line->waiters);
    list_init(&line->table_link);
    list_init(&line->turn_link);
    list_init(&line->size_link);
    list_append(slot_of(queue, key), &line->table_link);
    list_append(&queue->turns, &line->turn_link);
    return line;
}

static void line_free(struct line *line)
{
    list_remove(&line->table_link);
    list_remove(&line->turn_link);
    list_remove(&line->size_link);
    mem_free(line);
}

static unsigned size_of(unsigned count)
{
    return 31 - (unsigned)__builtin_clz(count);
}

static void line_resize(struct queue *queue, struct line *line, unsigned count)
{
    bool is_moved = line->count == 0 || size_of(line->count) != size_of(count);

    line->count = count;
    if (!is_moved)
        return;
    list_remove(&line->size_link);
    list_append(&queue->sizes[size_of(count)], &line->size_link);
}

static struct line *line_longest(const struct queue *queue)
{
    for (unsigned i = QUEUE_SIZES; i-- > 0;)
        if (!list_is_empty(&queue->sizes[i]))
            return container_of(queue->sizes[i].next, struct line, size_link);
    return NULL;
}

/* ---- time ---- */

static bool is_crowded(const struct queue *queue, const struct line *line, int64_t now_ms)
{
    return queue->limits.target_ms > 0 && now_ms - line->since_ms >= queue->limits.interval_ms;
}

bool queue_is_crowded(const struct queue *queue, const struct waiter *waiter, int64_t now_ms)
{
    return is_crowded(queue, waiter->line, now_ms);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Each loop has its own idea of now. */
int64_t queue_waited_ms(const struct waiter *waiter, int64_t now_ms)
{
    return now_ms > waiter->since_ms ? now_ms - waiter->since_ms : 0;
}

int64_t queue_until_ms(const struct queue *queue, const struct waiter *waiter, int64_t now_ms)
{
    const struct queue_limits *limits = &queue->limits;
    int64_t                    until_ms = waiter->since_ms + limits->timeout_ms;

    return queue_is_crowded(queue, waiter, now_ms)
               ? least(until_ms, waiter->since_ms + limits->target_ms)
               : until_ms;
}

int64_t queue_look_ms(const struct queue *queue, const struct waiter *waiter, int64_t now_ms)
{
    const struct queue_limits *limits = &queue->limits;
    int64_t until_ms = queue_until_ms(queue, waiter, now_ms), crowd_ms, shorter_ms;

    if (limits->target_ms == 0 || queue_is_crowded(queue, waiter, now_ms))
        return until_ms;
    crowd_ms = waiter->line->since_ms + limits->interval_ms;
    shorter_ms = waiter->since_ms + limits->target_ms;
    return least(until_ms, crowd_ms > shorter_ms ? crowd_ms : shorter_ms);
}

/* ---- in and out ---- */

/* Somebody for whom the newcomer can have the place; NULL: nobody, it would be served last itself. */
static struct waiter *find_loser(struct queue *queue, uint64_t key, int64_t now_ms)
{
    struct line *own = line_find(queue, key), *longest = line_longest(queue);
    unsigned     own_size = size_of(own == NULL ? 1 : own->count + 1);
    bool         is_others = size_of(longest->count) > own_size;
    struct line *line = is_others || own == NULL ? longest : own;

    if (is_crowded(queue, line, now_ms))
        return waiter_of(line->waiters.next);
    return is_others ? waiter_of(line->waiters.prev) : NULL;
}

bool queue_add(struct queue *queue, struct waiter *waiter, uint64_t key, int64_t now_ms,
               struct waiter **ret_loser)
{
    struct line *line;

    *ret_loser = NULL;
    if (queue->limits.most == 0)
        return false;
    if (queue->count >= queue->limits.most) {
        *ret_loser = find_loser(queue, key, now_ms);
        if (*ret_loser == NULL)
            return false;
    }
    line = line_find(queue, key);
    if (line == NULL)
        line = line_new(queue, key, now_ms);
    if (queue->count++ == 0)
        queue->busy_since_ms = now_ms;
    waiter->since_ms = now_ms;
    waiter->line = line;
    list_append(&line->waiters, &waiter->link);
    line_resize(queue, line, line->count + 1);
    if (*ret_loser != NULL)
        queue_drop(queue, *ret_loser);   /* not before: its line may be the newcomer's */
    return true;
}

void queue_drop(struct queue *queue, struct waiter *waiter)
{
    struct line *line = waiter->line;

    if (line == NULL)
        return;
    waiter->line = NULL;
    list_remove(&waiter->link);
    queue->count--;
    if (line->count == 1)
        line_free(line);
    else
        line_resize(queue, line, line->count - 1);
}

void queue_serve(struct queue *queue, struct waiter *waiter)
{
    struct line *line = waiter->line;

    list_remove(&line->turn_link);
    list_append(&queue->turns, &line->turn_link);
    queue_drop(queue, waiter);
}

/* ---- the order ---- */

static struct waiter *first_of(const struct queue *queue, struct link *turn, int64_t now_ms)
{
    struct line *line;

    if (turn == &queue->turns)
        return NULL;
    line = container_of(turn, struct line, turn_link);
    return waiter_of(is_crowded(queue, line, now_ms) ? line->waiters.prev : line->waiters.next);
}

struct waiter *queue_first(const struct queue *queue, int64_t now_ms)
{
    return first_of(queue, queue->turns.next, now_ms);
}

struct waiter *queue_after(const struct queue *queue, const struct waiter *waiter, int64_t now_ms)
{
    struct line *line = waiter->line;
    struct link *next = is_crowded(queue, line, now_ms) ? waiter->link.prev : waiter->link.next;

    return next != &line->waiters ? waiter_of(next) : first_of(queue, line->turn_link.next, now_ms);
}
