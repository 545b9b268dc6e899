// SPDX-License-Identifier: MIT
/* Log files and formats while a configuration is compiled. */
#ifndef CONFIG_LOGS_H
#define CONFIG_LOGS_H

#include "config/directive.h"

/* The one entry for a path (absolute, or "stderr"), made on first use. */
struct log_file *log_file_of(struct compiler *compiler, struct text path);

#define SYSLOG_PREFIX "syslog:"
/* "syslog:server=...,...". False: complained. */
bool syslog_word(struct compiler *compiler, const struct word *word, struct syslog *ret_syslog);

struct error_log *error_log_new(struct compiler *compiler, struct log_file *file,
                                enum log_level level);

/* Must run at the start of an http block: the "combined" format and the default access log. */
void logs_begin(struct compiler *compiler, struct location *location);
/* At the end: opens the default access log if some location ended up with it. */
void logs_end(struct compiler *compiler);

#endif
