// SPDX-License-Identifier: MIT
/* The distinct Vary texts of a cache on disk, by number, so that the index holds two bytes for each
 * object instead of the text. Numbers are given once and stay as long as the table does; 0 is the
 * empty text. Reading takes no lock. */
#ifndef CACHE_DISK_VARY_H
#define CACHE_DISK_VARY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

enum { DISK_VARY_MOST = UINT16_MAX, DISK_VARY_LEN_MOST = UINT16_MAX };

struct disk_vary;

struct disk_vary *disk_vary_new(void);
void              disk_vary_free(struct disk_vary **table);
/* False: there are too many, it is too long, or no memory. Any thread. */
bool              disk_vary_number(struct disk_vary *table, struct text vary, uint16_t *ret_number)
    WARN_UNUSED;
/* Valid as long as the table is; TEXT_NONE for a number that was not given. Any thread. */
struct text       disk_vary_text(const struct disk_vary *table, uint16_t number);
unsigned          disk_vary_count(const struct disk_vary *table);

#endif
