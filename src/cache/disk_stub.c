// SPDX-License-Identifier: MIT
/* Until the disk tier is there: no directory can be opened. */
#include <errno.h>

#include "cache/disk.h"

int disk_open(const struct disk_settings *settings, struct purges *purges, struct disk **ret_disk,
              struct text *ret_complaint)
{
    (void)settings;
    (void)purges;
    *ret_disk = NULL;
    *ret_complaint = TEXT("caches on disk are not supported yet");
    return -ENOSYS;
}

void disk_close(struct disk **disk) { *disk = NULL; }
void disk_set(struct disk *disk, const struct disk_settings *settings) { (void)disk; (void)settings; }
uint64_t disk_seed(const struct disk *disk) { (void)disk; return 0; }
void disk_on_loaded(struct disk *disk, void (*loaded)(uint64_t serial, void *arg), void *arg)
{ (void)disk; (void)loaded; (void)arg; }
uint64_t disk_find(struct disk *disk, const struct cache_key *key, struct variant_ask *ask)
{ (void)disk; (void)key; (void)ask; return 0; }
bool disk_read_start(struct disk_read *read) { read->is_done = true; return false; }
void disk_read_leave(struct disk_read **read) { *read = NULL; }
bool disk_store(struct disk *disk, struct object *object) { (void)disk; (void)object; return false; }
void disk_note_use(struct disk *disk, const struct object *object) { (void)disk; (void)object; }
void disk_purge_start(struct disk_purge *purge) { purge->is_done = true; }
struct disk_figures disk_figures(struct disk *disk) { (void)disk; return (struct disk_figures){ 0 }; }
bool large_read_start(struct large_read *read) { read->is_done = true; return false; }
void large_read_leave(struct large_read **read) { *read = NULL; }
