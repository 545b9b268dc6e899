// SPDX-License-Identifier: MIT
/* Cookie fields of clients and Set-Cookie fields of servers. The first line of the input names the cookie
 * or attribute, the rest is the field. Checked: what is found lies within; what is set is found again, what
 * is taken out is not; the pair in front stays. */
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "http/cookie.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static bool lies_within(struct text part, struct text whole)
{
    return part.len == 0 || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

static void check_request(struct arena *arena, struct text name, struct text field)
{
    struct fields fields;
    struct text   value;

    fields_init(&fields, arena, 2);
    fields_add_id(&fields, FIELD_COOKIE, field);
    if (cookie_find(&fields, name, &value))
        must(lies_within(value, field) && memchr(field.ptr, '=', field.len) != NULL);
}

/* A name that an attribute can have. */
static bool is_plain(struct text name)
{
    return name.len > 0 && text_trim(name).len == name.len && text_find(name, ';') == name.len &&
           text_find(name, '=') == name.len;
}

static void check_answer(struct arena *arena, struct text name, struct text field)
{
    const struct text set = TEXT("value");
    struct text       value, with, without;

    must(lies_within(cookie_name(field), field));
    if (cookie_attribute(field, name, &value))
        must(lies_within(value, field));
    if (!is_plain(name))
        return;
    with = cookie_with_attribute(arena, field, name, set);
    must(cookie_attribute(with, name, &value) && text_is_equal(value, set));
    must(text_is_equal(cookie_name(with), cookie_name(field)));
    without = cookie_without_attribute(arena, field, name);
    must(!cookie_attribute(without, name, &value));
    must(text_is_equal(cookie_name(without), cookie_name(field)));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char         *exact = mem_try(len + 1);
    struct arena *arena = arena_new();
    struct text   rest = text_of(exact, len), name;

    must(exact != NULL);
    memcpy(exact, bytes, len);
    if (text_split(&rest, '\n', &name) && rest.ptr != NULL) {
        check_request(arena, name, rest);
        check_answer(arena, name, rest);
    }
    arena_free(&arena);
    mem_free(exact);
    return 0;
}
