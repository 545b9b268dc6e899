// SPDX-License-Identifier: MIT
/* The ledger's book-keeping. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "asks.h"
#include "schedule.h"

static struct ask asks[ASKS_MOST];
static unsigned   count;

void asks_begin(void)
{
    memset(asks, 0, count * sizeof(asks[0]));
    count = 0;
}

struct ask *ask_new(void)
{
    must(count < ASKS_MOST);
    asks[count].id = count + 1;
    return &asks[count++];
}

struct ask *ask_find(unsigned id)
{
    if (id == 0 || id > count)
        FAIL("nobody asked %u", id);
    return &asks[id - 1];
}

void ask_note_seen(struct ask *ask)
{
    unsigned most = ask->is_repeatable || ask->room->repeats_unsafe ? ask->room->tries_most : 1;

    if (strcmp(ask->room->path, "/page") == 0 && !ask->is_repeatable)
        most = 2;   /* its error page is another location, which is asked in its own right */
    if (ask->flaw != NULL || ask->room->local_status != 0 ||
        (ask->room->body_most > 0 && ask->framing == FRAMING_SIZED &&
         ask->length > ask->room->body_most))
        FAIL("request %u must reach no origin", ask->id);
    if (++ask->seen > most)
        FAIL("request %u (%s) is seen for the %u. time", ask->id, ask->method, ask->seen);
}

unsigned ask_answer_new(struct ask *ask, const struct answer *answer)
{
    must(ask->answer_count < ANSWERS_MOST);
    ask->answers[ask->answer_count] = *answer;
    return ++ask->answer_count;
}
