// SPDX-License-Identifier: MIT
/* The request reader beside llhttp (Node's): whatever we accept, llhttp in its strict mode accepts,
 * with the same method, version, framing and persistence, and a chunked body that we accept has the
 * same content there. The other way round need not hold: we are stricter.
 *
 * llhttp comes from Debian's node-llhttp, compiled from where that installs it, for this test only. */
#include <stdint.h>
#include <string.h>

#include <llhttp.h>

#include "base/writer.h"
#include "h1_check.h"
#include "http/h1_chunk.h"

struct seen {
    bool     has_head, has_end;
    unsigned version;
    bool     is_chunked, has_length;
    uint64_t length;
    char     content[4096];
    size_t   content_len;
};

static int on_headers_complete(llhttp_t *parser)
{
    struct seen *seen = parser->data;

    seen->has_head = true;
    seen->version = parser->http_major * 10u + parser->http_minor;
    seen->is_chunked = (parser->flags & F_CHUNKED) != 0;
    seen->has_length = (parser->flags & F_CONTENT_LENGTH) != 0;
    seen->length = parser->content_length;
    return 0;
}

static int on_body(llhttp_t *parser, const char *bytes, size_t len)
{
    struct seen *seen = parser->data;

    if (seen->content_len + len <= sizeof(seen->content))
        memcpy(seen->content + seen->content_len, bytes, len);
    seen->content_len += len;
    return 0;
}

static int on_message_complete(llhttp_t *parser)
{
    struct seen *seen = parser->data;

    seen->has_end = true;
    return HPE_PAUSED;
}

/* Methods that llhttp knows for HTTP; it refuses all others, we don't. */
static bool method_is_known(struct text method)
{
    static const char *const names[] = {
#define NAME(number, name, string) #string,
        HTTP_METHOD_MAP(NAME)
#undef NAME
    };

    if (text_is_equal(method, TEXT("SOURCE")))
        return false;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (text_is_equal(method, text_from(names[i])))
            return true;
    return false;
}

static bool is_ascii(struct text text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] >= 0x80)
            return false;
    return true;
}

/* Where we are more generous on purpose: any method token, raw bytes above 0x7f in a target, and a
 * list of codings with empty members (RFC 9110 5.6.1.2 wants a recipient to read those). */
static bool is_comparable(const struct head *head)
{
    const struct field *coding = fields_find(&head->fields, FIELD_TRANSFER_ENCODING);

    if (!method_is_known(head->method_name) || !is_ascii(head->target))
        return false;
    return coding == NULL || (text_is_equal_nocase(coding->value, TEXT("chunked")) &&
                              fields_find_next(&head->fields, coding) == NULL);
}

static llhttp_errno_t ask_llhttp(struct text bytes, llhttp_t *parser, struct seen *seen)
{
    static llhttp_settings_t settings;

    llhttp_settings_init(&settings);
    settings.on_headers_complete = on_headers_complete;
    settings.on_body = on_body;
    settings.on_message_complete = on_message_complete;
    llhttp_init(parser, HTTP_REQUEST, &settings);
    parser->data = seen;
    return llhttp_execute(parser, bytes.ptr, bytes.len);
}

static void check_head(const struct head *head, const llhttp_t *parser, const struct seen *seen)
{
    must(seen->has_head);
    must(text_is_equal(head->method_name,
                       text_from(llhttp_method_name((llhttp_method_t)parser->method))));
    must(seen->version == head->version);
    must(seen->is_chunked == (head->body == BODY_CHUNKED));
    must(seen->has_length == (head->body == BODY_SIZED));
    must(!seen->has_length || seen->length == head->length);
    /* To llhttp a CONNECT, or an upgrade, is the last message whatever follows. */
    if (!parser->upgrade)
        must((llhttp_should_keep_alive(parser) != 0) == head->may_persist);
}

/* Takes a chunked body apart: its content, and the framing between. False: refused or cut. */
static bool decode(struct text body, struct writer *content_writer, struct writer *framing,
                   size_t *ret_used)
{
    struct h1_chunk      chunk = { 0 };
    enum h1_chunk_result result = H1_CHUNK_MORE;
    size_t               used = 0, content = 0;

    while (used < body.len) {
        size_t from = used;
        used += h1_chunk_read(&chunk, body.ptr + used, body.len - used, &result, &content);
        writer_text(framing, text_part(body, from, used - from));
        if (result == H1_CHUNK_LAST || result == H1_CHUNK_BAD)
            break;
        if (result == H1_CHUNK_CONTENT) {
            writer_text(content_writer, text_of(body.ptr + used, content));
            h1_chunk_took(&chunk, content);
            used += content;
        }
    }
    *ret_used = used;
    return result == H1_CHUNK_LAST;
}

/* llhttp 8.1 refuses two things that RFC 9112 allows in extensions: some quoted pairs, and another
 * extension behind a value. */
static bool has_llhttp_gap(struct text framing)
{
    bool has_value = false;

    for (size_t i = 0; i < framing.len; i++) {
        if (framing.ptr[i] == '\\' || (framing.ptr[i] == ';' && has_value))
            return true;
        if (framing.ptr[i] == '=' || framing.ptr[i] == '\n')
            has_value = framing.ptr[i] == '=';
    }
    return false;
}

/* The input's bytes after the head as a chunked body, ended by an empty trailer section. */
static void check_body(struct text body, struct arena *arena)
{
    struct writer content = writer_arena(arena, 64), framing = writer_arena(arena, 64);
    struct writer message = writer_arena(arena, 256);
    struct seen   seen = { .has_head = false };
    llhttp_t      parser;
    size_t        used;

    if (!decode(body, &content, &framing, &used) || has_llhttp_gap(writer_done(&framing)) ||
        writer_done(&content).len > sizeof(seen.content))
        return;
    writer_text(&message, TEXT("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"));
    writer_text(&message, text_part(body, 0, used));
    writer_text(&message, TEXT("\r\n"));

    llhttp_errno_t error = ask_llhttp(writer_done(&message), &parser, &seen);
    must(error == HPE_PAUSED && seen.has_end);
    must(text_is_equal(text_of(seen.content, seen.content_len), writer_done(&content)));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct text   input = text_of((const char *)bytes, len);
    struct arena *arena = arena_new();
    struct head   head;
    size_t        size = 0;

    if (h1_check_scan(input, &h1_wide_limits, &size) &&
        h1_parse_request(text_part(input, 0, size), &h1_wide_limits, arena, &head) == FAULT_NONE &&
        is_comparable(&head)) {
        struct seen    seen = { .has_head = false };
        llhttp_t       parser;
        llhttp_errno_t error = ask_llhttp(text_part(input, 0, size), &parser, &seen);
        must(error == HPE_OK || error == HPE_PAUSED || error == HPE_PAUSED_UPGRADE);
        check_head(&head, &parser, &seen);
    }
    check_body(text_from_offset(input, size), arena);
    arena_free(&arena);
    pools_drain();
    return 0;
}
