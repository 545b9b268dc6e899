// SPDX-License-Identifier: MIT
/* The rooms. `tries_most` follows from proxy/retry.c: each server of the group once, and once more on
 * a fresh connection when a kept one was closed. */
#include <stdio.h>
#include <string.h>

#include "rooms.h"
#include "schedule.h"

enum { TEXT_BYTES = 16384 };

const struct room rooms[] = {
    { .path = "/one", .lines = "proxy_pass http://one;", .tries_most = 2 },
    { .path = "/three", .lines = "proxy_pass http://three;", .tries_most = 6 },
    { .path = "/stream", .tries_most = 6,
      .lines = "proxy_pass http://three; proxy_buffering off; proxy_request_buffering off;" },
    { .path = "/small", .tries_most = 6,
      .lines = "proxy_pass http://three; client_body_buffer_size 1k; proxy_buffer_size 4k;"
               " proxy_buffers 2 4k; proxy_busy_buffers_size 4k;" },
    { .path = "/cold", .lines = "proxy_pass http://cold;", .tries_most = 2 },
    { .path = "/crowd", .tries_most = 2, .may_be_full = true,
      .lines = "proxy_pass http://crowd;" },
    { .path = "/patient", .tries_most = 4, .may_be_full = true,
      .lines = "proxy_pass http://patient; proxy_next_upstream error timeout http_503;" },
    { .path = "/frugal", .tries_most = 4, .lines = "proxy_pass http://frugal;"
      " proxy_next_upstream error timeout invalid_header http_500 http_503;" },
    { .path = "/hedge", .tries_most = 6, .lines = "proxy_pass http://three; proxy_hedge 20ms;"
      " proxy_next_upstream error timeout http_503;" },
    { .path = "/twice", .tries_most = 4, .lines = "proxy_pass http://frugal; proxy_hedge 1ms;" },
    { .path = "/mixed", .tries_most = 8, .may_be_full = true,
      .lines = "proxy_pass http://mixed; proxy_hedge 5ms;"
               " proxy_next_upstream error timeout http_500 http_503; error_page 503 = @spare;" },
    { .path = "/never", .tries_most = 2,
      .lines = "proxy_pass http://three; proxy_next_upstream off;" },
    { .path = "/always", .tries_most = 6, .repeats_unsafe = true,
      .lines = "proxy_pass http://three; proxy_next_upstream error timeout invalid_header"
               " http_500 http_502 http_503 http_504 http_404 non_idempotent;" },
    { .path = "/two", .tries_most = 4,
      .lines = "proxy_pass http://three; proxy_next_upstream error timeout http_503;"
               " proxy_next_upstream_tries 2; proxy_next_upstream_timeout 4s;" },
    { .path = "/paced", .is_paced = true, .tries_most = 6,
      .lines = "proxy_pass http://three; limit_rate 100k; limit_rate_after 10k;" },
    { .path = "/drip", .is_paced = true, .tries_most = 6,
      .lines = "proxy_pass http://three; proxy_limit_rate 100k;" },
    { .path = "/page", .tries_most = 14,
      .lines = "proxy_pass http://three; proxy_intercept_errors on; error_page 500 502 503 504"
               " = @spare; error_page 404 = /plain/404;" },
    { .path = "/old", .is_old = true, .tries_most = 6,
      .lines = "proxy_pass http://three; proxy_http_version 1.0;" },
    { .path = "/stay", .tries_most = 6,
      .lines = "proxy_pass http://three; proxy_ignore_client_abort on;" },
    { .path = "/slack", .tries_most = 6,
      .lines = "proxy_pass http://three; lingering_close always; tcp_nodelay off;"
               " chunked_transfer_encoding off; reset_timedout_connection on;" },
    { .path = "/tunnel", .is_tunnel = true, .tries_most = 6,
      .lines = "proxy_pass http://three; proxy_http_version 1.1;"
               " proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;" },
    { .path = "/little", .tries_most = 6, .body_most = 10240,
      .lines = "proxy_pass http://three; client_max_body_size 10k;" },
    { .path = "/plain", .local_status = 200, .lines = "return 200 \"plain\";" },
    { .path = "/deny", .local_status = 403, .lines = "deny all; proxy_pass http://one;" },
    { .path = "/nobody", .local_status = 502, .lines = "proxy_pass http://nobody;" },
    { .path = "/hush", .local_status = 200, .is_directed = true,
      .lines = "lingering_close always; reset_timedout_connection on; return 200 \"hush\";" },
    { .path = "/named", .local_status = 502, .is_directed = true,
      .lines = "proxy_pass http://unknown;" },
    { .path = "/tight", .tries_most = 2, .is_directed = true, .may_be_full = true,
      .lines = "proxy_pass http://tight;" },
    { .path = "/poor", .tries_most = 2, .is_directed = true, .lines = "proxy_pass http://poor;" },
    { .path = "/dynamic", .tries_most = 2, .is_directed = true,
      .lines = "proxy_pass http://10.0.0.$arg_to;" },
    { .path = "/kept", .tries_most = 2, .is_directed = true, .says = "Cache-Control: max-age=60\r\n",
      .lines = "proxy_pass http://one; proxy_cache one; proxy_cache_lock_timeout 1s; "
               "proxy_cache_purge $http_x_purge;" },
    { .path = "/stale", .tries_most = 2, .is_directed = true,
      .says = "Cache-Control: max-age=1, stale-while-revalidate=60\r\n",
      .lines = "proxy_pass http://one; proxy_cache one;" },
    { .path = "/sure", .tries_most = 4, .is_directed = true,
      .says = "Cache-Control: max-age=1\r\nETag: \"a\"\r\n",
      .lines = "proxy_pass http://one; proxy_cache one; proxy_cache_revalidate on;" },
    { .path = "/own", .tries_most = 2, .is_directed = true, .says = "Cache-Control: no-store\r\n",
      .lines = "proxy_pass http://one; proxy_cache one;" },
    { .path = "/slices", .tries_most = 2, .is_directed = true,
      .lines = "proxy_pass http://one; slice 1m; proxy_set_header Range $slice_range;" },
    { .path = "/ranges", .tries_most = 2, .is_directed = true,
      .lines = "proxy_pass http://one; proxy_force_ranges on;" },
    { .path = "/long", .tries_most = 2, .is_directed = true, .says = "Cache-Control: max-age=60\r\n",
      .lines = "proxy_pass http://one; proxy_cache little;" },
};

const size_t room_count = sizeof(rooms) / sizeof(rooms[0]);

static const char beginning[] =
    "events {}\n"
    "http {\n"
    "  access_log off;\n"
    "  client_header_timeout 4s; client_body_timeout 4s; send_timeout 4s;\n"
    "  keepalive_timeout 6s; lingering_time 6s; lingering_timeout 2s;\n"
    "  proxy_connect_timeout 2s; proxy_read_timeout 3s; proxy_send_timeout 3s;\n"
    "  proxy_http_version 1.1; proxy_set_header Connection \"\"; client_max_body_size 0;\n"
    "  upstream one { server 10.0.0.1; keepalive 8; keepalive_timeout 5s; }\n"
    "  upstream three {\n"
    "    server 10.0.0.2 weight=2 max_fails=2 fail_timeout=1s;\n"
    "    server 10.0.0.3 fail_timeout=1s; server 10.0.0.4 backup;\n"
    "    keepalive 4; keepalive_timeout 5s; keepalive_requests %u;\n"
    "  }\n"
    "  upstream cold { server 10.0.0.5; keepalive 0; }\n"
    "  upstream crowd { server 10.0.0.7 max_conns=1;\n"
    "    queue 3 timeout=2s key=$request_method; }\n"
    "  upstream patient { server 10.0.0.9 max_conns=1 fail_timeout=1s;\n"
    "    server 10.0.0.10 max_conns=1 fail_timeout=1s; queue 20 timeout=3s target=0; }\n"
    "  upstream frugal { server 10.0.0.2 max_fails=0; server 10.0.0.3 max_fails=0;\n"
    "    retry_budget 0%% min=1; }\n"
    "  upstream mixed { server 10.0.0.11 max_conns=1 fail_timeout=1s;\n"
    "    server 10.0.0.12 max_conns=1 fail_timeout=1s; server 10.0.0.13 max_conns=1 backup;\n"
    "    retry_budget 50%% min=2; outlier_ejection base=1s; %s }\n"
    "  upstream nobody { server 10.0.0.6 down; }\n"
    "  proxy_cache_path memory: keys_zone=one:64m;\n"
    "  proxy_cache_path memory: keys_zone=little:64m max_object=20k;\n";

static const char server[] =
    "  server {\n"
    "    listen %u; server_name sim;\n"
    "    location @spare { proxy_pass http://one; }\n";

static size_t rooms_add(char *text, size_t len, bool is_directed)
{
    for (size_t i = 0; i < room_count; i++)
        if (is_directed || !rooms[i].is_directed)
            len += (size_t)snprintf(text + len, TEXT_BYTES - len, "    location %s/ { %s }\n",
                                    rooms[i].path, rooms[i].lines);
    return len + (size_t)snprintf(text + len, TEXT_BYTES - len, "  }\n");
}

/* In every third edition the second port is gone, in every second one a queue. */
const char *rooms_text(unsigned edition)
{
    static char text[TEXT_BYTES];
    bool        is_directed = edition == ROOMS_DIRECTED;
    size_t      len = 0;

    len += (size_t)snprintf(text, TEXT_BYTES, beginning, 3 + edition,
                            edition % 2 == 0 ? "queue 4 timeout=2s;" : "");
    for (unsigned port = ROOM_PORT; port <= ROOM_SECOND_PORT; port++) {
        if (port == ROOM_SECOND_PORT && edition % 3 == 2)
            break;
        len += (size_t)snprintf(text + len, TEXT_BYTES - len, server, port);
        len = rooms_add(text, len, is_directed);
    }
    if (is_directed)
        len += (size_t)snprintf(text + len, TEXT_BYTES - len,
                                "  upstream unknown { server name.invalid; }\n"
                                "  upstream poor { server 10.0.0.1 max_fails=0;"
                                " server 10.0.0.2 max_fails=0; retry_budget 0%% min=0; }\n"
                                "  upstream tight { server 10.0.0.1 max_conns=1;"
                                " queue 1 timeout=2s target=0; }\n");
    len += (size_t)snprintf(text + len, TEXT_BYTES - len, "}\n");
    must(len < TEXT_BYTES);
    return text;
}
