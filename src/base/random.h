// SPDX-License-Identifier: MIT
/* Random numbers: a generator per thread (xoshiro256**), seeded from getrandom(); and the system's
 * own for secrets. Not for keys: random_secret() is. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

uint64_t random_u64(void);
uint64_t random_below(uint64_t limit);             /* 0 .. limit-1, without bias; limit > 0 */
void     random_secret(void *ret_bytes, size_t len);   /* getrandom(); aborts if the kernel has none */

#endif
