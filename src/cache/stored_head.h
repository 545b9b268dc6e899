// SPDX-License-Identifier: MIT
/* The head of a stored response as bytes, the same in memory and on disk, and back.
 *
 * Packed: the reason phrase and each field with its lengths; well-known names by number. Unpacking
 * borrows from the packed bytes and checks every length, for they may come from a disk. */
#ifndef CACHE_STORED_HEAD_H
#define CACHE_STORED_HEAD_H

#include "base/arena.h"
#include "http/head.h"

/* Status, reason and all fields that are not gone; framing fields are left out. In the arena.
 * TEXT_NONE: too large (UINT16_MAX a text, 1 MB in all). */
struct text stored_head_pack(struct arena *arena, unsigned status, struct text reason,
                             const struct fields *fields);
/* Fills status, reason and fields of `head`, which borrow from `packed`; -EINVAL when damaged. */
int         stored_head_unpack(struct text packed, struct arena *arena, struct head *ret_head)
    WARN_UNUSED;

#endif
