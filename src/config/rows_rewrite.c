// SPDX-License-Identifier: MIT
/* `set` and `return`: instructions in file order, run before access is checked. */
#include <stddef.h>

#include "config/http_block.h"
#include "config/values.h"
#include "proxy/variables.h"

enum { STATUS_MOST = 999, STATUS_FOUND = 302 };

bool variable_name_is_good(struct text text)
{
    if (text.len < 2 || text.ptr[0] != '$')
        return false;
    for (size_t i = 1; i < text.len; i++) {
        char c = text_lower_char(text.ptr[i]);
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'))
            return false;
    }
    return true;
}

bool set_is_of_built_in(struct text name)
{
    struct variable built_in;

    return variables_is_changeable(name) && variables_find(name, &built_in);
}

static struct rewrite *rewrite_append(struct compiler *compiler, const struct node *node,
                                      void *field, enum rewrite_kind kind)
{
    struct rewrite **end = field, *rewrite = ARENA_NEW(compiler->arena, struct rewrite);

    while (*end != NULL)
        end = &(*end)->next;
    rewrite->kind = kind;
    rewrite->place = node_place(node);
    rewrite->built_in = TEXT("");
    *end = rewrite;
    return rewrite;
}

static void apply_set(struct compiler *compiler, const struct node *node, void *field)
{
    const struct word *word = &node->args[0];
    struct rewrite    *rewrite;
    struct text        name;

    if (!variable_name_is_good(word->text)) {
        complain(compiler, word, "invalid variable name \"%.*s\"", TEXT_ARGS(word->text));
        return;
    }
    name = text_lower(compiler->arena, text_from_offset(word->text, 1));
    rewrite = rewrite_append(compiler, node, field, REWRITE_SET);
    rewrite->value = word_template(compiler, &node->args[1]);
    if (set_is_of_built_in(name))
        rewrite->built_in = name;
    else
        rewrite->slot = variables_table_add_slot(&compiler->variables, name, word);
}

static bool is_url(struct text text)
{
    return text_has_prefix_nocase(text, TEXT("http://"))
           || text_has_prefix_nocase(text, TEXT("https://"))
           || text_has_prefix_nocase(text, TEXT("$scheme"));
}

static void apply_return(struct compiler *compiler, const struct node *node, void *field)
{
    const struct word *value = NULL;
    uint64_t           status = STATUS_FOUND;
    struct rewrite    *rewrite;

    if (value_number(node->args[0].text, STATUS_MOST, &status) == 0) {
        value = node->arg_count == 2 ? &node->args[1] : NULL;
    } else if (node->arg_count == 1 && is_url(node->args[0].text)) {
        value = &node->args[0];
    } else {
        complain(compiler, &node->args[0], "invalid return code \"%.*s\"",
                 TEXT_ARGS(node->args[0].text));
        return;
    }
    rewrite = rewrite_append(compiler, node, field, REWRITE_RETURN);
    rewrite->status = (unsigned)status;
    if (value != NULL)
        rewrite->value = word_template(compiler, value);
}

static const struct directive rows[] = {
    { "set", IN_SERVER | IN_LOCATION, 2, 2, IS_LIST, apply_set, FIELD_LOCATION(rewrites),
      "$variable value", "", "Gives a variable its value for the rest of the request." },
    { "return", IN_SERVER | IN_LOCATION, 1, 2, IS_LIST, apply_return, FIELD_LOCATION(rewrites),
      "code [text] | code URL | URL", "", "Answers at once; 444 closes without an answer." },
};

const struct directive_rows rows_rewrite = DIRECTIVE_ROWS("Rewriting", rows);
