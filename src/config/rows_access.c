// SPDX-License-Identifier: MIT
/* `allow`, `deny`, `satisfy`. */
#include <stddef.h>
#include <string.h>

#include "config/values.h"

enum { V4_BITS = 32, V6_BITS = 128 };

/* Clears what lies behind the prefix; true if something did. */
static bool mask(unsigned char *network, unsigned bytes, unsigned bits)
{
    bool has_cleared = false;

    for (unsigned i = 0; i < bytes; i++) {
        unsigned      kept = bits > i * 8 ? bits - i * 8 : 0;
        unsigned char keep = kept >= 8 ? 0xff : (unsigned char)(0xff00u >> kept);

        has_cleared = has_cleared || (network[i] & (unsigned char)~keep) != 0;
        network[i] &= keep;
    }
    return has_cleared;
}

static bool network_parse(struct compiler *compiler, const struct word *word,
                          struct access_rule *rule)
{
    size_t               slash = text_find(word->text, '/');
    struct text          bits_text = text_from_offset(word->text, slash + 1);
    struct address       address;
    const unsigned char *bytes;
    unsigned             len = 0;
    uint64_t             bits;

    if (address_parse_ip(text_part(word->text, 0, slash), 0, &address) < 0)
        return false;
    bytes = address_bytes(&address, &len);
    bits = len * 8;
    if (slash < word->text.len && value_number(bits_text, len * 8, &bits) < 0)
        return false;
    memcpy(rule->network, bytes, len);
    rule->family_bytes = (uint8_t)len;
    rule->bits = (uint8_t)bits;
    if (mask(rule->network, len, (unsigned)bits))
        warn(compiler, word, "low address bits of %.*s are meaningless", TEXT_ARGS(word->text));
    return true;
}

static void apply_access(struct compiler *compiler, const struct node *node, void *field)
{
    struct access_rule *rule = ARENA_NEW(compiler->arena, struct access_rule), **end = field;
    const struct word  *word = &node->args[0];

    if (compiler->is_first)
        *end = NULL;
    rule->is_allow = text_is_equal(node->name.text, TEXT("allow"));
    rule->place = node_place(node);
    if (text_is_equal(word->text, TEXT("all"))) {
        rule->is_all = true;
    } else if (text_is_equal(word->text, TEXT("unix:"))) {
        rule->is_unix = true;
    } else if (!network_parse(compiler, word, rule)) {
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
