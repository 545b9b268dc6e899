// SPDX-License-Identifier: MIT
/* proxy_pass with variables: the value names an upstream of the configuration, or a host that is
 * looked up now. */
#include "http/uri.h"
#include "proxy/dynamic.h"
#include "proxy/steps.h"

enum { PORT_HTTP = 80, PORT_HTTPS = 443 };

#define UNIX_PREFIX "unix:"

static enum turn unusable(struct exchange *x, struct text url, const char *why)
{
    exchange_log(x, LOG_ERROR, "%s in %s \"%.*s\"", why,
                 x->location->proxy.is_grpc ? "grpc_pass" : "proxy_pass", TEXT_ARGS(url));
    return exchange_answer(x, 500);
}

static enum turn use(struct exchange *x, const struct upstream *upstream)
{
    x->upstream = upstream;
    return exchange_go(x, &step_pick);
}

/* A query alone is asked of the root. */
static void target_set(struct exchange *x, struct text rest)
{
    x->has_upstream_uri = rest.len > 0;
    x->upstream_uri = rest.len > 0 && rest.ptr[0] == '?'
                          ? arena_format(x->arena, "/%.*s", TEXT_ARGS(rest))
                          : rest;
}

/* The control loop answers in its next turn, before it knows the addresses: for these, the step pick
 * waits until the same time. */
static void deadline_set(struct exchange *x)
{
    x->name_wait_ms = loop_now_ms(x->loop) + x->location->resolver_timeout_ms;
    timer_set(loop_timers(x->loop), &x->timer, x->name_wait_ms);
}

static enum turn ask(struct exchange *x, struct text host, unsigned port)
{
    x->dynamic = dynamic_find(host, port, x->location->resolver, x->location->resolver_timeout_ms,
                              x->snapshot->control, x->loop, &x->task);
    deadline_set(x);
    return TURN_WAIT;
}

static unsigned scheme_port(const struct exchange *x)
{
    return x->is_upstream_tls ? PORT_HTTPS : PORT_HTTP;
}

/* A scheme that may stand here; for gRPC there need not be any. False: it is none. */
static bool take_scheme(struct exchange *x, struct text url, struct uri_url *ret_parts)
{
    const struct proxy_policy *policy = &x->location->proxy;
    struct text                tls = policy->is_grpc ? TEXT("grpcs") : TEXT("https");
    struct text                clear = policy->is_grpc ? TEXT("grpc") : TEXT("http");

    if (policy->is_grpc && uri_url_parse(url, ret_parts) < 0)
        url = arena_format(x->arena, "grpc://%.*s", TEXT_ARGS(url));
    if (uri_url_parse(url, ret_parts) < 0)
        return false;
    x->is_upstream_tls = text_is_equal_nocase(ret_parts->scheme, tls);
    return x->is_upstream_tls ? policy->tls != NULL
                              : text_is_equal_nocase(ret_parts->scheme, clear);
}

static enum turn ask_host(struct exchange *x, struct text url, struct text authority)
{
    struct text host;
    int         port;

    if (uri_host_parse(authority, &host, &port) < 0)
        return unusable(x, url, "invalid host");
    if (port == 0)
        return unusable(x, url, "invalid port");
    if (host.len >= DYNAMIC_HOST_BYTES)
        return unusable(x, url, "too long host");
    if (port > 0)
        x->upstream_port = arena_format(x->arena, "%d", port);
    return ask(x, host, port < 0 ? scheme_port(x) : (unsigned)port);
}

/* "unix:/path" or "unix:/path:/uri". */
static enum turn ask_path(struct exchange *x, struct text url, struct text place)
{
    size_t         prefix = TEXT(UNIX_PREFIX).len;
    size_t         len = text_find(text_from_offset(place, prefix), ':');
    struct text    path = text_part(place, prefix, len);
    struct address address;

    if (address_parse_unix(path, &address) < 0)
        return unusable(x, url, "invalid path of a unix domain socket");
    target_set(x, text_from_offset(place, prefix + len + 1));
    x->upstream_host = TEXT("localhost");
    x->upstream_port = TEXT("");
    return ask(x, text_part(place, 0, prefix + len), 0);
}

static enum turn take_answer(struct exchange *x)
{
    const struct upstream *upstream;

    if (!x->dynamic->is_answered && loop_now_ms(x->loop) < x->name_wait_ms)
        return TURN_WAIT;
    timer_stop(&x->timer);
    if (!x->dynamic->is_answered)
        exchange_log(x, LOG_ERROR, "upstream \"%.*s\" was not found in time",
                     TEXT_ARGS(x->upstream_host));
    upstream = x->dynamic->is_answered ? dynamic_upstream(x->dynamic) : NULL;
    x->dynamic->is_taken = true;
    return upstream != NULL ? use(x, upstream) : exchange_answer(x, 502);
}

static enum turn run_resolve(struct exchange *x)
{
    const struct pass *pass = x->location->proxy.pass;
    struct upstream   *upstream;
    struct uri_url     parts;
    struct text        url;

    if (x->dynamic != NULL && !x->dynamic->is_taken)
        return take_answer(x);
    dynamic_forget(&x->dynamic);
    url = template_eval(pass->url_template, &x->scope);
    if (!take_scheme(x, url, &parts))
        return unusable(x, url, "invalid URL prefix");
    if (text_has_prefix(parts.authority, TEXT(UNIX_PREFIX)))
        return ask_path(x, url, text_of(parts.authority.ptr, parts.authority.len + parts.rest.len));
    target_set(x, parts.rest);
    x->upstream_host = parts.authority;
    x->upstream_port = x->is_upstream_tls ? TEXT("443") : TEXT("80");
    upstream = map_get(x->snapshot->site->upstream_names, parts.authority);
    return upstream != NULL ? use(x, upstream) : ask_host(x, url, parts.authority);
}

const struct step step_resolve = { "resolve", run_resolve, GUARD_TIMER };
