// SPDX-License-Identifier: MIT
/* A recursive reader with three limits (depth of blocks, depth of includes, number of includes), so
 * that a file which includes itself ends in a message and not in a crash.
 *
 * After an error it goes on at the next `;`, `{` or `}`: people want to see all their mistakes. */
#include "config/tree.h"

#include <errno.h>
#include <string.h>

#include "base/map.h"

enum {
    INCLUDE_DEPTH_MOST = 32,
    INCLUDES_MOST = 10000,
    BLOCK_DEPTH_MOST = 64,
    TEXT_MOST = 64 * 1024 * 1024,
    ARGS_FIRST = 4
};

struct tree_reader {
    struct arena         *arena;
    struct diagnoses     *diagnoses;
    struct config_source *source;
    struct text           directory;     /* that includes are relative to; ends in "/" */
    struct map           *known;         /* paths read so far -> struct source_file */
    struct tree          *tree;
    unsigned              files_capacity, include_count, include_depth, block_depth;
    size_t                text_bytes;
    bool                  is_full;       /* a limit was hit and complained of */
};

/* Words of a directive that is being read. */
struct words {
    struct word *array;
    unsigned     count, capacity;
    bool         is_bad;                 /* complained of already: not compiled */
};

static void read_block(struct tree_reader *reader, struct lexer *lexer, struct node ***end,
                       const struct word *opening);

static void words_add(struct tree_reader *reader, struct words *words, const struct word *word)
{
    if (words->count == words->capacity) {
        unsigned     capacity = words->capacity == 0 ? ARGS_FIRST : 2 * words->capacity;
        struct word *array = ARENA_ARRAY(reader->arena, struct word, capacity);

        if (words->count > 0)
            memcpy(array, words->array, words->count * sizeof(*array));
        words->array = array;
        words->capacity = capacity;
    }
    words->array[words->count++] = *word;
}

/* ---- include ---- */

static const struct source_file *file_note(struct tree_reader *reader, struct text path,
                                           struct text text)
{
    struct tree        *tree = reader->tree;
    struct source_file *file = map_get(reader->known, path);

    if (file != NULL)
        return file;
    file = ARENA_NEW(reader->arena, struct source_file);
    *file = (struct source_file){ .path = arena_string(reader->arena, path),
                                  .text = text,
                                  .number = tree->file_count + 1 };
    must(map_add(reader->known, text_from(file->path), file));
    if (tree->file_count == reader->files_capacity) {
        unsigned     capacity = 2 * reader->files_capacity + 8;
        struct text *files = ARENA_ARRAY(reader->arena, struct text, capacity);

        if (tree->file_count > 0)
            memcpy(files, tree->files, tree->file_count * sizeof(*files));
        tree->files = files;
        reader->files_capacity = capacity;
    }
    tree->files[tree->file_count++] = text_from(file->path);
    return file;
}

static bool is_over_limit(struct tree_reader *reader, const struct word *place, const char *what)
{
    if (!reader->is_full)
        word_complain(reader->diagnoses, LOG_EMERG, place, "%s", what);
    reader->is_full = true;
    return true;
}

static void read_file(struct tree_reader *reader, struct text path, const struct word *place,
                      struct node ***end)
{
    struct lexer              lexer;
    const struct source_file *file;
    struct text               text;
    int                       error;

    if (reader->is_full)
        return;
    error = reader->source->read(reader->source, path, &text);
    if (error < 0) {
        word_complain(reader->diagnoses, LOG_EMERG, place, "open() \"%.*s\" failed %s",
                      TEXT_ARGS(path), log_errno(-error).text);
        return;
    }
    reader->text_bytes += text.len;
    if (reader->text_bytes > TEXT_MOST &&
        is_over_limit(reader, place, "too much configuration text"))
        return;
    file = file_note(reader, path, text);
    lexer_init(&lexer, reader->arena, reader->diagnoses, file);
    read_block(reader, &lexer, end, NULL);
}

static struct text absolute(struct tree_reader *reader, struct text path)
{
    if (path.len > 0 && path.ptr[0] == '/')
        return path;
    return arena_format(reader->arena, "%.*s%.*s", TEXT_ARGS(reader->directory), TEXT_ARGS(path));
}

static bool has_wildcard(struct text path)
{
    return text_find(path, '*') < path.len || text_find(path, '?') < path.len
           || text_find(path, '[') < path.len;
}

static void include_many(struct tree_reader *reader, struct text pattern, const struct word *place,
                         struct node ***end)
{
    struct text *paths;
    unsigned     count;
    int          error = reader->source->glob(reader->source, pattern, &paths, &count);

    if (error < 0) {
        word_complain(reader->diagnoses, LOG_EMERG, place, "glob() \"%.*s\" failed %s",
                      TEXT_ARGS(pattern), log_errno(-error).text);
        return;
    }
    for (unsigned i = 0; i < count; i++)
        read_file(reader, paths[i], place, end);
}

static void include(struct tree_reader *reader, const struct words *words, struct node ***end)
{
    const struct word *place = &words->array[1];
    struct text        path = absolute(reader, place->text);

    if (memchr(path.ptr, '\0', path.len) != NULL) {
        word_complain(reader->diagnoses, LOG_EMERG, place, "invalid path in \"include\" directive");
        return;
    }
    if (++reader->include_count > INCLUDES_MOST) {
        (void)is_over_limit(reader, place, "too many \"include\" directives");
        return;
    }
    if (reader->include_depth == INCLUDE_DEPTH_MOST) {
        word_complain(reader->diagnoses, LOG_EMERG, place,
                      "\"include\" nested too deeply: does a file include itself?");
        reader->is_full = true;
        return;
    }
    reader->include_depth++;
    if (has_wildcard(path))
        include_many(reader, path, place, end);
    else
        read_file(reader, path, place, end);
    reader->include_depth--;
}

/* ---- directives ---- */

static struct node *append(struct tree_reader *reader, const struct words *words,
                           struct node ***end)
{
    struct node *node = ARENA_NEW(reader->arena, struct node);

    node->name = words->array[0];
    node->args = words->array + 1;
    node->arg_count = words->count - 1;
    **end = node;
    *end = &node->next;
    return node;
}

static bool is_include(const struct words *words)
{
    return text_is_equal(words->array[0].text, TEXT("include"));
}

static void end_directive(struct tree_reader *reader, const struct words *words, struct node ***end)
{
    if (words->is_bad)
        return;
    if (!is_include(words))
        (void)append(reader, words, end);
    else if (words->count == 2)
        include(reader, words, end);
    else
        word_complain(reader->diagnoses, LOG_EMERG, &words->array[0],
                      "invalid number of arguments in \"include\" directive");
}

static void begin_block(struct tree_reader *reader, struct lexer *lexer, const struct words *words,
                        struct node ***end)
{
    struct node *node = append(reader, words, end), **inner_end = &node->children;

    if (is_include(words))
        word_complain(reader->diagnoses, LOG_EMERG, &words->array[0],
                      "directive \"include\" is not terminated by \";\"");
    node->has_block = true;
    if (reader->block_depth == BLOCK_DEPTH_MOST) {
        (void)is_over_limit(reader, &words->array[0], "blocks are nested too deeply");
        return;
    }
    reader->block_depth++;
    read_block(reader, lexer, &inner_end, &words->array[0]);
    reader->block_depth--;
}

static struct diagnosis *complain_of(struct tree_reader *reader, const struct word *place, char c)
{
    return word_complain(reader->diagnoses, LOG_EMERG, place, "unexpected \"%c\"", c);
}

static void end_of_text(struct tree_reader *reader, const struct lexer *lexer,
                        const struct word *place, const struct words *words,
                        const struct word *opening)
{
    struct diagnosis *diagnosis;

    if (words->count > 0) {
        diagnosis = word_complain(reader->diagnoses, LOG_EMERG, place,
                                  lexer->file->is_command_line
                                      ? "unexpected end of parameter, expecting \";\""
                                      : "unexpected end of file, expecting \";\" or \"}\"");
        if (lexer->open_quote_line > 0)
            diagnosis->hint =
                arena_format(reader->diagnoses->arena, "the quote of line %u is not closed",
                                           lexer->open_quote_line);
    } else if (opening != NULL && !lexer->has_ended) {
        diagnosis = word_complain(reader->diagnoses, LOG_EMERG, place,
                                  "unexpected end of file, expecting \"}\"");
        diagnosis->hint =
            arena_format(reader->diagnoses->arena, "\"%.*s\" of line %u is still open",
                                       TEXT_ARGS(opening->text), opening->line);
    }
}

/* Until the block's end, or the file's when there is no `opening`. */
static void read_block(struct tree_reader *reader, struct lexer *lexer, struct node ***end,
                       const struct word *opening)
{
    struct words words = { .array = NULL };
    struct node *lost = NULL, **lost_end = &lost;
    struct word  word;

    while (!reader->is_full) {
        switch (lexer_next(lexer, &word)) {
        case TOKEN_WORD:
            words_add(reader, &words, &word);
            continue;
        case TOKEN_SEMICOLON:
            if (words.count == 0)
                complain_of(reader, &word, ';');
            else
                end_directive(reader, &words, end);
            break;
        case TOKEN_OPEN:
            if (words.count == 0) {
                complain_of(reader, &word, '{');
                words_add(reader, &words, &word);
                words.is_bad = true;
            }
            if (lexer->file->is_command_line)
                word_complain(reader->diagnoses, LOG_EMERG, &words.array[0],
                              "block directives are not supported in -g option");
            words.is_bad |= lexer->file->is_command_line;
            begin_block(reader, lexer, &words, words.is_bad ? &lost_end : end);
            break;
        case TOKEN_CLOSE:
            if (words.count > 0 || opening == NULL)
                complain_of(reader, &word, '}')->hint =
                    words.count > 0 ? TEXT("is a \";\" missing before it?") : TEXT("");
            if (opening != NULL)
                return;
            break;
        case TOKEN_END:
            end_of_text(reader, lexer, &word, &words, opening);
            lexer->has_ended = true;
            return;
        case TOKEN_BAD:
            words_add(reader, &words, &word);
            words.is_bad = true;
            continue;
        }
        words = (struct words){ .array = NULL };
    }
}

/* ---- the whole ---- */

static void read_command_line(struct tree_reader *reader, struct text text, struct node ***end)
{
    struct source_file *file = ARENA_NEW(reader->arena, struct source_file);
    struct lexer        lexer;

    if (text.len == 0)
        return;
    *file = (struct source_file){ .path = "command line", .text = text, .is_command_line = true };
    lexer_init(&lexer, reader->arena, reader->diagnoses, file);
    read_block(reader, &lexer, end, NULL);
}

void tree_read(struct arena *arena, struct diagnoses *diagnoses, struct config_source *source,
               const struct config_options *options, struct tree *ret_tree)
{
    struct tree_reader reader = {
        .arena = arena, .diagnoses = diagnoses, .source = source, .tree = ret_tree,
        .directory = text_part(options->path, 0, text_find_last(options->path, '/') + 1),
        .known = map_new(false),
    };
    struct node **end = &ret_tree->nodes;

    *ret_tree = (struct tree){ .nodes = NULL };
    read_command_line(&reader, options->globals, &end);
    read_file(&reader, options->path, NULL, &end);
    map_free(&reader.known);
}

struct node *tree_read_text(struct arena *arena, struct diagnoses *diagnoses,
                            struct config_source *source, struct text path, struct text text)
{
    struct tree        tree = { .nodes = NULL };
    struct tree_reader reader = {
        .arena = arena, .diagnoses = diagnoses, .source = source, .tree = &tree,
        .directory = text_part(path, 0, text_find_last(path, '/') + 1), .known = map_new(false),
    };
    struct lexer  lexer;
    struct node **end = &tree.nodes;

    lexer_init(&lexer, arena, diagnoses, file_note(&reader, path, text));
    read_block(&reader, &lexer, &end, NULL);
    map_free(&reader.known);
    return tree.nodes;
}
