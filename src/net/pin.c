// SPDX-License-Identifier: MIT
/* Pins: a question by letter to each loop, an answer when the loop's counter is zero. */
#include "net/pin.h"

#include <stdatomic.h>

#include "base/must.h"

/* What a loop has been asked about and still pins: a list through next_retired[loop]. */
static const char retired_key;

static void question_open(struct loop *loop, struct letter *letter);
static void release_open(struct loop *loop, struct letter *letter);

void pin(struct loop *loop, struct pinned *thing)
{
    thing->counts[loop_number(loop)]++;
}

void unpin(struct loop *loop, struct pinned *thing)
{
    must(thing->counts[loop_number(loop)] > 0);
    thing->counts[loop_number(loop)]--;
}

void pinned_retire(struct pinned *thing, struct loop *control, struct loop *const *loops,
                   unsigned loop_count, void (*release)(struct pinned *thing))
{
    thing->control = control;
    thing->release = release;
    thing->release_letter.open = release_open;
    __atomic_store_n(&thing->waiting_for, loop_count, __ATOMIC_RELAXED);
    if (loop_count == 0)
        mailbox_post(control, &thing->release_letter);
    for (unsigned i = 0; i < loop_count; i++) {
        unsigned number = loop_number(loops[i]);

        thing->letters[number].open = question_open;
        mailbox_post(loops[i], &thing->letters[number]);
    }
}

static void question_open(struct loop *loop, struct letter *letter)
{
    unsigned       number = loop_number(loop);
    struct pinned *thing = container_of(letter - number, struct pinned, letters[0]);

    thing->next_retired[number] = loop_local(loop, &retired_key);
    loop_local_set(loop, &retired_key, thing);
}

static void answer(struct pinned *thing)
{
    if (__atomic_sub_fetch(&thing->waiting_for, 1, __ATOMIC_ACQ_REL) == 0)
        mailbox_post(thing->control, &thing->release_letter);
}

void pins_note_quiet(struct loop *loop)
{
    unsigned       number = loop_number(loop);
    struct pinned *thing = loop_local(loop, &retired_key), *kept = NULL;

    if (thing == NULL)
        return;
    while (thing != NULL) {
        struct pinned *next = thing->next_retired[number];

        if (thing->counts[number] == 0) {
            answer(thing);
        } else {
            thing->next_retired[number] = kept;
            kept = thing;
        }
        thing = next;
    }
    loop_local_set(loop, &retired_key, kept);
}

static void release_open(struct loop *loop, struct letter *letter)
{
    struct pinned *thing = container_of(letter, struct pinned, release_letter);

    (void)loop;
    thing->release(thing);
}
