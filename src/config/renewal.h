// SPDX-License-Identifier: MIT
/* Certificates change more often than configurations: a bundle that differs from the last good one in nothing
 * but files of TLS, so that what somebody is writing into the configuration meanwhile does not come into
 * force; and how to tell that it is time for one. The supervisor's side; one thread. */
#ifndef CONFIG_RENEWAL_H
#define CONFIG_RENEWAL_H

#include "config/bundle.h"

/* A recording bundle that knows what `former` does, but reads the files of TLS that `config` (compiled from it)
 * names, and lists of them, anew. */
struct bundle *renewal_begin(const struct bundle *former, const struct config *config);

/* What those files were when `bundle` was made, and what they are now: differ when one was written to, replaced,
 * removed or added. */
uint64_t renewal_stamp_of(const struct bundle *bundle, const struct config *config);
uint64_t renewal_stamp_now(const struct bundle *bundle, const struct config *config);

#endif
