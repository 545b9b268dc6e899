// SPDX-License-Identifier: MIT
/* The reads of one disk that are under way, so that a record is read once for all who ask for it at a time:
 * the first leads, who comes meanwhile follows and gets the same object. Who leads stays in here until his
 * asker has left, with the object in memory by then, or who comes in between would read it once more.
 * Any thread; one short lock, for what the page cache does not have at once. */
#ifndef CACHE_DISK_READS_H
#define CACHE_DISK_READS_H

#include <pthread.h>
#include <stdbool.h>

struct disk_read;

enum { DISK_READS_BUCKETS = 64 };

struct disk_reads {
    pthread_mutex_t   lock;
    struct disk_read *leaders[DISK_READS_BUCKETS];
};

enum entry { ENTRY_LEADS = 0, ENTRY_FOLLOWS, ENTRY_HAS_COME };

void disk_reads_init(struct disk_reads *reads);
void disk_reads_done(struct disk_reads *reads);
/* FOLLOWS: it is in the list of who leads; HAS_COME: ret_object is there already, with a reference. */
enum entry disk_reads_enter(struct disk_reads *reads, struct disk_read *read);
/* It is done: from now on who comes has its object. Who has followed, as a list. */
struct disk_read *disk_reads_finish(struct disk_reads *reads, struct disk_read *leader);
/* Nobody finds it any more. */
void disk_reads_leave(struct disk_reads *reads, struct disk_read *leader);

#endif
