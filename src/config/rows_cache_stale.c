// SPDX-License-Identifier: MIT
/* Who asks the origin when something is missing or old, and what the others get meanwhile. */
#include <stddef.h>

#include "config/values.h"

#define CACHE(member) FIELD_LOCATION(proxy.cache.member)

static void apply_use_stale(struct compiler *compiler, const struct node *node, void *field)
{
    static const struct choice choices[] = {
        { "error", NEXT_ERROR },
        { "timeout", NEXT_TIMEOUT },
        { "invalid_header", NEXT_INVALID_HEADER },
        { "updating", STALE_UPDATING },
        { "http_500", NEXT_500 },
        { "http_502", NEXT_502 },
        { "http_503", NEXT_503 },
        { "http_504", NEXT_504 },
        { "http_403", NEXT_403 },
        { "http_404", NEXT_404 },
        { "http_429", NEXT_429 },
        { "off", NEXT_OFF },
    };
    unsigned flags = 0, value;

    for (unsigned i = 0; i < node->arg_count; i++) {
        if (!WORD_CHOICE(compiler, &node->args[i], choices, &value))
            return;
        if (flags & value)
            warn(compiler, &node->args[i], "duplicate value \"%.*s\"",
                 TEXT_ARGS(node->args[i].text));
        flags |= value;
    }
    *(unsigned *)field = flags & NEXT_OFF ? 0 : flags;
}

static void apply_seconds(struct compiler *compiler, const struct node *node, void *field)
{
    uint64_t seconds;

    if (value_sec(node->args[0].text, &seconds) < 0) {
        complain_value(compiler, &node->args[0]);
        compiler->finding->hint = TEXT("a time is a number of seconds, or like 30s, 5m, 1h, 1d");
        return;
    }
    *(int64_t *)field = (int64_t)seconds;
}

static const struct directive rows[] = {
    { "proxy_cache_lock", EVERYWHERE, 1, 1, 0, apply_flag, CACHE(is_locking), "on | off", "on",
      "One request per key to the origin; the others wait, and get the bytes as they come." },
    { "proxy_cache_lock_timeout", EVERYWHERE, 1, 1, 0, apply_msec, CACHE(lock_timeout_ms), "time",
      "5s",
      "So long they wait for its first byte; then they ask the origin themselves, and what "
      "they get is not kept." },
    { "proxy_cache_lock_age", EVERYWHERE, 1, 1, 0, apply_msec, CACHE(lock_age_ms), "time", "5s",
      "When the one that asks has no answer after so long, another one asks too." },
    { "proxy_cache_use_stale", EVERYWHERE, 1, ARGS_MANY, 0, apply_use_stale, CACHE(use_stale),
      "error | timeout | invalid_header | updating | http_... | off ...", "off",
      "When an old answer is better than what the origin has to say." },
    { "proxy_cache_stale_most", EVERYWHERE, 1, 1, 0, apply_seconds, CACHE(stale_most_s), "time",
      "1d",
      "Nothing that has been stale for longer is served, whatever allows it. (Not "
      "nginx's.)" },
    { "proxy_cache_background_update", EVERYWHERE, 1, 1, 0, apply_flag, CACHE(is_background_update),
      "on | off", "off", "With `updating`: nobody waits for the answer that replaces an old one." },
    { "proxy_cache_revalidate", EVERYWHERE, 1, 1, 0, apply_flag, CACHE(is_revalidating), "on | off",
      "on", "Asks for an old answer with If-None-Match and If-Modified-Since." },
};

const struct directive_rows rows_cache_stale =
    DIRECTIVE_ROWS("Caching: who asks, and old answers", rows);
