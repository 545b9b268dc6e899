// SPDX-License-Identifier: MIT
/* Log files, on the supervisor's side: opened here, so that the worker needs no right to the
 * directories they lie in and a file keeps root as its owner. Owner of the descriptors: the
 * bundle. */
#ifndef MAIN_LOG_FILES_H
#define MAIN_LOG_FILES_H

#include "config/bundle.h"
#include "main/channel.h"
#include "main/report.h"

/* Opens what the site logs to and adds it to the bundle. Every failure is reported. */
int log_files_open(const struct site *site, const struct report *report,
                   struct bundle *bundle) WARN_UNUSED;

/* Opens every file anew for `kill -USR1`: the bundle's descriptors are replaced, and `send` is
 * given messages for the worker with the same ones. A file that cannot be opened keeps its
 * old one. */
void log_files_reopen(const struct site *site, const struct report *report, struct bundle *bundle,
                      void (*send)(void *to, const struct message *message), void *to);

/* The supervisor's own log: the main level's error_log. */
struct main_log {
    struct arena *arena;
    struct log   *first;                 /* for log_use() */
    bool          is_stderr;             /* nothing but standard error */
};
void main_log_open(struct main_log *main_log, const struct core *core, const struct bundle *bundle);
void main_log_close(struct main_log *main_log);
/* The descriptor that one of its logs writes to. */
int main_log_fd(const struct log *log);

#endif
