// SPDX-License-Identifier: MIT
/* Findings stay sorted by place, whatever order the compiler looks in. */
#include "config/diagnose.h"

#include "base/writer.h"

enum { LINE_MOST = 160 };                /* of a source line that is shown */

void diagnoses_init(struct diagnoses *diagnoses, struct arena *arena)
{
    *diagnoses = (struct diagnoses){ .arena = arena };
}

static void insert(struct diagnoses *diagnoses, struct diagnosis *diagnosis)
{
    struct diagnosis **at = &diagnoses->first;

    /* Nearly always behind the last one. */
    if (diagnoses->last != NULL && diagnoses->last->order <= diagnosis->order)
        at = &diagnoses->last->next;
    while (*at != NULL && (*at)->order <= diagnosis->order)
        at = &(*at)->next;
    diagnosis->next = *at;
    *at = diagnosis;
    if (diagnosis->next == NULL)
        diagnoses->last = diagnosis;
}

/* One line, whatever the words in it hold: a log line must not end within a name. */
static struct text one_line(struct arena *arena, struct text message)
{
    char *copy = arena_bytes(arena, message.len);

    for (size_t i = 0; i < message.len; i++) {
        unsigned char c = (unsigned char)message.ptr[i];

        copy[i] = c < 0x20 || c == 0x7f ? '.' : message.ptr[i];
    }
    return text_of(copy, message.len);
}

struct diagnosis *diagnoses_add(struct diagnoses *diagnoses, enum log_level level,
                                struct text message, unsigned file_number, unsigned line)
{
    struct diagnosis *diagnosis = ARENA_NEW(diagnoses->arena, struct diagnosis);

    diagnosis->level = level;
    diagnosis->message = one_line(diagnoses->arena, message);
    diagnosis->order = (uint64_t)file_number << 32 | line;
    if (level >= LOG_ERROR)
        diagnoses->errors++;
    else
        diagnoses->warnings++;
    if (diagnoses->errors + diagnoses->warnings <= DIAGNOSES_MOST)
        insert(diagnoses, diagnosis);
    return diagnosis;
}

struct text diagnose_line_of(struct arena *arena, struct text text, unsigned line)
{
    struct text at = TEXT_NONE;

    while (line > 0 && text_split(&text, '\n', &at))
        line--;
    if (line > 0)
        return TEXT("");
    if (at.len > 0 && at.ptr[at.len - 1] == '\r')
        at.len--;
    return at.len == 0 ? TEXT("") : arena_copy(arena, at);
}

/* ---- printing ---- */

static void write_line(struct writer *writer, const struct diagnosis *diagnosis)
{
    writer_text(writer, diagnosis->message);
    if (diagnosis->file == NULL)
        return;
    writer_format(writer, " in %s", diagnosis->file);
    if (diagnosis->line > 0)
        writer_format(writer, ":%u", diagnosis->line);
}

struct text diagnosis_line(struct arena *arena, const struct diagnosis *diagnosis)
{
    struct writer writer = writer_arena(arena, 256);

    write_line(&writer, diagnosis);
    return writer_done(&writer);
}

/* Tabs stay tabs, so that the caret below a line stands where it should; controls become dots. */
static void write_source(struct writer *writer, struct text line, bool is_blank)
{
    for (size_t i = 0; i < line.len; i++) {
        char c = line.ptr[i];
        bool is_continuation = ((unsigned char)c & 0xc0) == 0x80;

        if (c == '\t')
            writer_char(writer, c);
        else if (is_blank && !is_continuation)
            writer_char(writer, ' ');
        else if (!is_blank)
            writer_char(writer, (unsigned char)c < 0x20 || c == 0x7f ? '.' : c);
    }
}

static void write_caret(struct writer *writer, const struct diagnosis *diagnosis)
{
    size_t   before = diagnosis->column - 1;
    size_t   room = diagnosis->source_line.len > before ? diagnosis->source_line.len - before : 1;
    unsigned width = diagnosis->width < room ? diagnosis->width : (unsigned)room;

    writer_string(writer, "      | ");
    write_source(writer, text_part(diagnosis->source_line, 0, before), true);
    writer_char(writer, '^');
    for (unsigned i = 1; i < width; i++)
        writer_char(writer, '~');
    if (diagnosis->hint.len > 0) {
        writer_char(writer, ' ');
        writer_text(writer, diagnosis->hint);
    }
    writer_char(writer, '\n');
}

struct text diagnosis_block(struct arena *arena, const struct diagnosis *diagnosis)
{
    struct writer writer = writer_arena(arena, 512);
    bool          is_short = diagnosis->source_line.len > 0
                    && diagnosis->source_line.len <= LINE_MOST && diagnosis->column > 0;

    writer_format(&writer, "frontdesk: [%s] ", log_level_name(diagnosis->level));
    write_line(&writer, diagnosis);
    writer_char(&writer, '\n');
    if (is_short) {
        writer_format(&writer, "%5u | ", diagnosis->line > 0 ? diagnosis->line : 1);
        write_source(&writer, diagnosis->source_line, false);
        writer_char(&writer, '\n');
        write_caret(&writer, diagnosis);
    } else if (diagnosis->hint.len > 0) {
        writer_format(&writer, "      | %.*s\n", TEXT_ARGS(diagnosis->hint));
    }
    return writer_done(&writer);
}
