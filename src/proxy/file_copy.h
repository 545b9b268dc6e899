// SPDX-License-Identifier: MIT
/* `proxy_store`: a body into a file, off the loop.
 *
 * Bytes are queued, as references, and written by one job at a time into a temporary file beside the
 * target; once all are there it gets its mode and time and the target's name. A failure costs one line in the
 * error log and the file, nothing else. Owner: who began it, until it is finished or abandoned; then itself,
 * until its last job has returned. One loop. */
#ifndef PROXY_FILE_COPY_H
#define PROXY_FILE_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/block.h"
#include "base/text.h"
#include "net/loop.h"

struct file_copy;

/* May this be the path of a file: absolute, with no "..", no NUL and a name at its end? */
bool file_copy_may_be(struct text path);
/* `modified_s`: the file's time; negative: now. Directories that are missing are made, with x where `mode`
 * has r. `waiter` is woken with WAKE_LETTER when there is room again. */
struct file_copy *file_copy_begin(struct loop *loop, struct task *waiter, struct text path,
                                  unsigned mode, int64_t modified_s);
/* Few enough bytes wait to be written. */
bool              file_copy_has_room(const struct file_copy *copy);
void              file_copy_append(struct file_copy *copy, struct slice slice);   /* takes a reference */
/* All of it has been appended. Clears the pointer. */
void              file_copy_finish(struct file_copy **copy);
/* It was cut: nothing will be there. Clears the pointer. */
void              file_copy_abandon(struct file_copy **copy);

#endif
