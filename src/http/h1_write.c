// SPDX-License-Identifier: MIT
/* The HTTP/1 writer, and the last place where a message can be kept in one piece.
 *
 * Values and targets may come out of a configuration's variables, which hold what a client sent,
 * decoded. So a control character in a value is written as a space and one in a target is escaped:
 * whatever the layers above do, nobody splits a message through us. Pure functions. */
#include "http/h1_write.h"

#include <string.h>

#include "http/h1_scan_bytes.h"
#include "http/status.h"
#include "http/uri.h"

enum {
    START_LINE_MOST = 64,                /* beside method, target and reason */
    FRAMING_MOST = 64,                   /* the line that says where the body ends */
    CONNECTION_MOST = 64                 /* Connection, and Upgrade beside its value */
};

static size_t fields_size(const struct fields *fields);
static char  *put(char *at, struct text text);
static char  *put_number(char *at, uint64_t number);
static char  *put_fields(char *at, const struct fields *fields, bool is_upgrade);
static char  *put_framing(char *at, const struct head *head, bool has_length);
static char  *put_connection(char *at, const struct head *head, enum h1_connection connection);

/* ---- heads: measured once, then written without another look at the room ---- */

static size_t head_size(const struct head *head, size_t start_line)
{
    return START_LINE_MOST + start_line + fields_size(&head->fields) + FRAMING_MOST +
           CONNECTION_MOST + head->upgrade.len + 2;
}

static void written_to(struct writer *writer, const char *start, const char *end)
{
    writer_skip(writer, (size_t)(end - start));
}

void h1_write_request(struct writer *writer, const struct head *head, enum h1_connection connection)
{
    bool   is_plain = uri_target_is_valid(head->target);
    size_t target = is_plain ? head->target.len : URI_ESCAPED_BYTES * head->target.len;
    char  *start = writer_reserve(writer, head_size(head, head->method_name.len + target));
    char  *at = start;

    if (start == NULL)
        return;
    at = put(at, head->method_name);
    *at++ = ' ';
    at = is_plain ? put(at, head->target) : uri_put_target(at, head->target);
    at = put(at, head->version == 10 ? TEXT(" HTTP/1.0\r\n") : TEXT(" HTTP/1.1\r\n"));
    at = put_fields(at, &head->fields, connection == H1_CONNECTION_UPGRADE);
    at = put_connection(at, head, connection);
    at = put_framing(at, head, head->body == BODY_SIZED);
    written_to(writer, start, put(at, TEXT("\r\n")));
}

void h1_write_response(struct writer *writer, const struct head *head,
                       enum h1_connection connection, bool keeps_length)
{
    struct text reason = head->reason.ptr == NULL ? status_reason(head->status) : head->reason;
    char       *start = writer_reserve(writer, head_size(head, reason.len)), *at = start;

    if (start == NULL)
        return;
    at = put(at, TEXT("HTTP/1.1 "));
    at = put_number(at, head->status);
    *at++ = ' ';
    at = put(at, text_part(reason, 0, h1_scan_bytes(reason.ptr, reason.len)));
    at = put(at, TEXT("\r\n"));
    at = put_fields(at, &head->fields, connection == H1_CONNECTION_UPGRADE);
    at = put_framing(at, head,
                     head->body == BODY_SIZED || (head->body == BODY_NONE && keeps_length));
    at = put_connection(at, head, connection);
    written_to(writer, start, put(at, TEXT("\r\n")));
}

/* ---- pieces: each returns where the next one goes ---- */

static char *put(char *at, struct text text)
{
    if (text.len > 0)
        memcpy(at, text.ptr, text.len);
    return at + text.len;
}

static char *put_number(char *at, uint64_t number)
{
    char  digits[20];
    char *first = digits + sizeof(digits);

    do {
        *--first = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return put(at, text_of(first, (size_t)(digits + sizeof(digits) - first)));
}

static char *put_field(char *at, struct text name, struct text value)
{
    at = put(put(at, name), TEXT(": "));
    at = put(at, value);
    field_blank_controls(at - value.len, value.len);
    return put(at, TEXT("\r\n"));
}

/* Is it, where the parser found it, the very line that put_field() would write? The parser let no
 * control character pass. */
static bool is_line(const struct field *field)
{
    const char *colon = field->name.ptr + field->name.len;
    const char *end = field->value.ptr + field->value.len;

    return field->is_as_read && field->value.ptr == colon + 2 && colon[1] == ' ' &&
           end[0] == '\r' && end[1] == '\n';
}

static bool is_written_anew(const struct field *field, bool is_upgrade)
{
    return (field_flags((enum field_id)field->id) & FIELD_FRAMING) != 0 ||
           field->id == FIELD_CONNECTION || (is_upgrade && field->id == FIELD_UPGRADE);
}

static size_t fields_size(const struct fields *fields)
{
    size_t size = 0;

    for (unsigned i = 0; i < fields->count; i++)
        size += fields->items[i].name.len + fields->items[i].value.len + sizeof(": \r\n") - 1;
    return size;
}

/* Lines that stood one behind the other go out in one piece. */
static char *put_fields(char *at, const struct fields *fields, bool is_upgrade)
{
    struct text lines = TEXT_NONE;

    FIELDS_EACH(fields, field) {
        if (is_written_anew(field, is_upgrade))
            continue;
        if (!is_line(field)) {
            at = put_field(put(at, lines), field->name, field->value);
            lines = TEXT_NONE;
            continue;
        }
        if (lines.ptr + lines.len != field->name.ptr) {
            at = put(at, lines);
            lines.ptr = field->name.ptr;
        }
        lines.len = (size_t)(field->value.ptr + field->value.len + 2 - lines.ptr);
    }
    return put(at, lines);
}

static char *put_framing(char *at, const struct head *head, bool has_length)
{
    if (head->body == BODY_CHUNKED)
        return put(at, TEXT("Transfer-Encoding: chunked\r\n"));
    if (!has_length)
        return at;
    return put(put_number(put(at, TEXT("Content-Length: ")), head->length), TEXT("\r\n"));
}

static char *put_connection(char *at, const struct head *head, enum h1_connection connection)
{
    switch (connection) {
    case H1_CONNECTION_NONE:
        break;
    case H1_CONNECTION_CLOSE:
        return put(at, TEXT("Connection: close\r\n"));
    case H1_CONNECTION_KEEP_ALIVE:
        return put(at, TEXT("Connection: keep-alive\r\n"));
    case H1_CONNECTION_UPGRADE:
        return put_field(put(at, TEXT("Connection: upgrade\r\n")), TEXT("Upgrade"), head->upgrade);
    }
    return at;
}

/* ---- chunks ---- */

size_t h1_write_chunk_size(char ret_bytes[18], uint64_t size)
{
    static const char digits[] = "0123456789abcdef";
    size_t            len = 1;

    for (uint64_t rest = size >> 4; rest != 0; rest >>= 4)
        len++;
    for (size_t i = len; i-- > 0; size >>= 4)
        ret_bytes[i] = digits[size & 15];
    ret_bytes[len] = '\r';
    ret_bytes[len + 1] = '\n';
    return len + 2;
}

void h1_write_last_chunk(struct writer *writer, const struct fields *trailers)
{
    size_t size = sizeof("0\r\n\r\n") + (trailers == NULL ? 0 : fields_size(trailers));
    char  *start = writer_reserve(writer, size), *at = start;

    if (start == NULL)
        return;
    at = put(at, TEXT("0\r\n"));
    if (trailers != NULL)
        at = put_fields(at, trailers, false);
    written_to(writer, start, put(at, TEXT("\r\n")));
}
