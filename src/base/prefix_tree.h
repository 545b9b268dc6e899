// SPDX-License-Identifier: MIT
/* Longest-prefix match over IPv4 and IPv6 networks (a binary trie), for allow/deny, geo and trusted
 * proxies. IPv4 is kept apart from IPv6. Lives in an arena; built once, read by any thread. */
#ifndef BASE_PREFIX_TREE_H
#define BASE_PREFIX_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

struct prefix_tree;

struct prefix_tree *prefix_tree_new(struct arena *arena);
/* `address` is 4 or 16 bytes in network order; `bits` of them count. False if the very same network
 * is there already. `value` is never NULL. */
bool  prefix_tree_add(struct prefix_tree *tree, const unsigned char *address, unsigned address_bytes,
                      unsigned bits, void *value);
/* The value of the longest network that holds the address, or NULL. */
void *prefix_tree_find(const struct prefix_tree *tree, const unsigned char *address,
                       unsigned address_bytes);

#endif
