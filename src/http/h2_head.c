// SPDX-License-Identifier: MIT
/* The HTTP/2 reader: fields are checked one by one as they come, then the message as a whole.
 *
 * What HTTP/1 refuses in a field, a target or a host is refused here by the same functions: a
 * request that comes by HTTP/2 and leaves by HTTP/1 is where "downgrade" smuggling lives. Pure
 * functions, any thread. */
#include "http/h2_head.h"

#include <string.h>

#include "base/writer.h"
#include "http/h1_framing.h"
#include "http/status.h"
#include "http/uri.h"
#include "http/websocket.h"

enum {
    FIRST_CAPACITY_BYTES = 480,          /* of a usual head, for head_init() */
    STATUS_DIGITS = 3
};

static bool is_counted(struct h2_head *block, struct text name, struct text value);
static int  pseudo_add(struct h2_head *block, struct text name, struct text value);
static int  field_add(struct h2_head *block, struct text name, struct text value);
static void request_line_fill(struct h2_head *block);
static int  request_form_check(const struct h2_head *block);
static int  authority_read(struct h2_head *block);
static int  target_check(const struct h2_head *block);
static int  websocket_begin(struct h2_head *block, bool is_end, const uint8_t *key);
static int  request_frame(struct h2_head *block, bool is_end);
static int  websocket_accepted(struct h2_head *block, const struct head *asked);

static uint64_t bit(enum field_id id)
{
    return UINT64_C(1) << id;
}

/* ---- one field at a time ---- */

void h2_head_begin(struct h2_head *block, enum h2_head_kind kind, const struct head_limits *limits,
                   struct arena *arena)
{
    *block = (struct h2_head){ .limits = limits, .arena = arena, .kind = kind };
    block->head = ARENA_NEW(arena, struct head);
    head_init(block->head, arena, FIRST_CAPACITY_BYTES);
    block->head->version = 20;
    if (kind == H2_HEAD_REQUEST) {
        /* The first place is the Host field's that :authority becomes. */
        fields_add_id(&block->head->fields, FIELD_HOST, TEXT(""));
        block->head->fields.items[0].is_gone = true;
    }
}

void h2_head_add(struct h2_head *block, struct text name, struct text value)
{
    if (!is_counted(block, name, value) || block->fault != FAULT_NONE)
        return;
    if (name.len > 0 && name.ptr[0] == ':')
        block->fault = pseudo_add(block, name, value);
    else
        block->fault = field_add(block, name, value);
}

static bool is_counted(struct h2_head *block, struct text name, struct text value)
{
    uint64_t bytes = block->bytes + (uint64_t)name.len + value.len + H2_FIELD_OVERHEAD;

    block->bytes = bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
    if (block->bytes <= block->limits->head_bytes)
        return true;
    if (block->fault == FAULT_NONE)
        block->fault =
            text_is_equal(name, TEXT(":path")) ? FAULT_LINE_TOO_LONG : FAULT_HEAD_TOO_LARGE;
    return false;
}

/* No control characters but tab (RFC 9110 5.5), and no space around it (RFC 9113 8.2.1). */
static bool value_is_valid(struct text value)
{
    return field_value_is_valid(value) && text_trim(value).len == value.len;
}

/* Where a pseudo field goes, if it may stand in this kind of block; else NULL. */
static struct text *pseudo_place(struct h2_head *block, struct text name)
{
    const struct {
        struct text       name;
        struct text      *place;
        enum h2_head_kind kind;
    } rows[] = {
        { TEXT(":method"), &block->pseudo.method, H2_HEAD_REQUEST },
        { TEXT(":path"), &block->pseudo.path, H2_HEAD_REQUEST },
        { TEXT(":scheme"), &block->pseudo.scheme, H2_HEAD_REQUEST },
        { TEXT(":authority"), &block->pseudo.authority, H2_HEAD_REQUEST },
        { TEXT(":status"), &block->pseudo.status, H2_HEAD_RESPONSE },
        { TEXT(":protocol"), &block->pseudo.protocol, H2_HEAD_REQUEST },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].kind == block->kind && text_is_equal(rows[i].name, name))
            return rows[i].place;
    return NULL;
}

/* RFC 9113 8.3: known, once, before all others; none of ours may be empty. */
static int pseudo_add(struct h2_head *block, struct text name, struct text value)
{
    struct text *place = pseudo_place(block, name);

    if (place == NULL || place->ptr != NULL || block->has_fields || value.len == 0 ||
        !value_is_valid(value))
        return H2_MALFORMED;
    *place = arena_copy(block->arena, value);
    return FAULT_NONE;
}

/* A token without upper case (RFC 9113 8.2.1). */
static bool name_is_valid(struct text name, bool *ret_is_odd)
{
    unsigned seen = 0;

    for (size_t i = 0; i < name.len; i++) {
        unsigned class = field_chars[(unsigned char)name.ptr[i]];
        if (class == 0 || (name.ptr[i] >= 'A' && name.ptr[i] <= 'Z'))
            return false;
        seen |= class;
    }
    *ret_is_odd = (seen & FIELD_CHAR_ODD) != 0;
    return name.len > 0;
}

/* TE of a request's head may say that trailers are welcome, and nothing else (RFC 9113 8.2.2). */
static bool is_welcome(enum h2_head_kind kind, enum field_id id, struct text value)
{
    if (id == FIELD_TE)
        return kind == H2_HEAD_REQUEST && text_is_equal_nocase(value, TEXT("trailers"));
    return !field_is_of_connection(id);
}

/* Browsers send each cookie as a field of its own; they are one field in the end. */
static bool is_within_limits(struct h2_head *block, enum field_id id, size_t bytes)
{
    if (id != FIELD_COOKIE || (block->once & bit(id)) == 0)
        block->fields++;
    return block->fields <= block->limits->fields && bytes <= block->limits->field_bytes;
}

static int field_add(struct h2_head *block, struct text name, struct text value)
{
    enum field_id id = field_id_of(name);
    bool          is_odd;
    struct field *field;

    block->has_fields = true;
    if (!name_is_valid(name, &is_odd) || !value_is_valid(value) ||
        !is_welcome(block->kind, id, value))
        return H2_MALFORMED;
    if (!is_within_limits(block, id, name.len + sizeof(": ") - 1 + value.len))
        return FAULT_HEAD_TOO_LARGE;

    field = fields_push(&block->head->fields);
    *field = (struct field){
        .name = id == FIELD_OTHER ? arena_copy(block->arena, name) : field_name(id),
        .value = arena_copy(block->arena, value),
        .id = (uint8_t)id,
        .is_odd = is_odd,
    };
    block->head->has_odd_fields |= is_odd;
    block->again |= block->once & bit(id);
    block->once |= bit(id);
    return FAULT_NONE;
}

/* RFC 9113 8.2.3. An empty crumb would leave a separator at the value's end, with a space. */
static void cookies_join(struct h2_head *block)
{
    struct fields *fields = &block->head->fields;

    if (!(block->again & bit(FIELD_COOKIE)))
        return;
    FIELDS_EACH(fields, field)
        if (field->id == FIELD_COOKIE && field->value.len == 0)
            field->is_gone = true;
    if (fields_find(fields, FIELD_COOKIE) != NULL)
        fields_set(fields, FIELD_COOKIE, fields_joined(fields, TEXT("Cookie"), block->arena));
}

/* ---- requests ---- */

static bool is_connect(const struct h2_head *block)
{
    return text_is_equal(block->pseudo.method, TEXT("CONNECT"));
}

static bool is_extended(const struct h2_head *block)
{
    return is_connect(block) && block->pseudo.protocol.ptr != NULL;
}

int h2_head_end_request(struct h2_head *block, bool is_end, const uint8_t key[H2_KEY_BYTES])
{
    int fault = block->fault;

    block->head->wire_bytes = block->bytes;
    request_line_fill(block);
    if (fault == FAULT_NONE)
        fault = request_form_check(block);
    if (fault == FAULT_NONE)
        fault = authority_read(block);
    if (fault == FAULT_NONE && is_connect(block) && !is_extended(block))
        fault = FAULT_METHOD_REFUSED;
    if (fault == FAULT_NONE)
        fault = target_check(block);
    if (fault == FAULT_NONE && is_extended(block))
        fault = websocket_begin(block, is_end, key);
    if (fault == FAULT_NONE)
        fault = request_frame(block, is_end);
    return block->fault = fault;
}

/* What there is, also of a request that is refused: for the log. */
static void request_line_fill(struct h2_head *block)
{
    struct head  *head = block->head;
    struct writer line;

    head->method_name = is_extended(block) ? TEXT("GET") : block->pseudo.method;
    head->method = method_of(head->method_name);
    head->target = head->path = block->pseudo.path;
    if (head->target.ptr == NULL && is_connect(block))
        head->target = block->pseudo.authority;

    line = writer_arena(block->arena, head->method_name.len + head->target.len + 10);
    writer_text(&line, head->method_name);
    writer_char(&line, ' ');
    writer_text(&line, head->target);
    writer_text(&line, TEXT(" HTTP/2.0"));
    head->line = writer_done(&line);
}

/* Which pseudo fields there must be, and may not (RFC 9113 8.3.1, 8.5; RFC 8441 4). */
static int request_form_check(const struct h2_head *block)
{
    const struct h2_pseudo *pseudo = &block->pseudo;
    const bool              has_target = pseudo->scheme.ptr != NULL && pseudo->path.ptr != NULL;

    if (!field_name_is_valid(pseudo->method))
        return H2_MALFORMED;
    if (!is_connect(block))
        return has_target && pseudo->protocol.ptr == NULL ? FAULT_NONE : H2_MALFORMED;
    if (pseudo->authority.ptr == NULL)
        return H2_MALFORMED;
    if (is_extended(block))
        return has_target ? FAULT_NONE : H2_MALFORMED;
    return pseudo->scheme.ptr == NULL && pseudo->path.ptr == NULL ? FAULT_NONE : H2_MALFORMED;
}

/* A Host field beside :authority must say the same (RFC 9113 8.3.1). */
static int host_compare(const struct head *head, struct text other)
{
    struct text host;
    int         port;

    if (uri_host_parse(other, &host, &port) != 0)
        return FAULT_BAD_HOST;
    return text_is_equal_nocase(host, head->host) && port == head->port ? FAULT_NONE
                                                                        : FAULT_TWO_HOSTS;
}

static int authority_read(struct h2_head *block)
{
    struct head *head = block->head;
    struct text  authority = block->pseudo.authority;
    int          fault = FAULT_NONE;

    if (authority.ptr == NULL)
        return FAULT_NONE;
    if (text_find(authority, '@') < authority.len)
        return H2_MALFORMED;
    if (uri_host_parse(authority, &head->host, &head->port) != 0)
        return FAULT_BAD_HOST;
    head->authority = authority;
    if (block->again & bit(FIELD_HOST))
        return FAULT_TWO_HOSTS;
    if (block->once & bit(FIELD_HOST))
        fault = host_compare(head, fields_value(&head->fields, FIELD_HOST));

    fields_remove(&head->fields, FIELD_HOST);
    head->fields.items[0].value = authority;
    head->fields.items[0].is_gone = false;
    block->once |= bit(FIELD_HOST);
    return fault;
}

/* The origin form and the asterisk form of RFC 9112 3.2, for http and https. */
static int target_check(const struct h2_head *block)
{
    const struct head *head = block->head;
    struct text        scheme = block->pseudo.scheme;

    if (head->line.len > block->limits->line_bytes)
        return FAULT_LINE_TOO_LONG;
    if (!text_is_equal_nocase(scheme, TEXT("https")) && !text_is_equal_nocase(scheme, TEXT("http")))
        return FAULT_BAD_TARGET;
    if (!uri_target_is_valid(head->path))
        return FAULT_BAD_TARGET;
    if (head->path.ptr[0] == '/')
        return FAULT_NONE;
    return head->method == METHOD_OPTIONS && text_is_equal(head->path, TEXT("*"))
               ? FAULT_NONE
               : FAULT_BAD_TARGET;
}

static void upgrade_add(struct h2_head *block)
{
    fields_add_id(&block->head->fields, FIELD_CONNECTION, TEXT("upgrade"));
    fields_add_id(&block->head->fields, FIELD_UPGRADE, TEXT("websocket"));
    block->once |= bit(FIELD_CONNECTION) | bit(FIELD_UPGRADE);
}

/* The handshake of RFC 6455 4.1 in the place of extended CONNECT. What the client says after it is
 * the tunnel's, so there is no body, and a stream that has ended could not be one. */
static int websocket_begin(struct h2_head *block, bool is_end, const uint8_t *key)
{
    struct fields *fields = &block->head->fields;

    if (!text_is_equal_nocase(block->pseudo.protocol, TEXT("websocket")))
        return FAULT_UNKNOWN_PROTOCOL;
    if (is_end || (block->once & bit(FIELD_CONTENT_LENGTH)) != 0)
        return H2_MALFORMED;
    upgrade_add(block);
    fields_set_name(fields, TEXT("Sec-WebSocket-Key"), websocket_key(block->arena, key));
    return FAULT_NONE;
}

static int request_frame(struct h2_head *block, bool is_end)
{
    const struct h1_seen seen = { .once = block->once, .again = block->again };
    struct head         *head = block->head;

    cookies_join(block);
    head->body = is_end || is_extended(block) ? BODY_NONE : BODY_CHUNKED;
    int fault = h1_frame_request(head, &seen, block->arena);
    if (fault != FAULT_NONE)
        return fault;
    return is_end && head->length > 0 ? H2_MALFORMED : FAULT_NONE;
}

/* ---- responses ---- */

/* RFC 9113 8.3.2; there is no 101 (8.6). 0: not valid. */
static unsigned status_read(struct text text)
{
    unsigned status = 0;

    if (text.len != STATUS_DIGITS)
        return 0;
    for (size_t i = 0; i < STATUS_DIGITS; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return 0;
        status = status * 10 + (unsigned)(text.ptr[i] - '0');
    }
    return status < 100 || status == 101 ? 0 : status;
}

static int response_frame(struct h2_head *block, bool is_end, const struct head *asked)
{
    const struct h1_seen seen = { .once = block->once, .again = block->again };
    struct head         *head = block->head;

    if (is_end && head->status < 200)
        return FAULT_BAD_RESPONSE;
    if (h1_frame_response(head, &seen, asked->method, block->arena) != FAULT_NONE)
        return FAULT_BAD_RESPONSE;
    if (head->body == BODY_UNTIL_CLOSE)
        head->body = is_end ? BODY_SIZED : BODY_CHUNKED;
    head->may_persist = true;
    return is_end && head->body == BODY_SIZED && head->length > 0 ? FAULT_BAD_RESPONSE : FAULT_NONE;
}

int h2_head_end_response(struct h2_head *block, bool is_end, const struct head *asked,
                         bool is_extended)
{
    struct head *head = block->head;

    head->wire_bytes = block->bytes;
    if (block->fault == FAULT_HEAD_TOO_LARGE)
        return FAULT_RESPONSE_LARGE;
    if (block->fault != FAULT_NONE)
        return FAULT_BAD_RESPONSE;
    head->status = status_read(block->pseudo.status);
    head->reason = status_reason(head->status);
    if (head->status == 0)
        return FAULT_BAD_RESPONSE;
    if (is_extended && head->status / 100 == 2)
        return websocket_accepted(block, asked);
    return response_frame(block, is_end, asked);
}

/* Who asked in HTTP/1 waits for proof that its key was read; we speak for the peer. */
static int websocket_accepted(struct h2_head *block, const struct head *asked)
{
    const struct field *key = fields_find_name(&asked->fields, TEXT("Sec-WebSocket-Key"));
    struct head        *head = block->head;

    if (key == NULL)
        return FAULT_BAD_RESPONSE;
    upgrade_add(block);
    fields_set_name(&head->fields, TEXT("Sec-WebSocket-Accept"),
                    websocket_accept(block->arena, key->value));
    head->status = 101;
    head->reason = status_reason(101);
    head->upgrade = TEXT("websocket");
    head->may_persist = true;
    return FAULT_NONE;
}

/* ---- trailers ---- */

int h2_head_end_trailers(struct h2_head *block, bool is_end)
{
    FIELDS_EACH(&block->head->fields, field)
        if (!field_may_trail((enum field_id)field->id))
            field->is_gone = true;
    return block->fault == FAULT_NONE && !is_end ? H2_MALFORMED : block->fault;
}
