// SPDX-License-Identifier: MIT
/* The PROXY protocol read and written: what is accepted, what is not, in one piece and in many. */
#include "base/unit.h"

#include "net/proxy_protocol.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4_BLOCK "\xc0\0\2\1\xc0\0\2\2\x12\x67\0\x50"   /* 192.0.2.1, 192.0.2.2, 4711, 80 */
#define V6_BLOCK \
    "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2\x12\x67\0\x50"
#define PARSE(literal) parse(TEXT(literal))

static struct proxy_protocol said;
static size_t                size;
static const char           *words;

static enum proxy_protocol_result parse(struct text bytes)
{
    memset(&said, 0, sizeof(said));
    size = 0;
    words = NULL;
    return proxy_protocol_parse(bytes, &said, &size, &words);
}

static void check_addresses(const char *source, const char *destination)
{
    char text[ADDRESS_TEXT_BYTES];

    assert_true(said.has_addresses);
    assert_string_equal(address_string(&said.source, text), source);
    assert_string_equal(address_string(&said.destination, text), destination);
}

static void lines(void **state)
{
    (void)state;
    assert_int_equal(PARSE("PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r\nGET"), PROXY_PROTOCOL_DONE);
    check_addresses("192.0.2.1:4711", "192.0.2.2:80");
    assert_int_equal(size, 40);
    assert_int_equal(said.values.len, 0);
    assert_int_equal(PARSE("PROXY TCP6 2001:db8::1 ::2 65535 0\r\n"), PROXY_PROTOCOL_DONE);
    check_addresses("[2001:db8::1]:65535", "[::2]:0");
}

static void unknown_lines(void **state)
{
    (void)state;
    assert_int_equal(PARSE("PROXY UNKNOWN\r\n"), PROXY_PROTOCOL_DONE);
    assert_false(said.has_addresses);
    assert_int_equal(size, 15);
    assert_int_equal(PARSE("PROXY UNKNOWN ffff::1 x y\r\nGET"), PROXY_PROTOCOL_DONE);
    assert_false(said.has_addresses);
    assert_int_equal(size, 27);
}

static void broken_lines(void **state)
{
    static const char *const broken[] = {
        "GET / HTTP/1.1\r\n", "proxy TCP4", "PROXZ", "PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY \n", "PROXY \r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n", "PROXY UNKNOWNX\r\n",
        "PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n",
        "PROXY TCP4 192.0.2.1  192.0.2.2 1 2\r\n", "PROXY TCP4 ::1 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.1 ::1 1 2\r\n", "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP6 [::1] ::1 1 2\r\n", "PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 1 -2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 1 0x2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 \r\n", "PROXY TCP4 192.0.2.1\t192.0.2.2 1 2\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        if (parse(text_from(broken[i])) != PROXY_PROTOCOL_BROKEN)
            fail_msg("accepted: %s", broken[i]);
        assert_string_equal(words, "broken header");
    }
    assert_int_equal(PARSE("PROXY TCP4 192.0.2.1\0 192.0.2.2 1 2\r\n"), PROXY_PROTOCOL_BROKEN);
}

static void a_line_has_an_end(void **state)
{
    char bytes[PROXY_PROTOCOL_V1_MOST + 1];

    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    memcpy(bytes, "PROXY UNKNOWN ", 14);
    assert_int_equal(parse(text_of(bytes, PROXY_PROTOCOL_V1_MOST - 1)), PROXY_PROTOCOL_MORE);
    assert_int_equal(parse(text_of(bytes, PROXY_PROTOCOL_V1_MOST)), PROXY_PROTOCOL_BROKEN);
    memcpy(bytes + PROXY_PROTOCOL_V1_MOST - 2, "\r\n", 2);
    assert_int_equal(parse(text_of(bytes, PROXY_PROTOCOL_V1_MOST)), PROXY_PROTOCOL_DONE);
    assert_int_equal(size, PROXY_PROTOCOL_V1_MOST);
    memcpy(bytes + PROXY_PROTOCOL_V1_MOST - 2, "x\r\n", 3);
    assert_int_equal(parse(text_of(bytes, sizeof(bytes))), PROXY_PROTOCOL_BROKEN);
}

static void blocks(void **state)
{
    (void)state;
    assert_int_equal(PARSE(SIGNATURE "\x21\x11\0\x0c" V4_BLOCK "GET"), PROXY_PROTOCOL_DONE);
    check_addresses("192.0.2.1:4711", "192.0.2.2:80");
    assert_int_equal(size, 28);
    assert_int_equal(PARSE(SIGNATURE "\x21\x21\0\x24" V6_BLOCK), PROXY_PROTOCOL_DONE);
    check_addresses("[2001:db8::1]:4711", "[2001:db8::2]:80");
    assert_int_equal(size, 52);
}

static void blocks_without_addresses(void **state)
{
    (void)state;
    assert_int_equal(PARSE(SIGNATURE "\x20\0\0\0"), PROXY_PROTOCOL_DONE);
    assert_false(said.has_addresses);
    assert_int_equal(size, 16);
    assert_int_equal(PARSE(SIGNATURE "\x20\x11\0\x0c" V4_BLOCK), PROXY_PROTOCOL_DONE);
    assert_false(said.has_addresses);
    assert_int_equal(size, 28);
    assert_int_equal(PARSE(SIGNATURE "\x21\0\0\2xx"), PROXY_PROTOCOL_DONE);
    assert_false(said.has_addresses);
    assert_int_equal(PARSE(SIGNATURE "\x21\x12\0\x0c" V4_BLOCK), PROXY_PROTOCOL_DONE);
    assert_false(said.has_addresses);
    assert_int_equal(PARSE(SIGNATURE "\x21\x31\0\1x"), PROXY_PROTOCOL_DONE);
    assert_false(said.has_addresses);
}

static void broken_blocks(void **state)
{
    (void)state;
    assert_int_equal(PARSE(SIGNATURE "\x31\x11\0\x0c" V4_BLOCK), PROXY_PROTOCOL_BROKEN);
    assert_string_equal(words, "unknown PROXY protocol version");
    assert_int_equal(PARSE(SIGNATURE "\x21\x11\x0f\xf1"), PROXY_PROTOCOL_BROKEN);
    assert_string_equal(words, "header is too large");
    assert_int_equal(PARSE(SIGNATURE "\x21\x11\x0f\xf0"), PROXY_PROTOCOL_MORE);
    assert_int_equal(PARSE(SIGNATURE "\x22\x11\0\x0c" V4_BLOCK), PROXY_PROTOCOL_BROKEN);
    assert_int_equal(PARSE(SIGNATURE "\x21\x41\0\x0c" V4_BLOCK), PROXY_PROTOCOL_BROKEN);
    assert_int_equal(PARSE(SIGNATURE "\x21\x13\0\x0c" V4_BLOCK), PROXY_PROTOCOL_BROKEN);
    assert_int_equal(PARSE(SIGNATURE "\x21\x11\0\x0b" V4_BLOCK), PROXY_PROTOCOL_BROKEN);
    assert_int_equal(PARSE(SIGNATURE "\x21\x21\0\x23" V6_BLOCK), PROXY_PROTOCOL_BROKEN);
    assert_int_equal(PARSE("\r\n\r\n\0\r\nQUIT\r\n\r\n"), PROXY_PROTOCOL_BROKEN);
    assert_int_equal(PARSE("\r\n\r\nGET"), PROXY_PROTOCOL_BROKEN);
}

static void values(void **state)
{
    (void)state;
    assert_int_equal(PARSE(SIGNATURE "\x21\x11\0\x15" V4_BLOCK "\1\0\2h2" "\x05\0\1u"),
                     PROXY_PROTOCOL_DONE);
    assert_int_equal(said.values.len, 9);
    assert_true(text_is_equal(proxy_protocol_value(said.values, 1), TEXT("h2")));
    assert_true(text_is_equal(proxy_protocol_value(said.values, 5), TEXT("u")));
    assert_null(proxy_protocol_value(said.values, 2).ptr);
    assert_int_equal(PARSE(SIGNATURE "\x21\x11\0\x10" V4_BLOCK "\1\0\2h"), PROXY_PROTOCOL_BROKEN);
    assert_int_equal(PARSE(SIGNATURE "\x21\x11\0\x0e" V4_BLOCK "\1\0"), PROXY_PROTOCOL_BROKEN);
    assert_int_equal(PARSE(SIGNATURE "\x21\x11\0\x0f" V4_BLOCK "\4\0\0"), PROXY_PROTOCOL_DONE);
    assert_non_null(proxy_protocol_value(said.values, 4).ptr);
}

static void checksums(void **state)
{
    (void)state;
    assert_int_equal(PARSE(SIGNATURE "\x21\x11\0\x13" V4_BLOCK "\3\0\4\xa6\xcb\x74\x88"),
                     PROXY_PROTOCOL_DONE);
    assert_int_equal(PARSE(SIGNATURE "\x21\x11\0\x13" V4_BLOCK "\3\0\4\xa6\xcb\x74\x89"),
                     PROXY_PROTOCOL_BROKEN);
    assert_int_equal(PARSE(SIGNATURE "\x21\x11\0\x12" V4_BLOCK "\3\0\3\xa6\xcb\x74"),
                     PROXY_PROTOCOL_BROKEN);
}

static struct text value_named(struct text list, const char *name)
{
    unsigned number = 0;

    assert_true(proxy_protocol_find_name(text_from(name), &number));
    return proxy_protocol_value(list, number);
}

static void names(void **state)
{
    static const char *const unknown[] = { "", "x", "ssl_", "ssl_x", "0x", "0x100", "0xg", "01",
                                           "ssl_0x100", "alpnx", "version" };
    struct text list = TEXT("\x02\0\1a" "\x20\0\x10\1\0\0\0\7\x21\0\1v" "\x22\0\1n" "\x23\0\1");
    struct text shorter = TEXT("\x20\0\4\1\0\0\0");
    uint32_t    verify = 0;
    unsigned    number;

    (void)state;
    assert_true(text_is_equal(value_named(list, "authority"), TEXT("a")));
    assert_true(text_is_equal(value_named(list, "0x2"), TEXT("a")));
    assert_int_equal(value_named(list, "ssl").len, 16);
    assert_true(text_is_equal(value_named(list, "ssl_version"), TEXT("v")));
    assert_true(text_is_equal(value_named(list, "SSL_CN"), TEXT("n")));
    assert_true(text_is_equal(value_named(list, "ssl_0x22"), TEXT("n")));
    assert_null(value_named(list, "ssl_cipher").ptr);   /* cut off */
    assert_null(value_named(list, "alpn").ptr);
    assert_null(value_named(list, "netns").ptr);
    assert_null(value_named(TEXT(""), "ssl_version").ptr);
    assert_null(value_named(shorter, "ssl_version").ptr);
    assert_true(proxy_protocol_ssl_verify(list, &verify));
    assert_int_equal(verify, 7);
    assert_false(proxy_protocol_ssl_verify(shorter, &verify));
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
        assert_false(proxy_protocol_find_name(text_from(unknown[i]), &number));
}

static void any_cut_asks_for_more(void **state)
{
    static const struct text whole[] = {
        { "PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r\n", 40 },
        { SIGNATURE "\x21\x11\0\x15" V4_BLOCK "\1\0\2h2" "\x05\0\1u", 37 },
    };

    (void)state;
    for (size_t i = 0; i < 2; i++)
        for (size_t len = 0; len < whole[i].len; len++)
            assert_int_equal(parse(text_part(whole[i], 0, len)), PROXY_PROTOCOL_MORE);
}

static void check_written(enum proxy_protocol_version version, const char *source,
                          const char *destination, struct text wanted)
{
    char           buffer[PROXY_PROTOCOL_WRITE_MOST];
    struct writer  writer = writer_fixed(buffer, sizeof(buffer));
    struct address from, to;

    assert_int_equal(address_parse_ip_port(text_from(source), &from), 0);
    assert_int_equal(address_parse_ip_port(text_from(destination), &to), 0);
    proxy_protocol_write(&writer, version, &from, &to);
    assert_int_equal(writer.len, wanted.len);
    assert_memory_equal(buffer, wanted.ptr, wanted.len);
    assert_int_equal(parse(writer_done(&writer)), PROXY_PROTOCOL_DONE);
}

static void written(void **state)
{
    (void)state;
    check_written(PROXY_PROTOCOL_V1, "192.0.2.1:4711", "192.0.2.2:80",
                  TEXT("PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r\n"));
    check_written(PROXY_PROTOCOL_V2, "192.0.2.1:4711", "192.0.2.2:80",
                  TEXT(SIGNATURE "\x21\x11\0\x0c" V4_BLOCK));
    check_written(PROXY_PROTOCOL_V2, "[2001:db8::1]:4711", "[2001:db8::2]:80",
                  TEXT(SIGNATURE "\x21\x21\0\x24" V6_BLOCK));
    check_written(PROXY_PROTOCOL_V1, "[2001:db8::1]:4711", "192.0.2.2:80",
                  TEXT("PROXY TCP6 2001:db8::1 ::ffff:192.0.2.2 4711 80\r\n"));
    check_written(PROXY_PROTOCOL_V1, "192.0.2.2", "[2001:db8::1]:80",
                  TEXT("PROXY TCP6 ::ffff:192.0.2.2 2001:db8::1 0 80\r\n"));
}

static void written_without_addresses(void **state)
{
    char           buffer[PROXY_PROTOCOL_WRITE_MOST];
    struct writer  writer = writer_fixed(buffer, sizeof(buffer));
    struct address from, to;

    (void)state;
    assert_int_equal(address_parse_unix(TEXT("/x"), &from), 0);
    assert_int_equal(address_parse_ip_port(TEXT("192.0.2.2:80"), &to), 0);
    proxy_protocol_write(&writer, PROXY_PROTOCOL_V1, &from, &to);
    assert_true(text_is_equal(writer_done(&writer), TEXT("PROXY UNKNOWN\r\n")));
    writer = writer_fixed(buffer, sizeof(buffer));
    proxy_protocol_write(&writer, PROXY_PROTOCOL_V2, &to, &from);
    assert_true(text_is_equal(writer_done(&writer), TEXT(SIGNATURE "\x20\0\0\0")));
}

/* The longest line there is. */
static void written_fits(void **state)
{
    char           buffer[PROXY_PROTOCOL_WRITE_MOST];
    struct writer  writer = writer_fixed(buffer, sizeof(buffer));
    struct address address;

    (void)state;
    assert_int_equal(address_parse_ip_port(TEXT("[1111:2222:3333:4444:5555:6666:7777:8888]:65535"),
                                           &address), 0);
    proxy_protocol_write(&writer, PROXY_PROTOCOL_V1, &address, &address);
    assert_false(writer.is_cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(unknown_lines),
        cmocka_unit_test(broken_lines),
        cmocka_unit_test(a_line_has_an_end),
        cmocka_unit_test(blocks),
        cmocka_unit_test(blocks_without_addresses),
        cmocka_unit_test(broken_blocks),
        cmocka_unit_test(values),
        cmocka_unit_test(checksums),
        cmocka_unit_test(names),
        cmocka_unit_test(any_cut_asks_for_more),
        cmocka_unit_test(written),
        cmocka_unit_test(written_without_addresses),
        cmocka_unit_test(written_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
