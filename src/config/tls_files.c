// SPDX-License-Identifier: MIT
/* A path with variables is looked for with a star in the place of each, once, when the configuration is
 * read; a handshake then chooses among what was found. A star stands for no slash, so nothing outside
 * of the directory is found. */
#include "config/tls_files.h"

#include <errno.h>
#include <string.h>

#include "base/map.h"
#include "config/tls_block.h"
#include "config/values.h"

/* ---- reading ---- */

static const struct { const char *before, *after; } sentences[] = {
    [TLS_FILE_CERTIFICATE] = { "cannot load certificate \"", "\": BIO_new_file() failed" },
    [TLS_FILE_KEY] = { "cannot load certificate key \"", "\": BIO_new_file() failed" },
    [TLS_FILE_CA] = { "SSL_CTX_load_verify_locations(\"", "\") failed" },
    [TLS_FILE_CRL] = { "X509_LOOKUP_load_file(\"", "\") failed" },
    [TLS_FILE_OTHER] = { "BIO_new_file(\"", "\") failed" },
    [TLS_FILE_PLAIN] = { "open() \"", "\" failed" },
};

static struct text directory_of(const struct compiler *compiler)
{
    struct text path = compiler->options->path;

    return text_part(path, 0, text_find_last(path, '/') + 1);
}

static struct text absolute(const struct compiler *compiler, struct text path)
{
    if (text_has_prefix(path, TEXT("/")))
        return arena_copy(compiler->arena, path);
    return arena_format(compiler->arena, "%.*s%.*s", TEXT_ARGS(directory_of(compiler)),
                        TEXT_ARGS(path));
}

static bool read_path(struct compiler *compiler, const struct word *word, enum tls_file_kind kind,
                      struct tls_file *file)
{
    int error = compiler->source->read(compiler->source, file->path, &file->text);

    if (error == 0 && file->text.len > TLS_FILE_MOST)
        error = -EFBIG;
    if (error < 0)
        complain(compiler, word, "%s%.*s%s %s", sentences[kind].before, TEXT_ARGS(file->path),
                 sentences[kind].after, log_errno(-error).text)
            ->hint = error == -EFBIG ? TEXT("a file may have 1 MB") : TEXT("");
    return error == 0;
}

bool tls_file_read(struct compiler *compiler, const struct word *word, enum tls_file_kind kind,
                   struct tls_file *ret_file)
{
    struct tls_file file;

    if (word->text.len == 0 || memchr(word->text.ptr, '\0', word->text.len) != NULL) {
        complain(compiler, word, "invalid path \"%.*s\"", TEXT_ARGS(word->text));
        return false;
    }
    file.path = absolute(compiler, word->text);
    if (!read_path(compiler, word, kind, &file))
        return false;
    *ret_file = file;
    return true;
}

/* ---- a certificate, a key ---- */

static bool is_elsewhere(struct compiler *compiler, const struct word *word)
{
    static const char *const prefixes[] = { "engine:", "store:" };

    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
        if (text_has_prefix(word->text, text_from(prefixes[i]))) {
            complain_unsupported(compiler, word, compiler->row->name, text_from(prefixes[i]));
            return true;
        }
    return false;
}

/* A path that begins with a variable is what the variable says, or relative to the directory. */
static void item_of_variables(struct compiler *compiler, struct tls_item *item)
{
    struct text text = item->word->text;

    if (text_has_prefix(text, TEXT("data:"))) {
        item->template = word_template(compiler, item->word);
        return;
    }
    if (text_has_prefix(text, TEXT("$"))) {
        item->template = word_template(compiler, item->word);
        item->cut = directory_of(compiler).len;
        item->pattern = absolute(compiler, template_pattern(item->template, compiler->arena));
        return;
    }
    item->template = text_template(compiler, item->word, absolute(compiler, text));
    item->pattern = template_pattern(item->template, compiler->arena);
}

struct tls_item *tls_item_new(struct compiler *compiler, const struct word *word,
                              enum tls_file_kind kind)
{
    struct tls_item *item = ARENA_NEW(compiler->arena, struct tls_item);

    item->word = word;
    item->directive = compiler->row->name;
    item->file.path = item->pattern = TEXT("");
    if (is_elsewhere(compiler, word))
        return item;
    if (text_has_variables(word->text)) {
        item_of_variables(compiler, item);
        return item;
    }
    if (text_has_prefix(word->text, TEXT("data:"))) {
        item->file.path = TEXT("data:");
        item->file.text = arena_copy(compiler->arena, text_from_offset(word->text, 5));
        return item;
    }
    (void)tls_file_read(compiler, word, kind, &item->file);
    return item;
}

/* ---- what variables may name ---- */

/* Counts each file of the configuration once. False after a complaint. */
static bool candidate_count(struct compiler *compiler, const struct word *word,
                            const struct tls_file *file)
{
    struct tls_table *table = compiler->tls;

    if (!map_add(table->candidates, file->path, table))
        return true;
    table->candidate_bytes += file->text.len;
    if (map_count(table->candidates) <= TLS_CANDIDATES_MOST &&
        table->candidate_bytes <= TLS_CANDIDATES_BYTES)
        return true;
    complain(compiler, word, "too many files for \"%.*s\"", TEXT_ARGS(word->text))->hint =
        TEXT("paths with variables may match 4096 files with 64 MB in all");
    return false;
}

static void candidate_append(struct compiler *compiler, const struct tls_file *file,
                             struct tls_candidate ***end)
{
    struct tls_candidate *candidate = ARENA_NEW(compiler->arena, struct tls_candidate);

    candidate->file = *file;
    **end = candidate;
    *end = &candidate->next;
}

static void candidates_add(struct compiler *compiler, const struct tls_item *item,
                           enum tls_file_kind kind, struct tls_candidate ***end)
{
    struct text *paths;
    unsigned     count;
    int          error = compiler->source->glob(compiler->source, item->pattern, &paths, &count);

    if (error < 0 || count == 0) {
        warn(compiler, item->word, "no file matches \"%.*s\"", TEXT_ARGS(item->pattern));
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        struct tls_file file = { .path = arena_copy(compiler->arena, paths[i]) };

        if (!read_path(compiler, item->word, kind, &file) ||
            !candidate_count(compiler, item->word, &file))
            return;
        file.path = text_from_offset(file.path, item->cut);
        candidate_append(compiler, &file, end);
    }
}

/* Certificate and key in one file are found once. What has no variables stands beside what has. */
static void candidates_collect(struct compiler *compiler, const struct tls_item *items,
                               enum tls_file_kind kind, const struct tls_item *before,
                               struct tls_candidate ***end)
{
    for (; items != NULL; items = items->next) {
        const struct tls_item *same = before;

        while (same != NULL && !text_is_equal(same->pattern, items->pattern))
            same = same->next;
        if (items->template == NULL && items->file.text.ptr != NULL)
            candidate_append(compiler, &items->file, end);
        else if (items->pattern.len > 0 && same == NULL)
            candidates_add(compiler, items, kind, end);
    }
}

static void key_add(struct writer *key, const struct tls_item *item)
{
    writer_format(key, "%.*s\n%.*s\n%zu\n", TEXT_ARGS(item->pattern), TEXT_ARGS(item->file.path),
                  item->cut);
}

static struct text candidates_key(struct compiler *compiler, const struct tls_items *items)
{
    struct writer key = writer_arena(compiler->arena, 256);
    for (const struct tls_item *at = items->certificates; at != NULL; at = at->next)
        key_add(&key, at);
    for (const struct tls_item *at = items->keys; at != NULL; at = at->next)
        key_add(&key, at);
    return writer_done(&key);
}

/* Servers with the same paths share the list. */
static struct tls_candidate *candidates_of(struct compiler *compiler, const struct tls_items *items)
{
    struct text                key = candidates_key(compiler, items);
    struct tls_candidate_list *list = map_get(compiler->tls->candidate_lists, key);
    struct tls_candidate     **end;

    if (list != NULL)
        return list->first;
    list = ARENA_NEW(compiler->arena, struct tls_candidate_list);
    end = &list->first;
    candidates_collect(compiler, items->certificates, TLS_FILE_CERTIFICATE, NULL, &end);
    candidates_collect(compiler, items->keys, TLS_FILE_KEY, items->certificates, &end);
    must(map_add(compiler->tls->candidate_lists, key, list));
    return list->first;
}

/* ---- pairs ---- */

/* If one half has variables, the other is found in the same way. */
static const struct template *template_of(struct compiler *compiler, const struct tls_item *item)
{
    if (item->template != NULL)
        return item->template;
    return template_literal(compiler->arena, text_has_prefix(item->word->text, TEXT("data:"))
                                                 ? item->word->text
                                                 : item->file.path);
}

static struct tls_pair *pair_new(struct compiler *compiler, const struct tls_item *certificate,
                                 const struct tls_item *key)
{
    struct tls_pair *pair = ARENA_NEW(compiler->arena, struct tls_pair);
    *pair = (struct tls_pair){ .certificate = certificate->file,
                               .key = key->file,
                               .file = certificate->word->file->path,
                               .line = certificate->word->line };
    if (certificate->template != NULL || key->template != NULL) {
        pair->certificate_template = template_of(compiler, certificate);
        pair->key_template = template_of(compiler, key);
    }
    return pair;
}

bool tls_items_pair(struct compiler *compiler, const struct tls_items *items,
                    struct tls_pair **ret_pairs, struct tls_candidate **ret_candidates)
{
    const struct tls_item *certificate = items->certificates, *key = items->keys;
    struct tls_pair       *first = NULL, **end = &first;
    bool                   has_variables = false;

    for (; certificate != NULL && key != NULL; certificate = certificate->next, key = key->next) {
        *end = pair_new(compiler, certificate, key);
        end = &(*end)->next;
        has_variables = has_variables || certificate->template != NULL || key->template != NULL;
    }
    if (certificate != NULL) {
        complain(compiler, certificate->word, "no \"%s_key\" is defined for certificate \"%.*s\"",
                 certificate->directive,
                 TEXT_ARGS(certificate->template != NULL ? template_source(certificate->template)
                                                         : certificate->file.path));
        return false;
    }
    *ret_pairs = first;
    *ret_candidates = has_variables ? candidates_of(compiler, items) : NULL;
    return true;
}
