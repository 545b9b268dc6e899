// SPDX-License-Identifier: MIT
#include "cache/disk_reads.h"

#include "cache/disk.h"

void disk_reads_init(struct disk_reads *reads)
{
    *reads = (struct disk_reads){ .leaders = { NULL } };
    pthread_mutex_init(&reads->lock, NULL);
}

void disk_reads_done(struct disk_reads *reads)
{
    pthread_mutex_destroy(&reads->lock);
}

/* Places are multiples of some power of two. */
static struct disk_read **bucket_of(struct disk_reads *reads, uint64_t place)
{
    return &reads->leaders[(place * UINT64_C(0x9e3779b97f4a7c15)) >> 32 & (DISK_READS_BUCKETS - 1)];
}

static enum entry lead(struct disk_read **bucket, struct disk_read *read)
{
    read->is_leading = true;
    read->next = *bucket;
    *bucket = read;
    return ENTRY_LEADS;
}

static enum entry follow(struct disk_read *leader, struct disk_read *read)
{
    if (leader->has_come) {
        read->ret_object = leader->shared == NULL ? NULL : object_ref(leader->shared);
        return ENTRY_HAS_COME;
    }
    read->next = leader->followers;
    leader->followers = read;
    return ENTRY_FOLLOWS;
}

enum entry disk_reads_enter(struct disk_reads *reads, struct disk_read *read)
{
    struct disk_read **bucket = bucket_of(reads, read->place), *leader;
    enum entry         entry;

    pthread_mutex_lock(&reads->lock);
    leader = *bucket;
    while (leader != NULL &&
           (leader->place != read->place || !text_is_equal(leader->key.text, read->key.text)))
        leader = leader->next;
    entry = leader == NULL ? lead(bucket, read) : follow(leader, read);
    pthread_mutex_unlock(&reads->lock);
    return entry;
}

struct disk_read *disk_reads_finish(struct disk_reads *reads, struct disk_read *leader)
{
    struct disk_read *followers;

    pthread_mutex_lock(&reads->lock);
    leader->has_come = true;
    if (leader->ret_object != NULL)
        leader->shared = object_ref(leader->ret_object);
    followers = leader->followers;
    leader->followers = NULL;
    pthread_mutex_unlock(&reads->lock);
    return followers;
}

void disk_reads_leave(struct disk_reads *reads, struct disk_read *leader)
{
    struct disk_read **link = bucket_of(reads, leader->place);

    pthread_mutex_lock(&reads->lock);
    while (*link != leader)
        link = &(*link)->next;
    *link = leader->next;
    pthread_mutex_unlock(&reads->lock);
    if (leader->shared != NULL)
        object_unref(leader->shared);
}
