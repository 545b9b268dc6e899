// SPDX-License-Identifier: MIT
/* At most three quarters full, linear probing. Lines go only all together, in label_table_forget(),
 * which builds the table anew: so there is no deleting among probes. */
#include "cache/label_table.h"

#include <string.h>

#include "base/mem.h"

enum { FIRST_CAPACITY = 64 };

/* Nobody's label is 0 that way. */
static uint64_t label_of(uint64_t label)
{
    return label == 0 ? 1 : label;
}

static struct label_line *slot_of(const struct label_table *table, uint64_t label)
{
    size_t at = label & (table->capacity - 1);

    while (table->lines[at].label != 0 && table->lines[at].label != label)
        at = (at + 1) & (table->capacity - 1);
    return &table->lines[at];
}

void label_table_done(struct label_table *table)
{
    mem_free(table->lines);
    *table = (struct label_table){ .lines = NULL };
}

const struct label_line *label_table_find(const struct label_table *table, uint64_t label)
{
    const struct label_line *line;

    if (table->count == 0)
        return NULL;
    line = slot_of(table, label_of(label));
    return line->label == 0 ? NULL : line;
}

static bool rebuild(struct label_table *table, size_t capacity)
{
    struct label_table former = *table;

    table->lines = mem_try(capacity * sizeof(struct label_line));
    if (table->lines == NULL) {
        *table = former;
        return false;
    }
    memset(table->lines, 0, capacity * sizeof(struct label_line));
    table->capacity = capacity;
    table->count = 0;
    for (size_t i = 0; i < former.capacity; i++) {
        if (former.lines[i].hard == 0 && former.lines[i].soft == 0)
            continue;
        *slot_of(table, former.lines[i].label) = former.lines[i];
        table->count++;
    }
    mem_free(former.lines);
    return true;
}

struct label_line *label_table_try_get(struct label_table *table, uint64_t label)
{
    size_t             wanted = table->capacity == 0 ? FIRST_CAPACITY : table->capacity * 2;
    struct label_line *line;

    if (table->count >= table->capacity / 4 * 3 && !rebuild(table, wanted))
        return NULL;
    line = slot_of(table, label_of(label));
    if (line->label == 0) {
        line->label = label_of(label);
        table->count++;
    }
    return line;
}

static size_t lines_left(const struct label_table *table)
{
    size_t left = 0;

    for (size_t i = 0; i < table->capacity; i++)
        left += table->lines[i].hard != 0 || table->lines[i].soft != 0;
    return left;
}

void label_table_forget(struct label_table *table, uint64_t hard, uint64_t soft)
{
    size_t capacity = FIRST_CAPACITY, left;

    for (size_t i = 0; i < table->capacity; i++) {
        struct label_line *line = &table->lines[i];
        line->hard = line->hard <= hard ? 0 : line->hard;
        line->soft = line->soft <= soft || line->soft <= line->hard ? 0 : line->soft;
    }
    left = lines_left(table);
    if (left == 0) {
        label_table_done(table);
        return;
    }
    while (capacity / 4 * 3 <= left)
        capacity *= 2;
    /* Without memory it stays as it is: lines that concern nobody, and room to find them. */
    if (left < table->count)
        (void)rebuild(table, capacity);
}
