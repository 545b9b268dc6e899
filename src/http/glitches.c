// SPDX-License-Identifier: MIT
/* A token bucket for frames that move nothing, counts for the rest. Thresholds are in the header.
 * Pure functions; the codec's thread. */
#include "http/glitches.h"

#include <string.h>

enum { MS_PER_S = 1000, SLOT_MS = GLITCHES_RESETS_MS / GLITCHES_SLOTS };

_Static_assert(GLITCHES_RESETS_MOST < UINT8_MAX, "a slot's count has 8 bits");

void glitches_init(struct glitches *glitches, int64_t now_ms)
{
    *glitches = (struct glitches){ .refilled_ms = now_ms, .slot_ms = now_ms,
                                   .left = GLITCHES_MOST };
}

/* ---- the bucket ---- */

static void earn(struct glitches *glitches, uint64_t count)
{
    uint64_t left = glitches->left + count;

    glitches->left = left < GLITCHES_MOST ? (uint32_t)left : GLITCHES_MOST;
}

/* Whole ones only: what is left of the time counts for the next. */
static void refill(struct glitches *glitches, int64_t now_ms)
{
    int64_t ms = now_ms - glitches->refilled_ms;

    if (ms < MS_PER_S / GLITCHES_PER_S)
        return;
    earn(glitches, (uint64_t)(ms * GLITCHES_PER_S / MS_PER_S));
    glitches->refilled_ms = now_ms - ms % (MS_PER_S / GLITCHES_PER_S);
}

bool glitches_useless(struct glitches *glitches, int64_t now_ms)
{
    refill(glitches, now_ms);
    if (glitches->left == 0)
        return false;
    glitches->left--;
    return true;
}

void glitches_request(struct glitches *glitches)
{
    earn(glitches, GLITCHES_PER_REQUEST);
}

void glitches_data_sent(struct glitches *glitches)
{
    earn(glitches, GLITCHES_PER_DATA_SENT);
}

bool glitches_data(struct glitches *glitches, size_t bytes, bool is_end, int64_t now_ms)
{
    if (bytes == 0 && !is_end)
        return ++glitches->empty <= GLITCHES_EMPTY_MOST && glitches_useless(glitches, now_ms);
    glitches->empty = 0;
    glitches->payload_bytes += (uint32_t)bytes;
    earn(glitches, glitches->payload_bytes / GLITCHES_PAYLOAD_BYTES);
    glitches->payload_bytes %= GLITCHES_PAYLOAD_BYTES;
    return true;
}

/* ---- header blocks ---- */

void glitches_block(struct glitches *glitches)
{
    glitches->pieces = glitches->empty_pieces = 0;
}

bool glitches_continuation(struct glitches *glitches, size_t bytes)
{
    if (bytes == 0)
        glitches->empty_pieces++;
    glitches->pieces++;
    return glitches->pieces <= GLITCHES_PIECES_MOST &&
           glitches->empty_pieces <= GLITCHES_EMPTY_PIECES_MOST;
}

/* ---- resets ---- */

/* Moves the slots so that the newest one holds `now_ms`. */
static void slots_advance(struct glitches *glitches, int64_t now_ms)
{
    int64_t passed = (now_ms - glitches->slot_ms) / SLOT_MS;
    size_t  steps = passed < GLITCHES_SLOTS ? (size_t)passed : GLITCHES_SLOTS;

    if (steps == 0)
        return;
    memmove(glitches->resets + steps, glitches->resets, GLITCHES_SLOTS - steps);
    memset(glitches->resets, 0, steps);
    glitches->slot_ms += passed * SLOT_MS;
}

bool glitches_reset(struct glitches *glitches, int64_t now_ms)
{
    unsigned count = 1;

    slots_advance(glitches, now_ms);
    for (size_t i = 0; i < GLITCHES_SLOTS; i++)
        count += glitches->resets[i];
    if (count > GLITCHES_RESETS_MOST)
        return false;
    glitches->resets[0]++;
    return true;
}
