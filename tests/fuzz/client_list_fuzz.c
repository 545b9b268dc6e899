// SPDX-License-Identifier: MIT
/* Lists of addresses in X-Forwarded-For and the like. Checked: whoever is not trusted is not asked;
 * what is believed is an address that reads the same again; a walk without recursion goes one step, and
 * is where the recursive one began. */
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/prefix_tree.h"
#include "proxy/realip.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static const unsigned char ten[4] = { 10 };

static struct address start(const char *ip)
{
    struct address address;

    must(address_parse_ip(text_from(ip), 80, &address) == 0);
    return address;
}

static void check_address(const struct address *address)
{
    char           buffer[ADDRESS_TEXT_BYTES];
    struct writer  writer = writer_fixed(buffer, sizeof(buffer));
    struct address again;

    address_write_ip(&writer, address);
    must(address_parse_ip(writer_done(&writer), address_port(address), &again) == 0);
    must(address_is_equal(address, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct arena  *arena = arena_new();
    struct trust   trust = { .networks = prefix_tree_new(arena) };
    char          *exact = mem_try(len + 1);
    struct text    list = text_of(exact, len);
    struct address stranger = start("192.0.2.1"), one = start("10.0.0.1"), all = one;

    must(exact != NULL && prefix_tree_add(trust.networks, ten, 4, 8, &trust));
    memcpy(exact, bytes, len);
    must(realip_walk(&trust, list, true, &stranger) == REALIP_NOTHING);
    if (realip_walk(&trust, list, false, &one) == REALIP_NOTHING) {
        must(realip_walk(&trust, list, true, &all) == REALIP_NOTHING);
    } else {
        must(realip_walk(&trust, list, true, &all) != REALIP_NOTHING);
        must(realip_is_trusted(&trust, &one) || address_is_equal(&one, &all));
        check_address(&one);
        check_address(&all);
    }
    mem_free(exact);
    arena_free(&arena);
    pools_drain();
    return 0;
}
