// SPDX-License-Identifier: MIT
/* A shelf for each step of 16 bytes, as malloc has them: what rests on shelf `n` has room for `16 n + 8` bytes at
 * least, whatever it was taken for. */
#include "base/spare.h"

#include <string.h>
#include <threads.h>

#include "base/may_rest.h"
#include "base/mem.h"
#include "base/shortage.h"

enum {
    STEP = 16,
    HEAD = 8,              /* of malloc's: no size is a multiple of STEP */
    SIZE_MOST = 24 * 1024, /* OpenSSL's largest, room for a message of a handshake, has 22 KB */
    SHELVES = SIZE_MOST / STEP,
    KEEP_BYTES = 48 * 1024, /* on one shelf */
    KEEP_MOST = 64,         /* pieces on one shelf */
    KEEP_ALL = 2 * 1024 * 1024   /* bytes on all: sizes are also what a client makes them */
};

struct piece {
    struct piece *next;
};

struct shelf {
    struct piece *first;
    unsigned count;
};

static thread_local struct shelf shelves[SHELVES];
static thread_local size_t       resting;     /* bytes on all */

static unsigned keep_of(size_t number)
{
    size_t fitting = KEEP_BYTES / (number * STEP);

    return fitting < KEEP_MOST ? (unsigned)fitting : KEEP_MOST;
}

static void *piece_take(size_t number)
{
    struct shelf *shelf = &shelves[number];
    struct piece *piece = shelf->first;

    shelf->first = piece->next;
    shelf->count--;
    resting -= number * STEP;
    return piece;
}

void *spare_take(size_t size)
{
    size_t number = size <= STEP + HEAD ? 1 : (size - HEAD + STEP - 1) / STEP;

    if (size == 0)
        return NULL;
    if (number < SHELVES && shelves[number].first != NULL)
        return piece_take(number);
    return mem_try(size);
}

void spare_give(void *memory)
{
    size_t number = memory != NULL ? (mem_size(memory) - HEAD) / STEP : 0;
    struct piece *piece = memory;

    if (!MAY_REST || number == 0 || number >= SHELVES || shortage_now() != 0 ||
        shelves[number].count >= keep_of(number) || resting + number * STEP > KEEP_ALL) {
        mem_free(memory);
        return;
    }
    piece->next = shelves[number].first;
    shelves[number].first = piece;
    shelves[number].count++;
    resting += number * STEP;
}

void *spare_resize(void *memory, size_t size)
{
    size_t former = memory != NULL ? mem_size(memory) : 0;
    void *resized;

    if (size > 0 && size <= former)
        return memory;
    resized = spare_take(size);
    if (resized == NULL && size > 0)
        return NULL;
    if (resized != NULL && former > 0)
        memcpy(resized, memory, former);
    spare_give(memory);
    return resized;
}

void spares_drain(void)
{
    for (size_t i = 1; i < SHELVES; i++)
        while (shelves[i].first != NULL)
            mem_free(piece_take(i));
}
