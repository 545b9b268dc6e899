// SPDX-License-Identifier: MIT
/* A row per field; a level prints what differs from the level that it stands in, and a server what
 * differs from the plain configuration. Lists print one line per entry. */
#include "dump.h"

#include <stddef.h>

#include "balance/check.h"
#include "base/writer.h"

enum kind { KIND_BOOL = 0, KIND_U32, KIND_U64, KIND_TEXT, KIND_TEMPLATE, KIND_ENUM, KIND_INT };

struct row {
    const char *name;
    enum kind   kind;
    size_t      offset;
};

#define LOCATION(name, kind) { #name, kind, offsetof(struct location, name) }
#define PROXY(name, kind) { "proxy." #name, kind, offsetof(struct location, proxy.name) }
#define CACHE(name, kind) { "cache." #name, kind, offsetof(struct location, proxy.cache.name) }
#define PEER(name, kind) { "peer." #name, kind, offsetof(struct location, proxy.tls_policy.name) }
#define TLS(name, kind) { "tls." #name, kind, offsetof(struct server, tls_policy.name) }
#define SERVER(name, kind) { #name, kind, offsetof(struct server, name) }
#define CORE(name, kind) { #name, kind, offsetof(struct core, name) }
#define UPSTREAM(name, kind) { #name, kind, offsetof(struct upstream, name) }

static const struct row location_rows[] = {
    LOCATION(is_internal, KIND_BOOL), LOCATION(is_stub_status, KIND_BOOL),
    LOCATION(body_max, KIND_U64), LOCATION(body_buffer, KIND_U32),
    LOCATION(body_timeout_ms, KIND_U32), LOCATION(send_timeout_ms, KIND_U32),
    LOCATION(body_rate, KIND_U32), LOCATION(body_rate_after_ms, KIND_U32),
    LOCATION(limit_req_status, KIND_U32), LOCATION(limit_conn_status, KIND_U32),
    LOCATION(limit_req_log, KIND_ENUM), LOCATION(limit_conn_log, KIND_ENUM),
    LOCATION(is_limit_req_dry, KIND_BOOL), LOCATION(is_limit_conn_dry, KIND_BOOL),
    LOCATION(limit_rate, KIND_TEMPLATE), LOCATION(limit_rate_after, KIND_TEMPLATE),
    LOCATION(resolver_timeout_ms, KIND_U32), LOCATION(keepalive_timeout_ms, KIND_U32), LOCATION(keepalive_header_s, KIND_U32),
    LOCATION(keepalive_requests, KIND_U32), LOCATION(keepalive_time_ms, KIND_U32),
    LOCATION(lingering, KIND_ENUM), LOCATION(lingering_time_ms, KIND_U32),
    LOCATION(lingering_timeout_ms, KIND_U32), LOCATION(has_nodelay, KIND_BOOL),
    LOCATION(is_reset_on_timeout, KIND_BOOL),
    LOCATION(tokens, KIND_ENUM), LOCATION(default_type, KIND_TEXT),
    LOCATION(is_absolute_redirect, KIND_BOOL), LOCATION(has_port_in_redirect, KIND_BOOL),
    LOCATION(has_name_in_redirect, KIND_BOOL), LOCATION(has_recursive_error_pages, KIND_BOOL),
    LOCATION(is_chunking, KIND_BOOL), LOCATION(is_satisfy_any, KIND_BOOL),
    LOCATION(real_ip.field, KIND_TEXT), LOCATION(real_ip.is_of_proxy_protocol, KIND_BOOL),
    LOCATION(real_ip.is_recursive, KIND_BOOL),
    PROXY(http_version, KIND_U32), PROXY(method, KIND_TEMPLATE), PROXY(body, KIND_TEMPLATE),
    PROXY(is_passing_headers, KIND_BOOL), PROXY(is_passing_body, KIND_BOOL),
    PROXY(is_passing_trailers, KIND_BOOL), PROXY(is_passing_request_trailers, KIND_BOOL),
    PROXY(ignore_headers, KIND_U32), PROXY(is_redirect_default, KIND_BOOL),
    PROXY(bind, KIND_TEMPLATE), PROXY(is_buffering, KIND_BOOL),
    PROXY(is_request_buffering, KIND_BOOL), PROXY(is_ignoring_abort, KIND_BOOL),
    PROXY(is_intercepting_errors, KIND_BOOL), PROXY(has_socket_keepalive, KIND_BOOL),
    PROXY(connect_timeout_ms, KIND_U32), PROXY(send_timeout_ms, KIND_U32),
    PROXY(read_timeout_ms, KIND_U32), PROXY(buffer_size, KIND_U64), PROXY(buffers_count, KIND_U32),
    PROXY(buffers_size, KIND_U64), PROXY(busy_size, KIND_U64), PROXY(limit_rate, KIND_U64),
    PROXY(proxy_protocol, KIND_ENUM), PROXY(next_upstream, KIND_U32), PROXY(hedge_ms, KIND_U32), PROXY(next_tries, KIND_U32), PROXY(next_timeout_ms, KIND_U32),
    CACHE(zone_name, KIND_TEMPLATE), CACHE(key, KIND_TEMPLATE), CACHE(methods, KIND_U32),
    CACHE(min_uses, KIND_U32), CACHE(is_locking, KIND_BOOL), CACHE(lock_timeout_ms, KIND_U32),
    CACHE(lock_age_ms, KIND_U32), CACHE(use_stale, KIND_U32), CACHE(stale_most_s, KIND_U64),
    CACHE(is_background_update, KIND_BOOL), CACHE(is_revalidating, KIND_BOOL),
    CACHE(is_converting_head, KIND_BOOL), CACHE(is_forcing_ranges, KIND_BOOL),
    CACHE(is_ignoring_request, KIND_BOOL), CACHE(max_range_offset, KIND_U64),
    CACHE(tag_field, KIND_TEXT), CACHE(is_hiding_targeted, KIND_BOOL),
    CACHE(status_field, KIND_ENUM), CACHE(status_name, KIND_TEXT), CACHE(slice_bytes, KIND_U64),
    CACHE(is_storing, KIND_BOOL), CACHE(store_path, KIND_TEMPLATE), CACHE(store_mode, KIND_U32),
    PROXY(is_grpc, KIND_BOOL), PEER(versions, KIND_U32), PEER(ciphers, KIND_TEXT),
    PEER(name, KIND_TEMPLATE), PEER(has_server_name, KIND_BOOL), PEER(is_verifying, KIND_BOOL),
    PEER(verify_depth, KIND_U32), PEER(is_reusing, KIND_BOOL), PEER(has_http2, KIND_BOOL),
    PEER(must_be_http2, KIND_BOOL),
};
static const struct row server_rows[] = {
    SERVER(head_timeout_ms, KIND_U32), SERVER(head_buffer, KIND_U32), SERVER(large_count, KIND_U32),
    SERVER(large_size, KIND_U32), SERVER(max_headers, KIND_U32),
    SERVER(is_ignoring_invalid, KIND_BOOL), SERVER(has_underscores, KIND_BOOL),
    SERVER(may_merge_slashes, KIND_BOOL), SERVER(is_http2, KIND_BOOL),
    SERVER(h2.max_streams, KIND_U32), SERVER(h2.window, KIND_U32), SERVER(h2.chunk_size, KIND_U32),
    SERVER(h2.recv_buffer_size, KIND_U32),
    TLS(versions, KIND_U32), TLS(ciphers, KIND_TEXT), TLS(prefers_server_ciphers, KIND_BOOL),
    TLS(curves, KIND_TEXT), TLS(cache, KIND_ENUM), TLS(cache_name, KIND_TEXT),
    TLS(cache_bytes, KIND_U64), TLS(session_timeout_s, KIND_U32), TLS(has_tickets, KIND_BOOL),
    TLS(verify, KIND_ENUM), TLS(verify_depth, KIND_U32), TLS(is_stapling, KIND_BOOL),
    TLS(is_stapling_verified, KIND_BOOL), TLS(stapling_responder, KIND_TEXT),
    TLS(has_early_data, KIND_BOOL), TLS(buffer_size, KIND_U32), TLS(is_rejecting, KIND_BOOL),
    TLS(has_http2, KIND_BOOL),
};
static const struct row core_rows[] = {
    CORE(is_daemon, KIND_BOOL), CORE(has_master, KIND_BOOL), CORE(pid_path, KIND_TEXT),
    CORE(control_path, KIND_TEXT), CORE(user, KIND_TEXT), CORE(group, KIND_TEXT), CORE(worker_processes, KIND_U32),
    CORE(worker_connections, KIND_U32), CORE(nofile, KIND_U64),
    CORE(shutdown_timeout_ms, KIND_U32), CORE(priority, KIND_INT),
    CORE(working_directory, KIND_TEXT), CORE(memory_bytes, KIND_U64),
    CORE(memory_percent, KIND_U32), CORE(lag_close_ms, KIND_U32), CORE(lag_stop_ms, KIND_U32),
    CORE(ticket_rotate_ms, KIND_U32), CORE(certificate_watch_ms, KIND_U32),
};
static const struct row upstream_rows[] = {
    UPSTREAM(balance.method, KIND_ENUM), UPSTREAM(balance.key, KIND_TEMPLATE),
    UPSTREAM(balance.is_consistent, KIND_BOOL), UPSTREAM(balance.bound_percent, KIND_U32),
    UPSTREAM(balance.has_two, KIND_BOOL), UPSTREAM(balance.is_timed, KIND_BOOL),
    UPSTREAM(balance.is_whole, KIND_BOOL), UPSTREAM(balance.has_inflight, KIND_BOOL),
    UPSTREAM(sticky.kind, KIND_ENUM), UPSTREAM(sticky.cookie, KIND_TEXT),
    UPSTREAM(sticky.expires, KIND_TEMPLATE), UPSTREAM(sticky.domain, KIND_TEMPLATE),
    UPSTREAM(sticky.path, KIND_TEMPLATE), UPSTREAM(sticky.samesite, KIND_TEMPLATE),
    UPSTREAM(sticky.is_httponly, KIND_BOOL), UPSTREAM(sticky.is_secure, KIND_BOOL),
    UPSTREAM(sticky.is_at_head, KIND_BOOL), UPSTREAM(sticky.zone_name, KIND_TEXT),
    UPSTREAM(sticky.zone_bytes, KIND_U64), UPSTREAM(sticky.timeout_ms, KIND_U32),
    UPSTREAM(keepalive, KIND_U32),
    UPSTREAM(keepalive_requests, KIND_U32), UPSTREAM(keepalive_timeout_ms, KIND_U32),
    UPSTREAM(keepalive_time_ms, KIND_U32), UPSTREAM(resolver_timeout_ms, KIND_U32),
    UPSTREAM(state, KIND_TEXT),
    UPSTREAM(queue.most, KIND_U32), UPSTREAM(queue.timeout_ms, KIND_U32),
    UPSTREAM(queue.target_ms, KIND_U32), UPSTREAM(queue.interval_ms, KIND_U32),
    UPSTREAM(queue_key, KIND_TEMPLATE), UPSTREAM(retry_percent, KIND_U32),
    UPSTREAM(retry_least, KIND_U32),
};
static const struct upstream plain_upstream = {
    .keepalive = 32, .keepalive_requests = 1000, .keepalive_timeout_ms = 60000,
    .keepalive_time_ms = 3600000, .resolver_timeout_ms = 30000, .retry_percent = 20,
    .retry_least = 3,
};

struct dumper {
    struct writer        writer;
    struct arena        *arena;
    const struct config *plain;
    unsigned             depth;
};

/* ---- values ---- */

static void put_template(struct writer *writer, const struct template *template)
{
    if (template == NULL)
        writer_string(writer, "(none)");
    else
        writer_format(writer, "\"%.*s\"", TEXT_ARGS(template_source(template)));
}

static struct text value_of(struct arena *arena, const struct row *row, const void *object)
{
    const void   *field = (const char *)object + row->offset;
    struct writer writer = writer_arena(arena, 32);

    switch (row->kind) {
    case KIND_BOOL: writer_string(&writer, *(const bool *)field ? "on" : "off"); break;
    case KIND_INT: writer_format(&writer, "%d", *(const int *)field); break;
    case KIND_ENUM:
    case KIND_U32: writer_format(&writer, "%u", *(const uint32_t *)field); break;
    case KIND_U64: writer_u64(&writer, *(const uint64_t *)field); break;
    case KIND_TEXT:
        if (((const struct text *)field)->len > 0)
            writer_text(&writer, *(const struct text *)field);
        break;
    case KIND_TEMPLATE: put_template(&writer, *(const struct template *const *)field); break;
    }
    return writer_done(&writer);
}

static void indent(struct dumper *dumper)
{
    for (unsigned i = 0; i < dumper->depth; i++)
        writer_string(&dumper->writer, "  ");
}

#define LINE(dumper, ...) \
    (indent(dumper), writer_format(&(dumper)->writer, __VA_ARGS__), \
     writer_char(&(dumper)->writer, '\n'))

static void rows_dump(struct dumper *dumper, const struct row *rows, size_t count,
                      const void *object, const void *plain)
{
    for (size_t i = 0; i < count; i++) {
        struct text value = value_of(dumper->arena, &rows[i], object);

        if (!text_is_equal(value, value_of(dumper->arena, &rows[i], plain)))
            LINE(dumper, "%s %.*s", rows[i].name, TEXT_ARGS(value));
    }
}
#define ROWS_DUMP(dumper, rows, object, plain) \
    rows_dump((dumper), (rows), sizeof(rows) / sizeof((rows)[0]), (object), (plain))

static void field_dump(struct dumper *dumper, const char *what, struct text name,
                       const struct template *value, const char *after)
{
    indent(dumper);
    writer_format(&dumper->writer, "%s %.*s ", what, TEXT_ARGS(name));
    put_template(&dumper->writer, value);
    writer_format(&dumper->writer, "%s\n", after);
}

/* ---- lists of a location ---- */

static void pass_dump(struct dumper *dumper, const struct pass *pass)
{
    if (pass == NULL)
        return;
    if (pass->url_template != NULL) {
        field_dump(dumper, "pass", TEXT("to"), pass->url_template, pass->is_tls ? " tls" : "");
        return;
    }
    LINE(dumper, "pass to %.*s%s host=%.*s port=%.*s%s%.*s", TEXT_ARGS(pass->upstream->name),
         pass->is_tls ? " tls" : "", TEXT_ARGS(pass->host), TEXT_ARGS(pass->port), pass->has_uri ? " uri=" : "",
         TEXT_ARGS(pass->uri));
}

/* True: print the list. One that became empty is told here. */
static bool list_differs(struct dumper *dumper, const char *what, const void *list,
                         const void *outer)
{
    if (list == NULL && outer != NULL)
        LINE(dumper, "%s (none)", what);
    return list != outer;
}

static void replacements_dump(struct dumper *dumper, const char *what,
                              const struct replacement *at, const struct replacement *outer)
{
    if (!list_differs(dumper, what, at, outer))
        return;
    for (; at != NULL; at = at->next) {
        struct text from = at->regex != NULL ? regex_pattern(at->regex) : template_source(at->from);

        field_dump(dumper, what,
                   at->regex == NULL ? from : arena_format(dumper->arena, "~ %.*s", TEXT_ARGS(from)),
                   at->to, "");
    }
}

static void names_dump(struct dumper *dumper, const char *what, const struct name_list *at,
                       const struct name_list *outer)
{
    if (!list_differs(dumper, what, at, outer))
        return;
    for (; at != NULL; at = at->next)
        LINE(dumper, "%s %.*s", what, TEXT_ARGS(at->name));
}

static void templates_dump(struct dumper *dumper, const char *what,
                           const struct template_list *at, const struct template_list *outer)
{
    if (!list_differs(dumper, what, at, outer))
        return;
    for (; at != NULL; at = at->next)
        LINE(dumper, "%s \"%.*s\"", what, TEXT_ARGS(template_source(at->value)));
}

static bool is_same_names(const struct name_list *a, const struct name_list *b)
{
    for (; a != NULL && b != NULL; a = a->next, b = b->next)
        if (!text_is_equal(a->name, b->name))
            return false;
    return a == b;
}

static void cache_dump(struct dumper *dumper, const struct cache_policy *cache,
                       const struct cache_policy *outer)
{
    if (cache->zone != outer->zone)
        LINE(dumper, "cache %.*s", TEXT_ARGS(cache->zone == NULL ? TEXT("(none)") : cache->zone->name));
    if (list_differs(dumper, "cache_valid", cache->valid, outer->valid))
        for (const struct cache_valid *at = cache->valid; at != NULL; at = at->next)
            LINE(dumper, "cache_valid %u %lld", at->status, (long long)at->seconds);
    templates_dump(dumper, "cache_bypass", cache->bypass, outer->bypass);
    templates_dump(dumper, "no_cache", cache->no_cache, outer->no_cache);
    templates_dump(dumper, "cache_purge", cache->purge, outer->purge);
    if (!is_same_names(cache->targeted, outer->targeted))
        names_dump(dumper, "cache_targeted", cache->targeted, outer->targeted);
}

static void proxy_lists_dump(struct dumper *dumper, const struct proxy_policy *proxy,
                             const struct proxy_policy *outer)
{
    if (list_differs(dumper, "set_header", proxy->set_headers, outer->set_headers))
        for (const struct set_header *at = proxy->set_headers; at != NULL; at = at->next)
            field_dump(dumper, "set_header", at->name, at->value, "");
    names_dump(dumper, "hide_header", proxy->hide_headers, outer->hide_headers);
    names_dump(dumper, "pass_header", proxy->pass_headers, outer->pass_headers);
    replacements_dump(dumper, "redirect", proxy->redirects, outer->redirects);
    replacements_dump(dumper, "cookie_domain", proxy->cookie_domains, outer->cookie_domains);
    replacements_dump(dumper, "cookie_path", proxy->cookie_paths, outer->cookie_paths);
    cache_dump(dumper, &proxy->cache, &outer->cache);
    if (!list_differs(dumper, "cookie_flags", proxy->cookie_flags, outer->cookie_flags))
        return;
    for (const struct cookie_flags *at = proxy->cookie_flags; at != NULL; at = at->next)
        LINE(dumper, "cookie_flags %.*s %x",
             TEXT_ARGS(at->regex != NULL ? regex_pattern(at->regex) : template_source(at->name)),
             at->flags);
}

static void network_write(struct writer *writer, const unsigned char *bytes, unsigned len,
                          unsigned bits)
{
    for (unsigned i = 0; i < len; i++)
        writer_format(writer, "%02x", bytes[i]);
    writer_format(writer, "/%u", bits);
}

static void access_dump(struct dumper *dumper, const struct access_rule *at,
                        const struct access_rule *outer)
{
    if (!list_differs(dumper, "access", at, outer))
        return;
    for (; at != NULL; at = at->next) {
        indent(dumper);
        writer_string(&dumper->writer, at->is_allow ? "allow " : "deny ");
        if (at->is_all || at->is_unix)
            writer_string(&dumper->writer, at->is_all ? "all" : "unix:");
        else
            network_write(&dumper->writer, at->network, at->family_bytes, at->bits);
        writer_char(&dumper->writer, '\n');
    }
}

static void trust_dump(struct dumper *dumper, const struct trust *trust, const struct trust *outer)
{
    if (!list_differs(dumper, "trust", trust, outer))
        return;
    if (trust->has_unix)
        LINE(dumper, "trust unix:");
    for (const struct trusted *at = trust->list; at != NULL; at = at->next) {
        const void *found =
            prefix_tree_find(trust->networks, at->network.bytes, at->network.len);

        indent(dumper);
        writer_string(&dumper->writer, "trust ");
        network_write(&dumper->writer, at->network.bytes, at->network.len, at->network.bits);
        writer_string(&dumper->writer, found != NULL ? "\n" : " (not in the tree)\n");
    }
}

/* Of what is in a file only how much. */
static void file_dump(struct dumper *dumper, const char *what, const struct tls_file *file,
                      const struct tls_file *outer)
{
    if (file->path.len > 0 && !text_is_equal(file->path, outer->path))
        LINE(dumper, "%s %.*s (%zu bytes)", what, TEXT_ARGS(file->path), file->text.len);
}

static void half_dump(struct dumper *dumper, const char *what, const struct tls_file *file,
                      const struct template *template)
{
    static const struct tls_file none;

    if (template != NULL)
        field_dump(dumper, what, TEXT("of"), template, "");
    else
        file_dump(dumper, what, file, &none);
}

static void pairs_dump(struct dumper *dumper, const struct tls_pair *pair,
                       const struct tls_candidate *candidate)
{
    static const struct tls_file none;

    for (; pair != NULL; pair = pair->next) {
        half_dump(dumper, "certificate", &pair->certificate, pair->certificate_template);
        half_dump(dumper, "  key", &pair->key, pair->key_template);
    }
    for (; candidate != NULL; candidate = candidate->next)
        file_dump(dumper, "candidate", &candidate->file, &none);
}

static void commands_dump(struct dumper *dumper, const struct tls_command *at,
                          const struct tls_command *outer)
{
    if (!list_differs(dumper, "command", at, outer))
        return;
    for (; at != NULL; at = at->next)
        LINE(dumper, "command %.*s=%.*s", TEXT_ARGS(at->name), TEXT_ARGS(at->value));
}

static void secrets_dump(struct dumper *dumper, const char *what, const struct tls_text_list *at,
                         const struct tls_text_list *outer)
{
    static const struct tls_file none;

    if (!list_differs(dumper, what, at, outer))
        return;
    for (; at != NULL; at = at->next)
        file_dump(dumper, what, &at->file, &none);
}

static void tls_dump(struct dumper *dumper, const struct tls_policy *policy)
{
    static const struct tls_file none;

    pairs_dump(dumper, policy->pairs, policy->candidates);
    file_dump(dumper, "dhparam", &policy->dhparam, &none);
    file_dump(dumper, "client_cas", &policy->client_cas, &none);
    file_dump(dumper, "trusted", &policy->trusted, &none);
    file_dump(dumper, "crl", &policy->crl, &none);
    file_dump(dumper, "stapling_file", &policy->stapling_file, &none);
    commands_dump(dumper, policy->commands, NULL);
    secrets_dump(dumper, "ticket_key", policy->ticket_keys, NULL);
    secrets_dump(dumper, "password", policy->passwords, NULL);
}

static void peers_dump(struct dumper *dumper, const struct tls_peer_policy *policy,
                       const struct tls_peer_policy *outer)
{
    if (policy->pair != outer->pair)
        pairs_dump(dumper, policy->pair, policy->candidates);
    file_dump(dumper, "peer_trusted", &policy->trusted, &outer->trusted);
    file_dump(dumper, "peer_crl", &policy->crl, &outer->crl);
    commands_dump(dumper, policy->commands, outer->commands);
    secrets_dump(dumper, "peer_password", policy->passwords, outer->passwords);
}

static void limits_dump(struct dumper *dumper, const struct location *location,
                        const struct location *outer)
{
    if (list_differs(dumper, "limit_req", location->limit_reqs, outer->limit_reqs))
        for (const struct limit_req *at = location->limit_reqs; at != NULL; at = at->next)
            LINE(dumper, "limit_req %.*s burst=%llu delay=%llu", TEXT_ARGS(at->zone->name),
                 (unsigned long long)at->burst, (unsigned long long)at->delay);
    if (list_differs(dumper, "limit_conn", location->limit_conns, outer->limit_conns))
        for (const struct limit_conn *at = location->limit_conns; at != NULL; at = at->next)
            LINE(dumper, "limit_conn %.*s %u", TEXT_ARGS(at->zone->name), at->most);
}

static void rewrites_dump(struct dumper *dumper, const struct rewrite *at)
{
    for (; at != NULL; at = at->next) {
        indent(dumper);
        if (at->kind == REWRITE_SET && at->built_in.len > 0)
            writer_format(&dumper->writer, "set $%.*s ", TEXT_ARGS(at->built_in));
        else if (at->kind == REWRITE_SET)
            writer_format(&dumper->writer, "set slot ");
        else
            writer_format(&dumper->writer, "return %u ", at->status);
        put_template(&dumper->writer, at->value);
        writer_char(&dumper->writer, '\n');
    }
}

static void access_logs_dump(struct dumper *dumper, const struct access_log *at,
                             const struct access_log *outer)
{
    if (!list_differs(dumper, "access_log", at, outer))
        return;
    for (; at != NULL; at = at->next) {
        indent(dumper);
        writer_format(&dumper->writer, "access_log %.*s %.*s", TEXT_ARGS(at->file->path),
                      TEXT_ARGS(at->format->name));
        if (at->buffer_bytes > 0 || at->flush_ms > 0)
            writer_format(&dumper->writer, " buffer=%u flush=%u", at->buffer_bytes, at->flush_ms);
        if (at->condition != NULL) {
            writer_string(&dumper->writer, " if=");
            put_template(&dumper->writer, at->condition);
        }
        writer_char(&dumper->writer, '\n');
    }
}

static void error_logs_dump(struct dumper *dumper, const struct error_log *at,
                            const struct error_log *outer)
{
    for (; at != outer && at != NULL; at = at->next)
        LINE(dumper, "error_log %.*s %s", TEXT_ARGS(at->file->path), log_level_name(at->level));
}

static void add_headers_dump(struct dumper *dumper, const char *what, const struct add_header *at,
                             const struct add_header *outer)
{
    if (!list_differs(dumper, what, at, outer))
        return;
    for (; at != NULL; at = at->next)
        field_dump(dumper, what, at->name, at->value, at->is_always ? " always" : "");
}

static void answers_dump(struct dumper *dumper, const struct location *location,
                         const struct location *outer)
{
    add_headers_dump(dumper, "add_header", location->headers, outer->headers);
    add_headers_dump(dumper, "add_trailer", location->trailers, outer->trailers);
    templates_dump(dumper, "early_hints", location->early_hints, outer->early_hints);
    if (list_differs(dumper, "error_page", location->error_pages, outer->error_pages))
        for (const struct error_page *at = location->error_pages; at != NULL; at = at->next)
            field_dump(dumper, "error_page",
                       arena_format(dumper->arena, "%u answer=%d", at->status, at->answer),
                       at->uri, "");
    if (location->expires.kind != outer->expires.kind
        || location->expires.seconds != outer->expires.seconds)
        LINE(dumper, "expires kind=%d seconds=%lld", (int)location->expires.kind,
             (long long)location->expires.seconds);
    if (location->types != outer->types && map_count(location->types) != 3)
        LINE(dumper, "types %zu", map_count(location->types));
}

static void resolver_dump(struct dumper *dumper, const struct resolver_policy *policy,
                          const struct resolver_policy *outer)
{
    if (policy == outer)
        return;
    indent(dumper);
    writer_string(&dumper->writer, "resolver");
    for (unsigned i = 0; i < policy->server_count; i++) {
        writer_char(&dumper->writer, ' ');
        address_write(&dumper->writer, &policy->servers[i]);
    }
    writer_format(&dumper->writer, " valid=%u%s%s\n", policy->valid_ms,
                  policy->is_v4_off ? " ipv4=off" : "", policy->is_v6_off ? " ipv6=off" : "");
}

/* ---- blocks ---- */

static const char *const kind_names[] = { "prefix", "prefix final", "exact", "regex", "named",
                                          "server" };

static void level_dump(struct dumper *dumper, const struct location *location,
                       const struct location *outer);

static void location_dump(struct dumper *dumper, const struct location *location,
                          const struct location *outer)
{
    LINE(dumper, "location %s %.*s", kind_names[location->kind], TEXT_ARGS(location->name));
    dumper->depth++;
    level_dump(dumper, location, outer);
    dumper->depth--;
}

static void level_dump(struct dumper *dumper, const struct location *location,
                       const struct location *outer)
{
    ROWS_DUMP(dumper, location_rows, location, outer);
    rewrites_dump(dumper, location->rewrites);
    trust_dump(dumper, location->real_ip.trust, outer->real_ip.trust);
    access_dump(dumper, location->access_rules, outer->access_rules);
    limits_dump(dumper, location, outer);
    pass_dump(dumper, location->proxy.pass);
    proxy_lists_dump(dumper, &location->proxy, &outer->proxy);
    peers_dump(dumper, &location->proxy.tls_policy, &outer->proxy.tls_policy);
    answers_dump(dumper, location, outer);
    resolver_dump(dumper, location->resolver, outer->resolver);
    access_logs_dump(dumper, location->access_logs, outer->access_logs);
    error_logs_dump(dumper, location->error_log, outer->error_log);
    for (const struct location *at = location->children; at != NULL; at = at->next)
        location_dump(dumper, at, location);
}

static void server_dump(struct dumper *dumper, const struct server *server)
{
    size_t      cursor = 0;
    struct text name;
    void       *location;

    LINE(dumper, "server \"%.*s\"", TEXT_ARGS(server->first_name));
    dumper->depth++;
    for (const struct server_name *at = server->names; at != NULL; at = at->next)
        if (at != server->names || at->name.len > 0)   /* what none means */
            LINE(dumper, "name %s%.*s", at->regex != NULL ? "~ " : "", TEXT_ARGS(at->name));
    ROWS_DUMP(dumper, server_rows, server, dumper->plain->site.servers);
    tls_dump(dumper, &server->tls_policy);
    level_dump(dumper, &server->level, &dumper->plain->site.defaults);
    while (map_next(server->named, &cursor, &name, &location))
        location_dump(dumper, location, &server->level);
    dumper->depth--;
}

static void values_dump(struct dumper *dumper, const char *what, const struct sticky_value *values)
{
    for (; values != NULL; values = values->next)
        LINE(dumper, "%s %.*s", what, TEXT_ARGS(template_source(values->value)));
}

static void match_dump(struct dumper *dumper, const struct match_test *test)
{
    static const char *const kinds[] = { "status", "header", "body", "require" };

    for (; test != NULL; test = test->next) {
        LINE(dumper, "    %s how=%d %.*s %.*s %.*s", kinds[test->kind], test->how,
             TEXT_ARGS(test->name), TEXT_ARGS(test->value),
             TEXT_ARGS(test->regex == NULL ? TEXT("") : regex_pattern(test->regex)));
        for (unsigned i = 0; i < test->range_count; i++)
            LINE(dumper, "      %u-%u", test->ranges[i].first, test->ranges[i].last);
    }
}

static void check_dump(struct dumper *dumper, const struct check *at)
{
    LINE(dumper, "check %.*s interval=%u jitter=%u fails=%u passes=%u%s%s keepalive_time=%u",
         TEXT_ARGS(at->key), at->interval_ms, at->jitter_ms, at->fails, at->passes,
         at->is_mandatory ? " mandatory" : "", at->is_persistent ? " persistent" : "",
         at->keepalive_time_ms);
    LINE(dumper, "  connect=%u send=%u read=%u head=%u%s", at->connect_timeout_ms,
         at->send_timeout_ms, at->read_timeout_ms, at->head_bytes, at->has_bind ? " bind" : "");
    for (const struct check_field *field = at->fields; field != NULL; field = field->next)
        LINE(dumper, "  %.*s: %.*s", TEXT_ARGS(field->name), TEXT_ARGS(field->value));
    if (at->match != NULL)
        match_dump(dumper, at->match->tests);
}

static void upstream_dump(struct dumper *dumper, const struct upstream *upstream)
{
    LINE(dumper, "upstream %.*s%s", TEXT_ARGS(upstream->name),
         upstream->is_implicit ? " (implicit)" : "");
    dumper->depth++;
    ROWS_DUMP(dumper, upstream_rows, upstream, &plain_upstream);
    values_dump(dumper, "sticky lookup", upstream->sticky.lookups);
    values_dump(dumper, "sticky create", upstream->sticky.creates);
    resolver_dump(dumper, upstream->resolver, NULL);
    for (unsigned i = 0; i < upstream->server_count; i++) {
        const struct upstream_server *at = &upstream->servers[i];
        char                          address[ADDRESS_TEXT_BYTES];

        LINE(dumper, "server %.*s%s%s weight=%u max_conns=%u max_fails=%u fail_timeout=%u%s%s%s%s%.*s%s%s%.*s",
             TEXT_ARGS(at->name), at->has_address ? " = " : " resolve ",
             at->has_address ? address_string(&at->address, address)
                             : arena_string(dumper->arena,
                                            arena_format(dumper->arena, "%.*s:%u",
                                                         TEXT_ARGS(at->host), at->port)),
             at->weight, at->max_conns, at->max_fails, at->fail_timeout_ms,
             at->is_backup ? " backup" : "", at->is_down ? " down" : "",
             at->is_draining ? " drain" : "", at->route.len > 0 ? " route=" : "",
             TEXT_ARGS(at->route),
             at->is_resolved ? " by resolver" : "", at->service.len > 0 ? " service=" : "",
             TEXT_ARGS(at->service));
        if (at->slow_start_ms > 0)
            LINE(dumper, "  slow_start=%u", at->slow_start_ms);
    }
    if (upstream->ejection.is_on)
        LINE(dumper, "ejection consecutive=%u rate=%u requests=%u interval=%u base=%u most=%u",
             upstream->ejection.consecutive, upstream->ejection.rate, upstream->ejection.requests,
             upstream->ejection.interval_ms, upstream->ejection.base_ms, upstream->ejection.most);
    for (const struct check *at = upstream->checks; at != NULL; at = at->next)
        check_dump(dumper, at);
    dumper->depth--;
}

static void listen_dump(struct dumper *dumper, const struct listen *listen)
{
    const struct listen_options *options = &listen->options;
    char                         address[ADDRESS_TEXT_BYTES];

    indent(dumper);
    writer_format(&dumper->writer, "listen %s", address_string(&listen->address, address));
    if (listen->has_options)
        writer_format(&dumper->writer,
                      " backlog=%d rcvbuf=%d sndbuf=%d fastopen=%d keepalive=%d:%d:%d:%d%s%s%s",
                      options->backlog, options->receive_bytes, options->send_bytes,
                      options->fastopen, options->keepalive, options->keepalive_idle_s,
                      options->keepalive_interval_s, options->keepalive_count,
                      options->has_reuseport ? " reuseport" : "",
                      options->is_deferred ? " deferred" : "",
                      options->is_ipv6_only_off ? " ipv6only=off" : "");
    writer_format(&dumper->writer, "%s%s%s ->", listen->is_ssl ? " ssl" : "",
                  listen->is_http2 ? " http2" : "",
                  listen->has_proxy_protocol ? " proxy_protocol" : "");
    for (unsigned i = 0; i < listen->server_count; i++)
        writer_format(&dumper->writer, " \"%.*s\"", TEXT_ARGS(listen->servers[i]->first_name));
    writer_char(&dumper->writer, '\n');
}

static void log_file_dump(struct dumper *dumper, const struct log_file *file)
{
    const struct syslog *syslog = &file->syslog;
    char                 server[ADDRESS_TEXT_BYTES];

    switch (file->kind) {
    case LOG_TO_FILE:
        LINE(dumper, "log_file %.*s", TEXT_ARGS(file->path));
        break;
    case LOG_TO_NAMED:
        LINE(dumper, "log_file %.*s (by name)", TEXT_ARGS(file->path));
        break;
    case LOG_TO_SYSLOG:
        LINE(dumper, "log_file syslog %s facility=%u severity=%u tag=%s%s",
             address_string(&syslog->server, server), syslog->facility, syslog->severity,
             syslog->tag, syslog->has_hostname ? "" : " nohostname");
        break;
    }
}

static void limit_zone_dump(struct dumper *dumper, const struct limit_zone *zone)
{
    indent(dumper);
    writer_format(&dumper->writer, "%s %.*s bytes=%llu",
                  zone->kind == LIMIT_REQUESTS ? "limit_req_zone" : "limit_conn_zone",
                  TEXT_ARGS(zone->name), (unsigned long long)zone->bytes);
    if (zone->kind == LIMIT_REQUESTS)
        writer_format(&dumper->writer, " rate=%llu/1000", (unsigned long long)zone->rate);
    writer_string(&dumper->writer, " key=");
    put_template(&dumper->writer, zone->key);
    writer_char(&dumper->writer, '\n');
}

static void cache_zone_dump(struct dumper *dumper, const struct cache_zone *zone)
{
    LINE(dumper, "cache_zone %.*s %.*s memory=%llu max_object=%llu max_size=%llu min_free=%llu inactive=%lld",
         TEXT_ARGS(zone->name), TEXT_ARGS(zone->path.ptr == NULL ? TEXT("(in memory)") : zone->path),
         (unsigned long long)zone->memory, (unsigned long long)zone->object_max,
         (unsigned long long)zone->max_size, (unsigned long long)zone->min_free,
         (long long)zone->inactive_ms);
}

struct text dump_config(struct arena *arena, const struct config *config, const struct config *plain)
{
    struct dumper dumper = { .writer = writer_arena(arena, 4096), .arena = arena, .plain = plain };

    ROWS_DUMP(&dumper, core_rows, &config->core, &plain->core);
    for (unsigned i = 0; i < config->core.temp_path_count; i++)
        LINE(&dumper, "temp_path %.*s", TEXT_ARGS(config->core.temp_paths[i]));
    for (unsigned i = 0; i < config->core.keep_env_count; i++)
        LINE(&dumper, "env %.*s", TEXT_ARGS(config->core.keep_env[i]));
    for (unsigned i = 0; i < config->site.upstream_count; i++)
        upstream_dump(&dumper, config->site.upstreams[i]);
    for (const struct limit_zone *at = config->site.limit_zones; at != NULL; at = at->next)
        limit_zone_dump(&dumper, at);
    for (const struct cache_zone *at = config->site.cache_zones; at != NULL; at = at->next)
        cache_zone_dump(&dumper, at);
    for (const struct name_list *at = config->site.store_directories; at != NULL; at = at->next)
        LINE(&dumper, "store_directory %.*s", TEXT_ARGS(at->name));
    for (const struct listen *at = config->site.listens; at != NULL; at = at->next)
        listen_dump(&dumper, at);
    for (const struct server *at = config->site.servers; at != NULL; at = at->next)
        server_dump(&dumper, at);
    for (const struct log_file *at = config->site.log_files; at != NULL; at = at->next)
        log_file_dump(&dumper, at);
    return writer_done(&dumper.writer);
}
