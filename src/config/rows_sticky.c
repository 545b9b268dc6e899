// SPDX-License-Identifier: MIT
/* `sticky`: which requests stay with the server that their client had before. Parameters and sentences
 * are nginx's (ngx_http_upstream_sticky_module, NGINX Plus before). */
#include <stddef.h>
#include <string.h>

#include "config/http_block.h"
#include "config/values.h"
#include "proxy/expires.h"

enum { ZONE_LEAST = 32 * 1024, TIMEOUT_MS = 10 * 60 * 1000 };

static void complain_sticky(struct compiler *compiler, const struct word *word, const char *words)
{
    complain(compiler, word, "\"sticky\" directive %s", words);
}

static void complain_about(struct compiler *compiler, const struct word *word, const char *before,
                           const char *parameter, const char *behind)
{
    complain(compiler, word, "\"sticky\" directive %s\"%s\"%s", before, parameter, behind);
}

static void complain_unknown(struct compiler *compiler, const struct word *word)
{
    complain(compiler, word, "unknown parameter \"%.*s\"", TEXT_ARGS(word->text))->hint =
        hint_parameter(compiler, word->text);
}

/* ---- variables ---- */

static struct sticky_value **end_of(struct sticky_value **list)
{
    while (*list != NULL)
        list = &(*list)->next;
    return list;
}

static void value_add(struct compiler *compiler, const struct word *word, struct text text,
                      struct sticky_value **list)
{
    struct sticky_value *value = ARENA_NEW(compiler->arena, struct sticky_value);

    value->value = text_template(compiler, word, text);
    *end_of(list) = value;
}

static void take_route(struct compiler *compiler, const struct word *word, struct sticky *sticky)
{
    if (variable_name_is_good(word->text))
        value_add(compiler, word, word->text, &sticky->lookups);
    else
        complain(compiler, word, "invalid variable name \"%.*s\"", TEXT_ARGS(word->text));
}

/* ---- cookie ---- */

static void take_template(struct compiler *compiler, const struct word *word, const char *name,
                          const struct template **field)
{
    struct text value = text_from_offset(word->text, strlen(name) + 1);

    if (*field != NULL)
        complain_about(compiler, word, "parameter ", name, " is duplicate");
    else if (value.len == 0)
        complain_about(compiler, word, "no value for ", name, "");
    else if (!field_value_is_valid(value) || text_find(value, ';') < value.len)
        complain_about(compiler, word, "invalid ", name, " parameter value");
    else
        *field = text_template(compiler, word, value);
}

static void take_flag(struct compiler *compiler, const struct word *word, const char *name,
                      bool *field)
{
    if (*field)
        complain_about(compiler, word, "parameter ", name, " is duplicate");
    *field = true;
}

static bool is_expires(struct text value)
{
    struct expires expires;

    return expires_parse(value, &expires) == 0 && value.ptr[0] != '+' &&
           (expires.kind == EXPIRES_MAX ||
            (expires.kind == EXPIRES_ACCESS && expires.seconds >= 0));
}

static bool is_samesite(struct text value)
{
    return text_is_equal_nocase(value, TEXT("strict")) ||
           text_is_equal_nocase(value, TEXT("lax")) || text_is_equal_nocase(value, TEXT("none"));
}

static void check_constant(struct compiler *compiler, const struct word *word, const char *name,
                           const struct template *template, bool (*is_good)(struct text value))
{
    if (template != NULL && template_is_constant(template) && !is_good(template_source(template)))
        complain_about(compiler, word, "invalid ", name, " parameter value");
}

static void take_cookie(struct compiler *compiler, const struct word *word, struct sticky *sticky)
{
    struct text text = word->text;

    if (text_has_prefix(text, TEXT("domain="))) {
        take_template(compiler, word, "domain", &sticky->domain);
    } else if (text_has_prefix(text, TEXT("path="))) {
        take_template(compiler, word, "path", &sticky->path);
    } else if (text_has_prefix(text, TEXT("expires="))) {
        take_template(compiler, word, "expires", &sticky->expires);
        check_constant(compiler, word, "expires", sticky->expires, is_expires);
    } else if (text_has_prefix(text, TEXT("samesite="))) {
        take_template(compiler, word, "samesite", &sticky->samesite);
        check_constant(compiler, word, "samesite", sticky->samesite, is_samesite);
    } else if (text_is_equal(text, TEXT("httponly"))) {
        take_flag(compiler, word, "httponly", &sticky->is_httponly);
    } else if (text_is_equal(text, TEXT("secure"))) {
        take_flag(compiler, word, "secure", &sticky->is_secure);
    } else {
        complain_unknown(compiler, word);
    }
}

static void apply_cookie(struct compiler *compiler, const struct node *node, struct sticky *sticky)
{
    const struct word *name = &node->args[1];

    if (name->text.len == 0) {
        complain_sticky(compiler, name, "empty cookie name");
        return;
    }
    if (!word_is_field_name(compiler, name))
        return;
    sticky->cookie = arena_copy(compiler->arena, name->text);
    for (unsigned i = 2; i < node->arg_count; i++)
        take_cookie(compiler, &node->args[i], sticky);
}

/* ---- learn ---- */

static const struct upstream *owner_of_zone(const struct compiler *compiler, struct text name)
{
    const struct site *site = &compiler->config->site;

    for (unsigned i = 0; i < site->upstream_count; i++)
        if (site->upstreams[i]->sticky.kind == STICKY_LEARN &&
            text_is_equal(site->upstreams[i]->sticky.zone_name, name))
            return site->upstreams[i];
    return NULL;
}

static void take_zone(struct compiler *compiler, const struct word *word, struct sticky *sticky)
{
    struct text            value = text_from_offset(word->text, sizeof("zone=") - 1);
    size_t                 colon = text_find(value, ':');
    struct text            name = text_part(value, 0, colon);
    const struct upstream *other = owner_of_zone(compiler, name);

    if (sticky->zone_bytes != 0)
        complain_sticky(compiler, word, "duplicate zone");
    else if (colon == value.len)
        complain_sticky(compiler, word, "zone size is not specified");
    else if (name.len == 0)
        complain_sticky(compiler, word, "zone name is not specified");
    else if (value_size(text_from_offset(value, colon + 1), &sticky->zone_bytes) < 0)
        complain_sticky(compiler, word, "invalid zone size");
    else if (sticky->zone_bytes < ZONE_LEAST)
        complain_sticky(compiler, word, "zone is too small");
    else if (other != NULL)
        complain(compiler, word, "sticky zone \"%.*s\" is already used in upstream \"%.*s\"",
                 TEXT_ARGS(name), TEXT_ARGS(other->name));
    sticky->zone_name = arena_copy(compiler->arena, name);
    if (sticky->zone_bytes == 0)
        sticky->zone_bytes = ZONE_LEAST;     /* complained of */
}

static void take_timeout(struct compiler *compiler, const struct word *word, struct sticky *sticky)
{
    struct text value = text_from_offset(word->text, sizeof("timeout=") - 1);

    if (sticky->timeout_ms != 0)
        complain_sticky(compiler, word, "duplicate timeout");
    else if (value_msec(value, &sticky->timeout_ms) < 0 || sticky->timeout_ms == 0)
        complain_sticky(compiler, word, "invalid timeout");
}

static void take_variable(struct compiler *compiler, const struct word *word, const char *name,
                          struct sticky_value **list)
{
    struct text value = text_from_offset(word->text, strlen(name) + 1);

    if (variable_name_is_good(value))
        value_add(compiler, word, value, list);
    else
        complain_about(compiler, word, "missing variable in the ", name, " parameter");
}

static void take_learn(struct compiler *compiler, const struct word *word, struct sticky *sticky)
{
    struct text text = word->text;

    if (text_has_prefix(text, TEXT("zone=")))
        take_zone(compiler, word, sticky);
    else if (text_has_prefix(text, TEXT("timeout=")))
        take_timeout(compiler, word, sticky);
    else if (text_has_prefix(text, TEXT("create=")))
        take_variable(compiler, word, "create", &sticky->creates);
    else if (text_has_prefix(text, TEXT("lookup=")))
        take_variable(compiler, word, "lookup", &sticky->lookups);
    else if (text_is_equal(text, TEXT("header")))
        sticky->is_at_head = true;
    else if (!text_is_equal(text, TEXT("sync")))     /* there is nobody to keep in step with */
        complain_unknown(compiler, word);
}

static void apply_learn(struct compiler *compiler, const struct node *node, struct sticky *sticky)
{
    unsigned errors = compiler->diagnoses->errors;

    for (unsigned i = 1; i < node->arg_count; i++)
        take_learn(compiler, &node->args[i], sticky);
    if (sticky->timeout_ms == 0)
        sticky->timeout_ms = TIMEOUT_MS;
    if (compiler->diagnoses->errors > errors)
        return;
    if (sticky->lookups == NULL)
        complain_sticky(compiler, &node->name, "\"lookup\" parameter is not specified");
    else if (sticky->creates == NULL)
        complain_sticky(compiler, &node->name, "\"create\" parameter is not specified");
    else if (sticky->zone_bytes == 0)
        complain_sticky(compiler, &node->name, "\"zone\" parameter is not specified");
}

/* ---- the directive ---- */

static void apply_sticky(struct compiler *compiler, const struct node *node, void *field)
{
    struct sticky *sticky = field;
    struct text    kind = node->args[0].text;

    if (text_is_equal(kind, TEXT("cookie"))) {
        apply_cookie(compiler, node, sticky);
        sticky->kind = STICKY_COOKIE;
    } else if (text_is_equal(kind, TEXT("route"))) {
        for (unsigned i = 1; i < node->arg_count; i++)
            take_route(compiler, &node->args[i], sticky);
        sticky->kind = STICKY_ROUTE;
    } else if (text_is_equal(kind, TEXT("learn"))) {
        apply_learn(compiler, node, sticky);
        sticky->kind = STICKY_LEARN;
    } else {
        complain_unknown(compiler, &node->args[0]);
    }
}

static const struct directive rows[] = {
    { "sticky", IN_UPSTREAM, 2, ARGS_MANY, 0, apply_sticky, FIELD_UPSTREAM(sticky),
      "cookie name [expires=time|max] [domain=domain] [httponly] [samesite=strict|lax|none] [secure] "
      "[path=path] | route $variable ... | learn create=$variable lookup=$variable zone=name:size "
      "[timeout=time] [header] [sync]",
      "",
      "Requests of one client go to the server that it had before: by a cookie of ours, by a "
      "`route` that variables find, or by what the server's answers set; see docs/balancing.md." },
};

const struct directive_rows rows_sticky = DIRECTIVE_ROWS("Sticky clients", rows);
