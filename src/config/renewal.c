// SPDX-License-Identifier: MIT
/* A recording bundle answers from its record first: what is put there beforehand is not read again. */
#include "config/renewal.h"

#include "base/hash.h"
#include "base/map.h"

/* ---- a bundle of old and new ---- */

static bool is_among(struct text text, const struct text *list, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (text_is_equal(list[i], text))
            return true;
    return false;
}

static struct map *tls_paths(const struct config *config)
{
    struct map *paths = map_new(false);

    for (unsigned i = 0; i < config->tls_file_count; i++)
        (void)map_add(paths, config->tls_files[i], paths);
    return paths;
}

static void files_keep(struct bundle *bundle, const struct bundle *former,
                       const struct config *config)
{
    struct map *renewed = tls_paths(config);

    for (const struct bundle_file *at = former->files; at != NULL; at = at->next) {
        struct bundle_file *kept;

        if (map_get(renewed, at->path) != NULL)
            continue;
        bundle_add_file(bundle, at->path, at->text);
        kept = container_of(bundle->files_end, struct bundle_file, next);
        kept->error = at->error;
        kept->stamp = at->stamp;
    }
    map_free(&renewed);
}

static void globs_keep(struct bundle *bundle, const struct bundle *former,
                       const struct config *config)
{
    struct bundle_glob **end = &bundle->globs;

    for (const struct bundle_glob *at = former->globs; at != NULL; at = at->next) {
        if (is_among(at->pattern, config->tls_patterns, config->tls_pattern_count))
            continue;
        *end = ARENA_NEW(bundle->arena, struct bundle_glob);
        (*end)->pattern = arena_copy(bundle->arena, at->pattern);
        (*end)->paths = ARENA_ARRAY(bundle->arena, struct text, at->count);
        (*end)->count = at->count;
        for (unsigned i = 0; i < at->count; i++)
            (*end)->paths[i] = arena_copy(bundle->arena, at->paths[i]);
        end = &(*end)->next;
    }
}

static void names_keep(struct bundle *bundle, const struct bundle *former)
{
    struct bundle_name **end = &bundle->names;

    for (const struct bundle_name *at = former->names; at != NULL; at = at->next) {
        *end = ARENA_NEW(bundle->arena, struct bundle_name);
        (*end)->name = arena_copy(bundle->arena, at->name);
        (*end)->addresses = ARENA_ARRAY(bundle->arena, struct address, at->count);
        (*end)->count = at->count;
        (*end)->error = at->error;
        for (unsigned i = 0; i < at->count; i++)
            (*end)->addresses[i] = at->addresses[i];
        end = &(*end)->next;
    }
}

struct bundle *renewal_begin(const struct bundle *former, const struct config *config)
{
    struct bundle *bundle = bundle_new(&former->options, true);

    files_keep(bundle, former, config);
    globs_keep(bundle, former, config);
    names_keep(bundle, former);
    return bundle;
}

/* ---- is it time? ---- */

static uint64_t mix(uint64_t stamp, uint64_t part)
{
    uint64_t parts[] = { stamp, part };

    return hash_text(text_of((const char *)parts, sizeof(parts)));
}

/* From the record of `bundle`, if it has one, else from the disk. */
static uint64_t patterns_stamp(struct bundle *bundle, const struct config *config)
{
    uint64_t stamp = 0;

    for (unsigned i = 0; i < config->tls_pattern_count; i++) {
        struct text *paths;
        unsigned     count;

        if (bundle->source.glob(&bundle->source, config->tls_patterns[i], &paths, &count) < 0)
            continue;
        for (unsigned n = 0; n < count; n++)
            stamp = mix(stamp, hash_text(paths[n]));
        stamp = mix(stamp, count);
    }
    return stamp;
}

uint64_t renewal_stamp_of(const struct bundle *bundle, const struct config *config)
{
    uint64_t stamp = patterns_stamp((struct bundle *)(uintptr_t)bundle, config);

    for (unsigned i = 0; i < config->tls_file_count; i++) {
        const struct bundle_file *file = map_get(bundle->by_path, config->tls_files[i]);

        stamp = mix(stamp, file == NULL ? 0 : file->stamp);
    }
    return stamp;
}

uint64_t renewal_stamp_now(const struct bundle *bundle, const struct config *config)
{
    struct bundle *blank = bundle_new(&bundle->options, true);
    uint64_t       stamp = patterns_stamp(blank, config);

    bundle_free(&blank);
    for (unsigned i = 0; i < config->tls_file_count; i++)
        stamp = mix(stamp, bundle_stamp_now(config->tls_files[i]));
    return stamp;
}
