// SPDX-License-Identifier: MIT
/* resolver: against a name server on the same loop, that says what the test tells it. */
#include "check.h"

#include <errno.h>
#include <sys/socket.h>

#include "net/dns_answer.h"
#include "net/resolver.h"

enum manner { ANSWERS = 0, IS_SILENT, SAYS_FAILURE, SAYS_NO_NAME, LIES_FIRST };

static struct loop     *loop;
static struct address   server_address;
static struct watch     server_watch;
static struct task      server_task, waiter_task;
static struct question *question, got;
static struct resolved  first;           /* of what was found */
static enum manner      manner;
static unsigned         asked;
static uint32_t         ttl_s;

/* Adds the one record to the question that came, which is all that the message holds. */
static size_t answer_make(unsigned char *message, size_t len)
{
    static const unsigned char record[] = { 0xc0, 12, 0, DNS_A, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 9 };
    bool is_v4 = message[len - 3] == DNS_A;

    message[2] = 0x81;
    message[3] = (unsigned char)(0x80 | (manner == SAYS_FAILURE ? 2 : manner == SAYS_NO_NAME ? 3 : 0));
    if (manner == SAYS_FAILURE || manner == SAYS_NO_NAME || !is_v4)
        return len;
    message[7] = 1;
    memcpy(message + len, record, sizeof(record));
    message[len + 9] = (unsigned char)ttl_s;
    return len + sizeof(record);
}

static void server_run(struct task *task, unsigned wakes)
{
    unsigned char  message[2048];
    struct address from;
    ssize_t        len;

    (void)task, (void)wakes;
    for (;;) {
        from.len = sizeof(from.raw);
        len = recvfrom(server_watch.fd, message, 512, MSG_DONTWAIT, &from.raw.any, &from.len);
        if (len < 12)
            return;
        asked++;
        if (manner == IS_SILENT)
            continue;
        len = (ssize_t)answer_make(message, (size_t)len);
        if (manner == LIES_FIRST) {
            message[0] ^= 1;
            (void)!sendto(server_watch.fd, message, (size_t)len, 0, &from.raw.any, from.len);
            message[0] ^= 1;
            (void)!sendto(server_watch.fd, message, 5, 0, &from.raw.any, from.len);
        }
        (void)!sendto(server_watch.fd, message, (size_t)len, 0, &from.raw.any, from.len);
    }
}

/* The resolver goes with its last question, and leaves sockets that the loop buries. */
static void waiter_run(struct task *task, unsigned wakes)
{
    (void)task, (void)wakes;
    assert_true(question->is_answered);
    got = *question;
    if (got.count > 0)
        first = got.found[0];
    question_free(&question);
    loop_stop(loop);
}

static void server_begin(void)
{
    loop = loop_new(0);
    assert_int_equal(address_parse_ip(TEXT("127.0.0.1"), 0, &server_address), 0);
    server_watch.fd = socket(AF_INET, SOCK_DGRAM, 0);
    server_watch.task = &server_task;
    assert_int_equal(bind(server_watch.fd, &server_address.raw.any, server_address.len), 0);
    assert_int_equal(getsockname(server_watch.fd, &server_address.raw.any, &server_address.len), 0);
    task_init(&server_task, server_run);
    task_init(&waiter_task, waiter_run);
    assert_int_equal(loop_watch(loop, &server_watch, false), 0);
    asked = 0;
    ttl_s = 60;
}

static struct resolver_policy policy_of_test(void)
{
    return (struct resolver_policy){ .servers = &server_address, .server_count = 1 };
}

static void ask(enum manner as, const struct resolver_policy *policy, uint32_t timeout_ms)
{
    struct resolver *resolver;

    manner = as;
    server_begin();
    resolver = resolver_ref(loop, policy);
    question = resolver_ask(resolver, TEXT("app.test"), 3000, timeout_ms, &waiter_task);
    resolver_unref(&resolver);
    assert_false(question->is_answered);
    loop_run(loop);
}

static void end(void)
{
    (void)close(server_watch.fd);
    loop_free(&loop);
}

static void an_answer_with_its_time(void **state)
{
    struct resolver_policy policy = policy_of_test();
    char                   buffer[ADDRESS_TEXT_BYTES];

    (void)state;
    ask(ANSWERS, &policy, 5000);
    assert_int_equal(got.error, 0);
    assert_int_equal(got.count, 1);
    assert_string_equal(address_string(&first.address, buffer), "127.0.0.9:3000");
    assert_int_equal(got.ttl_ms, 60000);
    assert_int_equal(asked, 2);
    end();
}

static void valid_wins_and_a_family_may_be_off(void **state)
{
    struct resolver_policy policy = policy_of_test();

    (void)state;
    policy.valid_ms = 7000;
    policy.is_v6_off = true;
    ask(ANSWERS, &policy, 5000);
    assert_int_equal(got.ttl_ms, 7000);
    assert_int_equal(asked, 1);
    end();
    policy.is_v6_off = false;
    policy.is_v4_off = true;
    ask(ANSWERS, &policy, 5000);
    assert_int_equal(got.error, -ENOENT);
    assert_int_equal(asked, 1);
    end();
}

static void failures_have_names(void **state)
{
    struct resolver_policy policy = policy_of_test();
    int64_t                begin_ms;

    (void)state;
    ask(SAYS_NO_NAME, &policy, 5000);
    assert_int_equal(got.error, -ENOENT);
    end();
    ask(SAYS_FAILURE, &policy, 5000);
    assert_int_equal(got.error, -EAGAIN);
    end();
    begin_ms = clock_mono_ms();
    ask(IS_SILENT, &policy, 200);
    assert_int_equal(got.error, -ETIMEDOUT);
    assert_in_range(clock_mono_ms() - begin_ms, 190, 2000);
    end();
}

static void what_answers_another_question_is_passed_over(void **state)
{
    struct resolver_policy policy = policy_of_test();

    (void)state;
    ask(LIES_FIRST, &policy, 5000);
    assert_int_equal(got.error, 0);
    assert_int_equal(got.count, 1);
    end();
}

static void equal_policies_share_one(void **state)
{
    struct resolver_policy policy;
    struct resolver       *one, *same, *other, *systems, *too;

    (void)state;
    server_begin();
    policy = policy_of_test();
    one = resolver_ref(loop, &policy);
    same = resolver_ref(loop, &policy);
    policy.valid_ms = 1;
    other = resolver_ref(loop, &policy);
    systems = resolver_ref(loop, NULL);
    too = resolver_ref(loop, NULL);
    assert_ptr_equal(one, same);
    assert_ptr_not_equal(one, other);
    assert_ptr_equal(systems, too);
    assert_ptr_not_equal(one, systems);
    resolver_unref(&one);
    resolver_unref(&same);
    resolver_unref(&other);
    resolver_unref(&systems);
    resolver_unref(&too);
    assert_null(too);
    (void)close(server_watch.fd);
    loop_free(&loop);
}

static void the_systems_way(void **state)
{
    struct resolver *resolver;

    (void)state;
    server_begin();
    resolver = resolver_ref(loop, NULL);
    question = resolver_ask(resolver, TEXT("LocalHost"), 80, 5000, &waiter_task);
    resolver_unref(&resolver);
    loop_run(loop);
    assert_int_equal(got.error, 0);
    assert_int_equal(address_port(&first.address), 80);
    end();
}

static void one_that_is_given_up(void **state)
{
    struct resolver_policy policy;
    struct resolver       *resolver;

    (void)state;
    manner = IS_SILENT;
    server_begin();
    policy = policy_of_test();
    resolver = resolver_ref(loop, &policy);
    question = resolver_ask(resolver, TEXT("app.test"), 3000, 5000, &waiter_task);
    question_free(&question);
    assert_null(question);
    question = resolver_ask(resolver, TEXT(""), 3000, 5000, &waiter_task);
    resolver_unref(&resolver);
    loop_run(loop);
    assert_int_equal(got.error, -ENOENT);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_with_its_time),
        cmocka_unit_test(valid_wins_and_a_family_may_be_off),
        cmocka_unit_test(failures_have_names),
        cmocka_unit_test(what_answers_another_question_is_passed_over),
        cmocka_unit_test(equal_policies_share_one),
        cmocka_unit_test(the_systems_way),
        cmocka_unit_test(one_that_is_given_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
