// SPDX-License-Identifier: MIT
/* Memory for a library that takes and gives hundreds of pieces for a little work, in sizes of its own: OpenSSL.
 * What is given rests per thread, some of each size and 2 MB in all, and is taken again in a few instructions;
 * malloc keeps seven of a size so, and none above a kilobyte. The pieces are malloc's own, whole and without a
 * head, so they may come from one and go by the other. Under AddressSanitizer none rests. Not counted
 * (base/budget.h): who uses the library knows what it holds. Any thread may give what another has taken. */
#ifndef BASE_SPARE_H
#define BASE_SPARE_H

#include <stddef.h>

#include "base/must.h"

/* As malloc(), realloc() and free() would, but nothing for a size of 0. Not zeroed. */
void *spare_take(size_t size) __attribute__((malloc)) WARN_UNUSED;
void *spare_resize(void *memory, size_t size) WARN_UNUSED;
void  spare_give(void *memory);

/* Gives what rests on the calling thread back to the system; pools_drain() does so, too. */
void spares_drain(void);

#endif
