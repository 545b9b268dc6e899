// SPDX-License-Identifier: MIT
/* Files that are written by a thread of their own, so that a slow disk or a blocked pipe never
 * stalls a loop.
 *
 * Any thread appends whole lines to a sink's buffer; the writer thread is woken at most every
 * SINK_PACE_MS, swaps the buffers and writes. What does not fit into SINK_MOST_BYTES is dropped and
 * counted, and the count is reported in the error log once writing works again. Sinks outlive
 * reloads: they are found again by path. */
#ifndef NET_SINK_H
#define NET_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

enum { SINK_PACE_MS = 10, SINK_MOST_BYTES = 1024 * 1024 };

struct sink;

/* Takes fd. `pace_ms` 0: SINK_PACE_MS; longer for `flush=`; `buffer_bytes` wakes the writer early
 * when so many bytes wait (0: 64 KB). Counted; control thread only. */
struct sink *sink_new(struct text path, int fd, uint32_t pace_ms, size_t buffer_bytes);
struct sink *sink_ref(struct sink *sink);
void         sink_unref(struct sink **sink);      /* the last one writes what waits and closes */
struct text  sink_path(const struct sink *sink);

/* Any thread; never blocks on the file. */
void     sink_write(struct sink *sink, struct text lines);
/* For struct log: target is the sink. */
void     sink_write_log(void *sink, struct text line);
/* Another descriptor for the same path from the next write on (log rotation). Takes fd. */
void     sink_reopen(struct sink *sink, int fd);
uint64_t sink_dropped(const struct sink *sink);   /* bytes, ever */

/* Writes what waits, waiting at most `most_ms` for slow files; then stops the writer thread. */
void sinks_stop(uint32_t most_ms);

#endif
