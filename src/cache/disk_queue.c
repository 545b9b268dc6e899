// SPDX-License-Identifier: MIT
#include "cache/disk_queue.h"

#include <stddef.h>
#include <time.h>

void disk_queue_init(struct disk_queue *queue)
{
    pthread_condattr_t attributes;

    *queue = (struct disk_queue){ .first = NULL };
    pthread_mutex_init(&queue->lock, NULL);
    pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->work, &attributes);
    pthread_condattr_destroy(&attributes);
}

void disk_queue_done(struct disk_queue *queue)
{
    pthread_cond_destroy(&queue->work);
    pthread_mutex_destroy(&queue->lock);
}

bool disk_queue_put(struct disk_queue *queue, struct disk_work *work)
{
    bool is_open;

    pthread_mutex_lock(&queue->lock);
    is_open = !queue->is_closed;
    if (is_open) {
        work->next = NULL;
        if (queue->last != NULL)
            queue->last->next = work;
        else
            queue->first = work;
        queue->last = work;
        atomic_fetch_add(&queue->unwritten, 1);
        pthread_cond_signal(&queue->work);
    }
    pthread_mutex_unlock(&queue->lock);
    return is_open;
}

static struct timespec deadline_after(int64_t ms)
{
    struct timespec at;

    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += ms / 1000;
    at.tv_nsec += ms % 1000 * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_nsec -= 1000000000;
        at.tv_sec++;
    }
    return at;
}

struct disk_work *disk_queue_take(struct disk_queue *queue, int64_t wait_ms)
{
    struct timespec   deadline = deadline_after(wait_ms);
    struct disk_work *first;

    pthread_mutex_lock(&queue->lock);
    while (queue->first == NULL && !queue->is_closed &&
           pthread_cond_timedwait(&queue->work, &queue->lock, &deadline) == 0) {
    }
    first = queue->first;
    queue->first = queue->last = NULL;
    pthread_mutex_unlock(&queue->lock);
    return first;
}

void disk_queue_reserve(struct disk_queue *queue, uint64_t bytes)
{
    atomic_fetch_add(&queue->bytes, bytes);
}

void disk_queue_release(struct disk_queue *queue, uint64_t bytes)
{
    atomic_fetch_sub(&queue->bytes, bytes);
}

uint64_t disk_queue_bytes(const struct disk_queue *queue)
{
    return atomic_load(&queue->bytes);
}

void disk_queue_written(struct disk_queue *queue, unsigned count)
{
    atomic_fetch_sub(&queue->unwritten, count);
}

unsigned disk_queue_unwritten(const struct disk_queue *queue)
{
    return atomic_load(&queue->unwritten);
}

void disk_queue_close(struct disk_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->is_closed = true;
    pthread_cond_signal(&queue->work);
    pthread_mutex_unlock(&queue->lock);
}

bool disk_queue_is_closed(struct disk_queue *queue)
{
    bool is_closed;

    pthread_mutex_lock(&queue->lock);
    is_closed = queue->is_closed;
    pthread_mutex_unlock(&queue->lock);
    return is_closed;
}
