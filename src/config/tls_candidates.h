// SPDX-License-Identifier: MIT
/* The files among which a handshake finds the certificate and the key that variables name. */
#ifndef CONFIG_TLS_CANDIDATES_H
#define CONFIG_TLS_CANDIDATES_H

#include "config/directive.h"

/* Each with the path that the template will give. Servers with the same paths share the list. */
struct tls_candidate *tls_candidates(struct compiler *compiler, const struct tls_items *items);

#endif
