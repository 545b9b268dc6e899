// SPDX-License-Identifier: MIT
/* When each label was purged last, hard and soft: the part of the book that may get long.
 *
 * Open addressing by the label itself, which is a keyed hash. Grows by doubling. Owner: the book;
 * its lock is held. */
#ifndef CACHE_LABEL_TABLE_H
#define CACHE_LABEL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Serials; 0: never. A soft one that is not later than the hard one is forgotten. */
struct label_line {
    uint64_t label;                      /* 0: nobody */
    uint64_t hard, soft;
};

struct label_table {
    struct label_line *lines;
    size_t             capacity, count;  /* a power of two; labels */
};

void label_table_done(struct label_table *table);
/* NULL: never purged. */
const struct label_line *label_table_find(const struct label_table *table, uint64_t label);
/* The line of the label, made if there is none; NULL: no memory. */
struct label_line *label_table_try_get(struct label_table *table, uint64_t label);
/* Forgets serials up to these, and lines of which nothing is left; shrinks. */
void label_table_forget(struct label_table *table, uint64_t hard, uint64_t soft);

#endif
