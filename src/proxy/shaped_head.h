// SPDX-License-Identifier: MIT
/* The head of a whole response, shaped into what a request asks for: word that nothing has changed, a part,
 * or that there is no such part. All but the first two change a head that is the caller's own. */
#ifndef PROXY_SHAPED_HEAD_H
#define PROXY_SHAPED_HEAD_H

#include "http/head.h"
#include "http/range.h"

/* A head of its own that may be shaped; its texts are borrowed. */
struct head *shaped_head_copy(struct arena *arena, const struct head *head);
/* The same with all its texts, so that what it was copied from may go. */
struct head *shaped_head_keep(struct arena *arena, const struct head *head);

void shaped_head_304(struct head *head);
void shaped_head_206(struct head *head);
/* And Content-Range, of a single part of a body of `length` bytes. */
void shaped_head_part(struct head *head, struct range_part part, uint64_t length);
void shaped_head_416(struct head *head, uint64_t length);

#endif
