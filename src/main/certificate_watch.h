// SPDX-License-Identifier: MIT
/* ssl_certificate_watch: when is it time to read certificates and keys anew? Looks at the files by the clock
 * and waits until they are quiet, since a certificate and its key are written one after the other. What came of an
 * attempt it need not know: the same files are tried once. Owner: the supervisor; one thread. */
#ifndef MAIN_CERTIFICATE_WATCH_H
#define MAIN_CERTIFICATE_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "main/generation.h"

enum { CERTIFICATE_QUIET_MS = 500 };

/* All zero: nothing was looked at so far. */
struct certificate_watch {
    int64_t  look_ms;                    /* when next */
    uint64_t seen, tried;                /* stamps of config/renewal.h */
};

/* True: the files are others than those of `good`, have been so for a moment, and were not tried yet. */
bool certificate_watch_look(struct certificate_watch *watch, const struct generation *good,
                            int64_t now_ms);
/* INT64_MAX: never. */
int64_t certificate_watch_due_ms(const struct certificate_watch *watch,
                                 const struct generation *good);

#endif
