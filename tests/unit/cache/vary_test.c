// SPDX-License-Identifier: MIT
/* vary: RFC 9111 4.1 and RFC 9110 12.5.5. */
#include "check.h"

#include <string.h>

#include "cache/vary.h"

static struct text spec_of(struct arena *arena, const char *lines, enum vary_kind wanted)
{
    struct fields response = fields_of(arena, lines);
    struct text   spec;

    if (vary_spec(&response, arena, &spec) != wanted)
        fail_msg("not of the wanted kind: %s", lines);
    return spec;
}

static struct text variant_of(struct arena *arena, const char *spec, const char *lines)
{
    struct fields request = fields_of(arena, lines);
    struct text   variant = TEXT("too long");

    (void)!vary_variant(text_from(spec), &request, arena, &variant);
    return variant;
}

static void names_are_lower_sorted_and_single(void **state)
{
    CHECK_TEXT(spec_of(*state, "Vary: Accept-Encoding", VARY_FIELDS), "accept-encoding");
    CHECK_TEXT(spec_of(*state, "Vary: b, A,\tc , B,", VARY_FIELDS), "a,b,c");
    CHECK_TEXT(spec_of(*state, "Vary: b\nVary: a\nVary: B", VARY_FIELDS), "a,b");
    CHECK_TEXT(spec_of(*state, "Date: x", VARY_NOTHING), "");
    CHECK_TEXT(spec_of(*state, "Vary:\nVary: ,", VARY_NOTHING), "");
}

static void rfc9111_4_1_a_star_anywhere_never_matches(void **state)
{
    (void)spec_of(*state, "Vary: *", VARY_NEVER);
    (void)spec_of(*state, "Vary: a, *", VARY_NEVER);
    (void)spec_of(*state, "Vary: *,a", VARY_NEVER);
    (void)spec_of(*state, "Vary: a\nVary: b\nVary: *", VARY_NEVER);
    CHECK_TEXT(spec_of(*state, "Vary: *a", VARY_FIELDS), "*a");
}

static void what_is_no_name_is_never_stored(void **state)
{
    (void)spec_of(*state, "Vary: a b", VARY_NEVER);
    (void)spec_of(*state, "Vary: \"a\"", VARY_NEVER);
    (void)spec_of(*state, "Vary: a;q=1", VARY_NEVER);
}

static void specs_are_bounded(void **state)
{
    char line[VARY_SPEC_MAX + 8] = "Vary: ";

    CHECK_TEXT(spec_of(*state, "Vary: p,o,n,m,l,k,j,i,h,g,f,e,d,c,b,a,a,b", VARY_FIELDS),
               "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p");
    (void)spec_of(*state, "Vary: q,p,o,n,m,l,k,j,i,h,g,f,e,d,c,b,a", VARY_NEVER);
    memset(line + 6, 'x', VARY_SPEC_MAX);
    line[6 + VARY_SPEC_MAX] = '\0';
    assert_int_equal(spec_of(*state, line, VARY_FIELDS).len, VARY_SPEC_MAX);
    memcpy(line + 6 + VARY_SPEC_MAX, "x", 2);
    (void)spec_of(*state, line, VARY_NEVER);
}

static void rfc9111_4_1_absent_is_not_empty(void **state)
{
    CHECK_TEXT(variant_of(*state, "a,b", "B: 1"), "-\n=1\n");
    CHECK_TEXT(variant_of(*state, "a,b", "B: 1\nA:"), "=\n=1\n");
    CHECK_TEXT(variant_of(*state, "a", "A: -"), "=-\n");
    CHECK_TEXT(variant_of(*state, "accept-encoding", ""), "-\n");
    CHECK_TEXT(variant_of(*state, "accept-encoding", "Accept-Encoding:"), "=\n");
}

static void rfc9111_4_1_lines_are_joined_and_blanks_dropped(void **state)
{
    CHECK_TEXT(variant_of(*state, "x", "X: 1\nx: 2"), "=1, 2\n");
    CHECK_TEXT(variant_of(*state, "x", "X:  1  "), "=1\n");
    CHECK_TEXT(variant_of(*state, "x", "X: 1,2"), "=1,2\n");
    CHECK_TEXT(variant_of(*state, "x", "X: Aa"), "=Aa\n");
    CHECK_TEXT(variant_of(*state, "cookie", "Cookie: a=1\nCookie: b=2"), "=a=1; b=2\n");
}

static void encodings_are_a_set(void **state)
{
    CHECK_TEXT(variant_of(*state, "accept-encoding", "Accept-Encoding: gzip, br"), "=br,gzip\n");
    CHECK_TEXT(variant_of(*state, "accept-encoding", "Accept-Encoding: br;q=0.9\naccept-encoding: gzip"),
               "=br,gzip\n");
}

static void languages_keep_their_order(void **state)
{
    CHECK_TEXT(variant_of(*state, "accept-language", "Accept-Language: de-DE , EN;q=0.8,\tfr ; Q=0.5,"),
               "=de-de,en;q=0.8,fr;q=0.5\n");
    CHECK_TEXT(variant_of(*state, "accept-language", "Accept-Language: en;q=0.8, de-DE"),
               "=en;q=0.8,de-de\n");
}

static void variants_are_bounded(void **state)
{
    char  *value = arena_bytes(*state, VARY_VARIANT_MAX + 8);
    size_t fits = VARY_VARIANT_MAX - 2;  /* "=" and the line end */

    memcpy(value, "X: ", 3);
    memset(value + 3, 'v', fits);
    value[3 + fits] = '\0';
    assert_int_equal(variant_of(*state, "x", value).len, VARY_VARIANT_MAX);
    memcpy(value + 3 + fits, "v", 2);
    CHECK_TEXT(variant_of(*state, "x", value), "too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(names_are_lower_sorted_and_single),
        WITH_ARENA(rfc9111_4_1_a_star_anywhere_never_matches),
        WITH_ARENA(what_is_no_name_is_never_stored),
        WITH_ARENA(specs_are_bounded),
        WITH_ARENA(rfc9111_4_1_absent_is_not_empty),
        WITH_ARENA(rfc9111_4_1_lines_are_joined_and_blanks_dropped),
        WITH_ARENA(encodings_are_a_set),
        WITH_ARENA(languages_keep_their_order),
        WITH_ARENA(variants_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
