// SPDX-License-Identifier: MIT
/* `proxy_store`: copies of answers as plain files, without a cache's knowledge of them. */
#include <stddef.h>

#include "config/values.h"

#define CACHE(member) FIELD_LOCATION(proxy.cache.member)

enum { MODE_OWNER = 0600, BIT_READ = 4, BIT_WRITE = 2 };

/* "on" is the URI below nginx's default root. */
static struct text store_text(struct compiler *compiler, struct text text)
{
    struct text prefix = compiler->options->prefix;

    if (text_is_equal(text, TEXT("on")))
        return arena_format(compiler->arena, "%.*shtml$uri", TEXT_ARGS(prefix));
    if (text_has_prefix(text, TEXT("/")) || text_has_prefix(text, TEXT("$")))
        return arena_copy(compiler->arena, text);
    return arena_format(compiler->arena, "%.*s%.*s", TEXT_ARGS(prefix), TEXT_ARGS(text));
}

static void directory_add(struct compiler *compiler, struct text directory)
{
    struct name_list **end = &compiler->config->site.store_directories;

    for (; *end != NULL; end = &(*end)->next)
        if (text_is_equal((*end)->name, directory))
            return;
    *end = ARENA_NEW(compiler->arena, struct name_list);
    (*end)->name = directory;
}

static bool is_path(struct text variables)
{
    static const char *const names[] = { "$uri",   "$document_uri",   "$request_uri",
                                         "${uri}", "${document_uri}", "${request_uri}" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (text_has_prefix(variables, text_from(names[i])))
            return true;
    return false;
}

/* What stands before a variable that begins with "/", or up to the last "/" before another one. */
static struct text directory_of(struct text path)
{
    struct text fixed = text_part(path, 0, text_find(path, '$'));

    if (!is_path(text_from_offset(path, fixed.len)))
        fixed.len = text_find_last(fixed, '/');
    while (fixed.len > 0 && fixed.ptr[fixed.len - 1] == '/')
        fixed.len--;
    return fixed;
}

/* The directory is made at start, and open to the worker. NULL after a complaint. */
static const struct template *store_template(struct compiler *compiler, const struct word *word)
{
    struct text text = store_text(compiler, word->text), directory = directory_of(text);

    if (directory.len == 0) {
        complain(compiler, word, "invalid path \"%.*s\"", TEXT_ARGS(word->text))->hint =
            TEXT("it begins with a directory, in which the worker may write: /data/copies$uri");
        return NULL;
    }
    directory_add(compiler, directory);
    return text_template(compiler, word, text);
}

static void apply_store(struct compiler *compiler, const struct node *node, void *field)
{
    struct cache_policy *policy = &compiler->level->location->proxy.cache;
    const struct word *word = &node->args[0];

    (void)field;
    compiler->level->has_store = true;
    policy->is_storing = false;
    policy->store_path = NULL;
    if (text_is_equal(word->text, TEXT("off")))
        return;
    if (word->text.len == 0) {
        complain(compiler, word, "zero length path");
        return;
    }
    if (compiler->level->has_cache && (policy->zone != NULL || policy->zone_name != NULL)) {
        complain(compiler, &node->name, "\"proxy_store\" is incompatible with \"proxy_cache\"");
        return;
    }
    policy->zone = NULL;
    policy->zone_name = NULL;
    policy->store_path = store_template(compiler, word);
    policy->is_storing = policy->store_path != NULL;
}

/* "r", "w", "rw" */
static bool rights_read(struct text text, unsigned *ret_bits)
{
    *ret_bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != 'r' && text.ptr[i] != 'w')
            return false;
        *ret_bits |= text.ptr[i] == 'r' ? BIT_READ : BIT_WRITE;
    }
    return *ret_bits != 0;
}

static bool access_word(struct text word, unsigned *mode)
{
    static const struct {
        const char *who;
        unsigned shift;
    } classes[] = {
        { "user:", 6 },
        { "group:", 3 },
        { "all:", 0 },
    };
    unsigned bits;

    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        struct text who = text_from(classes[i].who);

        if (!text_has_prefix(word, who))
            continue;
        if (!rights_read(text_from_offset(word, who.len), &bits))
            return false;
        *mode |= bits << classes[i].shift;
        return true;
    }
    return false;
}

static void apply_access(struct compiler *compiler, const struct node *node, void *field)
{
    unsigned mode = MODE_OWNER;

    for (unsigned i = 0; i < node->arg_count; i++)
        if (!access_word(node->args[i].text, &mode)) {
            complain(compiler, &node->args[i], "invalid value \"%.*s\"",
                     TEXT_ARGS(node->args[i].text))
                ->hint = TEXT("user:, group: or all:, and r or rw behind it");
            return;
        }
    *(unsigned *)field = mode;
}

static const struct directive rows[] = {
    { "proxy_store", EVERYWHERE, 1, 1, 0, apply_store, CACHE(store_path), "on | off | string",
      "off", "Keeps a copy of each answer of status 200 as a file; on: html/ and the URI." },
    { "proxy_store_access", EVERYWHERE, 1, 3, 0, apply_access, CACHE(store_mode),
      "users:permissions ...", "user:rw", "Who may read and write those files." },
};

const struct directive_rows rows_store = DIRECTIVE_ROWS("Copies of answers", rows);
