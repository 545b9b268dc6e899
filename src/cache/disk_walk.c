// SPDX-License-Identifier: MIT
#include "cache/disk_walk.h"

#include <errno.h>

#include "base/mem.h"

enum { WINDOW_BYTES = RECORD_META_MOST + 1024 * 1024 };

int disk_walk_begin(struct disk_walk *walk, struct segment *segment, uint64_t seed, uint64_t from)
{
    *walk = (struct disk_walk){ .segment = segment, .seed = seed, .at = record_padded(from) };
    walk->end = atomic_load(&segment->bytes);
    walk->window = mem_try(WINDOW_BYTES);
    return walk->window == NULL ? -ENOMEM : 0;
}

void disk_walk_end(struct disk_walk *walk)
{
    MEM_FREE(&walk->window);
}

/* The window begins at walk->at afterwards. */
static bool refill(struct disk_walk *walk)
{
    uint64_t left = walk->end - walk->at;
    size_t   len = left < WINDOW_BYTES ? (size_t)left : WINDOW_BYTES;
    ssize_t  n = segment_read(walk->segment, walk->window, len, walk->at, false);

    if (n < 0)
        walk->error = (int)n;
    walk->window_at = walk->at;
    walk->window_len = n < 0 ? 0 : (size_t)n;
    if (walk->window_len < len)
        walk->end = walk->at + walk->window_len;    /* it was truncated */
    return n > 0;
}

static struct text rest_of_window(const struct disk_walk *walk)
{
    size_t from = (size_t)(walk->at - walk->window_at);

    if (walk->at < walk->window_at || from > walk->window_len)
        return TEXT_NONE;
    return text_of((const char *)walk->window + from, walk->window_len - from);
}

static int decode_here(struct disk_walk *walk, struct record *record, uint64_t *place)
{
    int r;

    *place = record_place(walk->segment->number, (uint32_t)walk->at, 0);
    r = record_decode(rest_of_window(walk), record_seal(walk->seed, *place), record);
    if (r == -EAGAIN && walk->window_at + walk->window_len < walk->end && refill(walk))
        r = record_decode(rest_of_window(walk), record_seal(walk->seed, *place), record);
    if (r == 0 && record_bytes(record) > walk->end - walk->at)
        r = -EINVAL;
    return r;
}

bool disk_walk_next(struct disk_walk *walk, struct record *ret_record, uint64_t *ret_place)
{
    bool is_in_gap = false;

    for (; walk->at < walk->end; walk->at += RECORD_ALIGN) {
        if (decode_here(walk, ret_record, ret_place) == 0) {
            *ret_place = record_place_of(ret_record, walk->segment->number, (uint32_t)walk->at);
            walk->at += record_bytes(ret_record);
            return true;
        }
        walk->damaged += !is_in_gap;
        is_in_gap = true;
    }
    return false;
}
