// SPDX-License-Identifier: MIT
/* What has variables cannot be read yet: what it may name is found later, all at once (tls_candidates.c). */
#include "config/tls_files.h"

#include <errno.h>
#include <string.h>

#include "base/map.h"
#include "config/lists.h"
#include "config/tls_block.h"
#include "config/tls_candidates.h"
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

struct text tls_file_sentence(const struct compiler *compiler, enum tls_file_kind kind,
                              struct text path)
{
    return arena_format(compiler->arena, "%s%.*s%s", sentences[kind].before, TEXT_ARGS(path),
                        sentences[kind].after);
}

static struct text directory_of(const struct compiler *compiler)
{
    struct text path = compiler->options->path;

    return text_part(path, 0, text_find_last(path, '/') + 1);
}

struct text tls_path(const struct compiler *compiler, struct text path, size_t *ret_cut)
{
    struct text directory = directory_of(compiler);

    *ret_cut = text_has_prefix(path, TEXT("/")) ? 0 : directory.len;
    if (*ret_cut == 0)
        return arena_copy(compiler->arena, path);
    return arena_format(compiler->arena, "%.*s%.*s", TEXT_ARGS(directory), TEXT_ARGS(path));
}

int tls_path_read(struct compiler *compiler, struct text path, struct text *ret_text)
{
    struct config *config = compiler->config;

    if (map_add(compiler->tls->files, path, compiler->tls))
        texts_append(compiler->arena, &config->tls_files, &config->tls_file_count, path);
    return compiler->source->read(compiler->source, path, ret_text);
}

void tls_file_complain(struct compiler *compiler, const struct word *word, enum tls_file_kind kind,
                       struct text path, int error)
{
    complain(compiler, word, "%.*s %s", TEXT_ARGS(tls_file_sentence(compiler, kind, path)),
             log_errno(-error).text)
        ->hint = error == -EFBIG ? TEXT("a file may have 1 MB") : TEXT("");
}

static bool read_path(struct compiler *compiler, const struct word *word, enum tls_file_kind kind,
                      struct tls_file *file)
{
    int error = tls_path_read(compiler, file->path, &file->text);

    if (error == 0 && file->text.len > TLS_FILE_MOST)
        error = -EFBIG;
    if (error < 0)
        tls_file_complain(compiler, word, kind, file->path, error);
    return error == 0;
}

bool tls_file_read(struct compiler *compiler, const struct word *word, enum tls_file_kind kind,
                   struct tls_file *ret_file)
{
    struct tls_file file;
    size_t          cut;

    if (word->text.len == 0 || memchr(word->text.ptr, '\0', word->text.len) != NULL) {
        complain(compiler, word, "invalid path \"%.*s\"", TEXT_ARGS(word->text));
        return false;
    }
    file.path = tls_path(compiler, word->text, &cut);
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
    size_t      cut;

    if (text_has_prefix(text, TEXT("data:"))) {
        item->template = word_template(compiler, item->word);
    } else if (text_has_prefix(text, TEXT("$"))) {
        item->template = word_template(compiler, item->word);
        item->pattern =
            tls_path(compiler, template_pattern(item->template, compiler->arena), &item->cut);
    } else {
        item->template = text_template(compiler, item->word, tls_path(compiler, text, &cut));
        item->pattern = template_pattern(item->template, compiler->arena);
    }
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

/* The text itself and no copy: it is to be overwritten some day. */
static void key_note(struct config *config, struct text text)
{
    if ((config->tls_key_count & (config->tls_key_count - 1)) == 0) {
        unsigned     room = config->tls_key_count == 0 ? 1 : 2 * config->tls_key_count;
        struct text *grown = ARENA_ARRAY(config->arena, struct text, room);

        if (config->tls_key_count > 0)
            memcpy(grown, config->tls_keys, config->tls_key_count * sizeof(*grown));
        config->tls_keys = grown;
    }
    config->tls_keys[config->tls_key_count++] = text;
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
    for (const struct tls_pair *at = first; at != NULL; at = at->next)
        if (at->key.text.len > 0)
            key_note(compiler->config, at->key.text);
    compiler->config->has_lasting_keys = compiler->config->has_lasting_keys || has_variables;
    *ret_pairs = first;
    *ret_candidates = has_variables ? tls_candidates(compiler, items) : NULL;
    return true;
}
