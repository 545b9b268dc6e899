// SPDX-License-Identifier: MIT
#include "cache/large_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "cache/disk_format.h"

enum { BUCKETS_LEAST = 64, NAME_DIGITS = 16 };

struct large_file {
    struct large_file *next;
    uint64_t           id, bytes, place;
    struct cache_hash  hash;
    struct large_body *body;             /* while one is open; not counted */
};

void large_files_init(struct large_files *files, int dir_fd)
{
    *files = (struct large_files){ .dir_fd = dir_fd, .bucket_count = BUCKETS_LEAST };
    pthread_mutex_init(&files->lock, NULL);
    files->buckets = mem_new(BUCKETS_LEAST * sizeof(files->buckets[0]));
}

void large_files_done(struct large_files *files)
{
    for (size_t i = 0; i < files->bucket_count; i++)
        for (struct large_file *file = files->buckets[i], *next; file != NULL; file = next) {
            next = file->next;
            mem_free(file);
        }
    mem_free(files->buckets);
    pthread_mutex_destroy(&files->lock);
}

const char *large_file_name(uint64_t id, char buffer[LARGE_NAME_BYTES])
{
    (void)snprintf(buffer, LARGE_NAME_BYTES, "%016" PRIx64, id);
    return buffer;
}

/* ---- the table, under the lock ---- */

static struct large_file **link_of(const struct large_files *files, uint64_t id)
{
    struct large_file **link = &files->buckets[id & (files->bucket_count - 1)];

    while (*link != NULL && (*link)->id != id)
        link = &(*link)->next;
    return link;
}

static void grow(struct large_files *files)
{
    size_t              former_count = files->bucket_count;
    struct large_file **former = files->buckets;

    files->bucket_count *= 2;
    files->buckets = mem_new(files->bucket_count * sizeof(files->buckets[0]));
    for (size_t i = 0; i < former_count; i++)
        for (struct large_file *file = former[i], *next; file != NULL; file = next) {
            struct large_file **link = &files->buckets[file->id & (files->bucket_count - 1)];

            next = file->next;
            file->next = *link;
            *link = file;
        }
    mem_free(former);
}

static struct large_file *add(struct large_files *files, uint64_t id, uint64_t bytes)
{
    struct large_file **link, *file = mem_new(sizeof(*file));

    if (files->count >= files->bucket_count)
        grow(files);
    link = &files->buckets[id & (files->bucket_count - 1)];
    *file = (struct large_file){ .next = *link, .id = id, .bytes = bytes };
    *link = file;
    files->count++;
    atomic_fetch_add(&files->bytes, bytes);
    return file;
}

/* Out of the table and in front of *dead. */
static void take_out(struct large_files *files, struct large_file **link, struct large_file **dead)
{
    struct large_file *file = *link;

    *link = file->next;
    file->next = *dead;
    *dead = file;
    files->count--;
    atomic_fetch_sub(&files->bytes, file->bytes);
}

/* Without the lock, since it may take long. Readers that have one open go on reading. */
static void delete_all(struct large_files *files, struct large_file *dead)
{
    char               name[LARGE_NAME_BYTES];
    struct large_file *next;

    for (; dead != NULL; dead = next) {
        next = dead->next;
        (void)unlinkat(files->dir_fd, large_file_name(dead->id, name), 0);
        mem_free(dead);
    }
}

/* ---- what lies there ---- */

static uint64_t id_of(const char *name)
{
    uint64_t id;
    char     again[LARGE_NAME_BYTES];

    if (strlen(name) != NAME_DIGITS || text_to_u64_hex(text_from(name), &id) < 0)
        return 0;
    return strcmp(large_file_name(id, again), name) == 0 ? id : 0;
}

int large_files_list(struct large_files *files)
{
    int            fd = openat(files->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), error;
    DIR           *list = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    struct stat    stat;
    uint64_t       id;

    if (list == NULL) {
        error = errno;
        if (fd >= 0)
            (void)close(fd);
        return -error;
    }
    while ((entry = readdir(list)) != NULL)
        if ((id = id_of(entry->d_name)) != 0 &&
            fstatat(files->dir_fd, entry->d_name, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(stat.st_mode))
            (void)add(files, id, (uint64_t)stat.st_size);
    (void)closedir(list);
    return 0;
}

/* ---- one of them ---- */

void large_files_add(struct large_files *files, uint64_t id, struct large_body *body)
{
    pthread_mutex_lock(&files->lock);
    add(files, id, 0)->body = body;
    pthread_mutex_unlock(&files->lock);
}

void large_files_grow(struct large_files *files, uint64_t id, uint64_t bytes)
{
    struct large_file *file;

    pthread_mutex_lock(&files->lock);
    file = *link_of(files, id);
    if (file != NULL) {
        file->bytes += bytes;
        atomic_fetch_add(&files->bytes, bytes);
    }
    pthread_mutex_unlock(&files->lock);
}

void large_files_name(struct large_files *files, uint64_t id, const struct index_row *row)
{
    struct large_file *file;

    pthread_mutex_lock(&files->lock);
    file = *link_of(files, id);
    if (file != NULL) {
        file->place = row->place;
        file->hash = row->hash;
    }
    pthread_mutex_unlock(&files->lock);
}

uint64_t large_files_place(struct large_files *files, uint64_t id, struct cache_hash *ret_hash)
{
    struct large_file *file;
    uint64_t           place = 0;

    pthread_mutex_lock(&files->lock);
    file = *link_of(files, id);
    if (file != NULL && file->place != 0) {
        place = file->place;
        *ret_hash = file->hash;
    }
    pthread_mutex_unlock(&files->lock);
    return place;
}

struct large_body *large_files_body(struct large_files *files, uint64_t id,
                                    bool (*ref)(struct large_body *body))
{
    struct large_file *file;
    struct large_body *body = NULL;

    pthread_mutex_lock(&files->lock);
    file = *link_of(files, id);
    if (file != NULL && file->body != NULL && ref(file->body))
        body = file->body;
    pthread_mutex_unlock(&files->lock);
    return body;
}

struct large_body *large_files_open(struct large_files *files, uint64_t id, struct large_body *body,
                                    bool (*ref)(struct large_body *body))
{
    struct large_file *file;

    pthread_mutex_lock(&files->lock);
    file = *link_of(files, id);
    if (file == NULL)
        body = NULL;                     /* taken out, though its name may still be there for a moment */
    else if (file->body != NULL && ref(file->body))
        body = file->body;
    else
        file->body = body;
    pthread_mutex_unlock(&files->lock);
    return body;
}

void large_files_shut(struct large_files *files, uint64_t id, struct large_body *body)
{
    struct large_file *file;

    pthread_mutex_lock(&files->lock);
    file = *link_of(files, id);
    if (file != NULL && file->body == body)
        file->body = NULL;
    pthread_mutex_unlock(&files->lock);
}

/* ---- deleting ---- */

void large_files_drop(struct large_files *files, uint64_t id)
{
    struct large_file **link, *dead = NULL;

    pthread_mutex_lock(&files->lock);
    link = link_of(files, id);
    if (*link != NULL)
        take_out(files, link, &dead);
    pthread_mutex_unlock(&files->lock);
    delete_all(files, dead);
}

struct choice {
    bool             (*is_chosen)(const struct large_file *file, const struct choice *choice);
    uint64_t           place;
    uint32_t           segment;
    struct disk_index *index;
};

static void drop_chosen(struct large_files *files, const struct choice *choice)
{
    struct large_file *dead = NULL;

    pthread_mutex_lock(&files->lock);
    for (size_t i = 0; i < files->bucket_count; i++)
        for (struct large_file **link = &files->buckets[i]; *link != NULL;) {
            if (choice->is_chosen(*link, choice))
                take_out(files, link, &dead);
            else
                link = &(*link)->next;
        }
    pthread_mutex_unlock(&files->lock);
    delete_all(files, dead);
}

static bool is_at_place(const struct large_file *file, const struct choice *choice)
{
    return file->place == choice->place;
}

void large_files_drop_place(struct large_files *files, uint64_t place)
{
    drop_chosen(files, &(struct choice){ .is_chosen = is_at_place, .place = place });
}

static bool is_in_segment(const struct large_file *file, const struct choice *choice)
{
    return file->place != 0 && record_place_segment(file->place) == choice->segment;
}

void large_files_drop_segment(struct large_files *files, uint32_t segment)
{
    drop_chosen(files, &(struct choice){ .is_chosen = is_in_segment, .segment = segment });
}

static bool is_unnamed(const struct large_file *file, const struct choice *choice)
{
    bool is_used;

    return file->body == NULL &&
           (file->place == 0 || !disk_index_has(choice->index, file->hash, file->place, &is_used));
}

void large_files_drop_unnamed(struct large_files *files, struct disk_index *index)
{
    drop_chosen(files, &(struct choice){ .is_chosen = is_unnamed, .index = index });
}

/* ---- for a snapshot ---- */

struct snapshot_large *large_files_named(struct large_files *files, size_t *ret_count)
{
    struct snapshot_large *named;
    size_t                 count = 0;

    pthread_mutex_lock(&files->lock);
    named = files->count == 0 ? NULL : mem_try(files->count * sizeof(*named));
    for (size_t i = 0; i < files->bucket_count && named != NULL; i++)
        for (const struct large_file *file = files->buckets[i]; file != NULL; file = file->next)
            if (file->place != 0)
                named[count++] = (struct snapshot_large){ .id = file->id,
                                                          .bytes = file->bytes,
                                                          .place = file->place,
                                                          .hash_low = file->hash.low,
                                                          .hash_high = file->hash.high };
    *ret_count = named == NULL ? files->count : count;
    pthread_mutex_unlock(&files->lock);
    return named;
}
