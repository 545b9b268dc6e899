// SPDX-License-Identifier: MIT
/* One pass over the answer section. Owners of records are skipped and not compared: a name server that
 * wants to lie about a name may do so under that very name. */
#include "net/dns_answer.h"

#include <errno.h>
#include <string.h>

enum {
    HEADER_BYTES = 12,
    LABEL_MOST = 63,
    POINTER = 0xc0,
    TYPE_CNAME = 5,
    CLASS_IN = 1,
    SRV_FIXED_BYTES = 6,
    TTL_SIGN_BIT = 31
};

struct cursor {
    const unsigned char *bytes;
    size_t               len, at;
};

struct record {
    unsigned type, class_number;
    uint32_t ttl_s;
    size_t   start, len;                 /* of its payload, in the whole message */
};

static bool has_room(const struct cursor *cursor, size_t len)
{
    return cursor->len - cursor->at >= len;
}

/* The caller has looked for room. */
static unsigned take_u16(struct cursor *cursor)
{
    const unsigned char *at = cursor->bytes + cursor->at;

    cursor->at += 2;
    return (unsigned)at[0] << 8 | at[1];
}

static uint32_t take_u32(struct cursor *cursor)
{
    uint32_t high = take_u16(cursor);

    return high << 16 | take_u16(cursor);
}

/* A pointer ends a name, wherever it leads to. */
static bool skip_name(struct cursor *cursor)
{
    while (has_room(cursor, 1)) {
        unsigned len = cursor->bytes[cursor->at++];

        if (len == 0)
            return true;
        if ((len & POINTER) == POINTER) {
            cursor->at++;
            return cursor->at <= cursor->len;
        }
        if (len > LABEL_MOST || !has_room(cursor, len))
            return false;
        cursor->at += len;
    }
    return false;
}

/* Bytes that no name of a server has would only reach a log. */
static bool is_host_byte(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

/* Each pointer leads to where no byte of this name has been read yet, before its own start: so it
 * ends. */
static bool expand_name(const struct cursor *message, size_t at, char name[DNS_NAME_BYTES])
{
    size_t start = at, used = 0;

    while (at < message->len) {
        unsigned len = message->bytes[at++];

        if (len == 0) {
            name[used > 0 ? used - 1 : 0] = '\0';
            return true;
        }
        if ((len & POINTER) == POINTER) {
            size_t to = at < message->len
                            ? (size_t)(len & ~(unsigned)POINTER) << 8 | message->bytes[at]
                                          : message->len;
            if (to >= start)
                return false;
            start = at = to;
            continue;
        }
        if (len > LABEL_MOST || message->len - at < len || used + len + 2 > DNS_NAME_BYTES)
            return false;
        for (unsigned i = 0; i < len; i++) {
            if (!is_host_byte(message->bytes[at + i]))
                return false;
            name[used++] = (char)message->bytes[at + i];
        }
        name[used++] = '.';
        at += len;
    }
    return false;
}

/* ---- records ---- */

static bool take_record(struct cursor *cursor, struct record *ret_record)
{
    struct record record;

    if (!skip_name(cursor) || !has_room(cursor, 10))
        return false;
    record.type = take_u16(cursor);
    record.class_number = take_u16(cursor);
    record.ttl_s = take_u32(cursor);
    record.len = take_u16(cursor);
    record.start = cursor->at;
    if (!has_room(cursor, record.len))
        return false;
    cursor->at += record.len;
    /* Such a number counts as zero (RFC 2181 8). */
    if (record.ttl_s >> TTL_SIGN_BIT != 0)
        record.ttl_s = 0;
    *ret_record = record;
    return true;
}

static bool is_known(const struct dns_answer *answer, const struct address *address)
{
    for (unsigned i = 0; i < answer->address_count; i++)
        if (address_is_equal(&answer->addresses[i], address))
            return true;
    return false;
}

static bool add_address(struct dns_answer *answer, const struct record *record,
                        const unsigned char *bytes)
{
    struct address address = { .len = sizeof(address.raw.v4) };

    if (record->type == DNS_A && record->len == sizeof(address.raw.v4.sin_addr)) {
        address.raw.v4.sin_family = AF_INET;
        memcpy(&address.raw.v4.sin_addr, bytes, record->len);
    } else if (record->type == DNS_AAAA && record->len == sizeof(address.raw.v6.sin6_addr)) {
        address.len = sizeof(address.raw.v6);
        address.raw.v6.sin6_family = AF_INET6;
        memcpy(&address.raw.v6.sin6_addr, bytes, record->len);
    } else {
        return false;
    }
    if (answer->address_count == DNS_ADDRESSES_MOST)
        answer->is_cut = true;
    else if (!is_known(answer, &address))
        answer->addresses[answer->address_count++] = address;
    return true;
}

static bool add_service(struct dns_answer *answer, const struct record *record,
                        const struct cursor *message)
{
    struct cursor       cursor = { .bytes = message->bytes, .len = record->start + record->len,
                                   .at = record->start };
    struct dns_service *service = &answer->services[answer->service_count];

    if (record->len <= SRV_FIXED_BYTES)
        return false;
    if (answer->service_count == DNS_SERVICES_MOST) {
        answer->is_cut = true;
        return true;
    }
    service->priority = (uint16_t)take_u16(&cursor);
    service->weight = (uint16_t)take_u16(&cursor);
    service->port = (uint16_t)take_u16(&cursor);
    if (!expand_name(&cursor, cursor.at, service->target))
        return false;
    /* "." says that there is no such service here (RFC 2782); port 0 can't be connected to. */
    if (service->target[0] != '\0' && service->port != 0)
        answer->service_count++;
    return true;
}

static bool add_record(struct dns_answer *answer, enum dns_type type, const struct record *record,
                       const struct cursor *message)
{
    if (record->class_number != CLASS_IN ||
        (record->type != (unsigned)type && record->type != TYPE_CNAME))
        return true;
    if (record->ttl_s < answer->ttl_s)
        answer->ttl_s = record->ttl_s;
    if (record->type == TYPE_CNAME)
        return true;
    return type == DNS_SRV ? add_service(answer, record, message)
                           : add_address(answer, record, message->bytes + record->start);
}

int dns_answer_read(struct dns_answer *answer, enum dns_type type, const unsigned char *bytes,
                    size_t len)
{
    struct cursor cursor = { .bytes = bytes, .len = len, .at = 4 };
    unsigned      questions, answers;
    struct record record;

    if (len < HEADER_BYTES)
        return -EINVAL;
    questions = take_u16(&cursor);
    answers = take_u16(&cursor);
    cursor.at = HEADER_BYTES;
    for (unsigned i = 0; i < questions; i++) {
        if (!skip_name(&cursor) || !has_room(&cursor, 4))
            return -EINVAL;
        cursor.at += 4;
    }
    for (unsigned i = 0; i < answers; i++)
        if (!take_record(&cursor, &record) || !add_record(answer, type, &record, &cursor))
            return -EINVAL;
    return 0;
}
