// SPDX-License-Identifier: MIT
/* proxy_pass with variables: the value names an upstream, which is looked up per request. */
#include "http/uri.h"
#include "proxy/steps.h"

static enum turn unusable(struct exchange *x, struct text url, const char *why)
{
    exchange_log(x, LOG_ERROR, "%s in proxy_pass \"%.*s\"", why, TEXT_ARGS(url));
    return exchange_answer(x, 500);
}

static enum turn run_resolve(struct exchange *x)
{
    const struct pass *pass = x->location->proxy.pass;
    struct text        url = template_eval(pass->url_template, &x->scope);
    struct uri_url     parts;
    struct upstream   *upstream;

    if (uri_url_parse(url, &parts) < 0 || !text_is_equal_nocase(parts.scheme, TEXT("http")))
        return unusable(x, url, "invalid URL prefix");
    x->has_upstream_uri = parts.rest.len > 0;
    x->upstream_uri = parts.rest;
    x->upstream_host = parts.authority;
    upstream = map_get(x->snapshot->site->upstream_names, parts.authority);
    if (upstream == NULL) {
        exchange_log(x, LOG_ERROR, "no upstream of that name, and no resolver for it: \"%.*s\"",
                     TEXT_ARGS(parts.authority));
        return exchange_answer(x, 502);
    }
    x->upstream = upstream;
    return exchange_go(x, &step_pick);
}

const struct step step_resolve = { "resolve", run_resolve, GUARD_TIMER };
