// SPDX-License-Identifier: MIT
/* A line that came over the control socket. Checked: words hold no control character; written again they
 * read the same, and what is written is written in one way only; what the words ask of the cache has a
 * target and is within bounds. */
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "main/cache_words.h"
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

static void check_wish(struct arena *arena, const struct control_line *line, enum cache_verb verb)
{
    struct cache_wish wish;
    struct text       message = TEXT_NONE;

    if (cache_words_read(verb, line->words, line->count, arena, &wish, &message) < 0) {
        must(message.len > 0);
        return;
    }
    must(wish.verb == verb && wish.field_count <= CACHE_FIELDS_MOST);
    must((wish.target == CACHE_NOTHING) == (verb == CACHE_STAT));
    must(verb == CACHE_PURGE || !wish.is_soft);
    must(verb == CACHE_SHOW || wish.field_count == 0);
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
        for (enum cache_verb verb = CACHE_PURGE; verb <= CACHE_STAT; verb++)
            check_wish(arena, &line, verb);
    }
    arena_free(&arena);
    mem_free(exact);
    return 0;
}
