// SPDX-License-Identifier: MIT
/* A line that came over the control socket. Checked: words hold no control character; written again they
 * read the same, and what is written is written in one way only. */
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "main/control_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_word(struct text word)
{
    for (size_t i = 0; i < word.len; i++)
        must((unsigned char)word.ptr[i] >= ' ' && word.ptr[i] != 0x7f);
}

static void check_again(struct arena *arena, const struct control_line *line)
{
    struct control_line again;
    struct text         written, rewritten;
    const char         *why;

    /* It never gets longer: quotes go where they are not needed. */
    must(control_line_write(line, arena, &written, &why) == 0);
    must(control_line_read(written, arena, &again, &why) == 0);
    must(again.count == line->count);
    for (unsigned i = 0; i < line->count; i++)
        must(text_is_equal(again.words[i], line->words[i]));
    must(control_line_write(&again, arena, &rewritten, &why) == 0);
    must(text_is_equal(written, rewritten));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char               *exact = mem_try(len + 1);
    struct arena       *arena = arena_new();
    struct control_line line;
    const char         *why = NULL;

    must(exact != NULL);
    memcpy(exact, bytes, len);
    if (control_line_read(text_of(exact, len), arena, &line, &why) < 0) {
        must(why != NULL);
    } else {
        must(line.count > 0 && line.count <= CONTROL_WORDS_MOST);
        for (unsigned i = 0; i < line.count; i++)
            check_word(line.words[i]);
        check_again(arena, &line);
    }
    arena_free(&arena);
    mem_free(exact);
    return 0;
}
