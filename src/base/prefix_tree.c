// SPDX-License-Identifier: MIT
/* One bit per level; at most 32 or 128 steps. Compressing the chains would save memory and steps, but
 * lists of networks are short and looked at once per request, so the simplest tree will do. */
#include "base/prefix_tree.h"

#include "base/must.h"

struct node {
    struct node *children[2];
    void        *value;
};

struct prefix_tree {
    struct arena *arena;
    struct node   v4, v6;
};

struct prefix_tree *prefix_tree_new(struct arena *arena)
{
    struct prefix_tree *tree = ARENA_NEW(arena, struct prefix_tree);

    tree->arena = arena;
    return tree;
}

static unsigned bit_of(const unsigned char *address, unsigned bit)
{
    return (unsigned)address[bit / 8] >> (7 - bit % 8) & 1u;
}

bool prefix_tree_add(struct prefix_tree *tree, const unsigned char *address, unsigned address_bytes,
                     unsigned bits, void *value)
{
    struct node *node = address_bytes == 4 ? &tree->v4 : &tree->v6;

    must(value != NULL && (address_bytes == 4 || address_bytes == 16));
    must(bits <= address_bytes * 8);
    for (unsigned bit = 0; bit < bits; bit++) {
        struct node **child = &node->children[bit_of(address, bit)];

        if (*child == NULL)
            *child = ARENA_NEW(tree->arena, struct node);
        node = *child;
    }
    if (node->value != NULL)
        return false;
    node->value = value;
    return true;
}

void *prefix_tree_find(const struct prefix_tree *tree, const unsigned char *address,
                       unsigned address_bytes)
{
    const struct node *node = address_bytes == 4 ? &tree->v4 : &tree->v6;
    void              *best = NULL;

    for (unsigned bit = 0; node != NULL; bit++) {
        if (node->value != NULL)
            best = node->value;
        if (bit == address_bytes * 8)
            break;
        node = node->children[bit_of(address, bit)];
    }
    return best;
}
