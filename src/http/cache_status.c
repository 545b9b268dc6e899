// SPDX-License-Identifier: MIT
/* The writer of Cache-Status members. Names and details that are tokens stay bare; everything else,
 * and every key, is a String, for which some bytes have to be spelled. */
#include "http/cache_status.h"

#include "http/structured.h"

static const struct text field_text = { "Cache-Status", 12 };

/* What an Integer can be (RFC 9651 3.3.1). */
static const int64_t integer_max = INT64_C(999999999999999);

static const char *const forward_names[CACHE_FORWARD_COUNT] = {
    [CACHE_FORWARD_BYPASS] = "bypass",       [CACHE_FORWARD_METHOD] = "method",
    [CACHE_FORWARD_URI_MISS] = "uri-miss",   [CACHE_FORWARD_VARY_MISS] = "vary-miss",
    [CACHE_FORWARD_MISS] = "miss",           [CACHE_FORWARD_REQUEST] = "request",
    [CACHE_FORWARD_STALE] = "stale",         [CACHE_FORWARD_PARTIAL] = "partial",
};

/* With %XX for what is not printable ASCII. */
static struct text spelled(struct text text, struct arena *arena)
{
    struct writer writer = writer_arena(arena, text.len + 16);

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c >= 0x20 && c <= 0x7e)
            writer_char(&writer, text.ptr[i]);
        else
            writer_format(&writer, "%%%02X", c);
    }
    return writer_done(&writer);
}

static void write_string(struct writer *writer, struct text text)
{
    bool is_written = structured_write_string(writer, spelled(text, writer->arena));

    must(is_written);
}

static void write_token_or_string(struct writer *writer, struct text text)
{
    if (structured_is_token(text))
        writer_text(writer, text);
    else
        write_string(writer, text);
}

static void write_forward(struct writer *writer, const struct cache_status *status)
{
    must(status->forward < CACHE_FORWARD_COUNT);
    writer_string(writer, "; fwd=");
    writer_string(writer, forward_names[status->forward]);
    if (status->forward_status > 0) {
        writer_string(writer, "; fwd-status=");
        writer_u64(writer, status->forward_status);
    }
    if (status->is_stored)
        writer_string(writer, "; stored");
    if (status->collapse != CACHE_ALONE)
        writer_string(writer,
                      status->collapse == CACHE_COLLAPSED ? "; collapsed" : "; collapsed=?0");
}

static void write_ttl(struct writer *writer, int64_t ttl_s)
{
    if (ttl_s > integer_max)
        ttl_s = integer_max;
    if (ttl_s < -integer_max)
        ttl_s = -integer_max;
    writer_string(writer, ttl_s < 0 ? "; ttl=-" : "; ttl=");
    writer_u64(writer, (uint64_t)(ttl_s < 0 ? -ttl_s : ttl_s));
}

struct text cache_status_text(const struct cache_status *status, struct arena *arena)
{
    struct writer writer = writer_arena(arena, 128);

    write_token_or_string(&writer, status->name);
    if (status->forward == CACHE_FORWARD_NONE)
        writer_string(&writer, "; hit");
    else
        write_forward(&writer, status);
    if (status->has_ttl)
        write_ttl(&writer, status->ttl_s);
    if (status->key.len > 0) {
        writer_string(&writer, "; key=");
        write_string(&writer, status->key);
    }
    if (status->detail.len > 0) {
        writer_string(&writer, "; detail=");
        write_token_or_string(&writer, status->detail);
    }
    return writer_done(&writer);
}

void cache_status_append(struct fields *fields, const struct cache_status *status)
{
    struct text member = cache_status_text(status, fields->arena);
    struct text before;

    if (fields_find_name(fields, field_text) == NULL) {
        *fields_push(fields) = (struct field){ .name = field_text, .value = member };
        return;
    }
    before = fields_joined(fields, field_text, fields->arena);
    if (before.len > 0)
        member = arena_format(fields->arena, "%.*s, %.*s", TEXT_ARGS(before), TEXT_ARGS(member));
    fields_set_name(fields, field_text, member);
}
