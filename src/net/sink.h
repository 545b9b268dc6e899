// SPDX-License-Identifier: MIT
/* Files and servers that log lines go to, served by a thread of their own, so that a slow disk, a
 * blocked pipe or a syslog server that is gone never stalls a loop.
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

#include "base/log.h"
#include "base/text.h"

enum { SINK_PACE_MS = 10, SINK_MOST_BYTES = 1024 * 1024, SINK_HEAD_BYTES = 192 };

struct sink;

/* What a sink does that sends each line as a message of its own instead of writing a stream. Owner:
 * the sink. `head` runs on any thread, the others on the writer's. */
enum sink_sent { SINK_SENT = 0, SINK_LATER, SINK_LOST };
struct sink_sender {
    /* What stands before a line of that level (-1: no level); NULL: nothing. */
    size_t (*head)(const struct sink_sender *sender, int level, char buffer[SINK_HEAD_BYTES]);
    /* LATER: the same again in a moment. *reterr: -errno, for the error log; 0 says nothing. */
    enum sink_sent (*send)(struct sink_sender *sender, struct text message, int *reterr);
    void (*rest)(struct sink_sender *sender);   /* nothing more for now; may be NULL */
    void (*free)(struct sink_sender *sender);
    size_t lost_bytes;                   /* of messages that were SENT, as it turned out later */
};

/* Takes fd. `pace_ms` 0: SINK_PACE_MS; longer for `flush=`; `buffer_bytes` wakes the writer early
 * when so many bytes wait (0: 64 KB). Counted; control thread only. */
struct sink *sink_new(struct text path, int fd, uint32_t pace_ms, size_t buffer_bytes);
/* A sink of messages. Takes sender; its rest() and free() come after the last send(). */
struct sink *sink_new_sender(struct text path, struct sink_sender *sender);
struct sink *sink_ref(struct sink *sink);
void         sink_unref(struct sink **sink);      /* the last one writes what waits and closes */

/* Any thread; never blocks on the file. */
void     sink_write(struct sink *sink, struct text lines);
/* A message with something of the caller's before it: for senders that expect it. */
void     sink_write_to(struct sink *sink, struct text head, struct text line);
/* For struct log: target is the sink. */
void     sink_write_log(void *sink, enum log_level level, struct text line);
/* Another descriptor for the same path from the next write on (log rotation). Takes fd. */
void     sink_reopen(struct sink *sink, int fd);
uint64_t sink_dropped(const struct sink *sink);   /* bytes of lines, ever */

/* Where the writer thread says what it lost, beside standard error: the main error log. Forgotten
 * when that sink goes. */
void sinks_report_to(struct sink *sink);

/* Writes what waits, waiting at most `most_ms` for slow files; then stops the writer thread. */
void sinks_stop(uint32_t most_ms);

#endif
