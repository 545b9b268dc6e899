// SPDX-License-Identifier: MIT
/* What the supervisor does for TLS: of the whole process, so these may stand once, at the main level or in
 * `http`. */
#include <stddef.h>

#include "config/values.h"

enum { ROTATE_LEAST_MS = 1000, WATCH_LEAST_MS = 100 };

static void apply_rotate(struct compiler *compiler, const struct node *node, void *field)
{
    uint32_t ms;

    if (value_msec(node->args[0].text, &ms) < 0 || ms < ROTATE_LEAST_MS)
        complain_value(compiler, &node->args[0]);
    else
        *(uint32_t *)field = ms;
}

static void apply_watch(struct compiler *compiler, const struct node *node, void *field)
{
    bool     is_off = text_is_equal(node->args[0].text, TEXT("off"));
    uint32_t ms = 0;

    if (!is_off && (value_msec(node->args[0].text, &ms) < 0 || ms < WATCH_LEAST_MS))
        complain_value(compiler, &node->args[0]);
    else
        *(uint32_t *)field = ms;
}

static const struct directive rows[] = {
    { "ssl_session_ticket_rotate", IN_MAIN | IN_HTTP, 1, 1, 0, apply_rotate,
      FIELD_CORE(ticket_rotate_ms), "time", "12h",
      "How often the key that session tickets are sealed with is replaced, where "
      "`ssl_session_ticket_key` names no file; the two before it still open tickets. All three "
      "live on through reloads, crashes of the worker and binary upgrades. (Not nginx's.)" },
    { "ssl_certificate_watch", IN_MAIN | IN_HTTP, 1, 1, 0, apply_watch,
      FIELD_CORE(certificate_watch_ms), "time | off", "off",
      "How often certificates, keys and other files that `ssl_*`, `proxy_ssl_*` and `grpc_ssl_*` "
      "name are looked at; when some have changed and are quiet again, the configuration is "
      "reloaded. (Not nginx's.)" },
};

const struct directive_rows rows_tls_keys = DIRECTIVE_ROWS("TLS: keys", rows);
