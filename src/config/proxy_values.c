// SPDX-License-Identifier: MIT
/* One list of a level is a list of its own: it does not begin with what was inherited. */
#include "config/proxy_values.h"

#include "config/values.h"

void apply_set_header(struct compiler *compiler, const struct node *node, void *field)
{
    struct set_header **end = field, *header = ARENA_NEW(compiler->arena, struct set_header);

    if (compiler->is_first)
        *end = NULL;
    if (!word_is_field_name(compiler, &node->args[0]))
        return;
    header->name = arena_copy(compiler->arena, node->args[0].text);
    header->id = field_id_of(header->name);
    header->value = word_field_template(compiler, &node->args[1]);
    while (*end != NULL)
        end = &(*end)->next;
    *end = header;
}

/* "off", or an address that may hold variables. */
void apply_bind(struct compiler *compiler, const struct node *node, void *field)
{
    const struct word      *word = &node->args[0];
    const struct template **template = field;
    struct address          address;

    if (node->arg_count == 2) {
        if (text_is_equal(node->args[1].text, TEXT("transparent")))
            complain_unsupported(compiler, &node->args[1], "parameter", node->args[1].text);
        else
            complain_parameter(compiler, &node->args[1]);
        return;
    }
    if (text_is_equal(word->text, TEXT("off"))) {
        *template = NULL;
        return;
    }
    if (!text_has_variables(word->text) && address_parse_ip_port(word->text, &address) < 0) {
        complain(compiler, word, "invalid address \"%.*s\"", TEXT_ARGS(word->text));
        return;
    }
    *template = word_template(compiler, word);
}

void apply_next_upstream(struct compiler *compiler, const struct node *node, void *field)
{
    static const struct choice choices[] = {
        { "error", NEXT_ERROR }, { "timeout", NEXT_TIMEOUT },
        { "invalid_header", NEXT_INVALID_HEADER }, { "http_500", NEXT_500 },
        { "http_502", NEXT_502 }, { "http_503", NEXT_503 }, { "http_504", NEXT_504 },
        { "http_403", NEXT_403 }, { "http_404", NEXT_404 }, { "http_429", NEXT_429 },
        { "non_idempotent", NEXT_NON_IDEMPOTENT }, { "off", NEXT_OFF },
    };
    unsigned flags = 0, value;

    for (unsigned i = 0; i < node->arg_count; i++) {
        if (!WORD_CHOICE(compiler, &node->args[i], choices, &value))
            return;
        if (flags & value)
            warn(compiler, &node->args[i], "duplicate value \"%.*s\"",
                 TEXT_ARGS(node->args[i].text));
        flags |= value;
    }
    *(unsigned *)field = flags & NEXT_OFF ? NEXT_OFF : flags;
}

void apply_field_name(struct compiler *compiler, const struct node *node, void *field)
{
    struct name_list **end = field, *name = ARENA_NEW(compiler->arena, struct name_list);

    if (compiler->is_first)
        *end = NULL;
    name->name = arena_copy(compiler->arena, node->args[0].text);
    while (*end != NULL)
        end = &(*end)->next;
    *end = name;
}

void apply_ignore_headers(struct compiler *compiler, const struct node *node, void *field)
{
    static const struct choice choices[] = {
        { "X-Accel-Redirect", IGNORE_ACCEL_REDIRECT }, { "X-Accel-Expires", IGNORE_ACCEL_EXPIRES },
        { "X-Accel-Limit-Rate", IGNORE_ACCEL_LIMIT_RATE },
        { "X-Accel-Buffering", IGNORE_ACCEL_BUFFERING },
        { "X-Accel-Charset", IGNORE_ACCEL_CHARSET }, { "Expires", IGNORE_EXPIRES },
        { "Cache-Control", IGNORE_CACHE_CONTROL }, { "Set-Cookie", IGNORE_SET_COOKIE },
        { "Vary", IGNORE_VARY },
    };
    unsigned flags = 0, value;

    for (unsigned i = 0; i < node->arg_count; i++) {
        if (!WORD_CHOICE(compiler, &node->args[i], choices, &value))
            return;
        flags |= value;
    }
    *(unsigned *)field = flags;
}
