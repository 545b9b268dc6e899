// SPDX-License-Identifier: MIT
/* The first steps: what is asked of which server and location, and may it be asked. */
#include <inttypes.h>

#include "base/shortage.h"
#include "http/uri.h"
#include "proxy/access.h"
#include "proxy/answer_head.h"
#include "proxy/caching.h"
#include "proxy/client.h"
#include "proxy/limits.h"
#include "proxy/realip.h"
#include "proxy/route.h"
#include "proxy/secure.h"
#include "proxy/slices.h"
#include "proxy/steps.h"
#include "proxy/stub_status.h"
#include "proxy/trailers.h"
#include "proxy/variables.h"

enum { REDIRECTS_MOST = 10,
       GATHER_MOST = 16 * 1024 * 1024 };   /* of a body without length, for a peer that needs one */

/* ---- route ---- */

static struct text lower_copy(struct arena *arena, struct text text)
{
    char *copy = arena_bytes(arena, text.len);

    for (size_t i = 0; i < text.len; i++)
        copy[i] = text_lower_char(text.ptr[i]);
    return text_of(copy, text.len);
}

/* $host: lower case, no port, no trailing dot; the server's name when the client gave none. */
static void find_host(struct exchange *x)
{
    struct text host = x->request->host;

    if (host.len > 0 && host.ptr[host.len - 1] == '.')
        host.len--;
    x->host = lower_copy(x->arena, host);
}

/* Fields whose names hold other characters than letters, digits and hyphens are not forwarded:
 * many applications can't tell X-A from X_A (underscores_in_headers, ignore_invalid_headers). */
static void drop_odd_fields(struct exchange *x)
{
    if (!x->request->has_odd_fields || !x->server->is_ignoring_invalid)
        return;
    FIELDS_EACH(&x->request->fields, field)
    {
        bool is_allowed = x->server->has_underscores;

        for (size_t i = 0; field->is_odd && is_allowed && i < field->name.len; i++) {
            char c = text_lower_char(field->name.ptr[i]);

            is_allowed = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        }
        if (field->is_odd && !is_allowed)
            field->is_gone = true;
    }
}

static void use_location(struct exchange *x, const struct location *location)
{
    x->location = location;
    client_use(x->client_conn, x->client, location);
}

/* 413, checked before anything else is done with the request. */
static bool is_body_too_large(struct exchange *x)
{
    uint64_t most = x->location->body_max;

    x->client->rx_most = most;
    if (most == 0)
        return false;
    if (x->request->body == BODY_NONE) {   /* or the page that says so cannot come */
        x->client->rx_most = 0;
        return false;
    }
    if (x->request->body == BODY_SIZED && x->request->length > most) {
        exchange_log(x, LOG_ERROR, "client intended to send too large body: %" PRIu64 " bytes",
                     x->request->length);
        return true;
    }
    return x->request_body.total_in > most;
}

static enum turn to_location(struct exchange *x)
{
    use_location(x, route_location(x->server, x->path, &x->scope));
    if (x->location->is_internal && !x->is_internal) {
        exchange_log(x, LOG_INFO, "access forbidden: \"%.*s\" is internal", TEXT_ARGS(x->path));
        return exchange_answer(x, 404);
    }
    if (is_body_too_large(x))
        return exchange_answer(x, 413);
    if (route_wants_slash(x->server, x->path)) {
        x->answer_location = answer_redirect(
            x, arena_format(x->arena, "%.*s/%s%.*s", TEXT_ARGS(uri_escape_path(x->arena, x->path)),
                            x->has_query ? "?" : "", TEXT_ARGS(x->query)));
        return exchange_answer(x, 301);
    }
    return exchange_go(x, &step_rewrite);
}

static void find_server(struct exchange *x)
{
    find_host(x);
    x->server = route_server(x->listen, x->host, &x->scope);
    use_location(x, &x->server->level);
    x->has_asked_host = x->host.len > 0;
    if (!x->has_asked_host)
        x->host = lower_copy(x->arena, x->server->first_name);
}

static int find_path(struct exchange *x)
{
    struct uri_parts parts = uri_split(x->request->path);

    x->query = parts.query;
    x->has_query = parts.has_query;
    if (!text_is_equal(parts.path, TEXT("*")))
        return uri_normalise(x->arena, parts.path, x->server->may_merge_slashes, &x->path);
    x->path = TEXT("/");
    return 0;
}

/* What could be read of it says which server's error pages and logs are meant. Its body, if any, is
 * not to be trusted. */
static enum turn refuse(struct exchange *x)
{
    const struct fault_row *row = fault_row(x->refusal);

    x->request->body = BODY_NONE;
    (void)find_path(x);
    exchange_log(x, LOG_INFO, "%s", row->words);
    if (x->refusal != FAULT_CLIENT_LEFT)
        return exchange_answer(x, (unsigned)row->status);
    x->status = (unsigned)row->status;   /* for the log */
    x->is_client_gone = true;
    x->client->ops->reset(x->client, x->refusal);
    return exchange_go(x, &step_finish);
}

static enum turn first_route(struct exchange *x)
{
    find_server(x);
    drop_odd_fields(x);
    if (x->refusal != FAULT_NONE)
        return refuse(x);
    unsigned refusal = secure_refusal(x);
    if (refusal != 0)
        return exchange_answer(x, refusal);
    /* Behind CONNECT may come what was meant for the tunnel: never requests. */
    x->client->is_last = x->request->method == METHOD_CONNECT;
    if (x->request->method == METHOD_CONNECT || x->request->method == METHOD_TRACE)
        return exchange_answer(x, 405);
    if (find_path(x) < 0) {
        exchange_log(x, LOG_INFO, "client sent invalid request target");
        return exchange_answer(x, 400);
    }
    return TURN_NEXT;
}

static enum turn run_route(struct exchange *x)
{
    if (!x->is_internal) {
        first_route(x);
        if (x->step != &step_route)
            return TURN_NEXT;
        realip_apply(x);
    }
    if (rewrite_run(x, x->server->level.rewrites))
        return exchange_go(x, &step_respond);
    return to_location(x);
}

enum turn redirect_internally(struct exchange *x, struct text uri)
{
    struct uri_parts parts = uri_split(uri);

    x->is_internal = true;
    x->is_error_answer = false;
    if (++x->redirects > REDIRECTS_MOST) {
        exchange_log(x, LOG_ERROR,
                     "rewrite or internal redirection cycle while redirect to \"%.*s\"",
                     TEXT_ARGS(uri));
        x->location = &x->server->level;
        x->status = 500;
        x->error_answer = 0;
        x->is_internal = false;   /* no error page of this answer */
        return exchange_go(x, &step_respond);
    }
    if (uri.len > 0 && uri.ptr[0] == '@') {
        const struct location *named = route_named(x->server, uri);

        if (named == NULL) {
            exchange_log(x, LOG_ERROR, "could not find named location \"%.*s\"", TEXT_ARGS(uri));
            x->error_answer = 0;
            return exchange_answer(x, 500);
        }
        use_location(x, named);
        if (x->path.len == 0)
            x->path = TEXT("/");   /* the client's could not be read */
        return exchange_go(x, &step_rewrite);
    }
    x->path = parts.path;
    x->query = parts.query;
    x->has_query = parts.has_query;
    return exchange_go(x, &step_route);
}

/* ---- rewrite ---- */

static bool is_redirect(unsigned status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static void do_return(struct exchange *x, const struct rewrite *rewrite)
{
    struct text value = TEXT_NONE;

    x->status = rewrite->status;   /* the text may ask for it */
    if (rewrite->value != NULL)
        value = template_eval(rewrite->value, &x->scope);
    x->is_error_answer = value.len == 0 && (rewrite->value == NULL || rewrite->status >= 400);
    if (x->is_error_answer && rewrite->status < 300)
        x->answer_text = TEXT("");   /* and no page, whatever it stands in for */
    if (x->is_error_answer)
        return;
    if (is_redirect(rewrite->status)) {
        x->answer_location = answer_redirect(x, value);
        x->is_error_answer = true;   /* its page; error_page may stand in for it */
        return;
    }
    x->answer_text = value;   /* its type follows from the path's extension */
}

static void do_set(struct exchange *x, const struct rewrite *rewrite)
{
    struct text value = template_eval(rewrite->value, &x->scope);

    if (rewrite->built_in.len > 0)
        variables_set(&x->scope, rewrite->built_in, value);
    else
        scope_set_slot(&x->scope, rewrite->slot, value);
}

bool rewrite_run(struct exchange *x, const struct rewrite *rewrites)
{
    for (; rewrites != NULL; rewrites = rewrites->next) {
        switch (rewrites->kind) {
        case REWRITE_SET:
            do_set(x, rewrites);
            break;
        case REWRITE_RETURN:
            do_return(x, rewrites);
            return true;
        }
    }
    return false;
}

static enum turn run_rewrite(struct exchange *x)
{
    if (rewrite_run(x, x->location->rewrites))
        return exchange_go(x, &step_respond);
    realip_apply(x);   /* another location may trust others than its server does */
    return exchange_go(x, limits_are_set(x->location) ? &step_limit : &step_access);
}

/* ---- access ---- */

static enum turn run_access(struct exchange *x)
{
    const struct access_rule *rule = NULL;

    if (x->location->access_rules == NULL ||
        access_check(x->location->access_rules, exchange_remote(x), &rule) != ACCESS_DENIED)
        return exchange_go(x, &step_content);
    exchange_log(x, LOG_ERROR, "access forbidden by rule");
    return exchange_answer(x, 403);
}

/* ---- content ---- */

static enum turn run_content(struct exchange *x)
{
    if (x->location->is_stub_status)
        return stub_status_answer(x);
    if (x->location->proxy.pass == NULL)
        return exchange_answer(x, 404);
    return exchange_go(x, &step_gather);
}

/* ---- gather ---- */

/* The whole body, or as much as client_body_buffer_size: enough to send it again to another peer,
 * and no peer waits for a slow client's small form. Larger bodies stream from there on. */
static bool is_gathered(struct exchange *x)
{
    const struct proxy_policy *policy = &x->location->proxy;
    struct pipe               *body = &x->request_body;

    if (body->is_ended)
        return true;
    if (x->request->body == BODY_CHUNKED && policy->http_version < 11)
        return false;   /* HTTP/1.0 needs its length */
    return !policy->is_request_buffering || body->fill >= x->location->body_buffer ||
           pipe_room(body) == 0;
}

/* Of a body that is wanted whole, and of which more is to come, while memory is short. */
static bool may_not_gather(const struct exchange *x)
{
    const struct pipe *body = &x->request_body;

    return body->is_gathering && !body->is_ended && body->fill > 0 && shortage_now() != 0;
}

static enum turn give_up_gathering(struct exchange *x)
{
    const struct fault_row *row = fault_row(FAULT_NO_BUFFERS);

    exchange_log(x, LOG_ERROR, "%s", row->words);
    x->client->is_last = true;
    return exchange_answer(x, (unsigned)row->status);
}

/* In each round anew: another location may want to hold more of it. */
static void gather_begin(struct exchange *x)
{
    const struct location *location = x->location;
    struct pipe           *body = &x->request_body;
    uint32_t               high = body->high;

    if (body->total_out == 0)
        pipe_keep(body);
    if (high < location->body_buffer)
        high = (uint32_t)location->body_buffer;
    if (x->request->body == BODY_CHUNKED && location->proxy.http_version < 11) {
        uint64_t most = location->body_max;

        if (most == 0 || most > GATHER_MOST)
            most = GATHER_MOST;
        body->is_gathering = true;
        high = (uint32_t)most + 1;
        x->client->rx_most = most;   /* beyond that: 413 */
    }
    pipe_set_high(body, high);
    pipe_set_reader(body, &x->task);   /* until a peer reads it */
    x->client->ops->want_body(x->client);
}

static enum turn run_gather(struct exchange *x)
{
    const struct location *location = x->location;
    struct pipe           *body = &x->request_body;

    if (x->request->body != BODY_NONE) {
        if (body->reader != &x->task)
            gather_begin(x);
        if (may_not_gather(x))
            return give_up_gathering(x);
        if (!is_gathered(x))
            return TURN_WAIT;
    }
    /* A chunked body that is all here has a length now: kinder to the peer. Trailers need chunks. */
    if (body->is_ended && x->request->body == BODY_CHUNKED && !trailers_wait_behind_request(x)) {
        x->request->body = BODY_SIZED;
        x->request->length = body->total_in;
    }
    if (slices_are_due(x))
        return exchange_go(x, &step_slice);
    if (caching_is_on(x))
        return exchange_go(x, &step_lookup);
    return exchange_go(x, location->proxy.pass->url_template != NULL ? &step_resolve : &step_pick);
}

const struct step step_route = { "route", run_route, GUARD_NONE };
const struct step step_rewrite = { "rewrite", run_rewrite, GUARD_NONE };
const struct step step_access = { "access", run_access, GUARD_NONE };
const struct step step_content = { "content", run_content, GUARD_NONE };
const struct step step_gather = { "gather", run_gather, GUARD_CLIENT };
