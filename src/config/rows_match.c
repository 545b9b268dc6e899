// SPDX-License-Identifier: MIT
/* `match`: which answers to a health check are good. Its block holds tests, not directives. */
#include <stddef.h>

#include "balance/check.h"
#include "base/map.h"
#include "config/http_block.h"
#include "config/values.h"

enum { STATUS_LEAST = 100, STATUS_MOST = 599 };

struct match_reader {
    struct compiler    *compiler;
    struct match       *match;
    struct match_test **end;
};

static struct match_test *test_add(struct match_reader *reader, enum match_kind kind,
                                   enum match_how how)
{
    struct match_test *test = ARENA_NEW(reader->compiler->arena, struct match_test);

    test->kind = kind;
    test->how = how;
    *reader->end = test;
    reader->end = &test->next;
    return test;
}

static bool is_bang(const struct word *word)
{
    return text_is_equal(word->text, TEXT("!"));
}

static void complain_number_of(struct match_reader *reader, const struct node *node)
{
    complain(reader->compiler, &node->name, "invalid number of arguments in \"%.*s\" of a match block",
             TEXT_ARGS(node->name.text));
}

/* ---- status ---- */

static bool parse_status(struct text text, unsigned *ret_status)
{
    uint64_t number;

    if (value_number(text, STATUS_MOST, &number) < 0 || number < STATUS_LEAST)
        return false;
    *ret_status = (unsigned)number;
    return true;
}

static bool parse_range(struct text text, struct status_range *range)
{
    size_t dash = text_find(text, '-');

    if (!parse_status(text_part(text, 0, dash), &range->first))
        return false;
    range->last = range->first;
    return dash == text.len || (parse_status(text_from_offset(text, dash + 1), &range->last) &&
            range->last >= range->first);
}

static void read_status(struct match_reader *reader, const struct node *node)
{
    unsigned           first = node->arg_count > 0 && is_bang(&node->args[0]) ? 1 : 0;
    struct match_test *test;

    if (node->arg_count <= first) {
        complain_number_of(reader, node);
        return;
    }
    test = test_add(reader, MATCH_STATUS, first == 1 ? MATCH_IS_NOT : MATCH_IS);
    test->ranges = ARENA_ARRAY(reader->compiler->arena, struct status_range, node->arg_count);
    for (unsigned i = first; i < node->arg_count; i++)
        if (!parse_range(node->args[i].text, &test->ranges[test->range_count++]))
            complain(reader->compiler, &node->args[i], "invalid status \"%.*s\"",
                     TEXT_ARGS(node->args[i].text));
}

/* ---- header and body ---- */

static void take_comparison(struct match_reader *reader, struct match_test *test,
                            const struct word *operator, const struct word * value)
{
    static const struct choice of_header[] = { { "=", MATCH_IS }, { "!=", MATCH_IS_NOT },
                                               { "~", MATCH_LIKE }, { "!~", MATCH_UNLIKE } };
    static const struct choice of_body[] = { { "~", MATCH_LIKE }, { "!~", MATCH_UNLIKE } };
    unsigned                   how = MATCH_IS;

    if (!(test->kind == MATCH_BODY ? WORD_CHOICE(reader->compiler, operator, of_body, &how)
                                   : WORD_CHOICE(reader->compiler, operator, of_header, &how)))
        return;
    test->how = (enum match_how)how;
    if (how == MATCH_LIKE || how == MATCH_UNLIKE)
        test->regex = word_regex(reader->compiler, value, value->text, false);
    else
        test->value = arena_copy(reader->compiler->arena, value->text);
}

static void read_header(struct match_reader *reader, const struct node *node)
{
    bool               is_absent = node->arg_count == 2 && is_bang(&node->args[0]);
    const struct word *name = &node->args[is_absent ? 1 : 0];
    struct match_test *test;

    if (node->arg_count != 1 && node->arg_count != 3 && !is_absent) {
        complain_number_of(reader, node);
        return;
    }
    if (!word_is_field_name(reader->compiler, name))
        return;
    test = test_add(reader, MATCH_HEADER, is_absent ? MATCH_ABSENT : MATCH_PRESENT);
    test->name = arena_copy(reader->compiler->arena, name->text);
    if (node->arg_count == 3)
        take_comparison(reader, test, &node->args[1], &node->args[2]);
}

static void read_body(struct match_reader *reader, const struct node *node)
{
    if (node->arg_count != 2) {
        complain_number_of(reader, node);
        return;
    }
    reader->match->has_body = true;
    take_comparison(reader, test_add(reader, MATCH_BODY, MATCH_LIKE), &node->args[0],
                    &node->args[1]);
}

/* ---- require ---- */

/* "x_id" of $upstream_http_x_id is the field X-Id. */
static struct text field_of_variable(struct compiler *compiler, struct text name)
{
    char *bytes = arena_bytes(compiler->arena, name.len + 1);

    for (size_t i = 0; i < name.len; i++)
        bytes[i] = name.ptr[i] == '_' ? '-' : name.ptr[i];
    return text_of(bytes, name.len);
}

static void read_variable(struct match_reader *reader, const struct word *word)
{
    static const struct text prefix = { "$upstream_http_", sizeof("$upstream_http_") - 1 };

    if (!variable_name_is_good(word->text))
        complain(reader->compiler, word, "invalid variable name \"%.*s\"", TEXT_ARGS(word->text));
    else if (!text_has_prefix(word->text, prefix) || word->text.len == prefix.len)
        complain_unsupported(reader->compiler, word, "variable in \"require\"", word->text);
    else
        test_add(reader, MATCH_REQUIRE, MATCH_PRESENT)->name =
            field_of_variable(reader->compiler, text_from_offset(word->text, prefix.len));
}

static void read_require(struct match_reader *reader, const struct node *node)
{
    if (node->arg_count == 0)
        complain_number_of(reader, node);
    for (unsigned i = 0; i < node->arg_count; i++)
        read_variable(reader, &node->args[i]);
}

/* ---- the block ---- */

static void read_test(struct match_reader *reader, const struct node *node)
{
    static const struct {
        const char *name;
        void      (*read)(struct match_reader *reader, const struct node *node);
    } tests[] = { { "status", read_status }, { "header", read_header }, { "body", read_body },
                  { "require", read_require } };

    if (node->has_block) {
        complain(reader->compiler, &node->name, "unexpected \"{\"");
        return;
    }
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
        if (text_is_equal(node->name.text, text_from(tests[i].name))) {
            tests[i].read(reader, node);
            return;
        }
    complain(reader->compiler, &node->name, "unknown test \"%.*s\" in a match block",
             TEXT_ARGS(node->name.text))
        ->hint = TEXT("status, header, body or require");
}

static void apply_match(struct compiler *compiler, const struct node *node, void *field)
{
    struct match       *match = ARENA_NEW(compiler->arena, struct match);
    struct match_reader reader = { .compiler = compiler, .match = match, .end = &match->tests };

    (void)field;
    match->name = arena_copy(compiler->arena, node->args[0].text);
    match->file = node->name.file->path;
    match->line = node->name.line;
    if (!map_add(compiler->matches, match->name, match)) {
        const struct match *other = map_get(compiler->matches, match->name);

        complain(compiler, &node->args[0], "duplicate match \"%.*s\"", TEXT_ARGS(match->name))
            ->hint = arena_format(compiler->diagnoses->arena, "the other one is in %s:%u",
                                  other->file, other->line);
        return;
    }
    for (const struct node *at = node->children; at != NULL; at = at->next)
        read_test(&reader, at);
}

static const struct directive rows[] = {
    { "match", IN_HTTP, 1, 1, IS_BLOCK | IS_EARLY | IS_LIST, apply_match, FIELD_NONE,
      "name { status ...; header ...; body ...; require ...; }", "",
      "Which answers to a health_check are good; see docs/health.md." },
};

const struct directive_rows rows_match = DIRECTIVE_ROWS("Health of servers: answers", rows);
