// SPDX-License-Identifier: MIT
/* Chunked bodies. Checked: every way to cut the input gives the same content and the same end, and
 * the content written as chunks again is read as the same content. */
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/writer.h"
#include "http/h1_chunk.h"
#include "http/h1_write.h"

struct outcome {
    enum h1_chunk_result result;
    size_t               used;
    struct writer        content;
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* One call with a copy of `piece`; what was used, content included. */
static size_t read_piece(struct h1_chunk *chunk, struct text piece, struct outcome *outcome)
{
    char  *exact = mem_try(piece.len);
    size_t content = 0;

    must(exact != NULL);
    memcpy(exact, piece.ptr, piece.len);
    size_t used = h1_chunk_read(chunk, exact, piece.len, &outcome->result, &content);
    must(used <= piece.len);
    if (outcome->result == H1_CHUNK_CONTENT) {
        must(content > 0 && content <= piece.len - used && content <= chunk->left);
        writer_text(&outcome->content, text_of(exact + used, content));
        h1_chunk_took(chunk, content);
        used += content;
    } else if (outcome->result == H1_CHUNK_MORE) {
        must(used == piece.len);
    }
    mem_free(exact);
    return used;
}

static struct outcome decode(struct arena *arena, struct text input, size_t step)
{
    struct outcome  outcome = { .content = writer_arena(arena, 64) };
    struct h1_chunk chunk = { 0 };

    while (outcome.used < input.len) {
        outcome.used += read_piece(&chunk, text_part(input, outcome.used, step), &outcome);
        if (outcome.result == H1_CHUNK_LAST || outcome.result == H1_CHUNK_BAD)
            return outcome;
    }
    outcome.result = H1_CHUNK_MORE;
    return outcome;
}

static void check_round_trip(struct arena *arena, struct text content, size_t step)
{
    struct writer writer = writer_arena(arena, 64);

    for (struct text rest = content; rest.len > 0; rest = text_from_offset(rest, step)) {
        char        size[18];
        struct text piece = text_part(rest, 0, step);
        writer_text(&writer, text_of(size, h1_write_chunk_size(size, piece.len)));
        writer_text(&writer, piece);
        writer_text(&writer, TEXT("\r\n"));
    }
    h1_write_last_chunk(&writer, NULL);

    struct outcome again = decode(arena, writer_done(&writer), 7);
    must(again.result == H1_CHUNK_LAST && again.used == writer_done(&writer).len - 2);
    must(text_is_equal(writer_done(&again.content), content));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct arena  *arena = arena_new();
    struct text    input = text_of((const char *)bytes, len);
    struct outcome whole = decode(arena, input, len == 0 ? 1 : len);
    struct text    content = writer_done(&whole.content);

    for (size_t step = 1; step < len && step < 20; step++) {
        struct outcome pieces = decode(arena, input, step);
        must(pieces.result == whole.result && pieces.used == whole.used);
        must(text_is_equal(writer_done(&pieces.content), content));
    }
    check_round_trip(arena, content, 1 + len % 19);
    arena_free(&arena);
    pools_drain();
    return 0;
}
