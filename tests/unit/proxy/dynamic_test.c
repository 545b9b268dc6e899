// SPDX-License-Identifier: MIT
/* dynamic: one upstream per host, port and resolver, held by who asked, and room for new ones. The
 * registry belongs to one control loop for good, so all happens in one run of it. */
#include "base/unit.h"

#include "proxy/dynamic.h"

enum { ASKS_MOST = DYNAMIC_MOST + 1 };

static struct loop        *loop;
static struct task         task;
static struct dynamic_ask *asks[ASKS_MOST];
static unsigned            ask_count, step;

static struct dynamic_ask *ask(unsigned host, unsigned port, const struct resolver_policy *policy)
{
    char name[32];

    (void)snprintf(name, sizeof(name), "10.0.%u.%u", host / 256, host % 256);
    return dynamic_find(text_from(name), port, policy, 1000, loop, loop, &task);
}

static void ask_one(unsigned host, unsigned port, const struct resolver_policy *policy)
{
    asks[ask_count++] = ask(host, port, policy);
}

static const struct upstream *upstream_of(unsigned i)
{
    return dynamic_upstream(asks[i]);
}

static void forget_all(void)
{
    while (ask_count > 0)
        dynamic_forget(&asks[--ask_count]);
}

/* ---- the steps: each leaves questions, which the next one finds answered ---- */

static void ask_for_some(void)
{
    static struct address               address;
    static const struct resolver_policy policy = { .servers = &address, .server_count = 1 };

    assert_int_equal(address_parse_ip(TEXT("127.0.0.1"), 53, &address), 0);
    ask_one(1, 80, NULL);
    ask_one(1, 80, NULL);
    ask_one(1, 81, NULL);
    ask_one(2, 80, NULL);
    ask_one(1, 80, &policy);
    ask_one(1, 80, &policy);
}

static void find_one_of_each(void)
{
    static const unsigned like[] = { 0, 0, 2, 3, 4, 4 };
    char                  name[ADDRESS_TEXT_BYTES];

    for (unsigned i = 0; i < 6; i++)
        for (unsigned k = 0; k < 6; k++)
            assert_int_equal(upstream_of(i) == upstream_of(k), like[i] == like[k]);
    assert_string_equal(address_string(&upstream_of(2)->servers[0].address, name), "10.0.0.1:81");
    assert_true(text_is_equal(upstream_of(4)->name, TEXT("10.0.0.1:80")));
}

static void forget_before_the_answer(void)
{
    struct dynamic_ask *early = ask(7, 80, NULL);

    forget_all();
    dynamic_forget(&early);
    assert_null(early);
    ask_one(7, 80, NULL);
}

static void fill_it_twice(void)
{
    static unsigned round;

    for (unsigned i = 0; i < ask_count; i++)
        assert_non_null(upstream_of(i));
    forget_all();                        /* those of the round before make room */
    for (unsigned i = 0; i < DYNAMIC_MOST; i++)
        ask_one(i, 1000 + round, NULL);
    round++;
}

static void ask_for_one_too_many(void)
{
    ask_one(DYNAMIC_MOST, 80, NULL);
}

static void find_no_room(void)
{
    assert_non_null(upstream_of(DYNAMIC_MOST - 1));
    assert_null(upstream_of(DYNAMIC_MOST));
    dynamic_forget(&asks[DYNAMIC_MOST]);
    dynamic_forget(&asks[0]);
    asks[0] = ask(DYNAMIC_MOST, 80, NULL);
    ask_count = DYNAMIC_MOST;
}

static void find_room(void)
{
    assert_non_null(upstream_of(0));
    forget_all();
    loop_stop(loop);
}

static void run(struct task *woken, unsigned wakes)
{
    static void (*const steps[])(void) = { ask_for_some,  find_one_of_each, forget_before_the_answer,
                                           fill_it_twice, fill_it_twice,    ask_for_one_too_many,
                                           find_no_room,  find_room };

    (void)woken, (void)wakes;
    for (unsigned i = 0; i < ask_count; i++)
        if (!asks[i]->is_answered)
            return;
    steps[step++]();
    if (step < sizeof(steps) / sizeof(steps[0]))
        task_wake_last(&task, WAKE_DATA);
}

static void all(void **state)
{
    (void)state;
    loop = loop_new(0);
    task_init(&task, run);
    task_wake(&task, WAKE_DATA);
    loop_run(loop);
    assert_int_equal(step, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
