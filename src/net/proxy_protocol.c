// SPDX-License-Identifier: MIT
/* Strict: whoever speaks it is a program, and what it says decides who is let in. A header that is
 * not exactly what the specification allows ends the connection. */
#include "net/proxy_protocol.h"

#include <string.h>

enum {
    SIGNATURE_BYTES = 12,
    V2_HEAD_BYTES = 16,
    V4_BLOCK_BYTES = 12,                 /* two addresses, two ports */
    V6_BLOCK_BYTES = 36,
    VALUE_HEAD_BYTES = 3,                /* type, length */
    SSL_HEAD_BYTES = 5,                  /* what the client did, the result of verifying it */
    TYPE_CRC32C = 0x03,
    TYPE_SSL = 0x20,
    TYPE_MOST = 0xff,
    NUMBER_IN_SSL = 0x100,               /* a type within the value of TYPE_SSL */
    PORT_DIGITS = 5,
    PORT_MOST = 65535,
    MAPPED_BYTES = 12
};

enum { COMMAND_LOCAL = 0, COMMAND_PROXY = 1 };
enum { FAMILY_UNSPEC = 0, FAMILY_V4, FAMILY_V6, FAMILY_UNIX };
enum { TRANSPORT_UNSPEC = 0, TRANSPORT_STREAM, TRANSPORT_DGRAM };

static const char signature[SIGNATURE_BYTES] = "\r\n\r\n\0\r\nQUIT\n";
static const unsigned char mapped_prefix[MAPPED_BYTES] = { [10] = 0xff, [11] = 0xff };

static unsigned char byte_at(struct text bytes, size_t at)
{
    return (unsigned char)bytes.ptr[at];
}

static unsigned u16_at(struct text bytes, size_t at)
{
    return (unsigned)byte_at(bytes, at) << 8 | byte_at(bytes, at + 1);
}

static uint32_t u32_at(struct text bytes, size_t at)
{
    return (uint32_t)u16_at(bytes, at) << 16 | u16_at(bytes, at + 2);
}

/* ---- version 1: a line ---- */

static bool parse_port(struct text text, unsigned *ret_port)
{
    uint64_t port;

    if (text.len == 0 || text.len > PORT_DIGITS || (text.len > 1 && text.ptr[0] == '0') ||
        text_to_u64(text, &port) < 0 || port > PORT_MOST)
        return false;
    *ret_port = (unsigned)port;
    return true;
}

static bool parse_address(struct text ip, struct text port_text, int family,
                          struct address *ret_address)
{
    unsigned port;

    return ip.len > 0 && ip.ptr[0] != '[' && parse_port(port_text, &port) &&
           address_parse_ip(ip, port, ret_address) == 0 && address_family(ret_address) == family;
}

/* "TCP4 192.0.2.1 192.0.2.2 4711 80", "TCP6 ...", "UNKNOWN" and whatever behind it. */
static bool parse_line(struct text rest, struct proxy_protocol *said)
{
    struct text words[4], protocol;
    int         family = AF_INET;

    (void)text_split(&rest, ' ', &protocol);
    if (text_is_equal(protocol, TEXT("UNKNOWN")))
        return true;
    if (text_is_equal(protocol, TEXT("TCP6")))
        family = AF_INET6;
    else if (!text_is_equal(protocol, TEXT("TCP4")))
        return false;
    for (unsigned i = 0; i < 4; i++)
        if (!text_split(&rest, ' ', &words[i]))
            return false;
    said->has_addresses = true;
    return rest.ptr == NULL && parse_address(words[0], words[2], family, &said->source) &&
           parse_address(words[1], words[3], family, &said->destination);
}

static enum proxy_protocol_result parse_v1(struct text bytes, struct proxy_protocol *said,
                                           size_t *ret_size)
{
    struct text most = text_part(bytes, 0, PROXY_PROTOCOL_V1_MOST);
    size_t      end = text_find(most, '\n'), prefix = TEXT("PROXY ").len;

    if (end == most.len)
        return most.len < PROXY_PROTOCOL_V1_MOST ? PROXY_PROTOCOL_MORE : PROXY_PROTOCOL_BROKEN;
    if (most.ptr[end - 1] != '\r' || !parse_line(text_part(most, prefix, end - 1 - prefix), said))
        return PROXY_PROTOCOL_BROKEN;
    *ret_size = end + 1;
    return PROXY_PROTOCOL_DONE;
}

/* ---- version 2: binary ---- */

/* Takes the first value off *rest; false: there is none, or none that is whole. */
static bool take_value(struct text *rest, unsigned *ret_type, struct text *ret_value)
{
    size_t len;

    if (rest->len < VALUE_HEAD_BYTES)
        return false;
    len = u16_at(*rest, 1);
    if (len > rest->len - VALUE_HEAD_BYTES)
        return false;
    *ret_type = byte_at(*rest, 0);
    *ret_value = text_part(*rest, VALUE_HEAD_BYTES, len);
    *rest = text_from_offset(*rest, VALUE_HEAD_BYTES + len);
    return true;
}

static uint32_t crc32c_byte(uint32_t crc, unsigned char byte)
{
    crc ^= byte;
    for (unsigned bit = 0; bit < 8; bit++)
        crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0x82f63b78) : 0);
    return crc;
}

/* The checksum is made over the whole header, itself counted as zeros. */
static bool is_checksum_right(struct text header, struct text sum)
{
    uint32_t crc = UINT32_MAX;

    if (sum.len != 4)
        return false;
    for (size_t i = 0; i < header.len; i++) {
        bool is_of_sum = header.ptr + i >= sum.ptr && header.ptr + i < sum.ptr + sum.len;

        crc = crc32c_byte(crc, is_of_sum ? 0 : byte_at(header, i));
    }
    return ~crc == u32_at(sum, 0);
}

static bool are_values_good(struct text header, struct text values)
{
    unsigned    type;
    struct text value;

    while (values.len > 0) {
        if (!take_value(&values, &type, &value))
            return false;
        if (type == TYPE_CRC32C && !is_checksum_right(header, value))
            return false;
    }
    return true;
}

static struct address address_from(struct text ip, unsigned port)
{
    struct address address = { .len = 0 };

    if (ip.len == 4) {
        address.len = sizeof(address.raw.v4);
        address.raw.v4.sin_family = AF_INET;
        memcpy(&address.raw.v4.sin_addr, ip.ptr, ip.len);
    } else {
        address.len = sizeof(address.raw.v6);
        address.raw.v6.sin6_family = AF_INET6;
        memcpy(&address.raw.v6.sin6_addr, ip.ptr, ip.len);
    }
    address_set_port(&address, port);
    return address;
}

/* A stream's addresses and what follows them. */
static bool parse_stream(struct text header, unsigned family, struct proxy_protocol *said)
{
    struct text block = text_from_offset(header, V2_HEAD_BYTES);
    size_t      ip_len = family == FAMILY_V4 ? 4 : 16, ports = 2 * ip_len;

    if (block.len < (family == FAMILY_V4 ? V4_BLOCK_BYTES : V6_BLOCK_BYTES))
        return false;
    said->source = address_from(text_part(block, 0, ip_len), u16_at(block, ports));
    said->destination = address_from(text_part(block, ip_len, ip_len), u16_at(block, ports + 2));
    said->has_addresses = true;
    said->values = text_from_offset(block, ports + 4);
    return are_values_good(header, said->values);
}

static bool parse_block(struct text header, struct proxy_protocol *said)
{
    unsigned command = byte_at(header, 12) & 0xf;
    unsigned family = byte_at(header, 13) >> 4, transport = byte_at(header, 13) & 0xf;

    if (command == COMMAND_LOCAL)
        return true;   /* the proxy itself, asking how we are */
    if (command != COMMAND_PROXY || family > FAMILY_UNIX || transport > TRANSPORT_DGRAM)
        return false;
    if (transport != TRANSPORT_STREAM || (family != FAMILY_V4 && family != FAMILY_V6))
        return true;
    return parse_stream(header, family, said);
}

static enum proxy_protocol_result parse_v2(struct text bytes, struct proxy_protocol *said,
                                           size_t *ret_size, const char **reterr_words)
{
    size_t size;

    if (bytes.len < V2_HEAD_BYTES)
        return PROXY_PROTOCOL_MORE;
    if (byte_at(bytes, 12) >> 4 != 2) {
        *reterr_words = "unknown PROXY protocol version";
        return PROXY_PROTOCOL_BROKEN;
    }
    size = V2_HEAD_BYTES + u16_at(bytes, 14);
    if (size > PROXY_PROTOCOL_MOST) {
        *reterr_words = "header is too large";
        return PROXY_PROTOCOL_BROKEN;
    }
    if (bytes.len < size)
        return PROXY_PROTOCOL_MORE;
    if (!parse_block(text_part(bytes, 0, size), said))
        return PROXY_PROTOCOL_BROKEN;
    *ret_size = size;
    return PROXY_PROTOCOL_DONE;
}

/* ---- either ---- */

/* As far as there are bytes. */
static bool begins_like(struct text bytes, struct text prefix)
{
    size_t len = bytes.len < prefix.len ? bytes.len : prefix.len;

    return len == 0 || memcmp(bytes.ptr, prefix.ptr, len) == 0;
}

enum proxy_protocol_result proxy_protocol_parse(struct text bytes, struct proxy_protocol *ret_said,
                                                size_t *ret_size, const char **reterr_words)
{
    struct proxy_protocol said = { .has_addresses = false, .values = TEXT("") };
    struct text           v1 = TEXT("PROXY "), v2 = text_of(signature, sizeof(signature));
    enum proxy_protocol_result result = PROXY_PROTOCOL_BROKEN;
    const char                *words = "broken header";

    if (begins_like(bytes, v1))
        result = bytes.len < v1.len ? PROXY_PROTOCOL_MORE : parse_v1(bytes, &said, ret_size);
    else if (begins_like(bytes, v2))
        result = parse_v2(bytes, &said, ret_size, &words);
    if (result == PROXY_PROTOCOL_DONE)
        *ret_said = said;
    else if (result == PROXY_PROTOCOL_BROKEN)
        *reterr_words = words;
    return result;
}

/* ---- values ---- */

struct value_name {
    const char *name;
    unsigned    number;
};

static const struct value_name value_names[] = {
    { "alpn", 0x01 }, { "authority", 0x02 }, { "unique_id", 0x05 }, { "ssl", TYPE_SSL },
    { "netns", 0x30 }, { "ssl_version", NUMBER_IN_SSL | 0x21 }, { "ssl_cn", NUMBER_IN_SSL | 0x22 },
    { "ssl_cipher", NUMBER_IN_SSL | 0x23 }, { "ssl_sig_alg", NUMBER_IN_SSL | 0x24 },
    { "ssl_key_alg", NUMBER_IN_SSL | 0x25 }, { "ssl_verify", PROXY_PROTOCOL_SSL_VERIFY },
};

bool proxy_protocol_find_name(struct text name, unsigned *ret_number)
{
    bool        is_in_ssl = text_has_prefix_nocase(name, TEXT("ssl_"));
    struct text digits = is_in_ssl ? text_from_offset(name, 4) : name;
    uint64_t    type;

    for (size_t i = 0; i < sizeof(value_names) / sizeof(value_names[0]); i++)
        if (text_is_equal_nocase(name, text_from(value_names[i].name))) {
            *ret_number = value_names[i].number;
            return true;
        }
    if (!text_has_prefix_nocase(digits, TEXT("0x")) ||
        text_to_u64_hex(text_from_offset(digits, 2), &type) < 0 || type > TYPE_MOST)
        return false;
    *ret_number = (unsigned)type | (is_in_ssl ? NUMBER_IN_SSL : 0);
    return true;
}

static struct text find_type(struct text values, unsigned wanted)
{
    unsigned    type;
    struct text value;

    while (take_value(&values, &type, &value))
        if (type == wanted)
            return value;
    return TEXT_NONE;
}

struct text proxy_protocol_value(struct text values, unsigned number)
{
    if (number & NUMBER_IN_SSL) {
        values = find_type(values, TYPE_SSL);
        if (values.len < SSL_HEAD_BYTES)
            return TEXT_NONE;
        values = text_from_offset(values, SSL_HEAD_BYTES);
    }
    return find_type(values, number & TYPE_MOST);
}

bool proxy_protocol_ssl_verify(struct text values, uint32_t *ret_verify)
{
    struct text ssl = find_type(values, TYPE_SSL);

    if (ssl.len < SSL_HEAD_BYTES)
        return false;
    *ret_verify = u32_at(ssl, 1);
    return true;
}

/* ---- write ---- */

static struct address as_v6(const struct address *address)
{
    unsigned             len = 0;
    const unsigned char *bytes = address_bytes(address, &len);
    char                 mapped[16];

    if (len == sizeof(mapped))
        return *address;
    memcpy(mapped, mapped_prefix, MAPPED_BYTES);
    memcpy(mapped + MAPPED_BYTES, bytes, len);
    return address_from(text_of(mapped, sizeof(mapped)), address_port(address));
}

static void write_v1(struct writer *writer, const struct address *source,
                     const struct address *destination)
{
    writer_string(writer, address_family(source) == AF_INET ? "PROXY TCP4 " : "PROXY TCP6 ");
    address_write_ip(writer, source);
    writer_char(writer, ' ');
    address_write_ip(writer, destination);
    writer_format(writer, " %u %u\r\n", address_port(source), address_port(destination));
}

static void write_u16(struct writer *writer, unsigned number)
{
    writer_char(writer, (char)(number >> 8));
    writer_char(writer, (char)(number & 0xff));
}

static void write_head(struct writer *writer, unsigned command, unsigned kind, unsigned size)
{
    writer_text(writer, text_of(signature, sizeof(signature)));
    writer_char(writer, (char)(0x20 | command));
    writer_char(writer, (char)kind);
    write_u16(writer, size);
}

static void write_v2(struct writer *writer, const struct address *source,
                     const struct address *destination)
{
    unsigned             len = 0, family;
    const unsigned char *from = address_bytes(source, &len), *to = address_bytes(destination, &len);

    family = len == 4 ? FAMILY_V4 : FAMILY_V6;
    write_head(writer, COMMAND_PROXY, family << 4 | TRANSPORT_STREAM, 2 * len + 4);
    writer_text(writer, text_of((const char *)from, len));
    writer_text(writer, text_of((const char *)to, len));
    write_u16(writer, address_port(source));
    write_u16(writer, address_port(destination));
}

static void write_unknown(struct writer *writer, enum proxy_protocol_version version)
{
    if (version == PROXY_PROTOCOL_V1)
        writer_string(writer, "PROXY UNKNOWN\r\n");
    else
        write_head(writer, COMMAND_LOCAL, 0, 0);
}

void proxy_protocol_write(struct writer *writer, enum proxy_protocol_version version,
                          const struct address *source, const struct address *destination)
{
    unsigned       len = 0;
    bool           has_both = address_bytes(source, &len) != NULL &&
                              address_bytes(destination, &len) != NULL;
    struct address from = *source, to = *destination;

    if (!has_both) {
        write_unknown(writer, version);
        return;
    }
    if (address_family(source) != address_family(destination)) {
        from = as_v6(source);
        to = as_v6(destination);
    }
    if (version == PROXY_PROTOCOL_V1)
        write_v1(writer, &from, &to);
    else
        write_v2(writer, &from, &to);
}
