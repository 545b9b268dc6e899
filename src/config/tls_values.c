// SPDX-License-Identifier: MIT
/* Files are read where they are named, so that a complaint points there. */
#include "config/tls_values.h"

#include "config/values.h"

static void item_append(struct compiler *compiler, const struct node *node, enum tls_file_kind kind,
                        struct tls_item **list)
{
    struct tls_item *item;

    if (compiler->is_first)
        *list = NULL;
    if ((compiler->row->flags & IS_LIST) == 0 && node->args[0].text.len == 0)
        return;                          /* proxy_ssl_certificate "": none */
    item = tls_item_new(compiler, &node->args[0], kind);
    while (*list != NULL)
        list = &(*list)->next;
    *list = item;
}

void apply_tls_certificate(struct compiler *compiler, const struct node *node, void *field)
{
    item_append(compiler, node, TLS_FILE_CERTIFICATE, field);
}

void apply_tls_key(struct compiler *compiler, const struct node *node, void *field)
{
    item_append(compiler, node, TLS_FILE_KEY, field);
}

void apply_tls_ca(struct compiler *compiler, const struct node *node, void *field)
{
    (void)tls_file_read(compiler, &node->args[0], TLS_FILE_CA, field);
}

void apply_tls_crl(struct compiler *compiler, const struct node *node, void *field)
{
    (void)tls_file_read(compiler, &node->args[0], TLS_FILE_CRL, field);
}

void apply_tls_file(struct compiler *compiler, const struct node *node, void *field)
{
    (void)tls_file_read(compiler, &node->args[0], TLS_FILE_OTHER, field);
}

void apply_tls_passwords(struct compiler *compiler, const struct node *node, void *field)
{
    struct tls_text_list **end = field;
    struct tls_file        file;
    struct text            line;

    *end = NULL;
    if (!tls_file_read(compiler, &node->args[0], TLS_FILE_PLAIN, &file))
        return;
    while (text_split(&file.text, '\n', &line)) {
        if (text_has_suffix(line, TEXT("\r")))
            line.len--;
        if (line.len == 0)
            continue;
        *end = ARENA_NEW(compiler->arena, struct tls_text_list);
        (*end)->file = (struct tls_file){ .path = file.path, .text = line };
        end = &(*end)->next;
    }
}

/* ---- protocols ---- */

enum { TLS_VERSION_GONE = 1u << 8 };     /* SSLv2, SSLv3: no library has them any more */

static void warn_of_version(struct compiler *compiler, const struct word *word, unsigned version)
{
    if (version & TLS_VERSION_GONE)
        warn(compiler, word, "\"%.*s\" is not spoken by anybody any more, ignored",
             TEXT_ARGS(word->text));
    else if (version & (TLS_VERSION_1_0 | TLS_VERSION_1_1))
        warn(compiler, word, "\"%.*s\" is not safe (RFC 8996)", TEXT_ARGS(word->text));
}

void apply_tls_protocols(struct compiler *compiler, const struct node *node, void *field)
{
    static const struct choice choices[] = {
        { "SSLv2", TLS_VERSION_GONE },    { "SSLv3", TLS_VERSION_GONE },
        { "TLSv1", TLS_VERSION_1_0 },     { "TLSv1.1", TLS_VERSION_1_1 },
        { "TLSv1.2", TLS_VERSION_1_2 },   { "TLSv1.3", TLS_VERSION_1_3 },
    };
    unsigned versions = 0, value;

    for (unsigned i = 0; i < node->arg_count; i++) {
        if (!WORD_CHOICE(compiler, &node->args[i], choices, &value))
            return;
        if (versions & value & ~(unsigned)TLS_VERSION_GONE)
            warn(compiler, &node->args[i], "duplicate value \"%.*s\"",
                 TEXT_ARGS(node->args[i].text));
        else
            warn_of_version(compiler, &node->args[i], value);
        versions |= value;
    }
    versions &= ~(unsigned)TLS_VERSION_GONE;
    if (versions == 0)
        complain(compiler, &node->name, "no protocol is left for \"%s\"", compiler->row->name);
    else
        *(unsigned *)field = versions;
}

/* ---- commands ---- */

void apply_tls_command(struct compiler *compiler, const struct node *node, void *field)
{
    struct tls_command **end = field, *command = ARENA_NEW(compiler->arena, struct tls_command);

    if (compiler->is_first)
        *end = NULL;
    *command = (struct tls_command){ .name = arena_copy(compiler->arena, node->args[0].text),
                                     .value = arena_copy(compiler->arena, node->args[1].text),
                                     .file = node->name.file->path, .line = node->name.line };
    while (*end != NULL)
        end = &(*end)->next;
    *end = command;
}
