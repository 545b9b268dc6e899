// SPDX-License-Identifier: MIT
/* Runs of pages for what is large and mostly untouched: what nobody has written to costs no memory, and
 * the bytes of one that rests can be given up while it is held. They lie 64 side by side in a slab, so
 * that the kernel has few mappings to look after; an empty slab goes back. Any thread. */
#ifndef BASE_PAGES_H
#define BASE_PAGES_H

#include <pthread.h>
#include <stddef.h>

#include "base/must.h"

struct page_slab;

struct page_run {
    unsigned char    *bytes;             /* page-aligned; NULL: none */
    struct page_slab *slab;
};

/* One for each size of runs: `static struct pages x = PAGES(bytes)`, a multiple of 4096. */
struct pages {
    size_t            run_bytes;
    struct page_slab *slabs;             /* those with room */
    pthread_mutex_t   lock;
};

#define PAGES(bytes) { .run_bytes = (bytes), .lock = PTHREAD_MUTEX_INITIALIZER }

/* Zeroed; .bytes is NULL when the system has no more. */
struct page_run pages_take(struct pages *pages) WARN_UNUSED;
/* None is allowed. */
void pages_give(struct pages *pages, struct page_run *run);
/* Its bytes are zero from now on, and cost nothing until they are written. */
void pages_forget(const struct pages *pages, const struct page_run *run);

#endif
