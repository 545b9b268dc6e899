// SPDX-License-Identifier: MIT
/* Slabs in a list, newest first; each knows its free runs by a bit. Taking and giving are for what lives as
 * long as a connection, so one lock is enough. */
#include "base/pages.h"

#include <stdint.h>
#include <sys/mman.h>

#include "base/mem.h"

enum { RUNS = 64 };

struct page_slab {
    struct page_slab *next, **at;        /* who points here */
    unsigned char    *bytes;
    uint64_t          is_free;           /* a bit for each run */
};

static void slab_link(struct pages *pages, struct page_slab *slab)
{
    slab->next = pages->slabs;
    slab->at = &pages->slabs;
    if (slab->next != NULL)
        slab->next->at = &slab->next;
    pages->slabs = slab;
}

static void slab_unlink(struct page_slab *slab)
{
    *slab->at = slab->next;
    if (slab->next != NULL)
        slab->next->at = slab->at;
}

static struct page_slab *slab_make(struct pages *pages)
{
    size_t            size = RUNS * pages->run_bytes;
    struct page_slab *slab;
    void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (bytes == MAP_FAILED)
        return NULL;
    (void)madvise(bytes, size, MADV_NOHUGEPAGE);   /* which would touch what nobody has */
    slab = mem_new(sizeof(*slab));
    slab->bytes = bytes;
    slab->is_free = UINT64_MAX;
    slab_link(pages, slab);
    return slab;
}

static void slab_end(const struct pages *pages, struct page_slab *slab)
{
    slab_unlink(slab);
    (void)munmap(slab->bytes, RUNS * pages->run_bytes);
    mem_free(slab);
}

/* Those without room are not in the list. */
struct page_run pages_take(struct pages *pages)
{
    struct page_run   run = { .bytes = NULL };
    struct page_slab *slab;
    unsigned          i;

    pthread_mutex_lock(&pages->lock);
    slab = pages->slabs != NULL ? pages->slabs : slab_make(pages);
    if (slab != NULL) {
        i = (unsigned)__builtin_ctzll(slab->is_free);
        slab->is_free &= slab->is_free - 1;
        if (slab->is_free == 0)
            slab_unlink(slab);
        run = (struct page_run){ .bytes = slab->bytes + i * pages->run_bytes, .slab = slab };
    }
    pthread_mutex_unlock(&pages->lock);
    return run;
}

void pages_give(struct pages *pages, struct page_run *run)
{
    struct page_slab *slab = run->slab;

    if (run->bytes == NULL)
        return;
    pages_forget(pages, run);
    pthread_mutex_lock(&pages->lock);
    if (slab->is_free == 0)
        slab_link(pages, slab);
    slab->is_free |= UINT64_C(1) << ((size_t)(run->bytes - slab->bytes) / pages->run_bytes);
    if (slab->is_free == UINT64_MAX && (slab->next != NULL || slab->at != &pages->slabs))
        slab_end(pages, slab);           /* but for the last */
    pthread_mutex_unlock(&pages->lock);
    *run = (struct page_run){ .bytes = NULL };
}

void pages_forget(const struct pages *pages, const struct page_run *run)
{
    (void)madvise(run->bytes, pages->run_bytes, MADV_DONTNEED);
}
