// SPDX-License-Identifier: MIT
/* The chunked decoder: a state machine of single bytes, since framing is a few bytes per chunk.
 *
 * Extensions are read by their grammar, because a reader who skips them to the next LF and one who
 * skips them to the next CRLF see different messages in the same bytes. White space outside of quotes
 * is refused though RFC 9112 tolerates it there: peers disagree about it, and nobody sends it. */
#include "http/h1_chunk.h"

#include <stdbool.h>

#include "base/must.h"
#include "http/fields.h"

enum { DIGITS_MAX = 16, EXTENSION_BYTES_MAX = 16 * 1024 };

enum chunk_state {
    STATE_SIZE_START = 0,
    STATE_SIZE,
    STATE_EXTENSION_START,               /* after ";" */
    STATE_NAME,
    STATE_VALUE_START,                   /* after "=" */
    STATE_VALUE,
    STATE_QUOTED,
    STATE_QUOTED_PAIR,                   /* after "\" */
    STATE_QUOTED_END,
    STATE_SIZE_LF,
    STATE_CONTENT,
    STATE_CONTENT_CR,
    STATE_CONTENT_LF,
    STATE_LAST,
    STATE_BAD
};

static enum chunk_state step(struct h1_chunk *chunk, enum chunk_state state, char c);

size_t h1_chunk_read(struct h1_chunk *chunk, const char *bytes, size_t len,
                     enum h1_chunk_result *ret_result, size_t *ret_content)
{
    size_t           used = 0;
    enum chunk_state state = (enum chunk_state)chunk->state;

    while (used < len && state != STATE_CONTENT && state != STATE_LAST && state != STATE_BAD)
        state = step(chunk, state, bytes[used++]);
    chunk->state = (uint8_t)state;

    *ret_content = 0;
    if (state == STATE_BAD) {
        *ret_result = H1_CHUNK_BAD;
    } else if (state == STATE_LAST) {
        *ret_result = H1_CHUNK_LAST;
    } else if (state == STATE_CONTENT && used < len) {
        *ret_content = chunk->left < len - used ? (size_t)chunk->left : len - used;
        *ret_result = H1_CHUNK_CONTENT;
    } else {
        *ret_result = H1_CHUNK_MORE;
    }
    return used;
}

void h1_chunk_took(struct h1_chunk *chunk, size_t len)
{
    must(chunk->state == STATE_CONTENT && len <= chunk->left);
    chunk->left -= len;
    if (chunk->left == 0)
        chunk->state = STATE_CONTENT_CR;
}

static enum chunk_state expect(char c, char wanted, enum chunk_state next)
{
    return c == wanted ? next : STATE_BAD;
}

static bool is_token(char c)
{
    return field_chars[(unsigned char)c] != 0;
}

/* RFC 9110 5.6.4: qdtext and the second half of a quoted-pair, together. */
static bool is_quotable(char c)
{
    unsigned char byte = (unsigned char)c;

    return (byte >= 0x20 && byte != 0x7f) || byte == '\t';
}

/* After a size, a name or a value. */
static enum chunk_state step_delimiter(char c)
{
    return c == '\r' ? STATE_SIZE_LF : expect(c, ';', STATE_EXTENSION_START);
}

static enum chunk_state step_size(struct h1_chunk *chunk, enum chunk_state state, char c)
{
    int digit = text_hex_digit(c);

    if (digit >= 0) {
        if (chunk->digits == DIGITS_MAX || chunk->left > (uint64_t)INT64_MAX >> 4)
            return STATE_BAD;
        chunk->digits++;
        chunk->left = chunk->left << 4 | (unsigned)digit;
        return STATE_SIZE;
    }
    if (state == STATE_SIZE_START)
        return STATE_BAD;
    return step_delimiter(c);
}

static enum chunk_state step_size_lf(struct h1_chunk *chunk, char c)
{
    if (c != '\n')
        return STATE_BAD;
    chunk->digits = 0;
    return chunk->left == 0 ? STATE_LAST : STATE_CONTENT;
}

static enum chunk_state step_name(char c)
{
    if (is_token(c))
        return STATE_NAME;
    return c == '=' ? STATE_VALUE_START : step_delimiter(c);
}

static enum chunk_state step_value_start(char c)
{
    if (c == '"')
        return STATE_QUOTED;
    return is_token(c) ? STATE_VALUE : STATE_BAD;
}

static enum chunk_state step_quoted(char c)
{
    if (c == '"')
        return STATE_QUOTED_END;
    if (c == '\\')
        return STATE_QUOTED_PAIR;
    return is_quotable(c) ? STATE_QUOTED : STATE_BAD;
}

static enum chunk_state step_extension(struct h1_chunk *chunk, enum chunk_state state, char c)
{
    if (++chunk->extension_bytes > EXTENSION_BYTES_MAX)
        return STATE_BAD;
    if (state == STATE_EXTENSION_START)
        return is_token(c) ? STATE_NAME : STATE_BAD;
    if (state == STATE_NAME)
        return step_name(c);
    if (state == STATE_VALUE_START)
        return step_value_start(c);
    if (state == STATE_VALUE && is_token(c))
        return STATE_VALUE;
    if (state == STATE_QUOTED)
        return step_quoted(c);
    if (state == STATE_QUOTED_PAIR)
        return is_quotable(c) ? STATE_QUOTED : STATE_BAD;
    return step_delimiter(c);
}

static enum chunk_state step(struct h1_chunk *chunk, enum chunk_state state, char c)
{
    if (state <= STATE_SIZE)
        return step_size(chunk, state, c);
    if (state == STATE_SIZE_LF)
        return step_size_lf(chunk, c);
    if (state == STATE_CONTENT_CR)
        return expect(c, '\r', STATE_CONTENT_LF);
    if (state == STATE_CONTENT_LF)
        return expect(c, '\n', STATE_SIZE_START);
    return step_extension(chunk, state, c);
}
