// SPDX-License-Identifier: MIT
/* prefix_tree: the longest network wins, against a plain list as a model. */
#include "check.h"

#include <arpa/inet.h>
#include <stdbool.h>

#include "base/pool.h"
#include "base/prefix_tree.h"

static unsigned parse(const char *text, unsigned char *ret_bytes)
{
    bool is_v6 = strchr(text, ':') != NULL;

    assert_int_equal(inet_pton(is_v6 ? AF_INET6 : AF_INET, text, ret_bytes), 1);
    return is_v6 ? 16 : 4;
}

static bool add(struct prefix_tree *tree, const char *address, unsigned bits, const char *value)
{
    unsigned char bytes[16];
    unsigned      count = parse(address, bytes);

    return prefix_tree_add(tree, bytes, count, bits, (void *)(uintptr_t)value);
}

static void check_find(struct prefix_tree *tree, const char *address, const char *wanted)
{
    unsigned char bytes[16];
    unsigned      count = parse(address, bytes);
    const char   *got = prefix_tree_find(tree, bytes, count);

    if (wanted == NULL ? got != NULL : got == NULL || strcmp(got, wanted) != 0)
        fail_msg("%s: %s, wanted %s", address, got != NULL ? got : "nothing",
                 wanted != NULL ? wanted : "nothing");
}

static void the_longest_network_wins(void **state)
{
    struct prefix_tree *tree = prefix_tree_new(*state);

    check_find(tree, "10.1.2.3", NULL);
    assert_true(add(tree, "10.0.0.0", 8, "ten"));
    assert_true(add(tree, "10.1.2.0", 23, "odd"));
    assert_true(add(tree, "10.1.2.3", 32, "host"));
    check_find(tree, "10.1.2.3", "host");
    check_find(tree, "10.1.2.4", "odd");
    check_find(tree, "10.1.3.255", "odd");
    check_find(tree, "10.1.4.0", "ten");
    check_find(tree, "10.1.1.255", "ten");
    check_find(tree, "9.255.255.255", NULL);
    check_find(tree, "11.0.0.0", NULL);
    assert_true(add(tree, "0.0.0.0", 0, "all"));
    check_find(tree, "11.0.0.0", "all");
    check_find(tree, "255.255.255.255", "all");
}

static void the_same_network_twice_is_told(void **state)
{
    struct prefix_tree *tree = prefix_tree_new(*state);

    assert_true(add(tree, "10.1.2.0", 24, "first"));
    assert_false(add(tree, "10.1.2.0", 24, "second"));
    assert_false(add(tree, "10.1.2.77", 24, "bits that don't count"));
    assert_true(add(tree, "10.1.2.0", 25, "third"));
    check_find(tree, "10.1.2.200", "first");
    check_find(tree, "10.1.2.100", "third");
}

static void families_are_apart(void **state)
{
    struct prefix_tree *tree = prefix_tree_new(*state);

    assert_true(add(tree, "0.0.0.0", 0, "four"));
    check_find(tree, "::1", NULL);
    assert_true(add(tree, "2001:db8::", 32, "net"));
    assert_true(add(tree, "2001:db8::1", 128, "host"));
    check_find(tree, "2001:db8::1", "host");
    check_find(tree, "2001:db8::2", "net");
    check_find(tree, "2001:db9::", NULL);
    check_find(tree, "32.1.13.184", "four");
}

struct network {
    uint32_t address;
    unsigned bits;
};

static bool holds(struct network network, uint32_t address)
{
    return network.bits == 0 || (network.address ^ address) >> (32 - network.bits) == 0;
}

static const struct network *longest(const struct network *networks, size_t count, uint32_t address)
{
    const struct network *best = NULL;

    for (size_t i = 0; i < count; i++)
        if (holds(networks[i], address) && (best == NULL || networks[i].bits > best->bits))
            best = &networks[i];
    return best;
}

static void it_agrees_with_a_list(void **state)
{
    static struct network networks[300];
    struct prefix_tree   *tree = prefix_tree_new(*state);
    size_t                count = 0;

    srand(3);
    while (count < COUNT_OF(networks)) {
        struct network *network = &networks[count];
        uint32_t        bytes;

        *network = (struct network){ .address = (uint32_t)rand() & 0x0f0f0fffu,
                                     .bits = (unsigned)rand() % 33 };
        bytes = htonl(network->address);
        count += prefix_tree_add(tree, (unsigned char *)&bytes, 4, network->bits, network);
    }
    for (int i = 0; i < 20000; i++) {
        uint32_t address = (uint32_t)rand() & 0x0f0f0fffu, bytes = htonl(address);

        assert_ptr_equal(prefix_tree_find(tree, (unsigned char *)&bytes, 4),
                         longest(networks, count, address));
    }
}

static void add_33_bits(void)
{
    (void)prefix_tree_add(prefix_tree_new(arena_new()), (const unsigned char *)"1234", 4, 33, "x");
}

static void add_5_bytes(void)
{
    (void)prefix_tree_add(prefix_tree_new(arena_new()), (const unsigned char *)"12345", 5, 8, "x");
}

static void what_is_no_network_aborts(void **state)
{
    (void)state;
    CHECK_ABORTS(add_33_bits, "must(bits <= address_bytes * 8)");
    CHECK_ABORTS(add_5_bytes, "address_bytes == 16");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(the_longest_network_wins),
        WITH_ARENA(the_same_network_twice_is_told),
        WITH_ARENA(families_are_apart),
        WITH_ARENA(it_agrees_with_a_list),
        cmocka_unit_test(what_is_no_network_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
