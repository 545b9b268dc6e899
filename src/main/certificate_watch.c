// SPDX-License-Identifier: MIT
/* stat() by the clock instead of inotify: it works on every file system and through every symbolic link,
 * and costs nothing that anybody would notice every few seconds. */
#include "main/certificate_watch.h"

#include "config/renewal.h"

static uint32_t period_of(const struct generation *good)
{
    const struct config *config = good->config;

    return config->tls_file_count + config->tls_pattern_count > 0
               ? config->core.certificate_watch_ms
                                                                  : 0;
}

bool certificate_watch_look(struct certificate_watch *watch, const struct generation *good,
                            int64_t now_ms)
{
    uint32_t period_ms = period_of(good);
    uint64_t stamp;
    bool     is_news, is_quiet;

    if (period_ms == 0 || now_ms < watch->look_ms)
        return false;
    stamp = renewal_stamp_now(good->bundle, good->config);
    is_news = stamp != watch->tried && stamp != renewal_stamp_of(good->bundle, good->config);
    is_quiet = stamp == watch->seen;
    watch->seen = stamp;
    watch->look_ms =
        now_ms + (is_news && !is_quiet && period_ms > CERTIFICATE_QUIET_MS ? CERTIFICATE_QUIET_MS
                                   : period_ms);
    if (!is_news || !is_quiet)
        return false;
    watch->tried = stamp;
    return true;
}

int64_t certificate_watch_due_ms(const struct certificate_watch *watch,
                                 const struct generation *good)
{
    return period_of(good) == 0 ? INT64_MAX : watch->look_ms;
}
