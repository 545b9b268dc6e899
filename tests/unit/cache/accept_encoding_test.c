// SPDX-License-Identifier: MIT
/* accept_encoding: RFC 9110 12.5.3 (what is accepted) and 12.4.2 (weights). */
#include "check.h"

#include "cache/accept_encoding.h"

static struct text normal(struct arena *arena, const char *value)
{
    struct writer writer = writer_arena(arena, 64);

    accept_encoding_write(&writer, text_from(value));
    return writer_done(&writer);
}

struct row {
    const char *value, *wanted;
};

static void check_rows(struct arena *arena, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_text(normal(arena, rows[i].value), text_from(rows[i].wanted), rows[i].value, __FILE__,
                   __LINE__);
}

static void order_spelling_and_weights_above_0_do_not_matter(void **state)
{
    static const struct row rows[] = {
        { "gzip, deflate, br, zstd", "br,deflate,gzip,zstd" },
        { "zstd,br,deflate,gzip", "br,deflate,gzip,zstd" },
        { "GZIP;q=1.0, Deflate;Q=0.5 ,br ; q=0.001,\tzstd", "br,deflate,gzip,zstd" },
        { "gzip", "gzip" },          { "gzip,gzip", "gzip" },   { ",gzip,,", "gzip" },
        { "x-gzip", "gzip" },        { "x-gzip, gzip", "gzip" },
        { "gzip;q=1.000", "gzip" },  { "gzip;q=0.999", "gzip" }, { "gzip;q=1.", "gzip" },
    };

    check_rows(*state, rows, COUNT_OF(rows));
}

static void rfc9110_12_4_2_weight_0_refuses(void **state)
{
    static const struct row rows[] = {
        { "gzip;q=0, br", "br" },    { "gzip;q=0.000", "" },    { "gzip;q=0.", "" },
        { "gzip;q=0", "" },          { "", "" },                { "identity", "" },
        { "identity, gzip", "gzip" }, { "gzip, identity;q=0", "gzip,!identity" },
        { "identity;q=0", "!identity" },
    };

    check_rows(*state, rows, COUNT_OF(rows));
}

static void rfc9110_12_5_3_a_star_is_what_is_not_named(void **state)
{
    static const struct row rows[] = {
        { "*", "*" },                { "*, gzip", "*" },        { "gzip;q=0.5, *;q=0.1", "*" },
        { "*, gzip;q=0", "*,!gzip" }, { "br;q=0, *, gzip;q=0", "*,!br,!gzip" },
        { "*, identity;q=0", "*,!identity" },                   { "*;q=0", "!identity" },
        { "gzip, *;q=0", "gzip,!identity" },                    { "gzip, identity, *;q=0", "gzip" },
    };

    check_rows(*state, rows, COUNT_OF(rows));
}

static void unknown_codings_stay_in(void **state)
{
    static const struct row rows[] = {
        { "gzip, dcz", "dcz,gzip" }, { "compress", "compress" }, { "*, aes128gcm;q=0", "*,!aes128gcm" },
    };

    check_rows(*state, rows, COUNT_OF(rows));
}

static void what_cannot_be_read_equals_only_itself(void **state)
{
    static const struct row rows[] = {
        { "gzip;q=2", "?gzip;q=2" },         { "gzip;q=1.001", "?gzip;q=1.001" },
        { "gzip;q=0.0000", "?gzip;q=0.0000" }, { "gzip;q=", "?gzip;q=" },
        { "gzip;q=.5", "?gzip;q=.5" },
        { "gzip;level=1", "?gzip;level=1" }, { "gzip;q=1;q=0", "?gzip;q=1;q=0" },
        { "gzip, gzip;q=0", "?gzip, gzip;q=0" }, { "gzip br", "?gzip br" },
        { "\"gzip\"", "?\"gzip\"" },         { "gzip;q = 1", "?gzip;q = 1" },
        { "gzip;q=-1", "?gzip;q=-1" },       { "gzip;", "?gzip;" },
        { "gzip;q=0x1", "?gzip;q=0x1" },     { "gzip;q=10", "?gzip;q=10" },
    };

    check_rows(*state, rows, COUNT_OF(rows));
}

static void sixteen_codings_are_read(void **state)
{
    CHECK_TEXT(normal(*state, "p,o,n,m,l,k,j,i,h,g,f,e,d,c,b,a"), "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p");
    CHECK_TEXT(normal(*state, "q,p,o,n,m,l,k,j,i,h,g,f,e,d,c,b,a"), "?q,p,o,n,m,l,k,j,i,h,g,f,e,d,c,b,a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(order_spelling_and_weights_above_0_do_not_matter),
        WITH_ARENA(rfc9110_12_4_2_weight_0_refuses),
        WITH_ARENA(rfc9110_12_5_3_a_star_is_what_is_not_named),
        WITH_ARENA(unknown_codings_stay_in),
        WITH_ARENA(what_cannot_be_read_equals_only_itself),
        WITH_ARENA(sixteen_codings_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
