// SPDX-License-Identifier: MIT
/* The header list and the table of well-known names.
 *
 * The list is an array in the message's arena: messages have a dozen fields, and walking an array
 * of that size is cheaper than any index. Removing marks, so that pointers stay valid.
 * Names are found through a hash of length, first, middle and last character; the table is filled
 * from field_names.def before main() and never changes after that, so any thread may read it. */
#include "http/fields.h"

#include <string.h>

#include "http/h1_scan_bytes.h"

enum { NAME_MAX_BYTES = 24, SLOTS = 256, LENGTH_DIGITS_MAX = 19 };

/* A name as words, so that two names are compared in three operations. */
struct name_words {
    uint64_t first, middle, last;
};

struct known_name {
    struct text       name;
    uint8_t           flags;
    struct name_words lower;                 /* the name in lower case, */
    struct name_words fold;                  /* and 0x20 where it has a letter */
};

static struct known_name known_names[FIELD_ID_COUNT] = {
#define N(id, text, bits) [FIELD_##id] = { .name = { text, sizeof(text) - 1 }, .flags = (bits) },
#include "http/field_names.def"
#undef N
};

static uint8_t slots[SLOTS];                 /* enum field_id */
static char    lower_names[FIELD_ID_COUNT][NAME_MAX_BYTES];

#define ODD_TOKEN (FIELD_CHAR_TOKEN | FIELD_CHAR_ODD)

const uint8_t field_chars[256] = {
    ['0' ... '9'] = FIELD_CHAR_TOKEN, ['A' ... 'Z'] = FIELD_CHAR_TOKEN,
    ['a' ... 'z'] = FIELD_CHAR_TOKEN, ['-'] = FIELD_CHAR_TOKEN,
    ['!'] = ODD_TOKEN, ['#'] = ODD_TOKEN, ['$'] = ODD_TOKEN, ['%'] = ODD_TOKEN, ['&'] = ODD_TOKEN,
    ['\''] = ODD_TOKEN, ['*'] = ODD_TOKEN, ['+'] = ODD_TOKEN, ['.'] = ODD_TOKEN, ['^'] = ODD_TOKEN,
    ['_'] = ODD_TOKEN, ['`'] = ODD_TOKEN, ['|'] = ODD_TOKEN, ['~'] = ODD_TOKEN,
};

static unsigned          name_slot(const char *name, size_t len);
static inline struct name_words name_words_of(const char *name, size_t len);

/* ---- the table of names ---- */

static void known_fill(struct known_name *known, char lower[NAME_MAX_BYTES])
{
    char fold[NAME_MAX_BYTES] = { 0 };

    must(known->name.len > 0 && known->name.len <= NAME_MAX_BYTES);
    for (size_t i = 0; i < known->name.len; i++) {
        lower[i] = text_lower_char(known->name.ptr[i]);
        fold[i] = lower[i] >= 'a' && lower[i] <= 'z' ? 0x20 : 0;
    }
    known->lower = name_words_of(lower, known->name.len);
    known->fold = name_words_of(fold, known->name.len);
}

__attribute__((constructor)) static void known_names_build(void)
{
    for (unsigned id = FIELD_OTHER + 1; id < FIELD_ID_COUNT; id++) {
        struct known_name *known = &known_names[id];
        unsigned           slot = name_slot(known->name.ptr, known->name.len);

        known_fill(known, lower_names[id]);
        while (slots[slot] != FIELD_OTHER)
            slot = (slot + 1) % SLOTS;
        slots[slot] = (uint8_t)id;
    }
}

/* The factors keep the names of today apart; names that meet take the next slot. */
static unsigned name_slot(const char *name, size_t len)
{
    unsigned first = (unsigned char)name[0] | 0x20u;
    unsigned middle = (unsigned char)name[len / 2] | 0x20u;
    unsigned last = (unsigned char)name[len - 1] | 0x20u;

    return (first * 16 + last * 52 + middle * 9 + (unsigned)len * 39) % SLOTS;
}

static uint64_t word_at(const char *bytes, size_t size)
{
    uint64_t word = 0;

    memcpy(&word, bytes, size);
    return word;
}

/* Every byte of a name of up to 24 bytes, some of them twice. */
static inline struct name_words name_words_of(const char *name, size_t len)
{
    if (len >= 8)
        return (struct name_words){ word_at(name, 8), len > 16 ? word_at(name + 8, 8) : 0,
                                    word_at(name + len - 8, 8) };
    if (len >= 4)
        return (struct name_words){ word_at(name, 4), 0, word_at(name + len - 4, 4) };
    return (struct name_words){ word_at(name, 1), word_at(name + len / 2, 1),
                                word_at(name + len - 1, 1) };
}

static inline bool name_is(const struct known_name *known, const struct name_words *words)
{
    const struct name_words *lower = &known->lower, *fold = &known->fold;

    return (((words->first | fold->first) ^ lower->first) |
            ((words->middle | fold->middle) ^ lower->middle) |
            ((words->last | fold->last) ^ lower->last)) == 0;
}

enum field_id field_id_of(struct text name)
{
    if (name.len == 0 || name.len > NAME_MAX_BYTES)
        return FIELD_OTHER;

    unsigned          slot = name_slot(name.ptr, name.len);
    struct name_words words;

    if (slots[slot] == FIELD_OTHER)
        return FIELD_OTHER;
    words = name_words_of(name.ptr, name.len);
    for (; slots[slot] != FIELD_OTHER; slot = (slot + 1) % SLOTS) {
        const struct known_name *known = &known_names[slots[slot]];
        if (known->name.len == name.len && name_is(known, &words))
            return (enum field_id)slots[slot];
    }
    return FIELD_OTHER;
}

struct text field_name(enum field_id id)
{
    must(id > FIELD_OTHER && id < FIELD_ID_COUNT);
    return known_names[id].name;
}

struct text field_name_lower(enum field_id id)
{
    must(id > FIELD_OTHER && id < FIELD_ID_COUNT);
    return text_of(lower_names[id], known_names[id].name.len);
}

unsigned field_flags(enum field_id id)
{
    must(id < FIELD_ID_COUNT);
    return known_names[id].flags;
}

bool field_is_of_connection(enum field_id id)
{
    return (field_flags(id) & FIELD_HOP) != 0 && id != FIELD_TE && id != FIELD_TRAILER;
}

bool field_may_trail(enum field_id id)
{
    static const uint8_t refused[FIELD_ID_COUNT] = {
        [FIELD_AGE] = 1, [FIELD_CONTENT_ENCODING] = 1, [FIELD_CONTENT_LOCATION] = 1,
        [FIELD_CONTENT_RANGE] = 1, [FIELD_CONTENT_TYPE] = 1, [FIELD_DATE] = 1, [FIELD_EXPECT] = 1,
        [FIELD_EXPIRES] = 1, [FIELD_IF_MATCH] = 1, [FIELD_IF_MODIFIED_SINCE] = 1,
        [FIELD_IF_NONE_MATCH] = 1, [FIELD_IF_RANGE] = 1, [FIELD_IF_UNMODIFIED_SINCE] = 1,
        [FIELD_LOCATION] = 1, [FIELD_PRAGMA] = 1, [FIELD_PROXY_AUTHENTICATE] = 1,
        [FIELD_PROXY_AUTHORIZATION] = 1, [FIELD_RANGE] = 1, [FIELD_REFRESH] = 1,
        [FIELD_RETRY_AFTER] = 1, [FIELD_SET_COOKIE] = 1, [FIELD_VARY] = 1,
        [FIELD_WWW_AUTHENTICATE] = 1, [FIELD_X_ACCEL_BUFFERING] = 1, [FIELD_X_ACCEL_CHARSET] = 1,
        [FIELD_X_ACCEL_EXPIRES] = 1, [FIELD_X_ACCEL_LIMIT_RATE] = 1, [FIELD_X_ACCEL_REDIRECT] = 1,
    };

    return refused[id] == 0 && (field_flags(id) & (FIELD_HOP | FIELD_FRAMING | FIELD_KEEP)) == 0;
}

/* ---- the list ---- */

/* The arena's own array would be zeroed: a kilobyte per message that is overwritten at once. */
static struct field *items_get(struct arena *arena, unsigned capacity)
{
    const size_t align = _Alignof(struct field);
    char        *bytes = arena_bytes(arena, capacity * sizeof(struct field) + align - 1);
    size_t       past = (uintptr_t)bytes % align;

    return (struct field *)(void *)(past == 0 ? bytes : bytes + (align - past));
}

void fields_init(struct fields *fields, struct arena *arena, unsigned first_capacity)
{
    fields->arena = arena;
    fields->count = 0;
    fields->capacity = first_capacity == 0 ? 4 : first_capacity;
    fields->items = items_get(arena, fields->capacity);
}

void fields_grow(struct fields *fields)
{
    unsigned      capacity = fields->capacity * 2;
    struct field *items = items_get(fields->arena, capacity);

    memcpy(items, fields->items, fields->count * sizeof(*items));
    fields->items = items;
    fields->capacity = capacity;
}

static bool name_is_odd(struct text name)
{
    unsigned seen = 0;

    for (size_t i = 0; i < name.len; i++)
        seen |= field_chars[(unsigned char)name.ptr[i]];
    return (seen & FIELD_CHAR_ODD) != 0;
}

void fields_add(struct fields *fields, struct text name, struct text value)
{
    *fields_push(fields) = (struct field){
        .name = name, .value = value, .id = (uint8_t)field_id_of(name), .is_odd = name_is_odd(name),
    };
}

void fields_add_id(struct fields *fields, enum field_id id, struct text value)
{
    *fields_push(fields) = (struct field){
        .name = field_name(id), .value = value, .id = (uint8_t)id,
    };
}

static struct field *find_id_from(const struct fields *fields, unsigned start, enum field_id id)
{
    for (unsigned i = start; i < fields->count; i++)
        if (fields->items[i].id == id && !fields->items[i].is_gone)
            return &fields->items[i];
    return NULL;
}

static struct field *find_name_from(const struct fields *fields, unsigned start, struct text name)
{
    for (unsigned i = start; i < fields->count; i++) {
        struct field *field = &fields->items[i];
        if (field->id == FIELD_OTHER && !field->is_gone && text_is_equal_nocase(field->name, name))
            return field;
    }
    return NULL;
}

struct field *fields_find(const struct fields *fields, enum field_id id)
{
    return id == FIELD_OTHER ? NULL : find_id_from(fields, 0, id);
}

struct field *fields_find_name(const struct fields *fields, struct text name)
{
    enum field_id id = field_id_of(name);

    return id != FIELD_OTHER ? find_id_from(fields, 0, id) : find_name_from(fields, 0, name);
}

struct field *fields_find_next(const struct fields *fields, const struct field *field)
{
    unsigned start = (unsigned)(field - fields->items) + 1;

    return field->id != FIELD_OTHER ? find_id_from(fields, start, (enum field_id)field->id)
                                    : find_name_from(fields, start, field->name);
}

struct text fields_value(const struct fields *fields, enum field_id id)
{
    const struct field *field = fields_find(fields, id);

    return field == NULL ? TEXT_NONE : field->value;
}

static void remove_from(const struct fields *fields, struct field *field)
{
    while (field != NULL) {
        field->is_gone = true;
        field = fields_find_next(fields, field);
    }
}

void fields_set(struct fields *fields, enum field_id id, struct text value)
{
    fields_set_name(fields, field_name(id), value);
}

void fields_set_name(struct fields *fields, struct text name, struct text value)
{
    struct field *first = fields_find_name(fields, name);

    if (first == NULL) {
        fields_add(fields, name, value);
        return;
    }
    first->name = name;
    first->value = value;
    first->is_odd = name_is_odd(name);
    first->is_as_read = false;
    remove_from(fields, fields_find_next(fields, first));
}

void fields_remove(struct fields *fields, enum field_id id)
{
    remove_from(fields, fields_find(fields, id));
}

void fields_remove_name(struct fields *fields, struct text name)
{
    remove_from(fields, fields_find_name(fields, name));
}

/* ---- values ---- */

static size_t joined_size(const struct fields *fields, const struct field *first)
{
    size_t size = first->value.len;

    for (const struct field *next = fields_find_next(fields, first); next != NULL;
         next = fields_find_next(fields, next))
        size += 2 + next->value.len;
    return size;
}

struct text fields_joined(const struct fields *fields, struct text name, struct arena *arena)
{
    const struct field *first = fields_find_name(fields, name);

    if (first == NULL)
        return TEXT_NONE;
    if (fields_find_next(fields, first) == NULL)
        return first->value;

    const char *separator = first->id == FIELD_COOKIE ? "; " : ", ";
    size_t      size = joined_size(fields, first), len = 0;
    char       *bytes = arena_bytes(arena, size);
    for (const struct field *field = first; field != NULL;
         field = fields_find_next(fields, field)) {
        if (field != first) {
            memcpy(bytes + len, separator, 2);
            len += 2;
        }
        if (field->value.len > 0)
            memcpy(bytes + len, field->value.ptr, field->value.len);
        len += field->value.len;
    }
    return text_of(bytes, size);
}

bool field_name_is_valid(struct text name)
{
    for (size_t i = 0; i < name.len; i++)
        if (field_chars[(unsigned char)name.ptr[i]] == 0)
            return false;
    return name.len > 0;
}

void field_blank_controls(char *bytes, size_t len)
{
    size_t at = h1_scan_bytes(bytes, len);

    while (at < len) {
        bytes[at] = ' ';
        at += h1_scan_bytes(bytes + at, len - at);
    }
}

bool field_value_is_valid(struct text value)
{
    return h1_scan_bytes(value.ptr, value.len) == value.len;
}

bool field_length_read(struct text value, uint64_t *ret_length)
{
    uint64_t length = 0;

    if (value.len == 0 || value.len > LENGTH_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9')
            return false;
        length = length * 10 + (uint64_t)(value.ptr[i] - '0');
    }
    if (length > INT64_MAX)
        return false;
    *ret_length = length;
    return true;
}

/* Length of the element that starts at bytes[0]: up to a comma outside of quotes. */
static size_t element_len(struct text rest)
{
    bool   is_quoted = false;
    size_t i = 0;

    for (; i < rest.len; i++) {
        char c = rest.ptr[i];
        if (c == '"')
            is_quoted = !is_quoted;
        else if (c == '\\' && is_quoted && i + 1 < rest.len)
            i++;
        else if (c == ',' && !is_quoted)
            break;
    }
    return i;
}

bool field_list_next(struct text *rest, struct text *ret_element)
{
    while (rest->len > 0) {
        size_t      len = element_len(*rest);
        struct text element = text_trim(text_part(*rest, 0, len));

        *rest = text_from_offset(*rest, len < rest->len ? len + 1 : len);
        if (element.len > 0) {
            *ret_element = element;
            return true;
        }
    }
    return false;
}

bool field_list_has(struct text list, struct text wanted)
{
    struct text element;

    while (field_list_next(&list, &element))
        if (text_is_equal_nocase(element, wanted))
            return true;
    return false;
}
