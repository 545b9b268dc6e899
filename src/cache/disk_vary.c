// SPDX-License-Identifier: MIT
#include "cache/disk_vary.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"

enum { PAGE_ENTRIES = 256, PAGES = (DISK_VARY_MOST + 1) / PAGE_ENTRIES };

/* The number stands before the text: what the map's value points to. */
struct vary_entry {
    uint16_t number;
    size_t   len;
    char     text[];
};

struct vary_page {
    _Atomic(struct vary_entry *) entries[PAGE_ENTRIES];
};

struct disk_vary {
    pthread_mutex_t lock;                /* for writing */
    struct map     *by_text;
    atomic_uint     count;               /* numbers 1 .. count are given */
    _Atomic(struct vary_page *) pages[PAGES];
};

struct disk_vary *disk_vary_new(void)
{
    struct disk_vary *table = mem_new(sizeof(*table));

    pthread_mutex_init(&table->lock, NULL);
    table->by_text = map_new(false);
    return table;
}

static _Atomic(struct vary_entry *) *slot_of(const struct disk_vary *table, unsigned number)
{
    struct vary_page *page = atomic_load(&table->pages[number / PAGE_ENTRIES]);

    return page == NULL ? NULL : &page->entries[number % PAGE_ENTRIES];
}

void disk_vary_free(struct disk_vary **table)
{
    struct disk_vary *dead = *table;

    if (dead == NULL)
        return;
    *table = NULL;
    for (unsigned number = 1; number <= disk_vary_count(dead); number++)
        mem_free(atomic_load(slot_of(dead, number)));
    for (unsigned i = 0; i < PAGES; i++)
        mem_free(atomic_load(&dead->pages[i]));
    map_free(&dead->by_text);
    pthread_mutex_destroy(&dead->lock);
    mem_free(dead);
}

/* Under the lock. */
static struct vary_entry *add(struct disk_vary *table, struct text vary)
{
    unsigned           number = disk_vary_count(table) + 1;
    struct vary_entry *entry;

    if (number > DISK_VARY_MOST || (entry = mem_try(sizeof(*entry) + vary.len)) == NULL)
        return NULL;
    entry->number = (uint16_t)number;
    entry->len = vary.len;
    memcpy(entry->text, vary.ptr, vary.len);
    if (slot_of(table, number) == NULL)
        atomic_store(&table->pages[number / PAGE_ENTRIES], mem_new(sizeof(struct vary_page)));
    atomic_store(slot_of(table, number), entry);
    atomic_store(&table->count, number);
    (void)map_add(table->by_text, text_of(entry->text, entry->len), entry);
    return entry;
}

bool disk_vary_number(struct disk_vary *table, struct text vary, uint16_t *ret_number)
{
    struct vary_entry *entry;

    if (vary.len == 0) {
        *ret_number = 0;
        return true;
    }
    if (vary.len > DISK_VARY_LEN_MOST)
        return false;
    pthread_mutex_lock(&table->lock);
    entry = map_get(table->by_text, vary);
    if (entry == NULL)
        entry = add(table, vary);
    pthread_mutex_unlock(&table->lock);
    if (entry != NULL)
        *ret_number = entry->number;
    return entry != NULL;
}

struct text disk_vary_text(const struct disk_vary *table, uint16_t number)
{
    struct vary_entry *entry;

    if (number == 0 || number > disk_vary_count(table))
        return TEXT_NONE;
    entry = atomic_load(slot_of(table, number));
    return text_of(entry->text, entry->len);
}

unsigned disk_vary_count(const struct disk_vary *table)
{
    return atomic_load(&table->count);
}
