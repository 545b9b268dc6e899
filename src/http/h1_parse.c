// SPDX-License-Identifier: MIT
/* The HTTP/1 reader: where a head ends, then what its lines say. Meaning is h1_framing's.
 *
 * Both passes stop at any control character, so that nothing behind us ever sees one, and both look
 * at a byte once. What RFC 9112 lets a recipient repair is refused in requests; in responses only
 * obs-fold is repaired, as its section 5.2 demands of a proxy. Pure functions, any thread. */
#include "http/h1_parse.h"

#include <string.h>

#include "base/writer.h"
#include "http/h1_framing.h"
#include "http/h1_scan_bytes.h"
#include "http/uri.h"

enum { TRAILERS_FIRST_CAPACITY = 4, VERSION_BYTES = 8, VERSION_NONE = 0 };

/* What reading one field line needs besides the line. */
struct reader {
    const char             *at, *end;    /* not yet read */
    const struct head_limits *limits;
    struct arena           *arena;
    unsigned                lines;       /* of fields, continuations included */
    bool                    may_fold;
    bool                    has_odd;
    struct h1_seen          seen;
};

static int  request_line_read(struct text line, struct arena *arena, struct head *head);
static int  target_read(struct head *head, struct arena *arena);
static int  absolute_target_read(struct head *head, struct arena *arena);
static int  status_line_read(struct text line, struct head *head);
static int  version_read(struct text text);
static bool line_take(struct reader *reader, struct text *ret_line);
static int  fields_read(struct reader *reader, struct fields *fields);
static int  field_read(struct reader *reader, struct fields *fields);
static int  field_unfold(struct reader *reader, struct field *field);

/* ---- first pass ---- */

/* What differs between the start line and the others. */
struct line_rules {
    uint32_t limit;
    int      fault_long, fault_bytes;
};

static enum h1_scan_result scan_bad(int fault, int *reterr_fault)
{
    *reterr_fault = fault;
    return H1_SCAN_BAD;
}

/* Goes on to the next CRLF, and leaves scan->offset at its CR. */
static enum h1_scan_result scan_line(struct h1_scan *scan, const char *bytes, uint32_t len,
                                     const struct line_rules *rules, int *reterr_fault)
{
    uint32_t end = scan->offset + (uint32_t)h1_scan_bytes(bytes + scan->offset, len - scan->offset);

    scan->offset = end;
    if (end - scan->line_start > rules->limit)
        return scan_bad(rules->fault_long, reterr_fault);
    if (end == len)
        return H1_SCAN_MORE;
    if (bytes[end] != '\r')
        return scan_bad(rules->fault_bytes, reterr_fault);
    if (end + 1 == len)
        return H1_SCAN_MORE;
    return bytes[end + 1] == '\n' ? H1_SCAN_DONE : scan_bad(rules->fault_bytes, reterr_fault);
}

/* Line by line up to the empty one. */
static enum h1_scan_result scan_lines(struct h1_scan *scan, const char *bytes, size_t all,
                                      const struct head_limits *limits, bool has_start_line,
                                      size_t *ret_size, int *reterr_fault)
{
    const struct line_rules start = { limits->line_bytes, FAULT_LINE_TOO_LONG, FAULT_BAD_LINE };
    const struct line_rules field = { limits->field_bytes, FAULT_HEAD_TOO_LARGE, FAULT_BAD_FIELD };
    const uint32_t len = all < limits->head_bytes ? (uint32_t)all : limits->head_bytes;
    const uint32_t start_lines = has_start_line ? 1 : 0;

    for (;;) {
        const struct line_rules *rules = scan->lines < start_lines ? &start : &field;
        enum h1_scan_result      result = scan_line(scan, bytes, len, rules, reterr_fault);

        if (result == H1_SCAN_MORE && len == limits->head_bytes)
            return scan_bad(rules->fault_long, reterr_fault);
        if (result != H1_SCAN_DONE)
            return result;
        if (scan->offset == scan->line_start) {
            *ret_size = scan->offset + 2;
            return rules == &start ? scan_bad(FAULT_BAD_LINE, reterr_fault) : H1_SCAN_DONE;
        }
        scan->offset = scan->line_start = scan->offset + 2;
        if (++scan->lines > limits->fields + start_lines)
            return scan_bad(FAULT_HEAD_TOO_LARGE, reterr_fault);
    }
}

enum h1_scan_result h1_scan(struct h1_scan *scan, const char *bytes, size_t len,
                            const struct head_limits *limits, size_t *ret_size, int *reterr_fault)
{
    return scan_lines(scan, bytes, len, limits, true, ret_size, reterr_fault);
}

size_t h1_head_size(const char *bytes, size_t len, const struct head_limits *limits)
{
    return h1_scan_empty_line(bytes, len < limits->head_bytes ? len : limits->head_bytes);
}

enum h1_scan_result h1_scan_trailers(struct h1_scan *scan, const char *bytes, size_t len,
                                     const struct head_limits *limits, size_t *ret_size,
                                     int *reterr_fault)
{
    return scan_lines(scan, bytes, len, limits, false, ret_size, reterr_fault);
}

static struct reader reader_of(struct text bytes, const struct head_limits *limits,
                               struct arena *arena)
{
    return (struct reader){ .at = bytes.ptr, .end = bytes.ptr + bytes.len, .limits = limits,
                            .arena = arena };
}

/* ---- requests ---- */

int h1_parse_request(struct text bytes, const struct head_limits *limits, struct arena *arena,
                     struct head *ret_head)
{
    struct reader reader = reader_of(bytes, limits, arena);
    struct text   line;

    head_init(ret_head, arena, bytes.len);
    if (!line_take(&reader, &line))
        return FAULT_BAD_LINE;
    if (line.len > limits->line_bytes)
        return FAULT_LINE_TOO_LONG;
    ret_head->line = line;

    int fault = request_line_read(line, arena, ret_head);
    if (fault == FAULT_NONE)
        fault = fields_read(&reader, &ret_head->fields);
    ret_head->has_odd_fields = reader.has_odd;
    return fault == FAULT_NONE ? h1_frame_request(ret_head, &reader.seen, arena) : fault;
}

void h1_parse_request_line(struct text line, struct arena *arena, struct head *head)
{
    (void)request_line_read(line, arena, head);
}

/* method SP request-target SP HTTP-version, single spaces (RFC 9112 3). */
static int request_line_read(struct text line, struct arena *arena, struct head *head)
{
    size_t method_len = 0;

    while (method_len < line.len && field_chars[(unsigned char)line.ptr[method_len]] != 0)
        method_len++;
    if (method_len == line.len)
        return FAULT_BAD_LINE;
    if (method_len == 0 || line.ptr[method_len] != ' ')
        return FAULT_BAD_METHOD;
    head->method_name = text_part(line, 0, method_len);
    head->method = method_of(head->method_name);

    struct text rest = text_from_offset(line, method_len + 1);
    size_t      target_len = text_find(rest, ' ');
    if (target_len == 0 || target_len == rest.len)
        return FAULT_BAD_LINE;
    head->target = text_part(rest, 0, target_len);

    int version = version_read(text_from_offset(rest, target_len + 1));
    if (version == VERSION_NONE)
        return FAULT_BAD_LINE;
    if (version >= 20)
        return FAULT_BAD_VERSION;
    if (version != 10 && version != 11)
        return FAULT_BAD_LINE;
    head->version = (unsigned)version;
    return target_read(head, arena);
}

/* "HTTP/1.1" gives 11; VERSION_NONE: not of that form, or 0.0. */
static int version_read(struct text text)
{
    if (text.len != VERSION_BYTES || memcmp(text.ptr, "HTTP/", 5) != 0 || text.ptr[6] != '.')
        return VERSION_NONE;

    int major = text.ptr[5] - '0', minor = text.ptr[7] - '0';
    if (major < 0 || major > 9 || minor < 0 || minor > 9)
        return VERSION_NONE;
    return major * 10 + minor;
}

/* The four forms of RFC 9112 3.2. */
static int target_read(struct head *head, struct arena *arena)
{
    if (!uri_target_is_valid(head->target))
        return FAULT_BAD_TARGET;
    if (head->method == METHOD_CONNECT) {
        if (uri_host_parse(head->target, &head->host, &head->port) != 0 || head->port < 0)
            return FAULT_BAD_TARGET;
        head->authority = head->target;
        head->path = TEXT("");
        return FAULT_NONE;
    }
    if (head->target.ptr[0] == '/') {
        head->path = head->target;
        return FAULT_NONE;
    }
    if (text_is_equal(head->target, TEXT("*"))) {
        head->path = head->target;
        return head->method == METHOD_OPTIONS ? FAULT_NONE : FAULT_BAD_TARGET;
    }
    return absolute_target_read(head, arena);
}

static int absolute_target_read(struct head *head, struct arena *arena)
{
    struct uri_url url;

    if (uri_url_parse(head->target, &url) != 0)
        return FAULT_BAD_TARGET;
    if (!text_is_equal_nocase(url.scheme, TEXT("http")) &&
        !text_is_equal_nocase(url.scheme, TEXT("https")))
        return FAULT_BAD_TARGET;
    if (uri_host_parse(url.authority, &head->host, &head->port) != 0)
        return FAULT_BAD_HOST;

    head->is_absolute = true;
    head->authority = url.authority;
    if (url.rest.len == 0)
        head->path = head->method == METHOD_OPTIONS ? TEXT("*") : TEXT("/");
    else if (url.rest.ptr[0] == '/')
        head->path = url.rest;
    else
        head->path = arena_format(arena, "/%.*s", TEXT_ARGS(url.rest));
    return FAULT_NONE;
}

/* ---- responses and trailers ---- */

int h1_parse_response(struct text bytes, const struct head_limits *limits, enum method asked,
                      struct arena *arena, struct head *ret_head)
{
    struct reader reader = reader_of(bytes, limits, arena);
    struct text   line;

    reader.may_fold = true;
    head_init(ret_head, arena, bytes.len);
    if (!line_take(&reader, &line) || status_line_read(line, ret_head) != FAULT_NONE)
        return FAULT_BAD_RESPONSE;
    if (line.len > limits->line_bytes)
        return FAULT_RESPONSE_LARGE;

    int fault = fields_read(&reader, &ret_head->fields);
    ret_head->has_odd_fields = reader.has_odd;
    if (fault == FAULT_HEAD_TOO_LARGE)
        return FAULT_RESPONSE_LARGE;
    if (fault != FAULT_NONE)
        return FAULT_BAD_RESPONSE;
    return h1_frame_response(ret_head, &reader.seen, asked, arena);
}

/* HTTP-version SP 3DIGIT SP [reason]; the last space may be missing, as some servers send it. */
static int status_line_read(struct text line, struct head *head)
{
    enum { STATUS_AT = VERSION_BYTES + 1, REASON_AT = STATUS_AT + 4 };
    int version = version_read(text_part(line, 0, VERSION_BYTES));

    if ((version != 10 && version != 11) || line.len < STATUS_AT + 3 ||
        line.ptr[VERSION_BYTES] != ' ')
        return FAULT_BAD_RESPONSE;
    for (size_t i = 0; i < 3; i++) {
        char c = line.ptr[STATUS_AT + i];
        if (c < '0' || c > '9')
            return FAULT_BAD_RESPONSE;
        head->status = head->status * 10 + (unsigned)(c - '0');
    }
    if (head->status < 100 || (line.len > STATUS_AT + 3 && line.ptr[STATUS_AT + 3] != ' '))
        return FAULT_BAD_RESPONSE;
    head->version = (unsigned)version;
    head->reason = line.len > REASON_AT ? text_from_offset(line, REASON_AT) : TEXT("");
    return FAULT_NONE;
}

int h1_parse_trailers(struct text bytes, const struct head_limits *limits, struct arena *arena,
                      struct fields *ret_fields)
{
    struct reader reader = reader_of(bytes, limits, arena);

    fields_init(ret_fields, arena, TRAILERS_FIRST_CAPACITY);
    int fault = fields_read(&reader, ret_fields);
    if (fault != FAULT_NONE)
        return fault;
    FIELDS_EACH(ret_fields, field)
        if (!field_may_trail((enum field_id)field->id))
            field->is_gone = true;
    return FAULT_NONE;
}

/* ---- lines ---- */

static size_t left_of(const struct reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

/* Up to the next CRLF; false when a control character, or the end, comes first. */
static bool line_take(struct reader *reader, struct text *ret_line)
{
    const char *line = reader->at;
    size_t      len = h1_scan_bytes(line, left_of(reader));

    if (left_of(reader) - len < 2 || line[len] != '\r' || line[len + 1] != '\n')
        return false;
    *ret_line = (struct text){ .ptr = line, .len = len };
    reader->at = line + len + 2;
    return true;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* text_trim(), where the compiler sees it: there is a value on every line, mostly behind one space. */
static struct text trim(struct text text)
{
    if (text.len > 1 && text.ptr[0] == ' ' && text.ptr[1] > ' ' && text.ptr[text.len - 1] > ' ')
        return (struct text){ .ptr = text.ptr + 1, .len = text.len - 1 };
    while (text.len > 0 && is_space(text.ptr[0])) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && is_space(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

/* All lines up to the empty one, which must be the last bytes. */
static int fields_read(struct reader *reader, struct fields *fields)
{
    while (reader->at < reader->end && *reader->at != '\r') {
        if (++reader->lines > reader->limits->fields)
            return FAULT_HEAD_TOO_LARGE;
        int fault = field_read(reader, fields);
        if (fault != FAULT_NONE)
            return fault;
    }
    return left_of(reader) == 2 && reader->at[1] == '\n' ? FAULT_NONE : FAULT_BAD_FIELD;
}

/* Length of the field name at the start of `bytes`; *ret_is_odd as in struct field. */
static size_t name_len_of(const char *bytes, size_t len, bool *ret_is_odd)
{
    size_t plain_len = h1_scan_name(bytes, len), name_len = plain_len;

    *ret_is_odd = false;
    if (name_len < len && bytes[name_len] == ':')
        return name_len;
    while (name_len < len && field_chars[(unsigned char)bytes[name_len]] != 0)
        name_len++;
    *ret_is_odd = name_len != plain_len;
    return name_len;
}

/* token ":" OWS value OWS CRLF; no space before the colon (RFC 9112 5.1). */
static int field_read(struct reader *reader, struct fields *fields)
{
    const char   *bytes = reader->at;
    bool          is_odd;
    size_t        name_len = name_len_of(bytes, left_of(reader), &is_odd);
    struct text   line;
    struct field *field;

    if (name_len == 0 || name_len == left_of(reader) || bytes[name_len] != ':')
        return FAULT_BAD_FIELD;
    reader->at += name_len + 1;
    if (!line_take(reader, &line))
        return FAULT_BAD_FIELD;
    if (name_len + 1 + line.len > reader->limits->field_bytes)
        return FAULT_HEAD_TOO_LARGE;

    field = fields_push(fields);
    field->name = (struct text){ .ptr = bytes, .len = name_len };
    field->value = trim(line);
    field->id = (uint8_t)field_id_of(field->name);
    field->is_odd = is_odd;
    field->is_gone = false;
    field->is_as_read = true;
    reader->has_odd |= is_odd;
    h1_seen_add(&reader->seen, (enum field_id)field->id);
    if (reader->at < reader->end && is_space(*reader->at))
        return field_unfold(reader, field);
    return FAULT_NONE;
}

/* Joins a folded value's lines with single spaces. Fields that frame the message are refused when
 * they are folded: nobody honest does that, and readers disagree about it. */
static int field_unfold(struct reader *reader, struct field *field)
{
    struct writer value = writer_arena(reader->arena, field->value.len + 64);

    if (!reader->may_fold || (field_flags((enum field_id)field->id) & FIELD_FRAMING))
        return FAULT_BAD_FIELD;
    writer_text(&value, field->value);
    while (reader->at < reader->end && is_space(*reader->at)) {
        struct text line;
        if (!line_take(reader, &line))
            return FAULT_BAD_FIELD;
        if (line.len > reader->limits->field_bytes || ++reader->lines > reader->limits->fields)
            return FAULT_HEAD_TOO_LARGE;
        writer_char(&value, ' ');
        writer_text(&value, trim(line));
    }
    field->value = trim(writer_done(&value));
    field->is_as_read = false;
    return FAULT_NONE;
}
