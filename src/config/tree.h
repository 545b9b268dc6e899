// SPDX-License-Identifier: MIT
/* The whole configuration as a tree of directives, includes expanded in place. Complete before
 * anything is compiled, so that the order of directives in a block does not matter. Nodes live in
 * the configuration's arena; one thread. */
#ifndef CONFIG_TREE_H
#define CONFIG_TREE_H

#include "config/config.h"
#include "config/lexer.h"

struct node {
    struct node *next, *children;
    struct word  name;
    struct word *args;
    unsigned     arg_count;
    bool         has_block;
};

struct tree {
    struct node *nodes;
    struct text *files;                  /* each once, in order of reading */
    unsigned     file_count;
};

/* The -g text, then the file. Complains of what it can't read and goes on behind it. */
void tree_read(struct arena *arena, struct diagnoses *diagnoses, struct config_source *source,
               const struct config_options *options, struct tree *ret_tree);

/* The directives of one more file, which tree_read() has not come across. NULL: there are none. */
struct node *tree_read_text(struct arena *arena, struct diagnoses *diagnoses,
                            struct config_source *source, struct text path, struct text text);

#endif
