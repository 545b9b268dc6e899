// SPDX-License-Identifier: MIT
/* A path with variables is looked for with a star in the place of each, once, when the configuration is
 * read; a handshake then chooses among what was found. A star stands for no slash, so nothing outside
 * of the directory is found. */
#include "config/tls_candidates.h"

#include <errno.h>

#include "base/map.h"
#include "config/lists.h"
#include "config/tls_block.h"
#include "expr/choose.h"

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

/* What cannot be read is left out: the handshake that asks for it will fail, the others will not. A file that is
 * too large ends it, since it has been read. */
static void candidate_read(struct compiler *compiler, const struct tls_item *item,
                           enum tls_file_kind kind, struct tls_file *file, size_t cut,
                           struct tls_candidate ***end)
{
    int error = tls_path_read(compiler, file->path, &file->text);

    if (error == -EISDIR)
        return;
    if (error == -EFBIG || (error == 0 && file->text.len > TLS_FILE_MOST)) {
        tls_file_complain(compiler, item->word, kind, file->path, -EFBIG);
        return;
    }
    if (error < 0) {
        warn(compiler, item->word, "%.*s %s",
             TEXT_ARGS(tls_file_sentence(compiler, kind, file->path)), log_errno(-error).text);
        return;
    }
    if (!candidate_count(compiler, item->word, file))
        return;
    file->path = text_from_offset(file->path, cut);
    candidate_append(compiler, file, end);
}

static void pattern_add(struct compiler *compiler, const struct tls_item *item,
                        enum tls_file_kind kind, struct text pattern, size_t cut,
                        struct tls_candidate ***end)
{
    unsigned     errors = compiler->diagnoses->errors, count;
    struct text *paths;
    int          error = compiler->source->glob(compiler->source, pattern, &paths, &count);

    texts_append(compiler->arena, &compiler->config->tls_patterns,
                 &compiler->config->tls_pattern_count, pattern);
    if (error < 0 || count == 0)
        warn(compiler, item->word, "no file matches \"%.*s\"", TEXT_ARGS(pattern));
    for (unsigned i = 0; error == 0 && i < count && compiler->diagnoses->errors == errors; i++) {
        struct tls_file file = { .path = arena_copy(compiler->arena, paths[i]) };

        candidate_read(compiler, item, kind, &file, cut, end);
    }
}

/* A value of a map is a path of its own, or a pattern. */
static void value_add(struct compiler *compiler, const struct tls_item *item,
                      enum tls_file_kind kind, const struct template *value,
                      struct tls_candidate ***end)
{
    struct text     source = template_source(value);
    struct tls_file file = { .text = TEXT("") };
    size_t          cut;

    if (source.len == 0 || text_has_prefix(source, TEXT("data:")))
        return;
    if (template_is_constant(value)) {
        file.path = tls_path(compiler, source, &cut);
        candidate_read(compiler, item, kind, &file, cut, end);
    } else {
        source = tls_path(compiler, template_pattern(value, compiler->arena), &cut);
        pattern_add(compiler, item, kind, source, cut, end);
    }
}

/* A variable alone says nothing of its files, unless it is a map's. */
static void item_add(struct compiler *compiler, const struct tls_item *item,
                     enum tls_file_kind kind, struct tls_candidate ***end)
{
    const struct variable *variable = template_variable(item->template);
    unsigned               errors = compiler->diagnoses->errors;

    if (variable == NULL) {
        pattern_add(compiler, item, kind, item->pattern, item->cut, end);
        return;
    }
    if (variable->get != choose_get) {
        complain(compiler, item->word, "\"%s\" cannot be a variable alone, unless it is of a map",
                 item->directive)
            ->hint =
            TEXT("its files are read beforehand: a path, a name with an ending, or data:$x");
        return;
    }
    for (const struct choose_value *at = choose_values(variable->object);
         at != NULL && compiler->diagnoses->errors == errors; at = at->next)
        value_add(compiler, item, kind, at->value, end);
}

/* The same paths, by the same values. */
static bool is_same(const struct tls_item *a, const struct tls_item *b)
{
    return text_is_equal(a->pattern, b->pattern) && a->cut == b->cut && a->template != NULL &&
           (template_variable(a->template) == NULL ||
            text_is_equal(template_source(a->template), template_source(b->template)));
}

/* Certificate and key in one file are found once. What has no variables stands beside what has. */
static void candidates_collect(struct compiler *compiler, const struct tls_item *items,
                               enum tls_file_kind kind, const struct tls_item *before,
                               struct tls_candidate ***end)
{
    for (; items != NULL; items = items->next) {
        const struct tls_item *same = before;

        while (same != NULL && !is_same(items, same))
            same = same->next;
        if (items->template == NULL && items->file.text.ptr != NULL)
            candidate_append(compiler, &items->file, end);
        else if (items->pattern.len > 0 && same == NULL)
            item_add(compiler, items, kind, end);
    }
}

static void key_add(struct writer *key, const struct tls_item *item)
{
    bool is_alone = item->template != NULL && template_variable(item->template) != NULL;

    writer_format(key, "%.*s\n%.*s\n%zu %.*s\n", TEXT_ARGS(item->pattern),
                  TEXT_ARGS(item->file.path), item->cut,
                  TEXT_ARGS(is_alone ? template_source(item->template) : TEXT("")));
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
struct tls_candidate *tls_candidates(struct compiler *compiler, const struct tls_items *items)
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
