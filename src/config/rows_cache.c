// SPDX-License-Identifier: MIT
/* What is stored and found again: zone, key, methods, how long, and who goes past it. */
#include <stddef.h>

#include "config/values.h"
#include "http/method.h"

#define CACHE(member) FIELD_LOCATION(proxy.cache.member)

enum { NAME_DISTANCE = 3, STATUS_LEAST = 100, STATUS_MOST = 599 };

/* ---- zone ---- */

static struct cache_zone *zone_find(const struct compiler *compiler, struct text name)
{
    struct cache_zone *zone = compiler->config->site.cache_zones;

    while (zone != NULL && !text_is_equal(zone->name, name))
        zone = zone->next;
    return zone;
}

static struct text hint_zone(const struct compiler *compiler, struct text name)
{
    const struct cache_zone *best = NULL;
    unsigned least = NAME_DISTANCE + 1;

    for (const struct cache_zone *zone = compiler->config->site.cache_zones; zone != NULL;
         zone = zone->next) {
        unsigned distance = text_distance(name, zone->name, NAME_DISTANCE);

        if (distance < least) {
            least = distance;
            best = zone;
        }
    }
    if (best == NULL)
        return TEXT("no proxy_cache_path has this name");
    return arena_format(compiler->diagnoses->arena, "did you mean \"%.*s\"?",
                        TEXT_ARGS(best->name));
}

static void apply_cache(struct compiler *compiler, const struct node *node, void *field)
{
    struct cache_policy *policy = &compiler->level->location->proxy.cache;
    const struct word *word = &node->args[0];

    (void)field;
    compiler->level->has_cache = true;
    policy->zone = NULL;
    policy->zone_name = NULL;
    if (text_is_equal(word->text, TEXT("off")))
        return;
    if (compiler->level->has_store) {
        complain(compiler, &node->name, "\"proxy_cache\" is incompatible with \"proxy_store\"");
        return;
    }
    policy->is_storing = false;
    policy->store_path = NULL;
    if (text_has_variables(word->text)) {
        policy->zone_name = word_template(compiler, word);
        return;
    }
    policy->zone = zone_find(compiler, word->text);
    if (policy->zone == NULL)
        complain(compiler, word, "\"proxy_cache\" zone \"%.*s\" is unknown", TEXT_ARGS(word->text))
            ->hint = hint_zone(compiler, word->text);
}

/* ---- how long ---- */

static void valid_append(struct compiler *compiler, struct cache_valid **end, unsigned status,
                         uint64_t seconds)
{
    while (*end != NULL)
        end = &(*end)->next;
    *end = ARENA_NEW(compiler->arena, struct cache_valid);
    (*end)->status = status;
    (*end)->seconds = (int64_t)seconds;
}

static bool status_word(struct compiler *compiler, const struct word *word, uint64_t *ret_status)
{
    if (text_is_equal(word->text, TEXT("any"))) {
        *ret_status = 0;
        return true;
    }
    if (value_number(word->text, STATUS_MOST, ret_status) == 0 && *ret_status >= STATUS_LEAST)
        return true;
    complain(compiler, word, "invalid status \"%.*s\"", TEXT_ARGS(word->text))->hint =
        TEXT("a code from 100 to 599, or any; the time comes last");
    return false;
}

static void apply_valid(struct compiler *compiler, const struct node *node, void *field)
{
    static const unsigned usual[] = { 200, 301, 302 };
    const struct word *last = &node->args[node->arg_count - 1];
    struct cache_valid **list = field;
    uint64_t seconds, status;

    if (compiler->is_first)
        *list = NULL;
    if (value_sec(last->text, &seconds) < 0) {
        complain(compiler, last, "invalid time value \"%.*s\"", TEXT_ARGS(last->text))->hint =
            TEXT("a time is a number of seconds, or like 30s, 5m, 1h, 1d");
        return;
    }
    for (size_t i = 0; node->arg_count == 1 && i < sizeof(usual) / sizeof(usual[0]); i++)
        valid_append(compiler, list, usual[i], seconds);
    for (unsigned i = 0; i + 1 < node->arg_count; i++) {
        if (!status_word(compiler, &node->args[i], &status))
            return;
        valid_append(compiler, list, (unsigned)status, seconds);
    }
}

/* ---- what ---- */

static void apply_methods(struct compiler *compiler, const struct node *node, void *field)
{
    static const struct choice choices[] = { { "GET", 1u << METHOD_GET },
                                             { "HEAD", 1u << METHOD_HEAD },
                                             { "POST", 1u << METHOD_POST } };
    unsigned methods = 0, value;

    for (unsigned i = 0; i < node->arg_count; i++) {
        if (!WORD_CHOICE(compiler, &node->args[i], choices, &value))
            return;
        if (methods & value)
            warn(compiler, &node->args[i], "duplicate value \"%.*s\"",
                 TEXT_ARGS(node->args[i].text));
        methods |= value;
    }
    *(unsigned *)field = methods | 1u << METHOD_GET | 1u << METHOD_HEAD;
}

static const struct directive rows[] = {
    { "proxy_cache", EVERYWHERE, 1, 1, 0, apply_cache, CACHE(zone), "zone | off", "off",
      "The cache that answers are kept in; may have variables." },
    { "proxy_cache_key", EVERYWHERE, 1, 1, 0, apply_template, CACHE(key), "string",
      "scheme, host, port, path and query", "What has the same key is the same." },
    { "proxy_cache_valid", EVERYWHERE, 1, ARGS_MANY, IS_LIST, apply_valid, CACHE(valid),
      "[code ... | any] time", "",
      "How long answers stay fresh that say nothing about it themselves; a time alone is of 200, "
      "301 and 302. The first that fits counts." },
    { "proxy_cache_methods", EVERYWHERE, 1, ARGS_MANY, 0, apply_methods, CACHE(methods),
      "GET | HEAD | POST ...", "GET HEAD", "Whose answers are kept; GET and HEAD always." },
    { "proxy_cache_min_uses", EVERYWHERE, 1, 1, 0, apply_number, CACHE(min_uses), "number", "1",
      "How often something is asked for before it is kept." },
    { "proxy_cache_bypass", EVERYWHERE, 1, ARGS_MANY, IS_LIST, apply_templates, CACHE(bypass),
      "string ...", "",
      "When any is neither empty nor 0, the origin is asked; its answer may be kept." },
    { "proxy_no_cache", EVERYWHERE, 1, ARGS_MANY, IS_LIST, apply_templates, CACHE(no_cache),
      "string ...", "", "When any is neither empty nor 0, the answer is not kept." },
    { "proxy_cache_purge", EVERYWHERE, 1, ARGS_MANY, IS_LIST, apply_templates, CACHE(purge),
      "string ...", "",
      "When any is neither empty nor 0, the request takes what it names out of the cache: one "
      "key, or with a `*` at its end all that begin so." },
    { "proxy_cache_convert_head", EVERYWHERE, 1, 1, 0, apply_flag, CACHE(is_converting_head),
      "on | off", "on", "HEAD is sent on as GET, so that its answer can be kept." },
    { "proxy_cache_max_range_offset", EVERYWHERE, 1, 1, 0, apply_size, CACHE(max_range_offset),
      "size", "", "A range that begins beyond it is asked of the origin as it is, and not kept." },
    { "proxy_force_ranges", EVERYWHERE, 1, 1, 0, apply_flag, CACHE(is_forcing_ranges), "on | off",
      "off", "Serves ranges of answers that do not say `Accept-Ranges`." },
    { "slice", EVERYWHERE, 1, 1, 0, apply_size, CACHE(slice_bytes), "size", "0",
      "Asks for and keeps large answers in parts of that size; needs `$slice_range` in the key "
      "and in a Range field. 0: whole." },
};

const struct directive_rows rows_cache = DIRECTIVE_ROWS("Caching: what is kept", rows);
