// SPDX-License-Identifier: MIT
/* What is done with an upstream's answer: fields hidden, redirects and cookies rewritten. */
#include <stddef.h>

#include "config/proxy_values.h"
#include "config/values.h"

#define PROXY(member) FIELD_LOCATION(proxy.member)

/* ---- replacements ---- */

static void replacement_append(struct replacement **end, struct replacement *replacement)
{
    while (*end != NULL)
        end = &(*end)->next;
    *end = replacement;
}

static bool is_off(const struct node *node)
{
    return node->arg_count == 1 && text_is_equal(node->args[0].text, TEXT("off"));
}

/* "~regex" or "~*regex" or a value with variables, and what replaces it. False after a complaint. */
static bool replacement_fill(struct compiler *compiler, const struct node *node,
                             bool is_always_nocase, struct replacement *replacement)
{
    const struct word *from = &node->args[0];

    if (text_has_prefix(from->text, TEXT("~"))) {
        bool        has_star = !is_always_nocase && text_has_prefix(from->text, TEXT("~*"));
        struct text pattern = text_from_offset(from->text, has_star ? 2 : 1);

        replacement->regex = word_regex(compiler, from, pattern, has_star || is_always_nocase);
        if (replacement->regex == NULL)
            return false;
    } else {
        replacement->from = word_template(compiler, from);
    }
    replacement->to = word_template(compiler, &node->args[1]);
    return true;
}

static void apply_redirect(struct compiler *compiler, const struct node *node, void *field)
{
    struct proxy_policy *policy = &compiler->level->location->proxy;
    struct replacement  *replacement;

    if (compiler->is_first) {
        policy->redirects = NULL;
        policy->is_redirect_default = false;
        compiler->level->has_default_redirect = false;
    }
    if (is_off(node) || text_is_equal(node->args[0].text, TEXT("false")))
        return;
    if (node->arg_count == 1 && text_is_equal(node->args[0].text, TEXT("default"))) {
        policy->is_redirect_default = compiler->level->has_default_redirect = true;
        return;
    }
    if (node->arg_count == 1) {
        complain_parameter(compiler, &node->args[0]);
        return;
    }
    replacement = ARENA_NEW(compiler->arena, struct replacement);
    if (replacement_fill(compiler, node, false, replacement))
        replacement_append(field, replacement);
}

/* A dot before a domain means nothing. */
static void apply_cookie_domain(struct compiler *compiler, const struct node *node, void *field)
{
    struct replacement **list = field, *replacement;
    struct word          words[2];
    struct node          plain = *node;

    if (compiler->is_first)
        *list = NULL;
    if (is_off(node))
        return;
    if (node->arg_count == 1) {
        complain_parameter(compiler, &node->args[0]);
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        words[i] = node->args[i];
        if (text_has_prefix(words[i].text, TEXT(".")))
            words[i].text = text_from_offset(words[i].text, 1);
    }
    plain.args = words;
    replacement = ARENA_NEW(compiler->arena, struct replacement);
    if (replacement_fill(compiler, &plain, true, replacement))
        replacement_append(list, replacement);
}

static void apply_cookie_path(struct compiler *compiler, const struct node *node, void *field)
{
    struct replacement **list = field, *replacement;

    if (compiler->is_first)
        *list = NULL;
    if (is_off(node))
        return;
    if (node->arg_count == 1) {
        complain_parameter(compiler, &node->args[0]);
        return;
    }
    replacement = ARENA_NEW(compiler->arena, struct replacement);
    if (replacement_fill(compiler, node, false, replacement))
        replacement_append(list, replacement);
}

static const struct choice cookie_flags[] = {
    { "secure", COOKIE_SECURE },
    { "httponly", COOKIE_HTTPONLY },
    { "samesite", COOKIE_SAMESITE },
    { "samesite=strict", COOKIE_SAMESITE | COOKIE_SAMESITE_STRICT },
    { "samesite=lax", COOKIE_SAMESITE | COOKIE_SAMESITE_LAX },
    { "samesite=none", COOKIE_SAMESITE | COOKIE_SAMESITE_NONE },
    { "nosecure", COOKIE_NO_SECURE },
    { "nohttponly", COOKIE_NO_HTTPONLY },
    { "nosamesite", COOKIE_NO_SAMESITE },
};

static void apply_cookie_flags(struct compiler *compiler, const struct node *node, void *field)
{
    struct cookie_flags **end = field, *rule = ARENA_NEW(compiler->arena, struct cookie_flags);
    const struct word    *cookie = &node->args[0];
    unsigned              value;

    if (compiler->is_first)
        *end = NULL;
    if (is_off(node))
        return;
    if (node->arg_count == 1) {
        complain(compiler, cookie, "invalid parameter \"%.*s\"", TEXT_ARGS(cookie->text))->hint =
            TEXT("a cookie and its flags, or off");
        return;
    }
    if (text_has_prefix(cookie->text, TEXT("~"))) {
        rule->regex = word_regex(compiler, cookie, text_from_offset(cookie->text, 1), true);
        if (rule->regex == NULL)
            return;
    } else {
        rule->name = word_template(compiler, cookie);
    }
    for (unsigned i = 1; i < node->arg_count; i++) {
        if (!WORD_CHOICE(compiler, &node->args[i], cookie_flags, &value))
            return;
        rule->flags |= value;
    }
    while (*end != NULL)
        end = &(*end)->next;
    *end = rule;
}

static const struct directive rows[] = {
    { "proxy_hide_header", EVERYWHERE, 1, 1, IS_LIST, apply_field_name, PROXY(hide_headers), "field",
      "Date, Server, X-Pad, X-Accel-...", "A field of the response that the client does not get." },
    { "proxy_pass_header", EVERYWHERE, 1, 1, IS_LIST, apply_field_name, PROXY(pass_headers), "field", "",
      "A hidden field that the client gets all the same." },
    { "proxy_ignore_headers", EVERYWHERE, 1, ARGS_MANY, 0, apply_ignore_headers,
      PROXY(ignore_headers), "field ...", "", "Fields of the response that have no effect on us." },
    { "proxy_intercept_errors", EVERYWHERE, 1, 1, 0, apply_flag, PROXY(is_intercepting_errors),
      "on | off", "off", "`error_page` applies to responses of 300 and more." },
    { "proxy_redirect", EVERYWHERE, 1, 2, IS_LIST, apply_redirect, PROXY(redirects),
      "default | off | from to", "default", "Rewrites Location and Refresh." },
    { "proxy_cookie_domain", EVERYWHERE, 1, 2, IS_LIST, apply_cookie_domain, PROXY(cookie_domains),
      "off | domain replacement", "off", "Rewrites the domain of cookies." },
    { "proxy_cookie_path", EVERYWHERE, 1, 2, IS_LIST, apply_cookie_path, PROXY(cookie_paths),
      "off | path replacement", "off", "Rewrites the path of cookies." },
    { "proxy_cookie_flags", EVERYWHERE, 1, 4, IS_LIST, apply_cookie_flags,
      PROXY(cookie_flags), "off | cookie flag ...", "off", "Sets or clears flags of cookies." },
};

const struct directive_rows rows_proxy_answer = DIRECTIVE_ROWS("Proxying: the answer", rows);
