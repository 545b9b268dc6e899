// SPDX-License-Identifier: MIT
/* The low bits of a mark choose its set, so growing moves marks without knowing whose they are. */
#include "cache/ghosts.h"

#include <string.h>

#include "base/mem.h"
#include "cache/object.h"

enum { SETS_FIRST = 2, SETS_MOST = 1 << 20, SET_BYTES = GHOSTS_PER_SET * sizeof(uint32_t) };

static uint32_t mark_of(uint32_t mark)
{
    return mark == 0 ? 1 : mark;
}

static uint32_t *set_of(const struct ghosts *ghosts, uint32_t mark)
{
    return &ghosts->marks[(mark & (ghosts->sets - 1)) * GHOSTS_PER_SET];
}

void ghosts_init(struct ghosts *ghosts)
{
    *ghosts = (struct ghosts){ .marks = mem_new(SETS_FIRST * SET_BYTES), .sets = SETS_FIRST };
}

void ghosts_done(struct ghosts *ghosts)
{
    MEM_FREE(&ghosts->marks);
}

void ghosts_add(struct ghosts *ghosts, uint32_t mark)
{
    uint32_t *set = set_of(ghosts, mark_of(mark));

    memmove(set + 1, set, SET_BYTES - sizeof(*set));
    set[0] = mark_of(mark);
}

static void grow(struct ghosts *ghosts)
{
    struct ghosts former = *ghosts;

    ghosts->marks = mem_try(former.sets * 2 * SET_BYTES);
    if (ghosts->marks == NULL) {
        *ghosts = former;
        return;
    }
    ghosts->sets = former.sets * 2;
    memset(ghosts->marks, 0, ghosts->sets * SET_BYTES);
    for (uint32_t set = 0; set < former.sets; set++)
        for (unsigned i = GHOSTS_PER_SET; i-- > 0;)
            if (former.marks[set * GHOSTS_PER_SET + i] != 0)
                ghosts_add(ghosts, former.marks[set * GHOSTS_PER_SET + i]);
    mem_free(former.marks);
}

void ghosts_fit(struct ghosts *ghosts, size_t count)
{
    if (count > (size_t)ghosts->sets * GHOSTS_PER_SET && ghosts->sets < SETS_MOST)
        grow(ghosts);
}

bool ghosts_take(struct ghosts *ghosts, uint32_t mark)
{
    uint32_t *set = set_of(ghosts, mark_of(mark));

    for (unsigned i = 0; i < GHOSTS_PER_SET; i++)
        if (set[i] == mark_of(mark)) {
            memmove(set + i, set + i + 1, (GHOSTS_PER_SET - 1 - i) * sizeof(*set));
            set[GHOSTS_PER_SET - 1] = 0;
            return true;
        }
    return false;
}

size_t ghosts_bytes(const struct ghosts *ghosts)
{
    return object_allocated(ghosts->sets * SET_BYTES);
}
