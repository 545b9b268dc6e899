// SPDX-License-Identifier: MIT
/* The first line is a Vary value, the others are values of Accept-Encoding, one per client. Checked: a spec
 * is canonical and bounded, and read again is itself; clients of one variant accept the same codings, as a
 * slower reading of RFC 9110 12.5.3 sees it. */
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "cache/vary.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

enum { CLIENTS_MAX = 4 };

struct client {
    struct text value, variant;
};

static bool is_zero(struct text weight)
{
    size_t equals = text_find(weight, '=');

    for (size_t i = equals + 1; i < weight.len; i++)
        if (weight.ptr[i] != '0' && weight.ptr[i] != '.')
            return false;
    return equals < weight.len;
}

/* Does a list that was found well formed accept the coding? */
static bool accepts(struct text list, struct text coding)
{
    bool        by_star = text_is_equal_nocase(coding, TEXT("identity"));
    struct text member;

    while (field_list_next(&list, &member)) {
        size_t      semicolon = text_find(member, ';');
        struct text name = text_trim(text_part(member, 0, semicolon));
        bool        is_accepted = !is_zero(text_from_offset(member, semicolon));
        if (text_is_equal_nocase(name, TEXT("x-gzip")))
            name = TEXT("gzip");
        if (text_is_equal_nocase(name, coding))
            return is_accepted;
        if (text_is_equal(name, TEXT("*")))
            by_star = is_accepted;
    }
    return by_star;
}

static void check_same(const struct client *a, const struct client *b, struct text names)
{
    static const char *const always[] = { "identity", "gzip", "br", "zstd", "never-heard-of" };
    struct text              member, name;

    for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
        must(accepts(a->value, text_from(always[i])) == accepts(b->value, text_from(always[i])));
    while (field_list_next(&names, &member)) {
        name = text_trim(text_part(member, 0, text_find(member, ';')));
        if (!text_is_equal(name, TEXT("*")) && !text_is_equal_nocase(name, TEXT("x-gzip")))
            must(accepts(a->value, name) == accepts(b->value, name));
    }
}

static void check_clients(struct arena *arena, struct text rest)
{
    struct client clients[CLIENTS_MAX];
    unsigned      count = 0;

    while (count < CLIENTS_MAX && text_split(&rest, '\n', &clients[count].value)) {
        struct client *client = &clients[count++];
        struct fields  request;
        fields_init(&request, arena, 1);
        fields_add_id(&request, FIELD_ACCEPT_ENCODING, client->value);
        if (!vary_variant(TEXT("accept-encoding"), &request, arena, &client->variant))
            return;
        must(client->variant.len >= 2 && client->variant.len <= VARY_VARIANT_MAX);
    }
    for (unsigned i = 0; i < count; i++)
        for (unsigned k = 0; k < i; k++)
            if (text_is_equal(clients[i].variant, clients[k].variant) &&
                !text_has_prefix(clients[i].variant, TEXT("=?"))) {
                check_same(&clients[i], &clients[k], clients[i].value);
                check_same(&clients[i], &clients[k], clients[k].value);
            }
}

static void check_spec(struct arena *arena, struct text value)
{
    struct fields  response;
    struct text    spec, again;
    enum vary_kind kind;

    fields_init(&response, arena, 1);
    fields_add_id(&response, FIELD_VARY, value);
    kind = vary_spec(&response, arena, &spec);
    must((kind == VARY_FIELDS) == (spec.len > 0) && spec.len <= VARY_SPEC_MAX);
    if (kind != VARY_FIELDS)
        return;
    fields_set(&response, FIELD_VARY, spec);
    must(vary_spec(&response, arena, &again) == VARY_FIELDS && text_is_equal(spec, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char         *exact = mem_try(len + 1);
    struct arena *arena = arena_new();
    struct text   rest = text_of(exact, len), vary;

    must(exact != NULL);
    memcpy(exact, bytes, len);
    if (text_split(&rest, '\n', &vary)) {
        check_spec(arena, vary);
        check_clients(arena, rest);
    }
    arena_free(&arena);
    mem_free(exact);
    return 0;
}
