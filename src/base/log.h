// SPDX-License-Identifier: MIT
/* The error log, in nginx's form:
 *
 *   2026/11/24 05:00:00 [error] 123#456: *7 message, client: ..., server: ...
 *
 * since fail2ban and log tools read it. Who we are (`*7`, `, client: ...`) comes from a stack of
 * scopes, not from the format. Each thread writes to the log that log_use() gave it; a line is one
 * write() of at most LOG_LINE_BYTES, or goes to the sink that the thread's log has. Low layers never
 * log above debug: they return errors. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/must.h"
#include "base/text.h"
#include "base/writer.h"

enum { LOG_LINE_BYTES = 2048 };

/* Names as in `error_log FILE level`; a log shows its level and what is more severe. */
enum log_level {
    LOG_DEBUG = 0, LOG_INFO, LOG_NOTICE, LOG_WARN, LOG_ERROR, LOG_CRIT, LOG_ALERT, LOG_EMERG
};

/* Where lines go. Immutable once used; owner: the snapshot or main. Several may be chained. */
struct log {
    const struct log *next;                              /* another place for the same lines, or NULL */
    enum log_level    level;
    void            (*write)(void *target, enum log_level level, struct text line);
                                                         /* the line ends in \n; never blocks */
    void             *target;
};

/* Who is speaking. Lives on the stack or in the object itself. */
struct log_scope {
    const struct log_scope *outer;
    uint64_t                connection;                  /* "*7 "; 0: none */
    void                  (*describe)(const struct log_scope *scope, struct writer *writer);
                                                         /* writes ", client: ..."; may be NULL */
};

/* The calling thread's log from now on; NULL: standard error at notice. */
void log_use(const struct log *log);
const struct log *log_used(void);

/* A target for log.write: an open descriptor (cast to void * through intptr_t). Partial and failing
 * writes are dropped, never retried. */
void log_write_fd(void *target, enum log_level level, struct text line);

bool log_is_shown(enum log_level level);
void log_at(enum log_level level, const struct log_scope *scope, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* To a certain log instead of the thread's: for error_log of a server or location. */
void log_to(const struct log *log, enum log_level level, const struct log_scope *scope,
            const char *format, ...) PRINTF_LIKE(4, 5);
/* Lines with only "[level] " before the message and no date: what -t and start-up print first. */
void log_plain(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);

const char *log_level_name(enum log_level level);        /* "error" */
/* -EINVAL: no such level. */
int log_level_parse(struct text name, enum log_level *ret_level) WARN_UNUSED;

/* Reading the text of errno without a static buffer: "(111: Connection refused)", as nginx prints. */
struct log_errno { char text[96]; };
struct log_errno log_errno(int error);

#endif
