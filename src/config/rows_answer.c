// SPDX-License-Identifier: MIT
/* What is said to clients: fields that are added, expiry, types, error pages, redirects. */
#include <stddef.h>

#include "base/map.h"
#include "config/values.h"

enum { STATUS_LEAST = 300, STATUS_MOST = 599, STATUS_GONE_AWAY = 499, DAY_S = 24 * 3600 };

/* ---- add_header, add_trailer ---- */

static void apply_add_header(struct compiler *compiler, const struct node *node, void *field)
{
    struct add_header **end = field, *header = ARENA_NEW(compiler->arena, struct add_header);

    if (compiler->is_first)
        *end = NULL;
    if (!word_is_field_name(compiler, &node->args[0]))
        return;
    header->name = arena_copy(compiler->arena, node->args[0].text);
    header->value = word_field_template(compiler, &node->args[1]);
    if (node->arg_count == 3) {
        if (!text_is_equal(node->args[2].text, TEXT("always"))) {
            complain_parameter(compiler, &node->args[2]);
            return;
        }
        header->is_always = true;
    }
    while (*end != NULL)
        end = &(*end)->next;
    *end = header;
}

/* ---- expires ---- */

static bool parse_offset(struct text text, int64_t *ret_seconds)
{
    bool     is_negative = text_has_prefix(text, TEXT("-"));
    uint64_t seconds;

    if (is_negative || text_has_prefix(text, TEXT("+")))
        text = text_from_offset(text, 1);
    if (value_sec(text, &seconds) < 0)
        return false;
    *ret_seconds = is_negative ? -(int64_t)seconds : (int64_t)seconds;
    return true;
}

static bool parse_expires(struct text text, bool is_modified, struct expires *expires)
{
    uint64_t second;

    expires->kind = is_modified ? EXPIRES_MODIFIED : EXPIRES_ACCESS;
    if (!is_modified && text_is_equal(text, TEXT("epoch")))
        expires->kind = EXPIRES_EPOCH;
    else if (!is_modified && text_is_equal(text, TEXT("max")))
        expires->kind = EXPIRES_MAX;
    else if (!is_modified && text_is_equal(text, TEXT("off")))
        expires->kind = EXPIRES_OFF;
    else if (!is_modified && text_has_prefix(text, TEXT("@"))) {
        if (value_sec(text_from_offset(text, 1), &second) < 0)
            return false;
        expires->kind = EXPIRES_DAILY;
        expires->seconds = (int64_t)second;
    } else {
        return parse_offset(text, &expires->seconds);
    }
    return true;
}

static void apply_expires(struct compiler *compiler, const struct node *node, void *field)
{
    const struct word *word = &node->args[node->arg_count - 1];
    struct expires     expires = { .kind = EXPIRES_OFF };
    bool               is_modified = node->arg_count == 2;

    if (is_modified && !text_is_equal(node->args[0].text, TEXT("modified"))) {
        complain_value(compiler, &node->args[0]);
        return;
    }
    if (text_has_variables(word->text)) {
        expires.kind = EXPIRES_VARIABLE;
        expires.value = word_template(compiler, word);
    } else if (is_modified && text_has_prefix(word->text, TEXT("@"))) {
        complain(compiler, word,
                 "\"expires\" directive daily time cannot be used with \"modified\" parameter");
        return;
    } else if (!parse_expires(word->text, is_modified, &expires)) {
        complain_value(compiler, word);
        return;
    } else if (expires.kind == EXPIRES_DAILY && expires.seconds > DAY_S) {
        complain(compiler, word,
                 "\"expires\" directive daily time value must be less than 24 hours");
        return;
    }
    *(struct expires *)field = expires;
}

/* ---- types ---- */

static void map_undo(void *object)
{
    struct map *map = object;

    map_free(&map);
}

static void type_add(struct compiler *compiler, struct map *map, const struct node *node,
                     struct text *type, const struct word *word)
{
    struct text  extension = text_lower(compiler->arena, word->text);
    struct text *former = map_remove(map, extension);

    if (former != NULL && !text_is_equal(*former, *type))
        warn(
            compiler, word,
             "duplicate extension \"%.*s\", content type: \"%.*s\", previous content type: \"%.*s\"",
             TEXT_ARGS(extension), TEXT_ARGS(node->name.text), TEXT_ARGS(*former));
    (void)map_add(map, extension, type);
}

/* Several blocks at one level make one list; it replaces the inherited one. */
static void apply_types(struct compiler *compiler, const struct node *node, void *field)
{
    const struct map **types = field;
    struct map        *map;

    if (compiler->is_first) {
        *types = map_new(false);
        arena_defer(compiler->arena, map_undo, (void *)*types);
    }
    map = (struct map *)*types;
    for (const struct node *at = node->children; at != NULL; at = at->next) {
        struct text *type = ARENA_NEW(compiler->arena, struct text);

        *type = arena_copy(compiler->arena, at->name.text);
        if (at->has_block)
            complain(compiler, &at->name, "unexpected \"{\"");
        for (unsigned i = 0; i < at->arg_count; i++)
            type_add(compiler, map, at, type, &at->args[i]);
    }
}

/* ---- error_page ---- */

/* "=", "=200"; false after a complaint. */
static bool parse_answer(struct compiler *compiler, const struct word *word, int *ret_answer)
{
    struct text text = text_from_offset(word->text, 1);
    uint64_t    status = 0;

    if (text.len > 0 && value_number(text, 999, &status) < 0) {
        complain(compiler, word, "invalid value \"%.*s\"", TEXT_ARGS(word->text));
        return false;
    }
    *ret_answer = (int)status;
    return true;
}

static bool parse_status(struct compiler *compiler, const struct word *word, unsigned *ret_status)
{
    uint64_t status;

    if (value_number(word->text, INT32_MAX, &status) < 0 || status == STATUS_GONE_AWAY) {
        complain(compiler, word, "invalid value \"%.*s\"", TEXT_ARGS(word->text));
        return false;
    }
    if (status < STATUS_LEAST || status > STATUS_MOST) {
        complain(compiler, word, "value \"%.*s\" must be between 300 and 599",
                 TEXT_ARGS(word->text));
        return false;
    }
    *ret_status = (unsigned)status;
    return true;
}

static void apply_error_page(struct compiler *compiler, const struct node *node, void *field)
{
    struct error_page    **end = field;
    unsigned               last = node->arg_count - 1, codes = last;
    int                    answer = -1;
    const struct template *uri;

    if (compiler->is_first)
        *end = NULL;
    if (text_has_prefix(node->args[last].text, TEXT("="))) {
        complain(compiler, &node->args[last], "invalid value \"%.*s\"",
                 TEXT_ARGS(node->args[last].text));
        return;
    }
    if (last >= 1 && text_has_prefix(node->args[last - 1].text, TEXT("="))) {
        if (!parse_answer(compiler, &node->args[last - 1], &answer))
            return;
        codes--;
    }
    uri = word_template(compiler, &node->args[last]);
    while (*end != NULL)
        end = &(*end)->next;
    for (unsigned i = 0; i < codes; i++) {
        struct error_page *page = ARENA_NEW(compiler->arena, struct error_page);

        *page = (struct error_page){ .answer = answer, .uri = uri, .place = node_place(node) };
        if (!parse_status(compiler, &node->args[i], &page->status))
            continue;
        *end = page;
        end = &page->next;
    }
}

static void apply_server_tokens(struct compiler *compiler, const struct node *node, void *field)
{
    static const struct choice choices[] = {
        { "on", TOKENS_ON }, { "off", TOKENS_OFF }, { "build", TOKENS_BUILD },
    };
    unsigned value;

    if (WORD_CHOICE(compiler, &node->args[0], choices, &value))
        *(enum tokens *)field = (enum tokens)value;
}

static const struct directive rows[] = {
    { "default_type", EVERYWHERE, 1, 1, 0, apply_text, FIELD_LOCATION(default_type), "mime-type",
      "text/plain", "Type of an answer whose extension is in no `types`." },
    { "types", EVERYWHERE, 0, 0, IS_BLOCK | IS_LIST, apply_types, FIELD_LOCATION(types),
      "{ mime-type extension ...; }", "text/html html; image/gif gif; image/jpeg jpg",
      "Types by extension." },
    { "server_tokens", EVERYWHERE, 1, 1, 0, apply_server_tokens, FIELD_LOCATION(tokens),
      "on | off | build", "on", "Whether the Server field and error pages tell the version." },
    { "add_header", EVERYWHERE, 2, 3, IS_LIST, apply_add_header, FIELD_LOCATION(headers),
      "name value [always]", "",
      "Adds a field to answers 200, 201, 204, 206, 301-304, 307, 308; with `always` to all." },
    { "add_trailer", EVERYWHERE, 2, 3, IS_LIST, apply_add_header, FIELD_LOCATION(trailers),
      "name value [always]", "", "Adds a field behind the body." },
    { "early_hints", EVERYWHERE, 1, ARGS_MANY, IS_LIST, apply_templates,
      FIELD_LOCATION(early_hints), "string ...", "",
      "When any is neither empty nor 0, a server's 103 (Early Hints) passes to the client." },
    { "expires", EVERYWHERE, 1, 2, 0, apply_expires, FIELD_LOCATION(expires),
      "[modified] time | @time | epoch | max | off", "off", "Sets Expires and Cache-Control." },
    { "error_page", EVERYWHERE, 2, ARGS_MANY, IS_LIST, apply_error_page,
      FIELD_LOCATION(error_pages), "code ... [=[response]] uri", "",
      "Another URI, named location or URL answers for these statuses." },
    { "recursive_error_pages", EVERYWHERE, 1, 1, 0, apply_flag,
      FIELD_LOCATION(has_recursive_error_pages), "on | off", "off",
      "An error page may have an error page." },
    { "absolute_redirect", EVERYWHERE, 1, 1, 0, apply_flag, FIELD_LOCATION(is_absolute_redirect),
      "on | off", "on", "Redirects of our own name scheme and host." },
    { "port_in_redirect", EVERYWHERE, 1, 1, 0, apply_flag, FIELD_LOCATION(has_port_in_redirect),
      "on | off", "on", "They name the port." },
    { "server_name_in_redirect", EVERYWHERE, 1, 1, 0, apply_flag,
      FIELD_LOCATION(has_name_in_redirect), "on | off", "off",
      "They name the server's first name instead of the request's host." },
    { "stub_status", IN_SERVER | IN_LOCATION, 0, 1, 0, apply_true, FIELD_LOCATION(is_stub_status),
      "", "", "Answers with nginx's page of connections and requests; `frontdesk status` says more." },
    { "chunked_transfer_encoding", EVERYWHERE, 1, 1, 0, apply_flag, FIELD_LOCATION(is_chunking),
      "on | off", "on", "Bodies of unknown length are sent in chunks to HTTP/1.1 clients." },
};

const struct directive_rows rows_answer = DIRECTIVE_ROWS("Answers", rows);
