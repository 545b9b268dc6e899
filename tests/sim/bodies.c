// SPDX-License-Identifier: MIT
/* Bodies: bytes from numbers, and the chunked coding both ways, a byte at a time. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "bodies.h"
#include "schedule.h"

enum { PIECE = 16384, HEAD_BYTES = 32768 };
enum chunk_state { CHUNK_SIZE, CHUNK_EXTENSION, CHUNK_CONTENT, CHUNK_END, CHUNK_TRAILER };

char body_byte(unsigned id, unsigned serial, size_t at)
{
    return (char)('a' + (id * 7 + serial * 11 + at + at / 251) % 26);
}

/* ---- writing ---- */

static void write_content(struct body *body, struct wire *wire, size_t n)
{
    char bytes[PIECE];

    while (n > 0) {
        size_t piece = n < PIECE ? n : PIECE;

        for (size_t i = 0; i < piece; i++)
            bytes[i] = body_byte(body->id, body->serial, body->at + i);
        wire_say(wire, bytes, piece);
        body->at += piece;
        n -= piece;
    }
}

static void write_chunk(struct body *body, struct wire *wire, size_t n)
{
    char line[64];
    int  len = snprintf(line, sizeof(line), one_in(8) ? "%zX;x=y\r\n" : "%zx\r\n", n);

    wire_say(wire, line, (size_t)len);
    write_content(body, wire, n);
    wire_say(wire, "\r\n", 2);
}

void body_write(struct body *body, struct wire *wire, size_t most)
{
    size_t left = body->length - body->at, n = left < most ? left : most;

    if (body->framing == FRAMING_CHUNKED && n > 0)
        write_chunk(body, wire, n);
    else if (body->framing != FRAMING_NONE)
        write_content(body, wire, n);
    if (body->framing != FRAMING_NONE && body->at < body->length)
        return;
    if (body->framing == FRAMING_CHUNKED) {
        const char *last = one_in(4) ? "0\r\nX-Trailer: t\r\n\r\n" : "0\r\n\r\n";

        wire_say(wire, last, strlen(last));
    }
    body->is_done = true;
}

/* ---- reading ---- */

static void check_content(struct body *body, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char wanted = body_byte(body->id, body->serial, body->at + i);

        if (bytes[i] != wanted)
            FAIL("body of %u, answer %u: byte %zu is '%c', not '%c'", body->id, body->serial,
                 body->at + i, bytes[i], wanted);
    }
    body->at += n;
    if (body->at > body->length)
        FAIL("body of %u, answer %u: %zu bytes, and only %zu were sent", body->id, body->serial,
             body->at, body->length);
}

static bool chunk_line_end(struct body *body)
{
    body->line_len = 0;
    body->chunk = body->chunk_left > 0 ? CHUNK_CONTENT : CHUNK_TRAILER;
    return true;
}

/* False: that is no chunked coding. */
static bool chunk_byte(struct body *body, char c)
{
    switch ((enum chunk_state)body->chunk) {
    case CHUNK_SIZE:
        if (isxdigit((unsigned char)c)) {
            int digit = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;

            body->chunk_left = body->chunk_left * 16 + (size_t)digit;
            body->line_len++;
            return body->line_len <= 8;
        }
        body->chunk = CHUNK_EXTENSION;
        return body->line_len > 0 && (c == ';' || c == '\r');
    case CHUNK_EXTENSION:
        return c == '\n' ? chunk_line_end(body) : true;
    case CHUNK_END:
        if (c == '\n')
            body->chunk = CHUNK_SIZE;
        return c == '\r' || c == '\n';
    case CHUNK_TRAILER:
        if (c == '\n' && body->line_len == 0)
            body->is_done = true;
        body->line_len = c == '\n' ? 0 : body->line_len + (c != '\r');
        return true;
    case CHUNK_CONTENT:
        break;
    }
    return false;
}

static size_t chunk_feed(struct body *body, const char *bytes, size_t len)
{
    size_t used = 0;

    while (used < len && !body->is_done) {
        if (body->chunk == CHUNK_CONTENT) {
            size_t n = body->chunk_left < len - used ? body->chunk_left : len - used;

            check_content(body, bytes + used, n);
            used += n;
            body->chunk_left -= n;
            if (body->chunk_left == 0)
                body->chunk = CHUNK_END;
        } else if (!chunk_byte(body, bytes[used++])) {
            return 0;
        }
    }
    return used;
}

enum reading body_read(struct body *body, struct wire *wire, size_t most)
{
    char   bytes[PIECE];
    size_t used, len = wire_look(wire, bytes, most < PIECE ? most : PIECE);

    if (body->framing == FRAMING_NONE ||
        (body->framing == FRAMING_SIZED && body->at == body->length))
        body->is_done = true;
    if (body->is_done)
        return READING_DONE;
    if (len == 0)
        return READING_MORE;
    if (body->framing == FRAMING_CHUNKED) {
        used = chunk_feed(body, bytes, len);
        if (used == 0)
            return READING_BAD;
    } else {
        used = body->framing == FRAMING_SIZED && len > body->length - body->at
                   ? body->length - body->at
                   : len;
        check_content(body, bytes, used);
        body->is_done = body->framing == FRAMING_SIZED && body->at == body->length;
    }
    (void)wire_read(wire, bytes, used);
    return body->is_done ? READING_DONE : READING_MORE;
}

/* ---- heads ---- */

size_t head_read(struct wire *wire, char *bytes, size_t room)
{
    size_t      len = wire_look(wire, bytes, room - 1);
    const char *end;

    bytes[len] = '\0';
    end = strstr(bytes, "\r\n\r\n");
    if (end == NULL) {
        if (len == room - 1)
            FAIL("a head of more than %zu bytes", room);
        return 0;
    }
    len = (size_t)(end - bytes) + 4;
    (void)wire_read(wire, bytes, len);
    bytes[len] = '\0';
    return len;
}

static const char *field_at(const char *head, const char *name)
{
    size_t len = strlen(name);

    for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, len) == 0 && line[len] == ':')
            return line + len + 1;
    }
    return NULL;
}

const char *head_field(const char *head, const char *name)
{
    static char value[4096];
    const char *at = field_at(head, name);
    size_t      len = 0;

    if (at == NULL)
        return NULL;
    while (*at == ' ')
        at++;
    len = strcspn(at, "\r");
    CHECK(len < sizeof(value));
    memcpy(value, at, len);
    value[len] = '\0';
    return value;
}

unsigned head_count(const char *head, const char *name)
{
    unsigned count = 0;

    for (const char *at = field_at(head, name); at != NULL; at = field_at(at, name))
        count++;
    return count;
}
