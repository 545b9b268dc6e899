// SPDX-License-Identifier: MIT
/* Fields of messages that the cache reads and writes beyond Cache-Control. */
#include <stddef.h>
#include <string.h>

#include "config/values.h"

#define CACHE(member) FIELD_LOCATION(proxy.cache.member)

static void apply_tag(struct compiler *compiler, const struct node *node, void *field)
{
    const struct word *word = &node->args[0];

    if (text_is_equal(word->text, TEXT("off")))
        *(struct text *)field = TEXT("");
    else if (word_is_field_name(compiler, word))
        *(struct text *)field = arena_copy(compiler->arena, word->text);
}

/* ---- RFC 9213 ---- */

static bool is_listed(const struct name_list *list, struct text name)
{
    while (list != NULL && !text_is_equal_nocase(list->name, name))
        list = list->next;
    return list != NULL;
}

static void apply_targeted(struct compiler *compiler, const struct node *node, void *field)
{
    struct name_list *first = NULL, **end = &first;
    const struct word *only = node->arg_count == 1 ? &node->args[0] : NULL;

    if (only != NULL && text_is_equal(only->text, TEXT("off"))) {
        *(struct name_list **)field = NULL;
        return;
    }
    for (unsigned i = 0; i < node->arg_count; i++) {
        const struct word *word = &node->args[i];
        struct text name = word->text;

        if (only != NULL && text_is_equal(name, TEXT("on")))
            name = TEXT("CDN-Cache-Control");
        if (text_is_equal_nocase(name, TEXT("Cache-Control")) ||
            (only == NULL &&
             (text_is_equal(name, TEXT("on")) || text_is_equal(name, TEXT("off"))))) {
            complain(compiler, word, "invalid field \"%.*s\"", TEXT_ARGS(name))->hint =
                TEXT("on, off, or the fields that win over Cache-Control, the first before all");
            return;
        }
        if (!word_is_field_name(compiler, word))
            return;
        if (is_listed(first, name)) {
            warn(compiler, word, "duplicate value \"%.*s\"", TEXT_ARGS(name));
            continue;
        }
        *end = ARENA_NEW(compiler->arena, struct name_list);
        (*end)->name = arena_copy(compiler->arena, name);
        end = &(*end)->next;
    }
    *(struct name_list **)field = first;
}

/* ---- RFC 9211 ---- */

/* sf-token of RFC 8941 3.3.4. */
static bool is_token(struct text text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text_lower_char(text.ptr[i]);
        bool is_letter = (c >= 'a' && c <= 'z') || c == '*';

        if (!is_letter && (i == 0 || c == '\0' || strchr("0123456789!#$%&'+-.^_`|~:/", c) == NULL))
            return false;
    }
    return text.len > 0;
}

static bool complain_status(struct compiler *compiler, const struct word *word)
{
    complain(compiler, word, "invalid value \"%.*s\" in \"%s\" directive", TEXT_ARGS(word->text),
             compiler->row->name)
        ->hint = TEXT("on, off, or our name (a token), and \"key\" behind it to show keys");
    return false;
}

static bool status_word(struct compiler *compiler, const struct word *word,
                        struct cache_policy *policy)
{
    policy->status_field = CACHE_STATUS_ON;
    if (text_is_equal(word->text, TEXT("on")))
        policy->status_name = TEXT("frontdesk");
    else if (text_is_equal(word->text, TEXT("off")))
        policy->status_field = CACHE_STATUS_OFF;
    else if (text_is_equal(word->text, TEXT("key")) || !is_token(word->text))
        return complain_status(compiler, word);
    else
        policy->status_name = arena_copy(compiler->arena, word->text);
    return true;
}

static void apply_status(struct compiler *compiler, const struct node *node, void *field)
{
    struct cache_policy *policy = &compiler->level->location->proxy.cache;

    (void)field;
    if (!status_word(compiler, &node->args[0], policy) || node->arg_count == 1)
        return;
    if (policy->status_field == CACHE_STATUS_OFF || !text_is_equal(node->args[1].text, TEXT("key")))
        (void)complain_status(compiler, &node->args[1]);
    else
        policy->status_field = CACHE_STATUS_WITH_KEY;
}

static const struct directive rows[] = {
    { "proxy_cache_ignore_request", EVERYWHERE, 1, 1, 0, apply_flag, CACHE(is_ignoring_request),
      "on | off", "off",
      "Whether a client's Cache-Control and Pragma have no effect, as with nginx. (Not nginx's.)" },
    { "proxy_cache_targeted", EVERYWHERE, 1, ARGS_MANY, 0, apply_targeted, CACHE(targeted),
      "on | off | field ...", "on",
      "Fields of the response that win over its Cache-Control here (RFC 9213), the first before "
      "all; on: CDN-Cache-Control. (Not nginx's.)" },
    { "proxy_cache_targeted_hide", EVERYWHERE, 1, 1, 0, apply_flag, CACHE(is_hiding_targeted),
      "on | off", "on", "The client does not get those fields. (Not nginx's.)" },
    { "proxy_cache_status", EVERYWHERE, 1, 2, 0, apply_status, CACHE(status_field),
      "on | off | name [key]", "on",
      "Says in Cache-Status (RFC 9211) what the cache did, under our name: frontdesk, or another "
      "one; `key` shows the key. (Not nginx's.)" },
    { "proxy_cache_tag", EVERYWHERE, 1, 1, 0, apply_tag, CACHE(tag_field), "field | off", "off",
      "Field of the response with the tags that it can be purged by. (Not nginx's.)" },
};

const struct directive_rows rows_cache_fields = DIRECTIVE_ROWS("Caching: fields", rows);
