// SPDX-License-Identifier: MIT
/* The walk: which row is a node, may it stand here, and in which pass is it applied.
 *
 * Complaints of unknown and misplaced directives are made in the first pass; complaints of form just
 * before a row is applied, so nothing is said twice. */
#include "config/compile.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "config/defaults.h"
#include "config/directives_print.h"
#include "config/http_block.h"
#include "config/tls_block.h"
#include "config/unsupported.h"
#include "config/validate.h"

enum { MESSAGE_BYTES = 2048, TYPO_DISTANCE = 3 };

/* ---- findings ---- */

PRINTF_LIKE(4, 0)
static struct diagnosis *find_fault(struct compiler *compiler, enum log_level level,
                                    const struct word *word, const char *format, va_list arguments)
{
    char message[MESSAGE_BYTES];

    (void)vsnprintf(message, sizeof(message), format, arguments);
    return word_complain(compiler->diagnoses, level, word, "%s", message);
}

struct diagnosis *complain(struct compiler *compiler, const struct word *word, const char *format,
                           ...)
{
    struct diagnosis *diagnosis;
    va_list           arguments;

    va_start(arguments, format);
    diagnosis = find_fault(compiler, LOG_EMERG, word, format, arguments);
    va_end(arguments);
    compiler->finding = diagnosis;
    return diagnosis;
}

struct diagnosis *warn(struct compiler *compiler, const struct word *word, const char *format, ...)
{
    struct diagnosis *diagnosis;
    va_list           arguments;

    va_start(arguments, format);
    diagnosis = find_fault(compiler, LOG_WARN, word, format, arguments);
    va_end(arguments);
    return diagnosis;
}

void complain_unsupported(struct compiler *compiler, const struct word *word, const char *what,
                          struct text value)
{
    complain(compiler, word, "%s \"%.*s\" is not supported by frontdesk yet", what,
             TEXT_ARGS(value));
}

struct place node_place(const struct node *node)
{
    return (struct place){ .file = node->name.file->path, .line = node->name.line };
}

/* ---- rows ---- */

static bool is_named(const struct directive *row, struct text name)
{
    return text_is_equal(name, text_from(row->name));
}

const struct directive *directive_find(const struct compiler *compiler, struct text name,
                                       unsigned where)
{
    const struct directive *first = map_get(compiler->rows, name);

    if (first == NULL || (first->where & where) != 0)
        return first;
    for (unsigned t = 0; t < directive_table_count; t++)
        for (unsigned i = 0; i < directive_tables[t]->count; i++) {
            const struct directive *row = &directive_tables[t]->rows[i];
            if (is_named(row, name) && (row->where & where) != 0)
                return row;
        }
    return NULL;
}

static void rows_index(struct compiler *compiler)
{
    compiler->rows = map_new(false);
    for (unsigned t = 0; t < directive_table_count; t++)
        for (unsigned i = 0; i < directive_tables[t]->count; i++) {
            const struct directive *row = &directive_tables[t]->rows[i];
            (void)map_add(compiler->rows, text_from(row->name), (void *)row);
        }
}

/* ---- what is wrong with a name ---- */

/* Lengths that differ by more are not worth a look. */
static unsigned distance_of(struct text name, struct text other, unsigned limit)
{
    size_t difference = name.len > other.len ? name.len - other.len : other.len - name.len;

    return difference > limit ? limit + 1 : text_distance(name, other, limit);
}

static struct text nearest(struct compiler *compiler, struct text name, unsigned where)
{
    struct text best = TEXT_NONE;
    unsigned    limit = name.len < 5 ? 1 : TYPO_DISTANCE, best_distance = limit + 1;

    /* Nobody will see it. */
    if (compiler->diagnoses->errors > DIAGNOSES_MOST)
        return TEXT("");
    for (unsigned t = 0; t < directive_table_count; t++)
        for (unsigned i = 0; i < directive_tables[t]->count; i++) {
            const struct directive *row = &directive_tables[t]->rows[i];
            unsigned                distance = distance_of(name, text_from(row->name), limit);

            /* One that may stand here is the likelier wish. */
            if (distance < best_distance ||
                (distance == best_distance && distance <= limit && (row->where & where) != 0)) {
                best = text_from(row->name);
                best_distance = distance;
            }
        }
    if (distance_of(name, TEXT("include"), limit) < best_distance)
        best = TEXT("include");     /* has no row: the reader expands it */
    if (best.ptr == NULL)
        return TEXT("");
    return arena_format(compiler->diagnoses->arena, "did you mean \"%.*s\"?", TEXT_ARGS(best));
}

static unsigned where_of_name(const struct compiler *compiler, struct text name)
{
    unsigned where = 0;

    (void)compiler;
    for (unsigned t = 0; t < directive_table_count; t++)
        for (unsigned i = 0; i < directive_tables[t]->count; i++)
            if (is_named(&directive_tables[t]->rows[i], name))
                where |= directive_tables[t]->rows[i].where;
    return where;
}

static void complain_misplaced(struct compiler *compiler, const struct node *node)
{
    struct arena *arena = compiler->diagnoses->arena;
    struct writer writer = writer_arena(arena, 128);

    writer_format(&writer, "\"%.*s\" is a directive of ", TEXT_ARGS(node->name.text));
    directives_write_where(&writer, where_of_name(compiler, node->name.text));
    writer_string(&writer, ", not of ");
    directives_write_where(&writer, compiler->level->where);
    complain(compiler, &node->name, "\"%.*s\" directive is not allowed here",
             TEXT_ARGS(node->name.text))
        ->hint = writer_done(&writer);
}

static void complain_unknown(struct compiler *compiler, const struct node *node)
{
    struct text name = node->name.text;

    if (text_is_equal(name, TEXT("include")))
        return;                     /* the reader has complained of it */
    if (map_get(compiler->rows, name) != NULL)
        complain_misplaced(compiler, node);
    else if (unsupported_is_known(name))
        complain_unsupported(compiler, &node->name, "directive", name);
    else
        complain(compiler, &node->name, "unknown directive \"%.*s\"", TEXT_ARGS(name))->hint =
            nearest(compiler, name, compiler->level->where);
}

/* ---- one directive ---- */

static bool is_well_formed(struct compiler *compiler, const struct directive *row,
                           const struct node *node)
{
    bool is_block = (row->flags & IS_BLOCK) != 0;

    if (node->has_block && !is_block)
        complain(compiler, &node->name, "directive \"%s\" is not terminated by \";\"", row->name);
    else if (!node->has_block && is_block)
        complain(compiler, &node->name, "directive \"%s\" has no opening \"{\"", row->name);
    else if (node->arg_count < row->min_args ||
             (row->max_args != ARGS_MANY && node->arg_count > row->max_args))
        complain(compiler, &node->name, "invalid number of arguments in \"%s\" directive",
                 row->name)
            ->hint = arena_format(compiler->diagnoses->arena, "%s %s", row->name,
                                  row->max_args > 0 ? row->syntax : "stands alone");
    else
        return true;
    return false;
}

static void *field_of(const struct compiler *compiler, const struct directive *row)
{
    struct level *level = compiler->level;
    char         *start = NULL;

    switch (row->base) {
    case BASE_NONE: return NULL;
    case BASE_CORE: start = (char *)level->core; break;
    case BASE_SERVER: start = (char *)level->server; break;
    case BASE_LOCATION: start = (char *)level->location; break;
    case BASE_UPSTREAM: start = (char *)level->upstream; break;
    case BASE_LEVEL: return (char *)level + row->offset;
    }
    must(start != NULL);
    return start + row->offset;
}

/* True the first time for this key at this level. */
static bool touch(struct compiler *compiler, const void *key)
{
    struct level *level = compiler->level;

    for (unsigned i = 0; i < level->touched_count; i++)
        if (level->touched[i] == key)
            return false;
    if (level->touched_count == level->touched_capacity) {
        unsigned     capacity = 2 * level->touched_capacity + 8;
        const void **touched = ARENA_ARRAY(compiler->arena, const void *, capacity);

        if (level->touched_count > 0)
            memcpy(touched, level->touched, level->touched_count * sizeof(*touched));
        level->touched = touched;
        level->touched_capacity = capacity;
    }
    level->touched[level->touched_count++] = key;
    return true;
}

static void row_run(struct compiler *compiler, const struct directive *row, const struct node *node)
{
    void *field;

    if (!is_well_formed(compiler, row, node))
        return;
    field = field_of(compiler, row);
    compiler->is_first = touch(compiler, field != NULL ? field : (const void *)row);
    if (!compiler->is_first && (row->flags & IS_LIST) == 0) {
        complain(compiler, &node->name, "\"%s\" directive is duplicate", row->name);
        return;
    }
    compiler->row = row;
    row->apply(compiler, node, field);
}

/* ---- a forgotten ";" makes the next line part of this one ---- */

struct text hint_of_lines(struct compiler *compiler, const struct node *node, bool is_sure)
{
    const struct word *before = &node->name;

    for (unsigned i = 0; i < node->arg_count; before = &node->args[i++]) {
        struct text text = node->args[i].text;

        if (node->args[i].line > before->line &&
            (is_sure || map_get(compiler->rows, text) != NULL || unsupported_is_known(text)))
            return arena_format(compiler->diagnoses->arena,
                                "is a \";\" missing at the end of line %u?", before->line);
    }
    return TEXT("");
}

static void node_apply(struct compiler *compiler, const struct directive *row,
                       const struct node *node)
{
    unsigned    errors = compiler->diagnoses->errors;
    struct text hint;

    row_run(compiler, row, node);
    if (compiler->diagnoses->errors == errors || node->has_block)
        return;
    hint = hint_of_lines(compiler, node,
                         compiler->finding->hint.len == 0 &&
                             compiler->finding->line > node->name.line);
    if (hint.len > 0)
        compiler->finding->hint = hint;
}

/* ---- blocks ---- */

enum round { ROUND_EARLY = 0, ROUND_OWN, ROUND_CHILDREN, ROUND_COUNT };

static enum round round_of(const struct directive *row)
{
    if (row->flags & IS_EARLY)
        return ROUND_EARLY;
    return row->flags & IS_CHILD ? ROUND_CHILDREN : ROUND_OWN;
}

void block_compile(struct compiler *compiler, const struct node *nodes)
{
    for (enum round round = ROUND_EARLY; round < ROUND_COUNT; round++) {
        if (round == ROUND_CHILDREN)
            validate_level(compiler);
        for (const struct node *node = nodes; node != NULL; node = node->next) {
            const struct directive *row =
                directive_find(compiler, node->name.text, compiler->level->where);

            if (row == NULL || (row->where & compiler->level->where) == 0) {
                if (round == ROUND_EARLY)
                    complain_unknown(compiler, node);
            } else if (round_of(row) == round) {
                node_apply(compiler, row, node);
            }
        }
    }
}

void level_enter(struct compiler *compiler, struct level *level, enum where where,
                 const struct node *node)
{
    struct level *outer = compiler->level;

    *level = (struct level){ .outer = outer, .where = where, .node = node };
    if (outer != NULL) {
        level->core = outer->core;
        level->server = outer->server;
        level->location = outer->location;
        level->upstream = outer->upstream;
        level->busy_size = outer->busy_size;
        level->busy_place = outer->busy_place;
        level->has_default_redirect = outer->has_default_redirect;
        level->tls = outer->tls;
        level->proxy_tls = outer->proxy_tls;
        level->grpc_tls = outer->grpc_tls;
        level->verify_place = outer->verify_place;
        level->is_ssl = outer->is_ssl;
        level->grpc = outer->grpc;
        level->grpc.pass = NULL;
    }
    level->location_names = map_new(false);
    compiler->level = level;
}

void level_leave(struct compiler *compiler)
{
    map_free(&compiler->level->location_names);
    compiler->level = compiler->level->outer;
}

/* ---- the main level ---- */

static bool is_name(const struct node *node, const char *name)
{
    return text_is_equal(node->name.text, text_from(name));
}

/* A file without `http` whose top level has servers, upstreams or maps is the inside of one. */
static bool is_inside_of_http(const struct compiler *compiler, const struct node *nodes)
{
    bool has_block = false;

    for (; nodes != NULL; nodes = nodes->next) {
        const struct directive *row = directive_find(compiler, nodes->name.text, IN_HTTP);

        if (is_name(nodes, "http"))
            return false;
        has_block = has_block || (row != NULL && (row->where & IN_HTTP) != 0 &&
                                  (row->flags & IS_BLOCK) != 0 && nodes->has_block);
    }
    return has_block;
}

static bool is_of_main(const struct compiler *compiler, const struct node *node)
{
    const struct directive *row = directive_find(compiler, node->name.text, IN_MAIN);

    return row != NULL && (row->where & IN_MAIN) != 0;
}

/* Copies of the nodes that are of the main level, or of those that are not. */
static struct node *nodes_pick(struct compiler *compiler, const struct node *nodes, bool is_main)
{
    struct node *first = NULL, **end = &first;

    for (; nodes != NULL; nodes = nodes->next) {
        if (is_of_main(compiler, nodes) != is_main)
            continue;
        *end = ARENA_NEW(compiler->arena, struct node);
        **end = *nodes;
        (*end)->next = NULL;
        end = &(*end)->next;
    }
    return first;
}

static void main_compile(struct compiler *compiler, const struct tree *tree)
{
    struct level level;

    level_enter(compiler, &level, IN_MAIN, NULL);
    level.core = &compiler->config->core;
    level.location = &compiler->http->level;
    level.server = compiler->http;
    defaults_set_grpc(compiler, &level.grpc);
    if (is_inside_of_http(compiler, tree->nodes)) {
        block_compile(compiler, nodes_pick(compiler, tree->nodes, true));
        http_compile(compiler, NULL, nodes_pick(compiler, tree->nodes, false));
    } else {
        block_compile(compiler, tree->nodes);
    }
    level_leave(compiler);
}

static void map_undo(void *object)
{
    struct map *map = object;

    map_free(&map);
}

void compile(struct arena *arena, struct diagnoses *diagnoses, struct config_source *source,
             const struct config_options *options, const struct tree *tree, struct config *config)
{
    struct compiler *compiler = ARENA_NEW(arena, struct compiler);

    *compiler = (struct compiler){ .arena = arena, .diagnoses = diagnoses, .source = source,
                                   .options = options, .config = config };
    rows_index(compiler);
    compiler->formats = map_new(false);
    compiler->log_files = map_new(false);
    compiler->implicit = map_new(false);
    compiler->listens = map_new(false);
    compiler->matches = map_new(false);
    variables_table_init(&compiler->variables, compiler);
    config->site.names = &compiler->variables.names;
    config->site.upstream_names = map_new(true);
    arena_defer(arena, map_undo, config->site.upstream_names);
    defaults_set(compiler);
    tls_table_init(compiler);
    main_compile(compiler, tree);
    validate_whole(compiler);
    variables_table_done(&compiler->variables);
    tls_table_done(compiler);
    map_free(&compiler->rows);
    map_free(&compiler->formats);
    map_free(&compiler->log_files);
    map_free(&compiler->implicit);
    map_free(&compiler->listens);
    map_free(&compiler->matches);
}
