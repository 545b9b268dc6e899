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

static void write_fields(struct writer *writer, const struct fields *fields, bool is_upgrade);
static void write_framing(struct writer *writer, const struct head *head, bool has_length);
static void write_connection(struct writer *writer, const struct head *head,
                             enum h1_connection connection);
static void write_target(struct writer *writer, struct text target);

void h1_write_request(struct writer *writer, const struct head *head, enum h1_connection connection)
{
    writer_text(writer, head->method_name);
    writer_char(writer, ' ');
    write_target(writer, head->target);
    writer_text(writer, head->version == 10 ? TEXT(" HTTP/1.0\r\n") : TEXT(" HTTP/1.1\r\n"));
    write_fields(writer, &head->fields, connection == H1_CONNECTION_UPGRADE);
    write_connection(writer, head, connection);
    write_framing(writer, head, head->body == BODY_SIZED);
    writer_text(writer, TEXT("\r\n"));
}

void h1_write_response(struct writer *writer, const struct head *head,
                       enum h1_connection connection, bool keeps_length)
{
    struct text reason = head->reason.ptr == NULL ? status_reason(head->status) : head->reason;

    writer_text(writer, TEXT("HTTP/1.1 "));
    writer_u64(writer, head->status);
    writer_char(writer, ' ');
    writer_text(writer, text_part(reason, 0, h1_scan_bytes(reason.ptr, reason.len)));
    writer_text(writer, TEXT("\r\n"));
    write_fields(writer, &head->fields, connection == H1_CONNECTION_UPGRADE);
    write_framing(writer, head,
                  head->body == BODY_SIZED || (head->body == BODY_NONE && keeps_length));
    write_connection(writer, head, connection);
    writer_text(writer, TEXT("\r\n"));
}

static char *put(char *at, struct text text)
{
    if (text.len > 0)
        memcpy(at, text.ptr, text.len);
    return at + text.len;
}

/* The rare way: no control character survives. */
static void blank_controls(char *bytes, size_t len)
{
    size_t at = h1_scan_bytes(bytes, len);

    while (at < len) {
        bytes[at] = ' ';
        at += h1_scan_bytes(bytes + at, len - at);
    }
}

static void write_field(struct writer *writer, struct text name, struct text value)
{
    size_t size = name.len + 2 + value.len + 2;
    char  *start = writer_reserve(writer, size);

    if (start == NULL)
        return;

    char *at = put(put(start, name), TEXT(": "));
    at = put(at, value);
    blank_controls(at - value.len, value.len);
    put(at, TEXT("\r\n"));
    writer_skip(writer, size);
}

static void write_fields(struct writer *writer, const struct fields *fields, bool is_upgrade)
{
    FIELDS_EACH(fields, field) {
        if (field_flags((enum field_id)field->id) & FIELD_FRAMING)
            continue;
        if (field->id == FIELD_CONNECTION || (is_upgrade && field->id == FIELD_UPGRADE))
            continue;
        write_field(writer, field->name, field->value);
    }
}

static void write_framing(struct writer *writer, const struct head *head, bool has_length)
{
    if (head->body == BODY_CHUNKED) {
        writer_text(writer, TEXT("Transfer-Encoding: chunked\r\n"));
    } else if (has_length) {
        writer_text(writer, TEXT("Content-Length: "));
        writer_u64(writer, head->length);
        writer_text(writer, TEXT("\r\n"));
    }
}

static void write_connection(struct writer *writer, const struct head *head,
                             enum h1_connection connection)
{
    switch (connection) {
    case H1_CONNECTION_NONE:
        break;
    case H1_CONNECTION_CLOSE:
        writer_text(writer, TEXT("Connection: close\r\n"));
        break;
    case H1_CONNECTION_KEEP_ALIVE:
        writer_text(writer, TEXT("Connection: keep-alive\r\n"));
        break;
    case H1_CONNECTION_UPGRADE:
        writer_text(writer, TEXT("Connection: upgrade\r\n"));
        write_field(writer, TEXT("Upgrade"), head->upgrade);
        break;
    }
}

static void write_target(struct writer *writer, struct text target)
{
    static const char digits[] = "0123456789ABCDEF";

    if (uri_target_is_valid(target)) {
        writer_text(writer, target);
        return;
    }
    for (size_t i = 0; i < target.len; i++) {
        unsigned char byte = (unsigned char)target.ptr[i];
        if (byte > 0x20 && byte != 0x7f && byte != '#') {
            writer_char(writer, target.ptr[i]);
        } else {
            writer_char(writer, '%');
            writer_char(writer, digits[byte >> 4]);
            writer_char(writer, digits[byte & 15]);
        }
    }
}

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
    writer_text(writer, TEXT("0\r\n"));
    if (trailers != NULL)
        write_fields(writer, trailers, false);
    writer_text(writer, TEXT("\r\n"));
}
