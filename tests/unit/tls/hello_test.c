// SPDX-License-Identifier: MIT
/* hello: the name in what OpenSSL's client says, cut anywhere and spread over records; what is odd. */
#include <openssl/ssl.h>

#include "base/mem.h"
#include "base/unit.h"
#include "tls/hello.h"

static char   bytes[8192];
static size_t len;

static int set_up(void **state)
{
    SSL_CTX *made = SSL_CTX_new(TLS_client_method());
    SSL     *ssl = SSL_new(made);
    BIO     *out = BIO_new(BIO_s_mem());

    (void)state;
    SSL_set_tlsext_host_name(ssl, "WWW.Example.COM.");
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), out);
    SSL_set_connect_state(ssl);
    (void)SSL_do_handshake(ssl);
    len = (size_t)BIO_read(out, bytes, sizeof(bytes));
    SSL_free(ssl);
    SSL_CTX_free(made);
    return 0;
}

static void check_name(struct text hello, const char *wanted)
{
    struct tls_hello got;

    assert_int_equal(tls_hello_read(hello, &got), TLS_HELLO_WHOLE);
    CHECK_TEXT(text_of(got.name, got.name_len), wanted);
}

static void the_name_is_found(void **state)
{
    struct tls_hello got;

    (void)state;
    check_name(text_of(bytes, len), "www.example.com");
    for (size_t i = 0; i < len; i++)
        assert_int_equal(tls_hello_read(text_of(bytes, i), &got), TLS_HELLO_MORE);
}

/* `size` bytes of the message in each record. */
static void a_hello_in_several_records(void **state)
{
    static const size_t sizes[] = { 1, 3, 4, 5, 100 };
    char               *spread = mem_new(8 * len);

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
        size_t out = 0;

        for (size_t at = 5; at < len; at += sizes[i]) {
            size_t piece = len - at < sizes[i] ? len - at : sizes[i];

            memcpy(spread + out, "\x16\x03\x01", 3);
            spread[out + 3] = (char)(piece >> 8);
            spread[out + 4] = (char)piece;
            memcpy(spread + out + 5, bytes + at, piece);
            out += 5 + piece;
        }
        check_name(text_of(spread, out), "www.example.com");
    }
    mem_free(spread);
}

static void check_odd(struct text hello)
{
    struct tls_hello got;

    assert_int_equal(tls_hello_read(hello, &got), TLS_HELLO_ODD);
    assert_int_equal(got.name_len, 0);
}

static void what_is_no_hello_is_odd(void **state)
{
    static const char large[TLS_HELLO_MOST + 1] = "\x16\x03\x01\x40\x00\x01\x00\x4f\xfe";
    char              changed[8192];

    (void)state;
    check_odd(TEXT("GET / HTTP/1.1\r\n"));
    check_odd(TEXT("\x16\x02\x00"));
    check_odd(TEXT("\x16\x03\x01\x00\x04\x02\x00\x00\x00"));
    check_odd(TEXT("\x16\x03\x01\x00\x04\x01\xff\xff\xff"));
    check_odd(text_of(large, sizeof(large)));
    memcpy(changed, bytes, len);
    changed[5 + 4 + 34] = (char)250;     /* the id says that it is longer than the hello */
    check_odd(text_of(changed, len));
}

static void names_that_no_server_has(void **state)
{
    static const char *const names[] = { "ww\0.example.com", "www example.com", "www/example.com",
                                         "www.exampl\xe9.com", "www:example.com" };
    char                     changed[8192], *at;

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(names); i++) {
        memcpy(changed, bytes, len);
        at = memmem(changed, len, "WWW.Example.COM", 15);
        if (at == NULL)
            at = memmem(changed, len, "www.example.com", 15);
        assert_non_null(at);
        memcpy(at, names[i], 15);
        check_name(text_of(changed, len), "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_name_is_found),
        cmocka_unit_test(a_hello_in_several_records),
        cmocka_unit_test(what_is_no_hello_is_odd),
        cmocka_unit_test(names_that_no_server_has),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
