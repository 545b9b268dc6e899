// SPDX-License-Identifier: MIT
/* `allow`, `deny`, `satisfy`. */
#include <stddef.h>
#include <string.h>

#include "config/values.h"

static void apply_access(struct compiler *compiler, const struct node *node, void *field)
{
    struct access_rule *rule = ARENA_NEW(compiler->arena, struct access_rule), **end = field;
    const struct word  *word = &node->args[0];
    struct network      network;

    if (compiler->is_first)
        *end = NULL;
    rule->is_allow = text_is_equal(node->name.text, TEXT("allow"));
    rule->place = node_place(node);
    if (text_is_equal(word->text, TEXT("all"))) {
        rule->is_all = true;
    } else if (text_is_equal(word->text, TEXT("unix:"))) {
        rule->is_unix = true;
    } else if (word_network(compiler, word, &network)) {
        memcpy(rule->network, network.bytes, sizeof(rule->network));
        rule->family_bytes = network.len;
        rule->bits = network.bits;
    } else {
        complain_parameter(compiler, word);
        return;
    }
    while (*end != NULL)
        end = &(*end)->next;
    *end = rule;
}

static void apply_satisfy(struct compiler *compiler, const struct node *node, void *field)
{
    static const struct choice choices[] = { { "all", false }, { "any", true } };
    unsigned                   value;

    if (WORD_CHOICE(compiler, &node->args[0], choices, &value))
        *(bool *)field = value != 0;
}

static const struct directive rows[] = {
    { "allow", EVERYWHERE, 1, 1, IS_LIST, apply_access, FIELD_LOCATION(access_rules),
      "address | network | unix: | all", "", "Lets clients in; with `deny`, the first match counts." },
    { "deny", EVERYWHERE, 1, 1, IS_LIST, apply_access, FIELD_LOCATION(access_rules),
      "address | network | unix: | all", "", "Answers 403 to clients." },
    { "satisfy", EVERYWHERE, 1, 1, 0, apply_satisfy, FIELD_LOCATION(is_satisfy_any), "all | any",
      "all", "Whether all kinds of access control must agree, or one is enough." },
};

const struct directive_rows rows_access = DIRECTIVE_ROWS("Access", rows);
