// SPDX-License-Identifier: MIT
/* `map`: its block holds keys and values, not directives. */
#include <stddef.h>

#include "config/http_block.h"
#include "config/values.h"

struct map_reader {
    struct compiler *compiler;
    struct choose   *choose;
    bool             has_default, has_hostnames;
};

static bool is_flag(const struct node *node, const char *name)
{
    return node->arg_count == 0 && text_is_equal(node->name.text, text_from(name));
}

static bool has_flag(const struct node *nodes, const char *name)
{
    for (; nodes != NULL; nodes = nodes->next)
        if (is_flag(nodes, name))
            return true;
    return false;
}

static void add_default(struct map_reader *reader, const struct node *node)
{
    if (reader->has_default) {
        complain(reader->compiler, &node->name, "duplicate default map parameter");
        return;
    }
    reader->has_default = true;
    choose_set_default(reader->choose, word_template(reader->compiler, &node->args[0]));
}

static void add_regex(struct map_reader *reader, const struct node *node, struct text key)
{
    bool                is_nocase = text_has_prefix(key, TEXT("~*"));
    const struct regex *regex = word_regex(reader->compiler, &node->name,
                                           text_from_offset(key, is_nocase ? 2 : 1), is_nocase);

    if (regex != NULL)
        choose_add_regex(reader->choose, regex, word_template(reader->compiler, &node->args[0]));
}

static void add_key(struct map_reader *reader, const struct node *node)
{
    struct text            key = node->name.text;
    const struct template *value;

    if (text_is_equal(key, TEXT("default"))) {
        add_default(reader, node);
        return;
    }
    if (text_has_prefix(key, TEXT("~"))) {
        add_regex(reader, node, key);
        return;
    }
    /* A backslash lets a key be named "default", "hostnames" or begin with a tilde. */
    if (text_has_prefix(key, TEXT("\\")))
        key = text_from_offset(key, 1);
    if (reader->has_hostnames && !value_is_host_pattern(key)) {
        complain(reader->compiler, &node->name, "invalid hostname or wildcard \"%.*s\"",
                 TEXT_ARGS(key));
        return;
    }
    value = word_template(reader->compiler, &node->args[0]);
    if (choose_add(reader->choose, key, value) < 0)
        complain(reader->compiler, &node->name, "conflicting parameter \"%.*s\"",
                 TEXT_ARGS(text_lower(reader->compiler->arena, key)));
}

static void add_node(struct map_reader *reader, const struct node *node)
{
    if (node->has_block)
        complain(reader->compiler, &node->name, "unexpected \"{\"");
    else if (is_flag(node, "hostnames") || is_flag(node, "volatile"))
        return;
    else if (node->arg_count != 1)
        complain(reader->compiler, &node->name, "invalid number of the map parameters")->hint =
            hint_of_lines(reader->compiler, node, true);
    else
        add_key(reader, node);
}

static void apply_map(struct compiler *compiler, const struct node *node, void *field)
{
    struct map_reader reader = { .compiler = compiler };

    (void)field;
    if (!variable_name_is_good(node->args[1].text)) {
        complain(compiler, &node->args[1], "invalid variable name \"%.*s\"",
                 TEXT_ARGS(node->args[1].text));
        return;
    }
    reader.choose = variables_table_add_map(
        &compiler->variables, text_from_offset(node->args[1].text, 1), &node->args[1]);
    reader.has_hostnames = has_flag(node->children, "hostnames");
    choose_begin(reader.choose, word_template(compiler, &node->args[0]), reader.has_hostnames,
                 has_flag(node->children, "volatile"));
    for (const struct node *at = node->children; at != NULL; at = at->next)
        add_node(&reader, at);
}

static const struct directive rows[] = {
    { "map", IN_HTTP, 2, 2, IS_BLOCK | IS_EARLY | IS_LIST, apply_map, FIELD_NONE,
      "string $variable { key value; ... }", "",
      "A variable whose value depends on another value." },
};

const struct directive_rows rows_map = DIRECTIVE_ROWS("Variables", rows);
