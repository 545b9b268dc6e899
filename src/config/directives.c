// SPDX-License-Identifier: MIT
/* All tables of rows, in the order of the documentation. */
#include "config/directive.h"

const struct directive_rows *const directive_tables[] = {
    &rows_core, &rows_http, &rows_server, &rows_listen, &rows_tls, &rows_http2,
    &rows_location, &rows_proxy, &rows_proxy_answer, &rows_proxy_tls, &rows_grpc, &rows_grpc_tls,
    &rows_cache_zone, &rows_cache, &rows_cache_stale, &rows_cache_fields,
    &rows_store, &rows_upstream, &rows_resolver, &rows_balance, &rows_sticky,   &rows_crowd,
    &rows_health,       &rows_match,    &rows_answer,   &rows_access,  &rows_real_ip,  &rows_limit,
    &rows_rewrite,      &rows_map,      &rows_tls_keys,      &rows_log,      &rows_ignored,
};

const unsigned directive_table_count = sizeof(directive_tables) / sizeof(directive_tables[0]);
