// SPDX-License-Identifier: MIT
/* Both places say the same words, so that one can be found from the other. */
#include "main/report.h"

#include <stdarg.h>
#include <stdio.h>

static void line_say(const struct report *report, enum log_level level, const char *message)
{
    bool is_wanted = !report->is_quiet || level >= LOG_ERROR;

    if (report->is_for_people && is_wanted)
        log_plain(level, "%s", message);
    if (!report->is_for_people || report->has_log)
        log_at(level, NULL, "%s", message);
}

void report_line(const struct report *report, enum log_level level, const char *format, ...)
{
    char    message[LOG_LINE_BYTES];
    va_list values;

    va_start(values, format);
    (void)vsnprintf(message, sizeof(message), format, values);
    va_end(values);
    line_say(report, level, message);
}

static void diagnosis_say(const struct report *report, const struct diagnosis *diagnosis)
{
    struct arena *arena = arena_new();
    bool          is_wanted = !report->is_quiet || diagnosis->level >= LOG_ERROR;

    if (report->is_for_people && is_wanted) {
        struct text block = diagnosis_block(arena, diagnosis);

        (void)fprintf(stderr, "%.*s", TEXT_ARGS(block));
        if (!text_has_suffix(block, TEXT("\n")))
            (void)fputc('\n', stderr);
    }
    if (!report->is_for_people || report->has_log)
        log_at(diagnosis->level, NULL, "%.*s", TEXT_ARGS(diagnosis_line(arena, diagnosis)));
    arena_free(&arena);
}

void report_diagnoses(const struct report *report, const struct diagnoses *diagnoses)
{
    for (const struct diagnosis *at = diagnoses->first; at != NULL; at = at->next)
        diagnosis_say(report, at);
}
