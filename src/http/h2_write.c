// SPDX-License-Identifier: MIT
/* The HTTP/2 writer, and like HTTP/1's the last place where a message can be kept in one piece:
 * who reads it may write it anew as HTTP/1. nghttp2 checks nothing of what it is given to send.
 * Pure functions, any thread. */
#include "http/h2_write.h"

#include <errno.h>
#include <string.h>

#include "base/writer.h"
#include "http/uri.h"

enum {
    SPARE_ITEMS = 6,                     /* pseudo fields and Content-Length */
    NUMBER_BYTES = 20,
    STATUS_SWITCHING = 101,
    STATUS_OK = 200
};

/* ---- one item ---- */

static void list_init(struct h2_list *list, struct arena *arena, const struct fields *fields)
{
    *list = (struct h2_list){
        .items = ARENA_ARRAY(arena, nghttp2_nv, fields->count + SPARE_ITEMS),
    };
}

static void add(struct h2_list *list, struct text name, struct text value)
{
    list->items[list->count++] = (nghttp2_nv){
        .name = (uint8_t *)name.ptr,
        .namelen = name.len,
        .value = (uint8_t *)value.ptr,
        .valuelen = value.len,
        .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE,
    };
}

static struct text number(struct arena *arena, uint64_t value)
{
    struct writer writer = writer_arena(arena, NUMBER_BYTES);

    writer_u64(&writer, value);
    return writer_done(&writer);
}

/* As HTTP/1 would carry it: no control character, no space around it (RFC 9113 8.2.1). */
static struct text value_of(struct text value, struct arena *arena)
{
    if (!field_value_is_valid(value)) {
        char *bytes = arena_bytes(arena, value.len);
        memcpy(bytes, value.ptr, value.len);
        field_blank_controls(bytes, value.len);
        value = text_of(bytes, value.len);
    }
    return text_trim(value);
}

/* In lower case; empty: it is no token. */
static struct text name_of(const struct field *field, struct arena *arena)
{
    size_t upper = 0;

    if (field->id != FIELD_OTHER)
        return field_name_lower((enum field_id)field->id);
    if (!field_name_is_valid(field->name))
        return TEXT("");
    while (upper < field->name.len &&
           text_lower_char(field->name.ptr[upper]) == field->name.ptr[upper])
        upper++;
    if (upper == field->name.len)
        return field->name;

    char *bytes = arena_bytes(arena, field->name.len);
    for (size_t i = 0; i < field->name.len; i++)
        bytes[i] = text_lower_char(field->name.ptr[i]);
    return text_of(bytes, field->name.len);
}

/* ---- fields ---- */

static bool welcomes_trailers(struct text value)
{
    struct text element;

    while (field_list_next(&value, &element))
        if (text_is_equal_nocase(element, TEXT("trailers")))
            return true;
    return false;
}

/* Compressed, a secret could be guessed by the size of what goes with it (RFC 7541 7.1.3). */
static bool is_secret(enum field_id id)
{
    return id == FIELD_AUTHORIZATION || id == FIELD_PROXY_AUTHORIZATION;
}

static void add_field(struct h2_list *list, const struct field *field, struct arena *arena)
{
    enum field_id id = (enum field_id)field->id;
    struct text   name = name_of(field, arena);

    if (name.len == 0)
        return;
    if (id == FIELD_TE) {
        if (welcomes_trailers(field->value))
            add(list, name, TEXT("trailers"));
        return;
    }
    add(list, name, value_of(field->value, arena));
    if (is_secret(id))
        list->items[list->count - 1].flags |= NGHTTP2_NV_FLAG_NO_INDEX;
}

/* All but those of the connection and of framing, Host, and `skipped` (any case). */
static void add_fields(struct h2_list *list, const struct fields *fields, struct text skipped,
                       struct arena *arena)
{
    FIELDS_EACH(fields, field) {
        enum field_id id = (enum field_id)field->id;
        if (field_is_of_connection(id) || (field_flags(id) & FIELD_FRAMING) != 0 ||
            id == FIELD_HOST)
            continue;
        if (skipped.len > 0 && text_is_equal_nocase(field->name, skipped))
            continue;
        add_field(list, field, arena);
    }
}

static void add_length(struct h2_list *list, const struct head *head, bool has_length,
                       struct arena *arena)
{
    if (has_length)
        add(list, TEXT("content-length"), number(arena, head->length));
}

/* ---- messages ---- */

static struct text path_of(const struct head *head, struct arena *arena)
{
    char *bytes;

    if (head->target.len == 0)
        return TEXT("/");
    if (uri_target_is_valid(head->target))
        return head->target;
    bytes = arena_bytes(arena, URI_ESCAPED_BYTES * head->target.len);
    return text_of(bytes, (size_t)(uri_put_target(bytes, head->target) - bytes));
}

static bool authority_is_valid(const struct fields *fields)
{
    const struct field *field = fields_find(fields, FIELD_HOST);
    struct text         host;
    int                 port;

    return field == NULL || uri_host_parse(field->value, &host, &port) == 0;
}

int h2_write_request(const struct head *head, struct text scheme, bool may_extend,
                     struct arena *arena, struct h2_list *ret_list)
{
    const struct field *host = fields_find(&head->fields, FIELD_HOST);
    bool is_extended = may_extend && text_is_equal_nocase(head->upgrade, TEXT("websocket"));

    if (!field_name_is_valid(head->method_name) || !authority_is_valid(&head->fields))
        return -EINVAL;
    list_init(ret_list, arena, &head->fields);
    ret_list->is_extended = is_extended;
    add(ret_list, TEXT(":method"), is_extended ? TEXT("CONNECT") : head->method_name);
    if (is_extended)
        add(ret_list, TEXT(":protocol"), TEXT("websocket"));
    add(ret_list, TEXT(":scheme"), scheme);
    if (host != NULL)
        add(ret_list, TEXT(":authority"), host->value);
    add(ret_list, TEXT(":path"), path_of(head, arena));
    add_fields(ret_list, &head->fields, is_extended ? TEXT("Sec-WebSocket-Key") : TEXT_NONE, arena);
    add_length(ret_list, head, head->body == BODY_SIZED, arena);
    return 0;
}

void h2_write_response(const struct head *head, bool keeps_length, struct arena *arena,
                       struct h2_list *ret_list)
{
    unsigned    status = head->status == STATUS_SWITCHING ? STATUS_OK : head->status;
    struct text skipped =
        head->status == STATUS_SWITCHING ? TEXT("Sec-WebSocket-Accept") : TEXT_NONE;
    bool has_length = head->body == BODY_SIZED || (head->body == BODY_NONE && keeps_length);

    list_init(ret_list, arena, &head->fields);
    add(ret_list, TEXT(":status"), number(arena, status));
    add_fields(ret_list, &head->fields, skipped, arena);
    add_length(ret_list, head, has_length, arena);
}

void h2_write_trailers(const struct fields *trailers, struct arena *arena, struct h2_list *ret_list)
{
    list_init(ret_list, arena, trailers);
    add_fields(ret_list, trailers, TEXT_NONE, arena);
}
