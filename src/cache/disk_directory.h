// SPDX-License-Identifier: MIT
/* The directory of a cache: whose it is, what its files are called, who has it.
 *
 *   frontdesk-cache       text: what this is, the version of the format, the secret seed; its lock is
 *                         held by the process that reads and writes here
 *   starts                how often it was opened
 *   segment-0000000001    stored answers, oldest first
 *   index, index.new      where they lie, as of a moment ago
 *   large/                bodies in files of their own
 *
 * A directory that holds anything else, and no `frontdesk-cache`, is not ours and is left alone. One
 * whose `frontdesk-cache` is damaged or of another version is emptied of what is ours. Blocks shortly. */
#ifndef CACHE_DISK_DIRECTORY_H
#define CACHE_DISK_DIRECTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

enum { DIRECTORY_WORDS_BYTES = 512 };

struct disk_directory {
    int      fd, large_fd, lock_fd;
    uint64_t seed;
    uint64_t start;                      /* this opening's number: larger than all before it */
};


/* Opens, and makes it a cache when it is empty, of this secret seed. -errno; -EEXIST: it is somebody else's. On failure, and
 * when there is something to say on success, `ret_words` holds a line for the log (else ""). */
int  directory_open(const char *path, uint64_t seed, struct disk_directory *ret_directory,
                    char ret_words[DIRECTORY_WORDS_BYTES]) WARN_UNUSED;
void directory_close(struct disk_directory *directory);
/* False: another process has it. Kept until directory_close(). */
bool directory_lock(struct disk_directory *directory);
/* Gives it to whoever waits; the descriptors stay. */
void directory_unlock(struct disk_directory *directory);

struct text directory_segment_name(uint32_t number, char buffer[32]);
/* 0: not the name of a segment. */
uint32_t    directory_segment_number(const char *name);

#endif
