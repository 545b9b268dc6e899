// SPDX-License-Identifier: MIT
/* Access log lines.
 *
 * A line is built in a buffer of the thread and handed to the file's sink, which never blocks;
 * one that does not fit is built again in the exchange's arena. Values are escaped as log tools
 * expect from nginx, eight bytes at a look, as most values need no escape. The exchange's loop. */
#include "proxy/access_log.h"

#include <string.h>

#include "base/writer.h"
#include "net/sink.h"
#include "proxy/exchange.h"

enum { LINE_BYTES = 8192, LONG_LINE_BYTES = 4 * LINE_BYTES, PATH_BYTES = 4095 };

#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))
#define HIGH_BITS EACH_BYTE(0x80)

/* ---- escaping ---- */

/* High bits of the bytes below `limit` (at most 0x80). Bytes above a hit may be marked wrongly. */
static uint64_t bytes_below(uint64_t word, unsigned limit)
{
    return (word - EACH_BYTE(limit)) & ~word & HIGH_BITS;
}

static uint64_t bytes_equal(uint64_t word, unsigned char byte)
{
    return bytes_below(word ^ EACH_BYTE(byte), 1);
}

/* Does every form of escape leave these eight bytes alone? JSON allows more: it looks again. */
static bool is_plain_word(const char *bytes)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof(word));
    return (bytes_below(word, 0x20) | bytes_equal(word, '"') | bytes_equal(word, '\\') |
            bytes_equal(word, 0x7f) | (word & HIGH_BITS)) == 0;
}

static bool is_plain(unsigned char byte)
{
    return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

static size_t plain_len(struct text text)
{
    size_t i = 0;

    while (i + sizeof(uint64_t) <= text.len && is_plain_word(text.ptr + i))
        i += sizeof(uint64_t);
    while (i < text.len && is_plain((unsigned char)text.ptr[i]))
        i++;
    return i;
}

static void write_hex(struct writer *writer, const char *before, unsigned char byte)
{
    static const char digits[] = "0123456789ABCDEF";

    writer_string(writer, before);
    writer_char(writer, digits[byte >> 4]);
    writer_char(writer, digits[byte & 15]);
}

static void escape_byte(struct writer *writer, unsigned char byte)
{
    write_hex(writer, "\\x", byte);
}

static void escape_json_byte(struct writer *writer, unsigned char byte)
{
    static const char letters[0x20] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r',
    };

    if (byte == '"' || byte == '\\') {
        writer_char(writer, '\\');
        writer_char(writer, (char)byte);
    } else if (byte >= 0x20) {
        writer_char(writer, (char)byte);
    } else if (letters[byte] != '\0') {
        writer_char(writer, '\\');
        writer_char(writer, letters[byte]);
    } else {
        write_hex(writer, "\\u00", byte);
    }
}

static void write_escaped(struct writer *writer, struct text value,
                          void (*escape)(struct writer *writer, unsigned char byte))
{
    for (;;) {
        size_t plain = plain_len(value);
        writer_text(writer, text_part(value, 0, plain));
        if (plain == value.len)
            return;
        escape(writer, (unsigned char)value.ptr[plain]);
        value = text_from_offset(value, plain + 1);
    }
}

static void write_default(struct writer *writer, struct text value)
{
    if (value.ptr == NULL)
        writer_char(writer, '-');
    else
        write_escaped(writer, value, escape_byte);
}

static void write_json(struct writer *writer, struct text value)
{
    write_escaped(writer, value, escape_json_byte);
}

/* ---- lines ---- */

static void line_write(struct writer *writer, const struct log_format *format, struct scope *scope)
{
    switch (format->escape) {
    case LOG_ESCAPE_DEFAULT:
        template_write(format->line, scope, writer, write_default);
        break;
    case LOG_ESCAPE_JSON:
        template_write(format->line, scope, writer, write_json);
        break;
    case LOG_ESCAPE_NONE:
        template_write(format->line, scope, writer, NULL);
        break;
    }
    writer_char(writer, '\n');
}

/* The path is the request's; a NUL ends it for the sink, and nothing that holds one is a path. */
static void log_write_named(struct exchange *x, const struct access_log *log, struct text line)
{
    struct text path = template_eval(log->path, &x->scope);

    if (path.len > PATH_BYTES || text_find(path, '\0') < path.len)
        return;
    path = text_of(arena_string(x->arena, path), path.len + 1);
    sink_write_to(log->file->sink, path, line);
}

static void log_write(struct exchange *x, const struct access_log *log)
{
    static _Thread_local char buffer[LINE_BYTES];
    struct writer             writer = writer_fixed(buffer, sizeof(buffer));

    line_write(&writer, log->format, &x->scope);
    if (writer.is_cut) {
        writer = writer_arena(x->arena, LONG_LINE_BYTES);
        line_write(&writer, log->format, &x->scope);
    }
    if (log->path == NULL)
        sink_write(log->file->sink, writer_done(&writer));
    else
        log_write_named(x, log, writer_done(&writer));
}

void access_log_write(struct exchange *x)
{
    if (x->parent != NULL)               /* not a client's request but a part of one */
        return;
    for (const struct access_log *log = x->location->access_logs; log != NULL; log = log->next) {
        if (log->file->sink == NULL)
            continue;
        if (log->condition != NULL && !template_is_true(log->condition, &x->scope))
            continue;
        log_write(x, log);
    }
}
