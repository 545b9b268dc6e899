// SPDX-License-Identifier: MIT
/* Pairs whose paths have variables: the files among which a handshake finds its own. Each pair is read when
 * it is first asked for, and kept. Inside the layer. Any thread. */
#ifndef TLS_CANDIDATES_H
#define TLS_CANDIDATES_H

#include "tls/keypair.h"

struct tls_candidates;

enum { TLS_PAIRS_KEPT = 1024 };

/* Freed with the arena. */
struct tls_candidates *tls_candidates_new(struct arena *arena, const struct tls_candidate *files,
                                          const struct tls_text_list *passwords);
/* Of these paths, or of "data:" with the PEM behind it. NULL: none is so, with words in *reterr_words.
 * The caller gives it back. */
struct tls_keypair *tls_candidates_find(struct tls_candidates *candidates, struct text certificate,
                                        struct text key, struct writer *reterr_words);

#endif
