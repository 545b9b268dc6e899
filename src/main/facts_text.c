// SPDX-License-Identifier: MIT
/* For people: values as "name: value", groups indented below their name, and lists as tables when their
 * items have only values, else one below the other, each under its first value. */
#include "base/writer.h"
#include "main/facts.h"

enum { FIRST_BYTES = 16 * 1024, INDENT = 2, GAP = 2 };

static void members_write(struct writer *writer, const struct fact *first, unsigned depth);

static void blanks_write(struct writer *writer, size_t count)
{
    while (count-- > 0)
        writer_char(writer, ' ');
}

/* The unit at the end of a name, which stands behind the value instead; or nothing. */
static struct text unit_of(struct text name)
{
    static const char *const units[] = { "_ms", "_s", "_bytes" };

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (text_has_suffix(name, text_from(units[i])))
            return text_from_offset(text_from(units[i]), 1);
    return TEXT_NONE;
}

static void words_write(struct writer *writer, struct text name)
{
    for (size_t i = 0; i < name.len; i++)
        writer_char(writer, name.ptr[i] == '_' ? ' ' : name.ptr[i]);
}

static struct text value_of(const struct fact *fact)
{
    struct writer writer;

    if (fact->kind == FACT_TEXT)
        return fact->text.len > 0 ? fact->text : TEXT("-");
    if (fact->kind != FACT_NUMBER)
        return TEXT("-");
    writer = writer_arena(fact->arena, 24);
    writer_u64(&writer, fact->number);
    return writer_done(&writer);
}

/* ---- tables ---- */

static bool is_table(const struct fact *list)
{
    return list->first != NULL && fact_has_values_only(list->first);
}

static size_t *widths_of(const struct fact *list, unsigned *ret_count)
{
    unsigned count = 0;
    size_t  *widths;

    for (const struct fact *at = list->first->first; at != NULL; at = at->next)
        count++;
    widths = ARENA_ARRAY(list->arena, size_t, count);
    for (const struct fact *item = list->first; item != NULL; item = item->next) {
        const struct fact *at = item->first;

        for (unsigned i = 0; i < count; i++, at = at->next) {
            size_t name = text_from(at->name).len, value = value_of(at).len;

            widths[i] = name > widths[i] ? name : widths[i];
            widths[i] = value > widths[i] ? value : widths[i];
        }
    }
    *ret_count = count;
    return widths;
}

/* Words begin where their column does, numbers end where it ends; nothing stands behind the last. */
static void row_write(struct writer *writer, const struct fact *item, const size_t *widths,
                      bool is_head)
{
    unsigned i = 0;

    for (const struct fact *at = item->first; at != NULL; at = at->next, i++) {
        struct text cell = is_head ? text_from(at->name) : value_of(at);
        bool        is_word = at->kind == FACT_TEXT;

        if (i > 0)
            blanks_write(writer, GAP);
        if (!is_word)
            blanks_write(writer, widths[i] - cell.len);
        if (is_head)
            words_write(writer, cell);
        else
            writer_text(writer, cell);
        if (is_word && at->next != NULL)
            blanks_write(writer, widths[i] - cell.len);
    }
    writer_char(writer, '\n');
}

static void table_write(struct writer *writer, const struct fact *list, unsigned depth)
{
    unsigned count;
    size_t  *widths = widths_of(list, &count);

    blanks_write(writer, (size_t)depth * INDENT);
    row_write(writer, list->first, widths, true);
    for (const struct fact *item = list->first; item != NULL; item = item->next) {
        blanks_write(writer, (size_t)depth * INDENT);
        row_write(writer, item, widths, false);
    }
}

/* ---- all else ---- */

static void items_write(struct writer *writer, const struct fact *list, unsigned depth)
{
    for (const struct fact *item = list->first; item != NULL; item = item->next) {
        blanks_write(writer, (size_t)depth * INDENT);
        writer_text(writer, value_of(item->first));
        writer_char(writer, '\n');
        members_write(writer, item->first->next, depth + 1);
    }
}

static void container_write(struct writer *writer, const struct fact *fact, unsigned depth)
{
    if (fact->first == NULL) {
        writer_string(writer, ": none\n");
        return;
    }
    writer_string(writer, ":\n");
    if (fact->kind == FACT_GROUP)
        members_write(writer, fact->first, depth + 1);
    else if (is_table(fact))
        table_write(writer, fact, depth + 1);
    else
        items_write(writer, fact, depth + 1);
}

static void value_write(struct writer *writer, struct text unit, const struct fact *fact)
{
    writer_string(writer, ": ");
    writer_text(writer, value_of(fact));
    if (unit.len > 0 && fact->kind == FACT_NUMBER) {
        writer_char(writer, ' ');
        writer_text(writer, unit);
    }
    writer_char(writer, '\n');
}

static void members_write(struct writer *writer, const struct fact *first, unsigned depth)
{
    for (const struct fact *at = first; at != NULL; at = at->next) {
        struct text name = text_from(at->name), unit = unit_of(name);

        blanks_write(writer, (size_t)depth * INDENT);
        words_write(writer, text_part(name, 0, name.len - (unit.len > 0 ? unit.len + 1 : 0)));
        if (at->kind == FACT_GROUP || at->kind == FACT_LIST)
            container_write(writer, at, depth);
        else
            value_write(writer, unit, at);
    }
}

struct text facts_print(const struct fact *root)
{
    struct writer writer = writer_arena(root->arena, FIRST_BYTES);

    members_write(&writer, root->first, 0);
    return writer_done(&writer);
}
