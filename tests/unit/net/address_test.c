// SPDX-License-Identifier: MIT
/* address: what is an address, and the exact text that nginx prints for it. */
#include "check.h"

#include <arpa/inet.h>
#include <errno.h>

#include "net/address.h"

static struct address ip(const char *string, unsigned port)
{
    struct address address;

    if (address_parse_ip(text_from(string), port, &address) != 0)
        fail_msg("\"%s\" is an address", string);
    return address;
}

static struct address unix_of(const char *path)
{
    struct address address;

    assert_int_equal(address_parse_unix(text_from(path), &address), 0);
    return address;
}

static void what_is_printed(void **state)
{
    static const struct {
        const char *given, *host, *whole;
    } cases[] = {
        { "127.0.0.1", "127.0.0.1", "127.0.0.1:80" },
        { "0.0.0.0", "0.0.0.0", "0.0.0.0:80" },
        { "255.255.255.255", "255.255.255.255", "255.255.255.255:80" },
        { "::", "::", "[::]:80" },
        { "::1", "::1", "[::1]:80" },
        { "[::1]", "::1", "[::1]:80" },
        { "2001:DB8:0:0:8:800:200C:417A", "2001:db8::8:800:200c:417a",
          "[2001:db8::8:800:200c:417a]:80" },
        { "1:0:0:2:0:0:0:3", "1:0:0:2::3", "[1:0:0:2::3]:80" },
        { "1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7", "[1:0:2:3:4:5:6:7]:80" },
        { "fe80:0:0:0:1:0:0:0", "fe80::1:0:0:0", "[fe80::1:0:0:0]:80" },
        { "::ffff:10.1.2.3", "::ffff:10.1.2.3", "[::ffff:10.1.2.3]:80" },
        { "::1.2.3.4", "::1.2.3.4", "[::1.2.3.4]:80" },
        { "::5", "::5", "[::5]:80" },
        { "::102", "::0.0.1.2", "[::0.0.1.2]:80" },
        { "::101", "::101", "[::101]:80" },
        { "::200", "::0.0.2.0", "[::0.0.2.0]:80" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct address address = ip(cases[i].given, 80);
        char           buffer[ADDRESS_TEXT_BYTES];
        struct writer  writer = writer_fixed(buffer, sizeof(buffer));

        address_write_ip(&writer, &address);
        CHECK_TEXT(writer_done(&writer), cases[i].host);
        assert_string_equal(address_string(&address, buffer), cases[i].whole);
    }
}

static void what_is_no_address(void **state)
{
    static const char *const cases[] = {
        "", "localhost", "127.0.0", "127.0.0.1.1", "127.0.0.256", "127.0.0.1 ", " 127.0.0.1",
        "127.0.0.1:80", "[127.0.0.1]", "[]", "[", "[::1", "::1]", ":::", "1:2:3:4:5:6:7:8:9",
        "fe80::1%lo", "12345::", "0x7f.0.0.1", "::ffff:1.2.3", "1:2:3:4:5:6:7:8:127.127.127.127:99999",
    };
    struct address address = { .len = 77 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (address_parse_ip(text_from(cases[i]), 80, &address) != -EINVAL)
            fail_msg("\"%s\" is no address", cases[i]);
    assert_int_equal(address_parse_ip(TEXT("127.0.0.1\0junk"), 80, &address), -EINVAL);
    assert_int_equal(address_parse_ip(TEXT("127.0.0.1"), 65536, &address), -EINVAL);
    assert_int_equal(address.len, 77);
}

static void ports(void **state)
{
    struct address v4 = ip("127.0.0.1", 65535), v6 = ip("::1", 8080), path = unix_of("/x");

    (void)state;
    assert_int_equal(address_port(&v4), 65535);
    assert_int_equal(address_port(&v6), 8080);
    assert_int_equal(ntohs(v6.raw.v6.sin6_port), 8080);
    address_set_port(&v4, 1);
    assert_int_equal(ntohs(v4.raw.v4.sin_port), 1);
    address_set_port(&path, 80);
    assert_int_equal(address_port(&path), 0);
    v4 = address_any_v4(443);
    assert_int_equal(address_port(&v4), 443);
    assert_int_equal(address_family(&v4), AF_INET);
    assert_int_equal(v4.len, sizeof(struct sockaddr_in));
    assert_true(address_is_wildcard(&v4));
}

static void unix_paths(void **state)
{
    struct address address;
    char           path[200], buffer[ADDRESS_TEXT_BYTES];
    struct writer  writer = writer_fixed(buffer, sizeof(buffer));

    (void)state;
    memset(path, 'a', sizeof(path));
    assert_int_equal(address_parse_unix(text_of(path, 107), &address), 0);
    assert_int_equal(strlen(address_string(&address, buffer)), 5 + 107);
    assert_int_equal(address_parse_unix(text_of(path, 108), &address), -ENAMETOOLONG);
    assert_int_equal(address_parse_unix(TEXT(""), &address), -EINVAL);
    assert_int_equal(address_parse_unix(TEXT("/a\0b"), &address), -EINVAL);
    address = unix_of("/run/app.sock");
    assert_string_equal(address_string(&address, buffer), "unix:/run/app.sock");
    address_write_ip(&writer, &address);
    CHECK_TEXT(writer_done(&writer), "unix:");
}

/* As the kernel gives it for a client that has no name, and for a path without a final NUL. */
static void unix_from_the_kernel(void **state)
{
    struct address address, other;
    char           buffer[ADDRESS_TEXT_BYTES];

    (void)state;
    memset(&address, 'x', sizeof(address));
    address.raw.any.sa_family = AF_UNIX;
    address.len = sizeof(address.raw.any.sa_family);
    assert_string_equal(address_string(&address, buffer), "unix:");
    memset(&other, 'y', sizeof(other));
    other.raw.any.sa_family = AF_UNIX;
    other.len = sizeof(other.raw.any.sa_family);
    assert_true(address_is_equal(&address, &other));
    address.len = sizeof(struct sockaddr_un);
    assert_int_equal(strlen(address_string(&address, buffer)), 5 + 108);
    assert_false(address_is_equal(&address, &other));
}

static void equality(void **state)
{
    struct address a = ip("127.0.0.1", 80), same = ip("127.0.0.1", 80);
    struct address other_port = ip("127.0.0.1", 81), other_ip = ip("127.0.0.2", 80);
    struct address v6 = ip("::1", 80), mapped = ip("::ffff:127.0.0.1", 80);
    struct address x = unix_of("/x"), x_again = unix_of("/x"), y = unix_of("/xy");

    (void)state;
    memset(same.raw.v4.sin_zero, 'z', sizeof(same.raw.v4.sin_zero));
    assert_true(address_is_equal(&a, &same));
    assert_false(address_is_equal(&a, &other_port));
    assert_false(address_is_equal(&a, &other_ip));
    assert_false(address_is_equal(&a, &v6));
    assert_false(address_is_equal(&a, &mapped));
    assert_false(address_is_equal(&a, &x));
    assert_true(address_is_equal(&x, &x_again));
    assert_false(address_is_equal(&x, &y));
}

static void bytes_and_wildcards(void **state)
{
    struct address       v4 = ip("1.2.3.4", 0), v6 = ip("::ffff:1.2.3.4", 0), path = unix_of("/x");
    struct address       any6 = ip("::", 80);
    unsigned             len = 0;
    const unsigned char *bytes = address_bytes(&v4, &len);

    (void)state;
    assert_int_equal(len, 4);
    assert_memory_equal(bytes, "\1\2\3\4", 4);
    bytes = address_bytes(&v6, &len);
    assert_int_equal(len, 16);
    assert_memory_equal(bytes + 10, "\377\377\1\2\3\4", 6);
    assert_null(address_bytes(&path, &len));
    assert_true(address_is_wildcard(&any6));
    assert_false(address_is_wildcard(&v4));
    assert_false(address_is_wildcard(&v6));
    assert_false(address_is_wildcard(&path));
}

static void a_port_may_follow(void **state)
{
    static const struct { const char *given, *printed; } good[] = {
        { "127.0.0.1", "127.0.0.1:0" }, { "127.0.0.1:80", "127.0.0.1:80" },
        { "::1", "[::1]:0" }, { "[::1]", "[::1]:0" }, { "[::1]:443", "[::1]:443" },
    };
    static const char *const bad[] = { "", ":", ":80", "127.0.0.1:", "127.0.0.1:x", "[::1]:70000",
                                       "name:80", "127.0.0.1:80:80", "1.2.3:4" };
    struct address address;
    char           text[ADDRESS_TEXT_BYTES];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_int_equal(address_parse_ip_port(text_from(good[i].given), &address), 0);
        assert_string_equal(address_string(&address, text), good[i].printed);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(address_parse_ip_port(text_from(bad[i]), &address), -EINVAL);
}

static void short_ones(void **state)
{
    static const char *const ips[] = { "192.0.2.1", "2001:db8::1", "::" };
    struct address           path = unix_of("/x");
    struct address_short     small = address_shorten(&path);
    struct address           whole = address_lengthen(&small);

    (void)state;
    assert_int_equal(address_family(&whole), AF_UNIX);
    assert_int_equal(address_port(&whole), 0);
    for (size_t i = 0; i < sizeof(ips) / sizeof(ips[0]); i++) {
        struct address address;

        assert_int_equal(address_parse_ip(text_from(ips[i]), 4711, &address), 0);
        small = address_shorten(&address);
        whole = address_lengthen(&small);
        assert_true(address_is_equal(&whole, &address));
        assert_int_equal(whole.len, address.len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_printed),
        cmocka_unit_test(a_port_may_follow),      cmocka_unit_test(what_is_no_address),
        cmocka_unit_test(ports),                cmocka_unit_test(unix_paths),
        cmocka_unit_test(unix_from_the_kernel), cmocka_unit_test(equality),
        cmocka_unit_test(bytes_and_wildcards),  cmocka_unit_test(short_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
