// SPDX-License-Identifier: MIT
/* What a policy says as one text: equal texts, equal contexts. */
#ifndef CONFIG_TLS_KEY_H
#define CONFIG_TLS_KEY_H

#include "base/arena.h"
#include "tls/policy.h"

/* In the arena. Of policies of one configuration only: a file counts by where it was read to. */
struct text tls_policy_key(struct arena *arena, const struct tls_policy *policy);
struct text tls_peer_policy_key(struct arena *arena, const struct tls_peer_policy *policy);

#endif
