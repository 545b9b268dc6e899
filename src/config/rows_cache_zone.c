// SPDX-License-Identifier: MIT
/* `proxy_cache_path`: a cache in memory, with a directory behind it or without. Messages are nginx's;
 * what tunes processes that we do not have is read, judged, and has no effect. Paths are compared as
 * texts: a link into another zone's directory is found when that is opened. */
#include <stddef.h>
#include <string.h>

#include "config/values.h"

enum {
    PAGE_BYTES = 4096,
    KEYS_PAGES_LEAST = 8,
    MEMORY_LEAST = 1024 * 1024,
    MEMORY_DEFAULT = 32 * 1024 * 1024, /* beside a directory, whatever keys_zone says */
    INACTIVE_MS = 10 * 60 * 1000,
    LEVELS_MOST = 3
};

/* One directive while it is read. */
struct zone_draft {
    struct cache_zone *zone;
    uint64_t keys_bytes;
    const struct word *keys_word, *object_word;
    const struct word *disk_word; /* says something of a directory */
};

/* ---- parameters ---- */

static bool complain_of(struct compiler *compiler, const struct word *word, const char *name)
{
    complain(compiler, word, "invalid %s value \"%.*s\"", name, TEXT_ARGS(word->text));
    return false;
}

static struct text value_of(const struct word *word)
{
    return text_from_offset(word->text, text_find(word->text, '=') + 1);
}

static const char *name_of(struct compiler *compiler, const struct word *word)
{
    return arena_string(compiler->arena, text_part(word->text, 0, text_find(word->text, '=')));
}

/* "1:2": digits of names of folders in folders. */
static bool take_levels(struct compiler *compiler, const struct word *word,
                        struct zone_draft *draft)
{
    struct text value = value_of(word);
    bool is_good = value.len % 2 == 1 && value.len <= 2 * LEVELS_MOST - 1;

    (void)draft;
    for (size_t i = 0; i < value.len && is_good; i++)
        is_good = i % 2 == 1 ? value.ptr[i] == ':' : value.ptr[i] == '1' || value.ptr[i] == '2';
    if (!is_good)
        complain(compiler, word, "invalid \"levels\" \"%.*s\"", TEXT_ARGS(word->text));
    return is_good;
}

static bool take_keys_zone(struct compiler *compiler, const struct word *word,
                           struct zone_draft *draft)
{
    struct text value = value_of(word);
    size_t colon = text_find(value, ':');

    if (colon == 0 || colon == value.len ||
        value_size(text_from_offset(value, colon + 1), &draft->keys_bytes) < 0) {
        complain(compiler, word, "invalid keys zone size \"%.*s\"", TEXT_ARGS(word->text))->hint =
            TEXT("a name and a size: keys_zone=one:10m");
        return false;
    }
    if (draft->keys_bytes < KEYS_PAGES_LEAST * PAGE_BYTES) {
        complain(compiler, word, "zone \"%.*s\" is too small", TEXT_ARGS(word->text))->hint =
            TEXT("at least 32k");
        return false;
    }
    draft->keys_word = word;
    draft->zone->name = arena_copy(compiler->arena, text_part(value, 0, colon));
    return true;
}

static bool take_inactive(struct compiler *compiler, const struct word *word,
                          struct zone_draft *draft)
{
    uint64_t seconds;

    if (value_sec(value_of(word), &seconds) < 0)
        return complain_of(compiler, word, "inactive");
    draft->zone->inactive_ms = (int64_t)seconds * 1000;
    return true;
}

static bool take_memory(struct compiler *compiler, const struct word *word,
                        struct zone_draft *draft)
{
    if (value_size(value_of(word), &draft->zone->memory) < 0)
        return complain_of(compiler, word, "memory");
    if (draft->zone->memory < MEMORY_LEAST) {
        complain(compiler, word, "\"%.*s\" is too small", TEXT_ARGS(word->text))->hint =
            TEXT("at least 1m");
        return false;
    }
    return true;
}

static bool take_object(struct compiler *compiler, const struct word *word,
                        struct zone_draft *draft)
{
    draft->object_word = word;
    if (value_size(value_of(word), &draft->zone->object_max) < 0 || draft->zone->object_max == 0)
        return complain_of(compiler, word, "max_object");
    return true;
}

static bool take_max_size(struct compiler *compiler, const struct word *word,
                          struct zone_draft *draft)
{
    draft->disk_word = word;
    if (value_size(value_of(word), &draft->zone->max_size) < 0 || draft->zone->max_size == 0)
        return complain_of(compiler, word, "max_size");
    return true;
}

static bool take_min_free(struct compiler *compiler, const struct word *word,
                          struct zone_draft *draft)
{
    draft->disk_word = word;
    return value_size(value_of(word), &draft->zone->min_free) == 0 ||
           complain_of(compiler, word, "min_free");
}

/* ---- parameters without effect ---- */

static bool check_temp_path(struct compiler *compiler, const struct word *word,
                            struct zone_draft *draft)
{
    struct text value = value_of(word);

    (void)draft;
    if (text_is_equal(value, TEXT("on")) || text_is_equal(value, TEXT("off")))
        return true;
    complain(compiler, word, "invalid use_temp_path value \"%.*s\", it must be \"on\" or \"off\"",
             TEXT_ARGS(word->text));
    return false;
}

static bool check_purger(struct compiler *compiler, const struct word *word,
                         struct zone_draft *draft)
{
    struct text value = value_of(word);

    (void)draft;
    return text_is_equal(value, TEXT("on")) || text_is_equal(value, TEXT("off")) ||
           complain_of(compiler, word, "purger");
}

static bool check_files(struct compiler *compiler, const struct word *word,
                        struct zone_draft *draft)
{
    uint64_t number;

    (void)draft;
    return value_number(value_of(word), INT32_MAX, &number) == 0 ||
           complain_of(compiler, word, name_of(compiler, word));
}

static bool check_pause(struct compiler *compiler, const struct word *word,
                        struct zone_draft *draft)
{
    uint32_t ms;

    (void)draft;
    return value_msec(value_of(word), &ms) == 0 ||
           complain_of(compiler, word, name_of(compiler, word));
}

static const struct parameter {
    const char *name;
    bool (*take)(struct compiler *compiler, const struct word *word, struct zone_draft *draft);
} parameters[] = {
    { "levels=", take_levels },
    { "use_temp_path=", check_temp_path },
    { "keys_zone=", take_keys_zone },
    { "inactive=", take_inactive },
    { "memory=", take_memory },
    { "max_object=", take_object },
    { "max_size=", take_max_size },
    { "min_free=", take_min_free },
    { "manager_files=", check_files },
    { "manager_sleep=", check_pause },
    { "manager_threshold=", check_pause },
    { "loader_files=", check_files },
    { "loader_sleep=", check_pause },
    { "loader_threshold=", check_pause },
    { "purger=", check_purger },
    { "purger_files=", check_files },
    { "purger_sleep=", check_pause },
    { "purger_threshold=", check_pause },
};

static bool parameter_take(struct compiler *compiler, const struct word *word,
                           struct zone_draft *draft)
{
    for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++)
        if (text_has_prefix(word->text, text_from(parameters[i].name)))
            return parameters[i].take(compiler, word, draft);
    complain_parameter(compiler, word);
    return false;
}

/* ---- the path ---- */

#define IN_MEMORY "memory:"

/* What means the cache without a directory, and is spelt as one. */
static bool is_almost_memory(struct text text)
{
    static const char *const words[] = { "memory", "memory:", "mem",  "mem:", "ram",
                                         "ram:",   "off",     "none", "-" };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (text_is_equal_nocase(text, text_from(words[i])))
            return true;
    return text_has_prefix_nocase(text, TEXT(IN_MEMORY));
}

/* Without "//", "/./" and a "/" at its end. */
static struct text path_clean(struct arena *arena, struct text path)
{
    char *bytes = arena_bytes(arena, path.len + 1);
    size_t len = 0;
    struct text part;

    while (text_split(&path, '/', &part)) {
        if (part.len == 0 || text_is_equal(part, TEXT(".")))
            continue;
        bytes[len++] = '/';
        memcpy(bytes + len, part.ptr, part.len);
        len += part.len;
    }
    return text_of(bytes, len);
}

/* Leaves it NULL for a cache in memory alone. */
static bool path_take(struct compiler *compiler, const struct word *word, struct cache_zone *zone)
{
    if (text_is_equal(word->text, TEXT(IN_MEMORY)))
        return true;
    if (is_almost_memory(word->text)) {
        complain(compiler, word, "invalid path \"%.*s\"", TEXT_ARGS(word->text))->hint =
            TEXT("\"memory:\" is a cache in memory alone; a directory of that name is \"./name\"");
        return false;
    }
    if (!word_path(compiler, word, &zone->path))
        return false;
    zone->path = path_clean(compiler->arena, zone->path);
    if (zone->path.len > 0)
        return true;
    complain(compiler, word, "invalid path \"%.*s\"", TEXT_ARGS(word->text))->hint =
        TEXT("a directory that holds nothing else");
    return false;
}

static bool is_within(struct text path, struct text directory)
{
    return text_has_prefix(path, directory) && path.len > directory.len &&
           path.ptr[directory.len] == '/';
}

static bool complain_near(struct compiler *compiler, const struct word *word, const char *fault,
                          const struct cache_zone *other)
{
    complain(compiler, word, "%s zone \"%.*s\"", fault, TEXT_ARGS(other->name))->hint =
        arena_format(compiler->diagnoses->arena, "that one is in %s:%u", other->place.file,
                     other->place.line);
    return false;
}

/* True: neither its name nor its directory is in the way of another zone's. */
static bool is_apart(struct compiler *compiler, const struct node *node,
                     const struct zone_draft *draft, const struct cache_zone *other)
{
    const struct cache_zone *zone = draft->zone;
    const struct word *path = &node->args[0];

    if (text_is_equal(zone->name, other->name))
        return complain_near(compiler, draft->keys_word, "duplicate", other);
    if (zone->path.ptr == NULL || other->path.ptr == NULL)
        return true;
    if (text_is_equal(zone->path, other->path))
        return complain_near(compiler, path, "the path is that of", other);
    if (is_within(zone->path, other->path))
        return complain_near(compiler, path, "the path lies within that of", other);
    return !is_within(other->path, zone->path) ||
           complain_near(compiler, path, "the path holds that of", other);
}

/* ---- the whole ---- */

static bool memory_settle(struct compiler *compiler, const struct zone_draft *draft)
{
    struct cache_zone *zone = draft->zone;

    if (zone->path.ptr == NULL && draft->disk_word != NULL) {
        complain(compiler, draft->disk_word, "\"%s\" is of a directory, and this zone has none",
                 name_of(compiler, draft->disk_word))
            ->hint = TEXT("how large it may be in memory says memory=size");
        return false;
    }
    if (zone->memory == 0 && zone->path.ptr == NULL && draft->keys_bytes < MEMORY_LEAST) {
        complain(compiler, draft->keys_word, "zone \"%.*s\" is too small",
                 TEXT_ARGS(draft->keys_word->text))
            ->hint = TEXT("at least 1m without a directory");
        return false;
    }
    if (zone->memory == 0)
        zone->memory = zone->path.ptr != NULL && draft->keys_bytes < MEMORY_DEFAULT
                           ? MEMORY_DEFAULT
                           : draft->keys_bytes;
    if (zone->object_max <= zone->memory)
        return true;
    complain(compiler, draft->object_word, "\"max_object\" is larger than the zone's memory");
    return false;
}

static bool zone_read(struct compiler *compiler, const struct node *node, struct zone_draft *draft)
{
    if (!path_take(compiler, &node->args[0], draft->zone))
        return false;
    for (unsigned i = 1; i < node->arg_count; i++)
        if (!parameter_take(compiler, &node->args[i], draft))
            return false;
    if (draft->keys_word != NULL)
        return memory_settle(compiler, draft);
    complain(compiler, &node->name, "\"%s\" must have \"keys_zone\" parameter", compiler->row->name)
        ->hint = TEXT("a name and a size: keys_zone=one:10m");
    return false;
}

static void apply_cache_path(struct compiler *compiler, const struct node *node, void *field)
{
    struct cache_zone *zone = ARENA_NEW(compiler->arena, struct cache_zone);
    struct cache_zone **end = &compiler->config->site.cache_zones;
    struct zone_draft draft = { .zone = zone };

    (void)field;
    zone->place = node_place(node);
    zone->inactive_ms = INACTIVE_MS;
    if (!zone_read(compiler, node, &draft))
        return;
    for (; *end != NULL; end = &(*end)->next)
        if (!is_apart(compiler, node, &draft, *end))
            return;
    *end = zone;
}

static const struct directive rows[] = {
    { "proxy_cache_path", IN_HTTP, 1, ARGS_MANY, IS_EARLY | IS_LIST, apply_cache_path, FIELD_NONE,
      "path | memory: keys_zone=name:size [memory=size] [max_object=size] [max_size=size] "
      "[min_free=size] [inactive=time] [levels=levels] [use_temp_path=on|off] "
      "[manager_files=number] [manager_sleep=time] [manager_threshold=time] "
      "[loader_files=number] [loader_sleep=time] [loader_threshold=time] [purger=on|off] "
      "[purger_files=number] [purger_sleep=time] [purger_threshold=time]",
      "",
      "A cache: in memory, and in a directory of its own, or with `memory:` in memory alone. In "
      "memory it takes `memory` bytes (what `keys_zone` says; with a directory at least 32m), on "
      "disk `max_size` (10g). What stands behind `inactive` has no effect." },
};

const struct directive_rows rows_cache_zone = DIRECTIVE_ROWS("Caches", rows);
