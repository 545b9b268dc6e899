// SPDX-License-Identifier: MIT
/* The head of a stored response as bytes, the same in memory and on disk, and back.
 *
 * Packed: the reason phrase and each field with its lengths; well-known names by the numbers of
 * stored_names.def, which no version changes, beside their spelling where it is not the usual one.
 * Unpacking borrows from the packed bytes and checks every length, for they may come from a disk.
 * Pure functions, any thread. */
#ifndef CACHE_STORED_HEAD_H
#define CACHE_STORED_HEAD_H

#include "base/arena.h"
#include "http/head.h"

/* Status, reason and all fields that are not gone; those of framing and of one connection are left
 * out (RFC 9111 3.1). In the arena. TEXT_NONE: too large (UINT16_MAX a text or fields, 1 MB in all). */
struct text stored_head_pack(struct arena *arena, unsigned status, struct text reason,
                             const struct fields *fields);
/* Fills status, reason, fields and has_odd_fields of `head`, which borrow from `packed`, and leaves
 * the rest of it as it is; -EINVAL, and nothing is changed, when the bytes are damaged. */
int         stored_head_unpack(struct text packed, struct arena *arena, struct head *ret_head)
    WARN_UNUSED;
/* Could a head that was received have been packed so: names, values and reason hold no byte that
 * they may not, no field is one that is left out? For what comes from a disk, once; unpacking does
 * not ask again. */
bool        stored_head_is_sound(struct text packed, struct arena *arena);

#endif
