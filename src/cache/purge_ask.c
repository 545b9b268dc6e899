// SPDX-License-Identifier: MIT
/* One pass over the fields: each that begins with "Purge-" is one of the table, or the request is refused,
 * so that a misspelt "Purge-Tags" does not purge the URL instead. */
#include "cache/purge_ask.h"

#include <errno.h>

#include "http/uri.h"

struct reading {
    const struct fields *fields;
    struct arena        *arena;
    struct purge_ask    *ask;
    unsigned             targets;        /* fields that say what */
    struct text          why;            /* the first that was wrong; empty: nothing */
};

static void refuse(struct reading *reading, struct text why)
{
    if (reading->why.len == 0)
        reading->why = why;
}

/* ---- the fields ---- */

static bool is_yes(struct reading *reading, struct text value)
{
    if (text_is_equal(value, TEXT("1")))
        return true;
    refuse(reading, TEXT("Purge-All and Purge-Soft have no other value than 1"));
    return false;
}

static void read_soft(struct reading *reading, const struct field *field)
{
    reading->ask->is_soft = is_yes(reading, field->value);
}

static void read_all(struct reading *reading, const struct field *field)
{
    if (is_yes(reading, field->value))
        reading->ask->target = PURGE_OF_ALL;
    reading->targets++;
}

static void read_host(struct reading *reading, const struct field *field)
{
    reading->ask->target = PURGE_OF_HOST;
    reading->targets++;
    if (purge_ask_host(field->value, reading->arena, &reading->ask->host) < 0)
        refuse(reading, TEXT("Purge-Host is no name of a host"));
}

/* All lines of the field at once, at the first of them. */
static void read_tags(struct reading *reading, const struct field *field)
{
    struct groups *tags = &reading->ask->tags;

    if (fields_find_name(reading->fields, field->name) != field)
        return;
    reading->ask->target = PURGE_OF_TAGS;
    reading->targets++;
    groups_tags(reading->fields, field->name, tags);
    if (tags->is_cut)
        refuse(reading, TEXT("more tags, or longer ones, than a response may have"));
    else if (tags->count == 0)
        refuse(reading, TEXT("no tag in the field of tags"));
}

static const struct {
    struct text name;
    void      (*read)(struct reading *reading, const struct field *field);
} table[] = {
    { TEXT("Purge-Soft"), read_soft },
    { TEXT("Purge-All"), read_all },
    { TEXT("Purge-Host"), read_host },
    { TEXT("Purge-Tag"), read_tags },
};

static void read_field(struct reading *reading, const struct field *field)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (text_is_equal_nocase(field->name, table[i].name)) {
            table[i].read(reading, field);
            return;
        }
    refuse(reading,
           TEXT("no such field: Purge-Tag, Purge-Host, Purge-All and Purge-Soft there are"));
}

static bool is_of_purges(const struct field *field)
{
    const struct text prefix = TEXT("Purge-");

    return text_is_equal_nocase(text_part(field->name, 0, prefix.len), prefix);
}

int purge_ask_read(const struct fields *fields, struct text tag_field, struct arena *arena,
                   struct purge_ask *ret_ask, struct text *reterr_why)
{
    struct reading reading = { .fields = fields, .arena = arena, .ask = ret_ask };

    *ret_ask = (struct purge_ask){ .target = PURGE_OF_KEY };
    FIELDS_EACH(fields, field) {
        if (tag_field.len > 0 && text_is_equal_nocase(field->name, tag_field))
            read_tags(&reading, field);
        else if (is_of_purges(field))
            read_field(&reading, field);
    }
    if (reading.targets > 1)
        refuse(&reading, TEXT("more than one of tags, Purge-Host and Purge-All"));
    if (reading.why.len == 0)
        return 0;
    *reterr_why = reading.why;
    return -EINVAL;
}

/* ---- hosts ---- */

int purge_ask_host(struct text authority, struct arena *arena, struct text *ret_host)
{
    struct text host;
    char       *lower;
    int         port;

    if (uri_host_parse(authority, &host, &port) < 0)
        return -EINVAL;
    if (host.len > 0 && host.ptr[host.len - 1] == '.')
        host.len--;
    if (host.len == 0)
        return -EINVAL;
    lower = arena_bytes(arena, host.len);
    for (size_t i = 0; i < host.len; i++)
        lower[i] = text_lower_char(host.ptr[i]);
    *ret_host = text_of(lower, host.len);
    return 0;
}
