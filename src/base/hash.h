// SPDX-License-Identifier: MIT
/* Hashes: siphash-2-4, for whatever an attacker may choose. Pure functions, any thread. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

/* Keyed with 128 bits drawn from getrandom() at first use; differs from one start to the next, and
 * children that are forked keep it. */
uint64_t hash_text(struct text text);
/* The same over lower-cased ASCII. */
uint64_t hash_text_nocase(struct text text);
/* SipHash-2-4 with an explicit key, as in the paper: for test vectors. */
uint64_t hash_siphash(const unsigned char key[16], const void *bytes, size_t len);

#endif
