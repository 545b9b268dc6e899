// SPDX-License-Identifier: MIT
/* Two messages of one field each: nothing of protobuf is needed but varints. */
#include "balance/grpc_health.h"

#include <string.h>

enum {
    PREFIX_BYTES = 5,                    /* a flag (compressed) and the length, network order */
    VARINT_MOST = 10,
    TAG_SERVICE = 0x0a,                  /* field 1, bytes */
    TAG_STATUS = 0x08,                   /* field 1, a varint */
    SERVING = 1,
    STATUS_GOOD = 200
};

static size_t put_varint(char *at, uint64_t value)
{
    size_t len = 0;

    for (; value >= 0x80; value >>= 7)
        at[len++] = (char)(value | 0x80);
    at[len++] = (char)value;
    return len;
}

struct text grpc_health_request(struct arena *arena, struct text service)
{
    char  *bytes = arena_bytes(arena, PREFIX_BYTES + 1 + VARINT_MOST + service.len);
    char  *message = bytes + PREFIX_BYTES;
    size_t len = 0;

    if (service.len > 0) {
        message[len++] = TAG_SERVICE;
        len += put_varint(message + len, service.len);
        memcpy(message + len, service.ptr, service.len);
        len += service.len;
    }
    bytes[0] = 0;
    for (int i = 0; i < 4; i++)
        bytes[1 + i] = (char)(len >> (24 - 8 * i));
    return text_of(bytes, PREFIX_BYTES + len);
}

/* False: it ends too early, or never. */
static bool take_varint(struct text *text, uint64_t *ret_value)
{
    uint64_t value = 0;

    for (size_t i = 0; i < text->len && i < VARINT_MOST; i++) {
        unsigned char byte = (unsigned char)text->ptr[i];

        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *text = text_from_offset(*text, i + 1);
            *ret_value = value;
            return true;
        }
    }
    return false;
}

/* HealthCheckResponse: of several values the last counts, none is 0 (UNKNOWN). */
static bool is_serving(struct text body)
{
    uint64_t    tag, status = 0;
    size_t      len = 0;
    struct text message;

    if (body.len < PREFIX_BYTES || body.ptr[0] != 0)
        return false;
    for (int i = 1; i < PREFIX_BYTES; i++)
        len = len << 8 | (unsigned char)body.ptr[i];
    message = text_from_offset(body, PREFIX_BYTES);
    if (message.len != len)
        return false;
    while (message.len > 0)
        if (!take_varint(&message, &tag) || tag != TAG_STATUS || !take_varint(&message, &status))
            return false;
    return status == SERVING;
}

/* Of the call. False: none was said, or nothing that is a number. */
static bool take_status(const struct head *head, const struct fields *trailers,
                        uint64_t *ret_status)
{
    const struct field *field =
        fields_find_name(trailers != NULL ? trailers : &head->fields, TEXT("grpc-status"));

    return field != NULL && text_to_u64(field->value, ret_status) == 0;
}

bool grpc_health_is_passed(unsigned status, const struct head *head, const struct fields *trailers,
                           struct text body, const char **reterr_why)
{
    uint64_t said;

    *reterr_why = "status code";
    if (head->status != STATUS_GOOD)
        return false;
    *reterr_why = "grpc-status";
    if (!take_status(head, trailers, &said))
        return false;
    if (said != 0)
        return said == status;
    *reterr_why = "whether it is serving";
    return is_serving(body);
}
