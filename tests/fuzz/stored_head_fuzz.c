// SPDX-License-Identifier: MIT
/* Packed heads, as a damaged disk may give them. Checked: what is unpacked lies within the input or the
 * table of names; packed again and unpacked it is the same head, without what is left out; packing that
 * once more changes nothing; what is sound loses nothing. */
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "cache/stored_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static bool lies_within(struct text part, struct text whole)
{
    return part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len;
}

static void check_places(const struct head *head, struct text input)
{
    must(head->status >= 100 && head->status <= 999);
    must(lies_within(head->reason, input));
    FIELDS_EACH(&head->fields, field) {
        must(field->id < FIELD_ID_COUNT && field->id == field_id_of(field->name));
        must(lies_within(field->value, input));
        must(lies_within(field->name, input) ||
             text_is_equal(field->name, field_name((enum field_id)field->id)));
    }
}

static bool is_kept(const struct field *field)
{
    return (field_flags((enum field_id)field->id) & (FIELD_FRAMING | FIELD_HOP)) == 0;
}

static unsigned count_kept(const struct head *head)
{
    unsigned count = 0;

    FIELDS_EACH(&head->fields, field)
        count += is_kept(field);
    return count;
}

static void check_same(const struct head *head, const struct head *again)
{
    const struct field *other = again->fields.items;

    must(again->status == head->status && text_is_equal(again->reason, head->reason));
    must(again->fields.count == count_kept(head));
    FIELDS_EACH(&head->fields, field) {
        if (!is_kept(field))
            continue;
        must(other->id == field->id && other->is_odd == field->is_odd);
        must(text_is_equal(other->name, field->name) && text_is_equal(other->value, field->value));
        other++;
    }
}

static void check_again(struct arena *arena, const struct head *head, bool is_sound)
{
    struct text packed = stored_head_pack(arena, head->status, head->reason, &head->fields), twice;
    struct head again;

    if (packed.ptr == NULL)              /* longer than the input can be, without a limit */
        return;
    must(stored_head_unpack(packed, arena, &again) == 0);
    check_same(head, &again);
    twice = stored_head_pack(arena, again.status, again.reason, &again.fields);
    must(text_is_equal(twice, packed));
    if (is_sound)
        must(again.fields.count == head->fields.count && stored_head_is_sound(packed, arena));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char         *exact = mem_try(len);
    struct arena *arena = arena_new();
    struct text   input = text_of(exact, len);
    struct head   head;
    bool          is_sound;

    must(exact != NULL);
    if (len > 0)
        memcpy(exact, bytes, len);
    is_sound = stored_head_is_sound(input, arena);
    if (stored_head_unpack(input, arena, &head) == 0) {
        check_places(&head, input);
        check_again(arena, &head, is_sound);
    } else {
        must(!is_sound);
    }
    arena_free(&arena);
    mem_free(exact);
    return 0;
}
