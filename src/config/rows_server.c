// SPDX-License-Identifier: MIT
/* `server` and `server_name`. */
#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#include "base/map.h"
#include "config/http_block.h"
#include "config/tls_block.h"
#include "config/values.h"

enum { HOST_NAME_BYTES = 256 };

static void server_append(struct site *site, struct server *server)
{
    struct server **end = &site->servers;

    while (*end != NULL)
        end = &(*end)->next;
    *end = server;
}

static void map_undo(void *object)
{
    struct map *map = object;

    map_free(&map);
}

static void apply_server(struct compiler *compiler, const struct node *node, void *field)
{
    struct server *server = ARENA_NEW(compiler->arena, struct server);
    struct level   level;

    (void)field;
    *server = *compiler->http;
    server->place = server->level.place = node_place(node);
    server->named = map_new(false);
    arena_defer(compiler->arena, map_undo, server->named);
    level_enter(compiler, &level, IN_SERVER, node);
    level.server = server;
    level.location = &server->level;
    level.children_end = &server->level.children;
    block_compile(compiler, node->children);
    if (server->names == NULL)   /* it takes requests without a host */
        server->names = ARENA_NEW(compiler->arena, struct server_name);
    server_listen_default(compiler, server, node);
    tls_server_finish(compiler, node);
    level_leave(compiler);
    server_append(&compiler->config->site, server);
}

/* ---- server_name ---- */

static struct text host_name(struct compiler *compiler)
{
    char bytes[HOST_NAME_BYTES];

    if (gethostname(bytes, sizeof(bytes) - 1) < 0)
        return TEXT("");
    bytes[sizeof(bytes) - 1] = '\0';
    return arena_copy(compiler->arena, text_from(bytes));
}

static bool has_upper(struct text text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] >= 'A' && text.ptr[i] <= 'Z')
            return true;
    return false;
}

/* A star that is not "*.x". */
static bool is_bare_star(struct text name)
{
    return text_has_prefix(name, TEXT("*")) && (name.len < 3 || name.ptr[1] != '.');
}

static bool name_fill(struct compiler *compiler, const struct word *word, struct server_name *name)
{
    if (text_has_prefix(word->text, TEXT("~"))) {
        struct text pattern = text_from_offset(word->text, 1);

        if (pattern.len == 0) {
            complain(compiler, word, "empty regex in server name \"%.*s\"", TEXT_ARGS(word->text));
            return false;
        }
        name->name = arena_copy(compiler->arena, pattern);
        name->regex = word_regex(compiler, word, pattern, has_upper(pattern));
        return name->regex != NULL;
    }
    if (text_is_equal(word->text, TEXT(".")) || is_bare_star(word->text)) {
        complain(compiler, word, "server name \"%.*s\" is invalid", TEXT_ARGS(word->text));
        return false;
    }
    if (!value_is_host_pattern(word->text)) {
        complain(compiler, word, "invalid server name or wildcard \"%.*s\"", TEXT_ARGS(word->text));
        return false;
    }
    if (text_find(word->text, '/') < word->text.len)
        warn(compiler, word, "server name \"%.*s\" has suspicious symbols", TEXT_ARGS(word->text));
    name->name = text_is_equal(word->text, TEXT("$hostname"))
                     ? text_lower(compiler->arena, host_name(compiler))
                     : text_lower(compiler->arena, word->text);
    return true;
}

/* $server_name: of ".x" it is "x". */
static struct text first_name(struct compiler *compiler, const struct word *word,
                              const struct server_name *name)
{
    if (name->regex == NULL && text_has_prefix(name->name, TEXT(".")))
        return text_from_offset(name->name, 1);
    return name->regex == NULL ? name->name : arena_copy(compiler->arena, word->text);
}

static void apply_server_name(struct compiler *compiler, const struct node *node, void *field)
{
    struct server       *server = compiler->level->server;
    struct server_name **end = field;

    while (*end != NULL)
        end = &(*end)->next;
    for (unsigned i = 0; i < node->arg_count; i++) {
        struct server_name *name = ARENA_NEW(compiler->arena, struct server_name);

        if (!name_fill(compiler, &node->args[i], name))
            continue;
        if (server->names == NULL)
            server->first_name = first_name(compiler, &node->args[i], name);
        *end = name;
        end = &name->next;
    }
}

static const struct directive rows[] = {
    { "server", IN_HTTP, 0, 0, IS_BLOCK | IS_CHILD | IS_LIST, apply_server, FIELD_NONE, "{ ... }",
      "", "A virtual server." },
    { "server_name", IN_SERVER, 1, ARGS_MANY, IS_LIST, apply_server_name, FIELD_SERVER(names),
      "name ...", "\"\"",
      "Names of the server: exact, `*.example.com`, `.example.com`, `www.*` or `~regex`." },
};

const struct directive_rows rows_server = DIRECTIVE_ROWS("Servers", rows);
