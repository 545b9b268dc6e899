// SPDX-License-Identifier: MIT
/* Saying what is wrong: at start to the person at the terminal and to the error log, at reload to
 * the error log alone. One thread. */
#ifndef MAIN_REPORT_H
#define MAIN_REPORT_H

#include "base/log.h"
#include "config/diagnose.h"

struct report {
    bool is_for_people;                  /* standard error too, with source lines and hints */
    bool is_quiet;                       /* -q: errors only */
    bool has_log;                        /* the thread's log is a file, not standard error */
};

/* "frontdesk: [emerg] message" and the log's dated line. */
void report_line(const struct report *report, enum log_level level, const char *format, ...)
    PRINTF_LIKE(3, 4);
void report_diagnoses(const struct report *report, const struct diagnoses *diagnoses);

#endif
