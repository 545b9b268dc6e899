// SPDX-License-Identifier: MIT
/* Accept-Encoding as a set. Browsers, libraries and proxies order and weigh the same few codings in
 * many ways; without this each way would be a variant of its own. */
#include "cache/accept_encoding.h"

#include "http/fields.h"

enum { CODINGS_MAX = 16 };

struct coding {
    struct text name;
    bool        is_accepted;             /* weight above 0 */
};

struct codings {
    struct coding items[CODINGS_MAX];    /* sorted, each name once */
    unsigned      count;
};

/* qvalue: "0" or "1" with up to three digits, which are zeros after 1 (RFC 9110 12.4.2). */
static bool read_weight(struct text text, bool *ret_is_accepted)
{
    bool is_one = text.len > 0 && text.ptr[0] == '1', is_positive = is_one;

    if (text.len == 0 || text.len > 5 || (text.ptr[0] != '0' && !is_one) ||
        (text.len > 1 && text.ptr[1] != '.'))
        return false;
    for (size_t i = 2; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > (is_one ? '0' : '9'))
            return false;
        is_positive = is_positive || text.ptr[i] != '0';
    }
    *ret_is_accepted = is_positive;
    return true;
}

static bool read_coding(struct text member, struct coding *ret_coding)
{
    size_t      semicolon = text_find(member, ';');
    struct text weight = text_trim(text_from_offset(member, semicolon + 1));

    ret_coding->name = text_trim(text_part(member, 0, semicolon));
    if (text_is_equal_nocase(ret_coding->name, TEXT("x-gzip")))
        ret_coding->name = TEXT("gzip");
    ret_coding->is_accepted = true;
    if (!field_name_is_valid(ret_coding->name))
        return false;
    if (semicolon == member.len)
        return true;
    return text_has_prefix_nocase(weight, TEXT("q=")) &&
           read_weight(text_from_offset(weight, 2), &ret_coding->is_accepted);
}

/* False: there are too many, or it was there with the other meaning. */
static bool add(struct codings *codings, struct coding coding)
{
    unsigned at = 0;

    while (at < codings->count && text_compare_nocase(codings->items[at].name, coding.name) < 0)
        at++;
    if (at < codings->count && text_is_equal_nocase(codings->items[at].name, coding.name))
        return codings->items[at].is_accepted == coding.is_accepted;
    if (codings->count == CODINGS_MAX)
        return false;
    for (unsigned i = codings->count++; i > at; i--)
        codings->items[i] = codings->items[i - 1];
    codings->items[at] = coding;
    return true;
}

static bool read_all(struct codings *codings, struct text value)
{
    struct text   member;
    struct coding coding;

    while (field_list_next(&value, &member))
        if (!read_coding(member, &coding) || !add(codings, coding))
            return false;
    return true;
}

static const struct coding *find(const struct codings *codings, struct text name)
{
    for (unsigned i = 0; i < codings->count; i++)
        if (text_is_equal_nocase(codings->items[i].name, name))
            return &codings->items[i];
    return NULL;
}

static void write_one(struct writer *writer, bool *is_first, const char *sign, struct text name)
{
    writer_string(writer, *is_first ? "" : ",");
    writer_string(writer, sign);
    for (size_t i = 0; i < name.len; i++)
        writer_char(writer, text_lower_char(name.ptr[i]));
    *is_first = false;
}

static void write_set(struct writer *writer, const struct codings *codings)
{
    const struct coding *star = find(codings, TEXT("*")), *identity = find(codings, TEXT("identity"));
    bool                 accepts_others = star != NULL && star->is_accepted, is_first = true;

    if (accepts_others)
        write_one(writer, &is_first, "", TEXT("*"));
    for (unsigned i = 0; i < codings->count; i++) {
        const struct coding *coding = &codings->items[i];
        if (coding != star && coding != identity && coding->is_accepted != accepts_others)
            write_one(writer, &is_first, accepts_others ? "!" : "", coding->name);
    }
    if (identity != NULL ? !identity->is_accepted : star != NULL && !accepts_others)
        write_one(writer, &is_first, "!", TEXT("identity"));
}

void accept_encoding_write(struct writer *writer, struct text value)
{
    struct codings codings = { .count = 0 };

    if (read_all(&codings, value)) {
        write_set(writer, &codings);
        return;
    }
    writer_char(writer, '?');
    writer_text(writer, value);
}
