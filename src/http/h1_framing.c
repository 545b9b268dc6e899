// SPDX-License-Identifier: MIT
/* The rules of RFC 9112 6.3 and 9.3, in their strict reading: a message whose end two readers could
 * see in two places is refused, not repaired (a proxy that repairs is the first half of a request
 * smuggling attack). Pure functions, any thread. */
#include "http/h1_framing.h"

#include "http/status.h"
#include "http/uri.h"

struct options {
    bool is_close, is_keep_alive, is_upgrade;
};

enum coding { CODING_MALFORMED, CODING_CHUNKED, CODING_UNKNOWN };

_Static_assert(FIELD_ID_COUNT <= 64, "struct h1_seen has 64 bits");

static int            frame_host(struct head *head, const struct h1_seen *seen);
static int            frame_request_body(struct head *head, const struct h1_seen *seen);
static int            frame_expect(struct head *head, const struct h1_seen *seen);
static void           frame_connection(struct head *head, const struct h1_seen *seen,
                                       struct arena *arena);
static int            frame_length(struct head *head, const struct h1_seen *seen);
static int            frame_codings(const struct head *head);
static enum coding    coding_of(struct text element);
static struct options options_read(const struct fields *fields);

static uint64_t bit(enum field_id id)
{
    return UINT64_C(1) << id;
}

int h1_frame_request(struct head *head, const struct h1_seen *seen, struct arena *arena)
{
    int fault = frame_host(head, seen);

    if (fault == FAULT_NONE)
        fault = frame_request_body(head, seen);
    if (fault == FAULT_NONE)
        fault = frame_expect(head, seen);
    if (fault == FAULT_NONE)
        frame_connection(head, seen, arena);
    return fault;
}

/* A target with an authority replaces the field (RFC 9112 3.2.2), which must be valid all the same. */
static int frame_host(struct head *head, const struct h1_seen *seen)
{
    struct text host;
    int         port;

    if (seen->again & bit(FIELD_HOST))
        return FAULT_TWO_HOSTS;
    if (!(seen->once & bit(FIELD_HOST)))
        return head->version >= 11 ? FAULT_NO_HOST : FAULT_NONE;

    struct field *field = fields_find(&head->fields, FIELD_HOST);
    if (uri_host_parse(field->value, &host, &port) != 0)
        return FAULT_BAD_HOST;
    if (head->is_absolute) {
        field->value = head->authority;
        field->is_as_read = false;
    } else if (head->authority.len == 0) {
        head->authority = field->value;
        head->host = host;
        head->port = port;
    }
    return FAULT_NONE;
}

static int frame_request_body(struct head *head, const struct h1_seen *seen)
{
    if (!(seen->once & bit(FIELD_TRANSFER_ENCODING)))
        return frame_length(head, seen);
    if (seen->once & bit(FIELD_CONTENT_LENGTH))
        return FAULT_TWO_FRAMINGS;
    head->body = BODY_CHUNKED;
    return frame_codings(head);
}

static int frame_length(struct head *head, const struct h1_seen *seen)
{
    if (!(seen->once & bit(FIELD_CONTENT_LENGTH)))
        return FAULT_NONE;
    if (seen->again & bit(FIELD_CONTENT_LENGTH))
        return FAULT_BAD_LENGTH;
    if (!field_length_read(fields_value(&head->fields, FIELD_CONTENT_LENGTH), &head->length))
        return FAULT_BAD_LENGTH;
    head->body = BODY_SIZED;
    head->has_length = true;
    return FAULT_NONE;
}

/* Exactly one coding, "chunked", over all Transfer-Encoding fields together. */
static int frame_codings(const struct head *head)
{
    unsigned counts[] = { [CODING_MALFORMED] = 0, [CODING_CHUNKED] = 0, [CODING_UNKNOWN] = 0 };

    if (head->version < 11)
        return FAULT_BAD_CODING;
    for (const struct field *field = fields_find(&head->fields, FIELD_TRANSFER_ENCODING);
         field != NULL; field = fields_find_next(&head->fields, field)) {
        struct text rest = field->value, element;
        while (field_list_next(&rest, &element))
            counts[coding_of(element)]++;
    }
    if (counts[CODING_MALFORMED] > 0)
        return FAULT_BAD_CODING;
    if (counts[CODING_UNKNOWN] > 0)
        return FAULT_UNKNOWN_CODING;
    return counts[CODING_CHUNKED] == 1 ? FAULT_NONE : FAULT_BAD_CODING;
}

static enum coding coding_of(struct text element)
{
    size_t      semicolon = text_find(element, ';');
    struct text name = text_trim(text_part(element, 0, semicolon));

    if (!field_name_is_valid(name))
        return CODING_MALFORMED;
    if (!text_is_equal_nocase(name, TEXT("chunked")))
        return CODING_UNKNOWN;
    return semicolon == element.len ? CODING_CHUNKED : CODING_MALFORMED;
}

/* HTTP/1.0 has no expectations (RFC 9110 10.1.1); without a body there is nothing to wait for. */
static int frame_expect(struct head *head, const struct h1_seen *seen)
{
    if (!(seen->once & bit(FIELD_EXPECT)) || head->version < 11)
        return FAULT_NONE;
    for (const struct field *field = fields_find(&head->fields, FIELD_EXPECT); field != NULL;
         field = fields_find_next(&head->fields, field)) {
        struct text rest = field->value, element;
        while (field_list_next(&rest, &element)) {
            if (!text_is_equal_nocase(element, TEXT("100-continue")))
                return FAULT_BAD_EXPECT;
            head->expects_continue =
                head->body == BODY_CHUNKED || (head->body == BODY_SIZED && head->length > 0);
        }
    }
    return FAULT_NONE;
}

static struct options options_read(const struct fields *fields)
{
    struct options options = { .is_close = false };

    for (const struct field *field = fields_find(fields, FIELD_CONNECTION); field != NULL;
         field = fields_find_next(fields, field)) {
        struct text rest = field->value, option;
        while (field_list_next(&rest, &option)) {
            options.is_close |= text_is_equal_nocase(option, TEXT("close"));
            options.is_keep_alive |= text_is_equal_nocase(option, TEXT("keep-alive"));
            options.is_upgrade |= text_is_equal_nocase(option, TEXT("upgrade"));
        }
    }
    return options;
}

static void frame_connection(struct head *head, const struct h1_seen *seen, struct arena *arena)
{
    struct options options = { .is_close = false };

    if (seen->once & bit(FIELD_CONNECTION))
        options = options_read(&head->fields);
    head->may_persist = !options.is_close && (head->version >= 11 || options.is_keep_alive) &&
                        head->body != BODY_UNTIL_CLOSE;
    if (options.is_upgrade && head->version >= 11 && (seen->once & bit(FIELD_UPGRADE)))
        head->upgrade = text_trim(fields_joined(&head->fields, TEXT("Upgrade"), arena));
}

/* ---- responses ---- */

static int frame_response_body(struct head *head, const struct h1_seen *seen)
{
    bool is_coded = (seen->once & bit(FIELD_TRANSFER_ENCODING)) != 0;

    if (is_coded && (seen->once & bit(FIELD_CONTENT_LENGTH)))
        return FAULT_BAD_RESPONSE;
    if (is_coded && frame_codings(head) != FAULT_NONE)
        return FAULT_BAD_RESPONSE;
    if (frame_length(head, seen) != FAULT_NONE)
        return FAULT_BAD_RESPONSE;
    if (is_coded)
        head->body = BODY_CHUNKED;
    else if (!(seen->once & bit(FIELD_CONTENT_LENGTH)))
        head->body = BODY_UNTIL_CLOSE;
    return FAULT_NONE;
}

/* Answers to HEAD and 304 keep the length that they announce: it is somebody else's body's. */
int h1_frame_response(struct head *head, const struct h1_seen *seen, enum method asked,
                      struct arena *arena)
{
    bool is_tunnel = asked == METHOD_CONNECT && head->status / 100 == 2;

    if (!is_tunnel && frame_response_body(head, seen) != FAULT_NONE)
        return FAULT_BAD_RESPONSE;
    if (is_tunnel || asked == METHOD_HEAD || !status_has_content(head->status))
        head->body = BODY_NONE;
    frame_connection(head, seen, arena);
    return FAULT_NONE;
}
