// SPDX-License-Identifier: MIT
/* The files of bodies that are too large for segments: which there are, which record names each, and
 * which are open. Any thread, but the disk is asked by the writing thread only. */
#ifndef CACHE_LARGE_FILES_H
#define CACHE_LARGE_FILES_H

#include <pthread.h>
#include <stdatomic.h>

#include "cache/disk_index.h"
#include "cache/snapshot_format.h"

struct large_body;
struct large_file;

struct large_files {
    pthread_mutex_t       lock;
    int                   dir_fd;
    struct large_file   **buckets;
    size_t                bucket_count, count;
    atomic_uint_least64_t bytes;         /* of all */
};

enum { LARGE_NAME_BYTES = 24 };

void large_files_init(struct large_files *files, int dir_fd);
void large_files_done(struct large_files *files);
/* What lies in the directory, named by nobody so far. -errno. */
int  large_files_list(struct large_files *files) WARN_UNUSED;

/* Its file, by name in the directory. */
const char *large_file_name(uint64_t id, char buffer[LARGE_NAME_BYTES]);
/* One more, for a body in the making; or more bytes of one that is there. */
void large_files_add(struct large_files *files, uint64_t id, struct large_body *body);
void large_files_grow(struct large_files *files, uint64_t id, uint64_t bytes);
/* A record names it from now on: where that lies, and by which hash it is found. */
void large_files_name(struct large_files *files, uint64_t id, const struct index_row *row);
/* 0: none does, or there is no such file. */
uint64_t large_files_place(struct large_files *files, uint64_t id, struct cache_hash *ret_hash);

/* An open body of this id, through `ref`, which may refuse one that is dying; or NULL. */
struct large_body *large_files_body(struct large_files *files, uint64_t id,
                                    bool (*ref)(struct large_body *body));
/* `body` is the open one from now on, unless another one is already: that, through `ref`. NULL: the file has been
 * taken out, though its name may still be there for a moment. */
struct large_body *large_files_open(struct large_files *files, uint64_t id,
                                    struct large_body *body, bool (*ref)(struct large_body *body));
void large_files_shut(struct large_files *files, uint64_t id, struct large_body *body);

/* Deletes the file: of this id; of the record at this place; of all whose record lies in this segment;
 * of all that no entry of the index leads to. */
void large_files_drop(struct large_files *files, uint64_t id);
void large_files_drop_place(struct large_files *files, uint64_t place);
void large_files_drop_segment(struct large_files *files, uint32_t segment);
void large_files_drop_unnamed(struct large_files *files, struct disk_index *index);

/* All that are named, for a snapshot; freed with mem_free(). NULL: none, or no memory (*ret_count > 0). */
struct snapshot_large *large_files_named(struct large_files *files, size_t *ret_count);

#endif
