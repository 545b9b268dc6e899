// SPDX-License-Identifier: MIT
/* Text to tree to structs; a configuration with an error is none at all. */
#include "config/config.h"

#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "config/compile.h"

struct config *config_load(struct config_source *source, const struct config_options *options,
                           struct diagnoses *diagnoses)
{
    struct config *config = mem_new(sizeof(*config));
    struct tree    tree;

    config->arena = arena_new();
    config->site.arena = config->arena;
    tree_read(config->arena, diagnoses, source, options, &tree);
    config->files = tree.files;
    config->file_count = tree.file_count;
    compile(config->arena, diagnoses, source, options, &tree, config);
    if (diagnoses->errors > 0)
        config_free(&config);
    return config;
}

void config_forget_keys(const struct config *config)
{
    for (unsigned i = 0; i < config->tls_key_count && !config->has_lasting_keys; i++)
        explicit_bzero((char *)(uintptr_t)config->tls_keys[i].ptr, config->tls_keys[i].len);
}

void config_free(struct config **config)
{
    struct config *dead = *config;

    if (dead == NULL)
        return;
    *config = NULL;
    arena_free(&dead->arena);
    mem_free(dead);
}
