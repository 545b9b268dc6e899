// SPDX-License-Identifier: MIT
/* nginx's defaults, but where docs/directives.md says otherwise: HTTP/1.1 to upstreams and a pool of
 * idle connections to them. */
#include "config/defaults.h"

#include "base/map.h"
#include "config/logs.h"
#include "http/method.h"

enum { MINUTE_MS = 60 * 1000, HOUR_MS = 60 * MINUTE_MS, DAY_S = 24 * 3600, PAGE = 4096 };

static void core_defaults(struct compiler *compiler)
{
    struct core *core = &compiler->config->core;

    core->is_daemon = true;
    core->has_master = true;
    core->pid_path = TEXT(FRONTDESK_PID);
    core->worker_processes = 1;
    core->worker_connections = 512;
    core->memory_percent = 25;
    core->lag_close_ms = 200;
    core->lag_stop_ms = 1000;
    core->ticket_rotate_ms = 12 * HOUR_MS;
}

static void types_undo(void *object)
{
    struct map *map = object;

    map_free(&map);
}

static const struct map *types_defaults(struct arena *arena)
{
    static const struct { const char *extension, *type; } rows[] = {
        { "html", "text/html" }, { "gif", "image/gif" }, { "jpg", "image/jpeg" },
    };
    struct map *map = map_new(false);

    arena_defer(arena, types_undo, map);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct text *type = ARENA_NEW(arena, struct text);

        *type = text_from(rows[i].type);
        (void)map_add(map, text_from(rows[i].extension), type);
    }
    return map;
}

static struct cache_policy cache_defaults(struct compiler *compiler)
{
    struct name_list *targeted = ARENA_NEW(compiler->arena, struct name_list);

    targeted->name = TEXT("CDN-Cache-Control");
    return (struct cache_policy){
        .methods = 1u << METHOD_GET | 1u << METHOD_HEAD,
        .min_uses = 1,
        .is_locking = true,
        .lock_timeout_ms = 5 * 1000,
        .lock_age_ms = 5 * 1000,
        .stale_most_s = DAY_S,
        .is_revalidating = true,
        .is_converting_head = true,
        .max_range_offset = UINT64_MAX,
        .tag_field = TEXT(""),
        .targeted = targeted,
        .is_hiding_targeted = true,
        .status_field = CACHE_STATUS_ON,
        .status_name = TEXT("frontdesk"),
        .store_mode = 0600,
    };
}

static struct tls_peer_policy peer_defaults(void)
{
    return (struct tls_peer_policy){
        .versions = TLS_VERSION_1_2 | TLS_VERSION_1_3,
        .ciphers = TEXT(""),
        .verify_depth = 1,
        .is_reusing = true,
    };
}

static struct proxy_policy proxy_defaults(struct compiler *compiler)
{
    return (struct proxy_policy){
        .http_version = 11,
        .is_passing_headers = true,
        .is_passing_body = true,
        .is_passing_trailers = true,
        .is_redirect_default = true,
        .is_buffering = true,
        .is_request_buffering = true,
        .connect_timeout_ms = MINUTE_MS,
        .send_timeout_ms = MINUTE_MS,
        .read_timeout_ms = MINUTE_MS,
        .buffer_size = PAGE,
        .buffers_count = 8,
        .buffers_size = PAGE,
        .busy_size = 2 * PAGE,
        .next_upstream = NEXT_ERROR | NEXT_TIMEOUT,
        .cache = cache_defaults(compiler),
        .tls_policy = peer_defaults(),
    };
}

/* A call streams both ways. */
void defaults_set_grpc(struct compiler *compiler, struct proxy_policy *policy)
{
    *policy = proxy_defaults(compiler);
    policy->is_grpc = true;
    policy->http_version = 20;
    policy->is_redirect_default = false;
    policy->is_buffering = false;
    policy->is_request_buffering = false;
}

static struct tls_policy tls_defaults(void)
{
    return (struct tls_policy){
        .versions = TLS_VERSION_1_2 | TLS_VERSION_1_3,
        .ciphers = TEXT(""),
        .curves = TEXT(""),
        .cache_name = TEXT(""),
        .session_timeout_s = 300,
        .has_tickets = true,
        .verify_depth = 1,
        .stapling_responder = TEXT(""),
        .buffer_size = 16 * 1024,
    };
}

static void location_defaults(struct compiler *compiler, struct location *location)
{
    location->kind = LOCATION_SERVER;
    location->body_max = 1024 * 1024;
    location->body_buffer = 2 * PAGE;
    location->body_timeout_ms = MINUTE_MS;
    location->send_timeout_ms = MINUTE_MS;
    location->body_rate = BODY_RATE_UNSAID;
    location->limit_req_status = location->limit_conn_status = 503;
    location->limit_req_log = location->limit_conn_log = LOG_ERROR;
    location->keepalive_timeout_ms = 75 * 1000;
    location->keepalive_requests = 1000;
    location->keepalive_time_ms = HOUR_MS;
    location->resolver_timeout_ms = RESOLVER_TIMEOUT_MS;
    location->lingering_time_ms = 30 * 1000;
    location->lingering_timeout_ms = 5 * 1000;
    location->has_nodelay = true;
    location->default_type = TEXT("text/plain");
    location->types = types_defaults(compiler->arena);
    location->is_absolute_redirect = true;
    location->has_port_in_redirect = true;
    location->is_chunking = true;
    location->real_ip.field = TEXT("X-Real-IP");
    location->proxy = proxy_defaults(compiler);
}

void defaults_set(struct compiler *compiler)
{
    struct server *http = ARENA_NEW(compiler->arena, struct server);

    core_defaults(compiler);
    http->first_name = TEXT("");
    http->head_timeout_ms = MINUTE_MS;
    http->head_buffer = 1024;
    http->large_count = 4;
    http->large_size = 8 * 1024;
    http->max_headers = 1000;
    http->is_ignoring_invalid = true;
    http->may_merge_slashes = true;
    http->h2 = (struct h2_settings){ .max_streams = 128, .window = 64 * 1024,
                                     .chunk_size = 8 * 1024, .recv_buffer_size = 256 * 1024 };
    http->tls_policy = tls_defaults();
    location_defaults(compiler, &http->level);
    compiler->http = http;
}

/* "/run/frontdesk.sock" beside "/run/frontdesk.pid". */
void defaults_set_control(struct compiler *compiler)
{
    struct core *core = &compiler->config->core;
    struct text  path = core->pid_path;

    if (core->is_control_said)
        return;
    if (text_has_suffix(path, TEXT(".pid")))
        path.len -= sizeof(".pid") - 1;
    core->control_path = arena_format(compiler->arena, "%.*s.sock", TEXT_ARGS(path));
}

void defaults_set_error_log(struct compiler *compiler)
{
    if (compiler->config->core.error_log == NULL)
        compiler->config->core.error_log =
            error_log_new(compiler, log_file_of(compiler, compiler->options->error_log), LOG_ERROR);
}
