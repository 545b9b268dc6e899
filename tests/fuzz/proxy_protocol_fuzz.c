// SPDX-License-Identifier: MIT
/* What a proxy says of its client. Checked: every part of an accepted header asks for more, what
 * follows it changes nothing, what was read and is written again reads the same, and values lie
 * within the header. */
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "net/proxy_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static const char *const names[] = { "alpn", "authority", "ssl", "ssl_version", "ssl_cn", "0x3",
                                     "ssl_0x21", "ssl_verify" };

static void check_values(struct text header, struct text values)
{
    uint32_t verify;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        unsigned    number = 0;
        struct text value;

        must(proxy_protocol_find_name(text_from(names[i]), &number));
        value = proxy_protocol_value(values, number);
        must(value.ptr == NULL ||
             (value.ptr >= header.ptr && value.ptr + value.len <= header.ptr + header.len));
    }
    (void)proxy_protocol_ssl_verify(values, &verify);
}

static void check_parts(struct text header)
{
    struct proxy_protocol said;
    const char           *words;
    size_t                size;

    for (size_t at = 0; at < header.len; at += at < 128 ? 1 : 61)
        must(proxy_protocol_parse(text_part(header, 0, at), &said, &size, &words) ==
             PROXY_PROTOCOL_MORE);
}

static void check_again(const struct proxy_protocol *said, enum proxy_protocol_version version)
{
    char                  buffer[PROXY_PROTOCOL_WRITE_MOST];
    struct writer         writer = writer_fixed(buffer, sizeof(buffer));
    struct proxy_protocol again;
    const char           *words;
    size_t                size = 0;

    proxy_protocol_write(&writer, version, &said->source, &said->destination);
    must(!writer.is_cut);
    must(proxy_protocol_parse(writer_done(&writer), &again, &size, &words) == PROXY_PROTOCOL_DONE);
    must(size == writer.len && again.has_addresses);
    must(address_is_equal(&again.source, &said->source));
    must(address_is_equal(&again.destination, &said->destination));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char                 *exact = mem_try(len + 1);
    struct text           input = text_of(exact, len);
    struct proxy_protocol said;
    const char           *words = NULL;
    size_t                size = 0;

    must(exact != NULL);
    memcpy(exact, bytes, len);
    switch (proxy_protocol_parse(input, &said, &size, &words)) {
    case PROXY_PROTOCOL_MORE:
        must(len < PROXY_PROTOCOL_MOST);
        break;
    case PROXY_PROTOCOL_BROKEN:
        must(words != NULL);
        break;
    case PROXY_PROTOCOL_DONE:
        must(size > 0 && size <= len && size <= PROXY_PROTOCOL_MOST);
        check_parts(text_part(input, 0, size));
        check_values(input, said.values);
        if (said.has_addresses) {
            check_again(&said, PROXY_PROTOCOL_V1);
            check_again(&said, PROXY_PROTOCOL_V2);
        }
        break;
    }
    mem_free(exact);
    return 0;
}
