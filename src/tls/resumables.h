// SPDX-License-Identifier: MIT
/* What TLS remembers of clients so that they need no full handshake (ssl_session_cache): serialised sessions by
 * their id, bounded by bytes, the one that rested longest goes first. Lives in a zone, found again
 * over reloads. Any thread: each shard has a lock of its own. */
#ifndef TLS_RESUMABLES_H
#define TLS_RESUMABLES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

enum { TLS_RESUMABLE_MOST = 8192 };      /* bytes of one; larger ones are not kept */

struct tls_resumables;

struct tls_resumables *tls_resumables_new(uint64_t bytes);
void                   tls_resumables_free(struct tls_resumables **all);

/* Copies both. Another one of this id is replaced. */
void tls_resumables_add(struct tls_resumables *all, struct text id, struct text bytes,
                        int64_t until_ms);
/* How many bytes were copied to `ret_bytes` (TLS_RESUMABLE_MOST of room); 0: there is none, or no more. */
size_t tls_resumables_get(struct tls_resumables *all, struct text id, unsigned char *ret_bytes);
void   tls_resumables_remove(struct tls_resumables *all, struct text id);

#endif
