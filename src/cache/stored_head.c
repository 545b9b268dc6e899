// SPDX-License-Identifier: MIT
/* Little endian, without padding:
 *
 *     u8 format, u16 status, u16 reason length, u16 fields, reason,
 *     and for each field: u8 name, u16 value length, [u16 name length, name,] value
 *
 * A name is its number in stored_names.def, with AS_TEXT when it was written in another way than we
 * would; 0 with AS_TEXT for all that have none. Whether such a name is well known is asked when it is
 * unpacked, so a name that gets a number or an id in a later version is understood in old records. */
#include "cache/stored_head.h"

#include <errno.h>
#include <string.h>

enum { FORMAT = 1, FRONT_BYTES = 7, FIELD_BYTES = 3, NAME_BYTES = 2 };
enum { PACKED_MOST = 1024 * 1024, AS_TEXT = 0x80, NUMBER_BITS = 0x7f };

static const uint8_t ids[NUMBER_BITS + 1] = {
#define S(number, id) [number] = FIELD_##id,
#include "cache/stored_names.def"
#undef S
};

static const uint8_t numbers[FIELD_ID_COUNT] = {
#define S(number, id) [FIELD_##id] = (number),
#include "cache/stored_names.def"
#undef S
};

/* ---- packing ---- */

static bool is_left_out(const struct field *field)
{
    return field->is_gone ||
           (field_flags((enum field_id)field->id) & (FIELD_FRAMING | FIELD_HOP)) != 0;
}

static uint8_t name_number(const struct field *field)
{
    uint8_t number = numbers[field->id];

    if (number != 0 && text_is_equal(field->name, field_name((enum field_id)field->id)))
        return number;
    return number | AS_TEXT;
}

/* Bytes of the whole, and how many fields; 0: too large. */
static size_t packed_size(struct text reason, const struct fields *fields, unsigned *ret_count)
{
    size_t   size = FRONT_BYTES + reason.len;
    unsigned count = 0;

    FIELDS_EACH(fields, field) {
        if (is_left_out(field))
            continue;
        if (field->name.len > UINT16_MAX || field->value.len > UINT16_MAX)
            return 0;
        size += FIELD_BYTES + field->value.len;
        if (name_number(field) & AS_TEXT)
            size += NAME_BYTES + field->name.len;
        count++;
        if (size > PACKED_MOST)
            return 0;
    }
    *ret_count = count;
    return reason.len > UINT16_MAX || count > UINT16_MAX || size > PACKED_MOST ? 0 : size;
}

static char *put_u16(char *at, size_t number)
{
    at[0] = (char)(number & 0xff);
    at[1] = (char)(number >> 8);
    return at + 2;
}

static char *put_text(char *at, struct text text)
{
    if (text.len > 0)
        memcpy(at, text.ptr, text.len);
    return at + text.len;
}

static char *put_field(char *at, const struct field *field)
{
    uint8_t number = name_number(field);

    *at = (char)number;
    at = put_u16(at + 1, field->value.len);
    if (number & AS_TEXT) {
        at = put_u16(at, field->name.len);
        at = put_text(at, field->name);
    }
    return put_text(at, field->value);
}

struct text stored_head_pack(struct arena *arena, unsigned status, struct text reason,
                             const struct fields *fields)
{
    unsigned count;
    size_t   size = packed_size(reason, fields, &count);
    char    *packed, *at;

    if (size == 0)
        return TEXT_NONE;
    packed = arena_bytes(arena, size);
    packed[0] = FORMAT;
    at = put_u16(packed + 1, status);
    at = put_u16(at, reason.len);
    at = put_u16(at, count);
    at = put_text(at, reason);
    FIELDS_EACH(fields, field)
        if (!is_left_out(field))
            at = put_field(at, field);
    must(at == packed + size);
    return text_of(packed, size);
}

/* ---- unpacking ---- */

static unsigned u16_at(const char *at)
{
    return (unsigned)(unsigned char)at[0] | (unsigned)(unsigned char)at[1] << 8;
}

/* Takes `len` bytes off the front; false when there are fewer. */
static inline bool take(struct text *rest, size_t len, struct text *ret_text)
{
    if (rest->len < len)
        return false;
    *ret_text = (struct text){ rest->ptr, len };
    *rest = (struct text){ rest->ptr + len, rest->len - len };
    return true;
}

/* A name as text. With a number beside it, it must be that name in another spelling. */
static bool take_name(struct text *rest, enum field_id id, struct fields *fields)
{
    struct text len, name;

    if (!take(rest, NAME_BYTES, &len) || !take(rest, u16_at(len.ptr), &name) || name.len == 0)
        return false;
    if (id == FIELD_OTHER) {
        fields_add(fields, name, TEXT_NONE);
        return true;
    }
    if (!text_is_equal_nocase(name, field_name(id)))
        return false;
    *fields_push(fields) = (struct field){ .name = name, .id = (uint8_t)id };
    return true;
}

static bool take_field(struct text *rest, struct fields *fields)
{
    struct text   front;
    uint8_t       number;
    enum field_id id;

    if (!take(rest, FIELD_BYTES, &front))
        return false;
    number = (uint8_t)front.ptr[0];
    id = (enum field_id)ids[number & NUMBER_BITS];
    if (id == FIELD_OTHER && number != AS_TEXT)
        return false;
    if (number & AS_TEXT) {
        if (!take_name(rest, id, fields))
            return false;
    } else {
        *fields_push(fields) = (struct field){ .name = field_name(id), .id = (uint8_t)id };
    }
    return take(rest, u16_at(front.ptr + 1), &fields->items[fields->count - 1].value);
}

/* The smallest field is FIELD_BYTES, which bounds what a damaged count may ask of the arena. */
static bool take_fields(struct text *rest, unsigned count, struct arena *arena,
                        struct fields *ret_fields, bool *ret_has_odd)
{
    bool has_odd = false;

    if (count > rest->len / FIELD_BYTES)
        return false;
    fields_init(ret_fields, arena, count + 4);
    for (unsigned i = 0; i < count; i++) {
        if (!take_field(rest, ret_fields))
            return false;
        has_odd |= ret_fields->items[i].is_odd;
    }
    *ret_has_odd = has_odd;
    return rest->len == 0;
}

int stored_head_unpack(struct text packed, struct arena *arena, struct head *ret_head)
{
    struct text   rest = packed, front, reason;
    struct fields fields;
    unsigned      status;
    bool          has_odd;

    if (packed.len > PACKED_MOST || !take(&rest, FRONT_BYTES, &front) || front.ptr[0] != FORMAT)
        return -EINVAL;
    status = u16_at(front.ptr + 1);
    if (status < 100 || status > 999 || !take(&rest, u16_at(front.ptr + 3), &reason) ||
        !take_fields(&rest, u16_at(front.ptr + 5), arena, &fields, &has_odd))
        return -EINVAL;
    ret_head->status = status;
    ret_head->reason = reason;
    ret_head->fields = fields;
    ret_head->has_odd_fields = has_odd;
    return 0;
}

bool stored_head_is_sound(struct text packed, struct arena *arena)
{
    struct head head;

    if (stored_head_unpack(packed, arena, &head) < 0 || !field_value_is_valid(head.reason))
        return false;
    FIELDS_EACH(&head.fields, field)
        if (is_left_out(field) || !field_name_is_valid(field->name) ||
            !field_value_is_valid(field->value))
            return false;
    return true;
}
