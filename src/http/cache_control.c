// SPDX-License-Identifier: MIT
/* Cache directives: one row of the table each, whether they come as Cache-Control or as a member of a
 * targeted field's dictionary. A mistake ends at the next comma, even one behind a quote that is never
 * closed, so that no nonsense can hide a no-store behind it. Pure functions, any thread. */
#include "http/cache_control.h"

#include <errno.h>

#include "http/structured.h"

/* What stood behind a directive's "=". */
enum argument_kind {
    ARGUMENT_NONE = 0,
    ARGUMENT_TEXT,                       /* token or quoted-string, unquoted */
    ARGUMENT_NUMBER,                     /* an Integer of a targeted field */
    ARGUMENT_WORDS,                      /* a String or Token of a targeted field: no number */
    ARGUMENT_FALSE,                      /* ?0 of a targeted field: the directive is not there */
    ARGUMENT_BAD
};

struct argument {
    enum argument_kind kind;
    struct text        text;
    int64_t            number;
};

enum directive_kind {
    DIRECTIVE_RESTRICTS,                 /* a flag; with an argument that it cannot have, it holds */
    DIRECTIVE_ALLOWS,                    /* a flag; then it does not */
    DIRECTIVE_AT_MOST,                   /* seconds; the smallest holds */
    DIRECTIVE_AT_LEAST,                  /* seconds; the largest holds */
    DIRECTIVE_NAMES                      /* a flag, or a list of field names */
};

struct directive {
    struct text         name;
    enum directive_kind kind;
    unsigned            flag;
    size_t              offset;          /* of its seconds or names in struct cache_control */
};

#define NAMED(text) { "" text, sizeof(text) - 1 }
#define AT(member) offsetof(struct cache_control, member)

static const struct directive directives[] = {
    { NAMED("max-age"), DIRECTIVE_AT_MOST, 0, AT(max_age_s) },
    { NAMED("no-cache"), DIRECTIVE_NAMES, CACHE_CONTROL_NO_CACHE, AT(no_cache) },
    { NAMED("no-store"), DIRECTIVE_RESTRICTS, CACHE_CONTROL_NO_STORE, 0 },
    { NAMED("private"), DIRECTIVE_NAMES, CACHE_CONTROL_PRIVATE, AT(private) },
    { NAMED("public"), DIRECTIVE_ALLOWS, CACHE_CONTROL_PUBLIC, 0 },
    { NAMED("must-revalidate"), DIRECTIVE_RESTRICTS, CACHE_CONTROL_MUST_REVALIDATE, 0 },
    { NAMED("s-maxage"), DIRECTIVE_AT_MOST, 0, AT(s_maxage_s) },
    { NAMED("proxy-revalidate"), DIRECTIVE_RESTRICTS, CACHE_CONTROL_PROXY_REVALIDATE, 0 },
    { NAMED("immutable"), DIRECTIVE_ALLOWS, CACHE_CONTROL_IMMUTABLE, 0 },
    { NAMED("stale-while-revalidate"), DIRECTIVE_AT_MOST, 0, AT(stale_revalidate_s) },
    { NAMED("stale-if-error"), DIRECTIVE_AT_MOST, 0, AT(stale_error_s) },
    { NAMED("no-transform"), DIRECTIVE_RESTRICTS, CACHE_CONTROL_NO_TRANSFORM, 0 },
    { NAMED("must-understand"), DIRECTIVE_ALLOWS, CACHE_CONTROL_MUST_UNDERSTAND, 0 },
    { NAMED("only-if-cached"), DIRECTIVE_RESTRICTS, CACHE_CONTROL_ONLY_IF_CACHED, 0 },
    { NAMED("max-stale"), DIRECTIVE_AT_MOST, 0, AT(max_stale_s) },
    { NAMED("min-fresh"), DIRECTIVE_AT_LEAST, 0, AT(min_fresh_s) },
};

struct cache_control cache_control_none(void)
{
    return (struct cache_control){
        .max_age_s = CACHE_SECONDS_ABSENT, .s_maxage_s = CACHE_SECONDS_ABSENT,
        .stale_revalidate_s = CACHE_SECONDS_ABSENT, .stale_error_s = CACHE_SECONDS_ABSENT,
        .max_stale_s = CACHE_SECONDS_ABSENT, .min_fresh_s = CACHE_SECONDS_ABSENT,
    };
}

/* ---- what a directive says ---- */

int64_t cache_control_seconds(struct text text)
{
    uint64_t number;
    int      error = text_to_u64(text, &number);

    if (error == -ERANGE || (error == 0 && number > (uint64_t)CACHE_SECONDS_MAX))
        return CACHE_SECONDS_MAX;
    return error == 0 ? (int64_t)number : CACHE_SECONDS_ABSENT;
}

/* Without a value, max-stale accepts any age (RFC 9111 5.2.1.2); of the others it is a mistake, and
 * mistakes are 0, which makes an answer stale (4.2.1). */
static int64_t seconds_of(const struct directive *directive, const struct argument *argument)
{
    int64_t seconds = CACHE_SECONDS_ABSENT;

    if (argument->kind == ARGUMENT_NONE && directive->offset == AT(max_stale_s))
        return CACHE_SECONDS_MAX;
    if (argument->kind == ARGUMENT_TEXT)
        seconds = cache_control_seconds(argument->text);
    if (argument->kind == ARGUMENT_NUMBER)
        seconds = argument->number < CACHE_SECONDS_MAX ? argument->number : CACHE_SECONDS_MAX;
    return seconds > 0 ? seconds : 0;
}

static void apply_seconds(const struct directive *directive, const struct argument *argument,
                          int64_t *seconds)
{
    int64_t said = seconds_of(directive, argument);
    bool    is_stricter = directive->kind == DIRECTIVE_AT_MOST ? said < *seconds : said > *seconds;

    if (*seconds == CACHE_SECONDS_ABSENT || is_stricter)
        *seconds = said;
}

/* Adds the names of a list; false: it is empty, too long, or names what is no field. */
static bool add_names(struct text list, struct arena *arena, struct cache_names *names)
{
    unsigned    before = names->count;
    struct text name;

    if (names->items == NULL)
        names->items = ARENA_ARRAY(arena, struct text, CACHE_NAMES_MAX);
    while (field_list_next(&list, &name)) {
        if (!field_name_is_valid(name) || names->count == CACHE_NAMES_MAX)
            return false;
        names->items[names->count++] = name;
    }
    return names->count > before;
}

static bool has_names(const struct argument *argument)
{
    return argument->kind == ARGUMENT_TEXT || argument->kind == ARGUMENT_WORDS;
}

static void apply(const struct directive *directive, const struct argument *argument,
                  struct arena *arena, struct cache_control *control)
{
    void *place = (char *)control + directive->offset;

    switch (directive->kind) {
    case DIRECTIVE_AT_MOST:
    case DIRECTIVE_AT_LEAST:
        apply_seconds(directive, argument, place);
        break;
    case DIRECTIVE_NAMES:
        if (argument->kind != ARGUMENT_FALSE &&
            !(has_names(argument) && add_names(argument->text, arena, place)))
            control->flags |= directive->flag;
        break;
    case DIRECTIVE_RESTRICTS:
        if (argument->kind != ARGUMENT_FALSE)
            control->flags |= directive->flag;
        break;
    case DIRECTIVE_ALLOWS:
        if (argument->kind == ARGUMENT_NONE)
            control->flags |= directive->flag;
        break;
    }
}

static void apply_named(struct text name, const struct argument *argument, struct arena *arena,
                        struct cache_control *control)
{
    for (size_t i = 0; i < sizeof(directives) / sizeof(directives[0]); i++)
        if (text_is_equal_nocase(directives[i].name, name)) {
            apply(&directives[i], argument, arena, control);
            return;
        }
}

/* ---- Cache-Control ---- */

static char first_of(struct text text)
{
    return text.len > 0 ? text.ptr[0] : '\0';
}

static struct text take_token(struct text *rest)
{
    size_t      len = 0;
    struct text token;

    while (len < rest->len && (field_chars[(unsigned char)rest->ptr[len]] & FIELD_CHAR_TOKEN) != 0)
        len++;
    token = text_part(*rest, 0, len);
    *rest = text_from_offset(*rest, len);
    return token;
}

/* Offset of the quote that ends the string which begins at text.ptr[0]; text.len if none does. */
static size_t find_closing_quote(struct text text)
{
    for (size_t i = 1; i < text.len; i++) {
        if (text.ptr[i] == '"')
            return i;
        if (text.ptr[i] == '\\')
            i++;
    }
    return text.len;
}

static struct text unquoted(struct text inner, struct arena *arena)
{
    char  *bytes;
    size_t len = 0;

    if (text_find(inner, '\\') == inner.len)
        return inner;
    bytes = arena_bytes(arena, inner.len);
    for (size_t i = 0; i < inner.len; i++) {
        if (inner.ptr[i] == '\\')
            i++;
        bytes[len++] = inner.ptr[i];
    }
    return text_of(bytes, len);
}

/* What follows the "="; both forms for every directive (RFC 9111 5.2). */
static struct argument take_argument(struct text *rest, struct arena *arena)
{
    size_t quote;
    struct argument argument = { .kind = ARGUMENT_TEXT };

    if (first_of(*rest) != '"') {
        argument.text = take_token(rest);
        return argument;
    }
    quote = find_closing_quote(*rest);
    if (quote == rest->len)
        return (struct argument){ .kind = ARGUMENT_BAD };
    argument.text = unquoted(text_part(*rest, 1, quote - 1), arena);
    *rest = text_from_offset(*rest, quote + 1);
    return argument;
}

static void take_directive(struct text *rest, struct arena *arena, struct cache_control *control)
{
    struct argument argument = { .kind = ARGUMENT_NONE };
    struct text     name = take_token(rest);

    if (first_of(*rest) == '=') {
        *rest = text_from_offset(*rest, 1);
        argument = take_argument(rest, arena);
    }
    *rest = text_trim(*rest);
    if (rest->len > 0 && rest->ptr[0] != ',') {
        argument.kind = ARGUMENT_BAD;
        *rest = text_from_offset(*rest, text_find(*rest, ','));
    }
    apply_named(name, &argument, arena, control);
}

static struct cache_control read_lines(const struct fields *fields, struct arena *arena)
{
    struct cache_control control = cache_control_none();

    for (const struct field *field = fields_find(fields, FIELD_CACHE_CONTROL); field != NULL;
         field = fields_find_next(fields, field)) {
        struct text rest = text_trim(field->value);
        while (rest.len > 0) {
            if (rest.ptr[0] != ',')
                take_directive(&rest, arena, &control);
            rest = text_trim(text_from_offset(rest, 1));
        }
    }
    return control;
}

struct cache_control cache_control_of_answer(const struct fields *fields, struct arena *arena)
{
    return read_lines(fields, arena);
}

static bool pragma_says_no_cache(const struct fields *fields)
{
    for (const struct field *field = fields_find(fields, FIELD_PRAGMA); field != NULL;
         field = fields_find_next(fields, field)) {
        struct text rest = field->value, pragma;
        while (field_list_next(&rest, &pragma))
            if (text_is_equal_nocase(pragma, TEXT("no-cache")))
                return true;
    }
    return false;
}

struct cache_control cache_control_of_request(const struct fields *fields, struct arena *arena)
{
    struct cache_control control = read_lines(fields, arena);

    if (fields_find(fields, FIELD_CACHE_CONTROL) == NULL && pragma_says_no_cache(fields))
        control.flags |= CACHE_CONTROL_NO_CACHE;
    return control;
}

/* ---- targeted fields ---- */

/* RFC 9213 2.1: what a directive's value becomes as a structured field. */
static struct argument argument_of(const struct structured *member)
{
    if (member->kind == STRUCTURED_BOOLEAN)
        return (struct argument){ .kind = member->number ? ARGUMENT_NONE : ARGUMENT_FALSE };
    if (member->kind == STRUCTURED_INTEGER)
        return (struct argument){ .kind = ARGUMENT_NUMBER, .number = member->number };
    if (member->kind == STRUCTURED_STRING || member->kind == STRUCTURED_TOKEN)
        return (struct argument){ .kind = ARGUMENT_WORDS, .text = member->text };
    return (struct argument){ .kind = ARGUMENT_BAD };
}

bool cache_control_of_targeted(const struct fields *fields, struct text name, struct arena *arena,
                               struct cache_control *ret)
{
    struct structured *first = NULL;

    if (structured_parse_dictionary(fields_joined(fields, name, arena), arena, &first) < 0 ||
        first == NULL)
        return false;
    *ret = cache_control_none();
    for (const struct structured *member = first; member != NULL; member = member->next) {
        struct argument argument = argument_of(member);
        apply_named(member->key, &argument, arena, ret);
    }
    return true;
}
