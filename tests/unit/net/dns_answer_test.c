// SPDX-License-Identifier: MIT
/* dns_answer: whole answers, and what a hostile name server might say. */
#include "check.h"

#include <errno.h>

#include "net/dns_answer.h"

static unsigned char     message[65536];
static size_t            len;
static struct dns_answer answer;

static void put(const void *bytes, size_t count)
{
    assert_true(len + count <= sizeof(message));
    memcpy(message + len, bytes, count);
    len += count;
}

static void put_u16(unsigned number)
{
    const unsigned char bytes[] = { (unsigned char)(number >> 8), (unsigned char)number };

    put(bytes, sizeof(bytes));
}

/* A header with one question: for "\1a\0", at offset 12. */
static void begin(unsigned answers)
{
    len = 0;
    put_u16(0x1234);
    put_u16(0x8180);
    put_u16(1);
    put_u16(answers);
    put_u16(0);
    put_u16(0);
    put("\1a", 3);
    put_u16(DNS_A);
    put_u16(1);
}

/* Of the question's name. */
static void put_record(unsigned type, uint32_t ttl_s, const void *bytes, size_t count)
{
    put_u16(0xc00c);
    put_u16(type);
    put_u16(1);
    put_u16(ttl_s >> 16);
    put_u16(ttl_s & 0xffff);
    put_u16((unsigned)count);
    put(bytes, count);
}

static int read_as(enum dns_type type)
{
    memset(&answer, 0, sizeof(answer));
    answer.ttl_s = UINT32_MAX;
    return dns_answer_read(&answer, type, message, len);
}

static void check_address(unsigned i, const char *wanted)
{
    char buffer[ADDRESS_TEXT_BYTES];

    assert_true(i < answer.address_count);
    assert_string_equal(address_string(&answer.addresses[i], buffer), wanted);
}

static void addresses_and_the_least_time(void **state)
{
    (void)state;
    begin(4);
    put_record(5, 7, "\1b", 3);
    put_record(DNS_A, 60, "\12\0\0\1", 4);
    put_record(DNS_A, 50, "\12\0\0\2", 4);
    put_record(DNS_A, 60, "\12\0\0\1", 4);
    assert_int_equal(read_as(DNS_A), 0);
    assert_int_equal(answer.address_count, 2);
    check_address(0, "10.0.0.1:0");
    check_address(1, "10.0.0.2:0");
    assert_int_equal(answer.ttl_s, 7);
}

static void the_other_family(void **state)
{
    (void)state;
    begin(2);
    put_record(DNS_A, 1, "\12\0\0\1", 4);
    put_record(DNS_AAAA, 60, "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
    assert_int_equal(read_as(DNS_AAAA), 0);
    assert_int_equal(answer.address_count, 1);
    check_address(0, "[fd00::1]:0");
    assert_int_equal(answer.ttl_s, 60);
}

static void no_more_than_are_kept(void **state)
{
    (void)state;
    begin(1000);
    for (unsigned i = 0; i < 1000; i++) {
        const unsigned char bytes[] = { 10, 1, (unsigned char)(i >> 8), (unsigned char)i };
        put_record(DNS_A, 60, bytes, 4);
    }
    assert_int_equal(read_as(DNS_A), 0);
    assert_int_equal(answer.address_count, DNS_ADDRESSES_MOST);
    assert_true(answer.is_cut);
}

static void services(void **state)
{
    (void)state;
    begin(3);
    put_record(DNS_SRV, 9, "\0\1\0\5\x1f\x90\3app\300\14", 12);   /* "app" and the question's name */
    put_record(DNS_SRV, 8, "\0\2\0\0\0\1\1x", 9);
    put_record(DNS_SRV, 7, "\0\0\0\0\0\1\0", 7);                  /* no such service */
    assert_int_equal(read_as(DNS_SRV), 0);
    assert_int_equal(answer.service_count, 2);
    assert_string_equal(answer.services[0].target, "app.a");
    assert_int_equal(answer.services[0].priority, 1);
    assert_int_equal(answer.services[0].weight, 5);
    assert_int_equal(answer.services[0].port, 8080);
    assert_string_equal(answer.services[1].target, "x");
    assert_int_equal(answer.ttl_s, 7);
}

static void names_that_lead_in_circles(void **state)
{
    (void)state;
    begin(1);
    put_record(DNS_SRV, 9, "\0\1\0\5\0\1\300\57", 8);   /* a pointer to itself */
    assert_int_equal(message[len - 1], 47);
    assert_int_equal(len, 12 + 7 + 12 + 8);
    message[len - 1] = (unsigned char)(len - 2);
    assert_int_equal(read_as(DNS_SRV), -EINVAL);
    message[len - 1] = (unsigned char)(len - 1);        /* forward */
    assert_int_equal(read_as(DNS_SRV), -EINVAL);
    message[len - 2] = 0xff;                            /* out of the message */
    assert_int_equal(read_as(DNS_SRV), -EINVAL);
    begin(1);                                           /* a CNAME's target is not followed */
    put_record(5, 9, "\300\37", 2);
    assert_int_equal(read_as(DNS_A), 0);
}

static void names_that_no_server_has(void **state)
{
    static const struct { const char *target; size_t len; } bad[] = {
        { "\3a\nb", 5 }, { "\3a b", 5 }, { "\2/b", 4 }, { "\100", 1 }, { "\77", 1 }, { "\1", 1 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char bytes[16] = { 0, 1, 0, 1, 0, 80 };

        memcpy(bytes + 6, bad[i].target, bad[i].len);
        begin(1);
        put_record(DNS_SRV, 9, bytes, 6 + bad[i].len);
        assert_int_equal(read_as(DNS_SRV), -EINVAL);
    }
}

static void a_name_that_is_too_long(void **state)
{
    unsigned char bytes[6 + 5 * 64] = { 0, 1, 0, 1, 0, 80 };

    (void)state;
    for (unsigned labels = 3; labels <= 4; labels++) {
        memset(bytes + 6, 'x', sizeof(bytes) - 6);
        for (unsigned i = 0; i < labels; i++)
            bytes[6 + 64 * i] = 63;
        bytes[6 + 64 * labels] = 0;
        begin(1);
        put_record(DNS_SRV, 9, bytes, 6 + 64 * labels + 1);
        assert_int_equal(read_as(DNS_SRV), labels == 3 ? 0 : -EINVAL);
    }
}

static void every_cut_is_malformed(void **state)
{
    size_t whole;

    (void)state;
    begin(2);
    put_record(DNS_A, 60, "\12\0\0\1", 4);
    put_record(DNS_A, 60, "\12\0\0\2", 4);
    for (whole = len, len = 0; len < whole; len++)
        assert_int_equal(read_as(DNS_A), -EINVAL);
    assert_int_equal(read_as(DNS_A), 0);
}

static void records_of_the_wrong_size(void **state)
{
    (void)state;
    begin(1);
    put_record(DNS_A, 60, "\12\0\0\1\1", 5);
    assert_int_equal(read_as(DNS_A), -EINVAL);
    begin(1);
    put_record(DNS_SRV, 60, "\0\1\0\1\0\1", 6);
    assert_int_equal(read_as(DNS_SRV), -EINVAL);
}

static void a_time_with_the_sign_bit_is_none(void **state)
{
    (void)state;
    begin(1);
    put_record(DNS_A, UINT32_C(0x80000000), "\12\0\0\1", 4);
    assert_int_equal(read_as(DNS_A), 0);
    assert_int_equal(answer.ttl_s, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_and_the_least_time),
        cmocka_unit_test(the_other_family),
        cmocka_unit_test(no_more_than_are_kept),
        cmocka_unit_test(services),
        cmocka_unit_test(names_that_lead_in_circles),
        cmocka_unit_test(names_that_no_server_has),
        cmocka_unit_test(a_name_that_is_too_long),
        cmocka_unit_test(every_cut_is_malformed),
        cmocka_unit_test(records_of_the_wrong_size),
        cmocka_unit_test(a_time_with_the_sign_bit_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
