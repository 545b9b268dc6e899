// SPDX-License-Identifier: MIT
/* What is wrong with a configuration: every finding with its file, line, column, and a hint.
 *
 * One finding prints as nginx's line, which tools parse, and below it the source line with a caret
 * and the nearest right spelling:
 *
 *   frontdesk: [emerg] unknown directive "proxy_pas" in /etc/x.conf:7
 *       7 |     proxy_pas http://app;
 *         |     ^~~~~~~~~ did you mean "proxy_pass"? */
#ifndef CONFIG_DIAGNOSE_H
#define CONFIG_DIAGNOSE_H

#include "base/arena.h"
#include "base/log.h"

enum { DIAGNOSES_MOST = 100 };

struct diagnosis {
    struct diagnosis *next;
    enum log_level    level;             /* WARN or EMERG */
    struct text       message;           /* without place */
    const char       *file;              /* NULL: no place */
    unsigned          line, column, width;   /* column from 1; 0: unknown */
    struct text       source_line;       /* may be empty */
    struct text       hint;              /* may be empty */
    uint64_t          order;             /* file and line: findings are sorted by it */
};

struct diagnoses {
    struct arena     *arena;
    struct diagnosis *first, *last;
    unsigned          errors, warnings;
};

void diagnoses_init(struct diagnoses *diagnoses, struct arena *arena);

/* A new finding, sorted in by place. Never NULL; beyond DIAGNOSES_MOST it is only counted. */
struct diagnosis *diagnoses_add(struct diagnoses *diagnoses, enum log_level level,
                                struct text message, unsigned file_number, unsigned line);
/* Line number `line` (from 1) of a file's text. */
struct text diagnose_line_of(struct arena *arena, struct text text, unsigned line);

/* The error log's one line: message and " in FILE:LINE". */
struct text diagnosis_line(struct arena *arena, const struct diagnosis *diagnosis);
/* The same with source line, caret and hint: for people. */
struct text diagnosis_block(struct arena *arena, const struct diagnosis *diagnosis);

#endif
