// SPDX-License-Identifier: MIT
/* Bodies whose every byte is a function of whom they belong to: written in pieces, read and compared
 * in pieces. Both scripts, clients and origins, use them; nothing of the code under test does. */
#ifndef TESTS_SIM_BODIES_H
#define TESTS_SIM_BODIES_H

#include "kernel.h"

enum framing { FRAMING_NONE = 0, FRAMING_SIZED, FRAMING_CHUNKED, FRAMING_CLOSE };
enum reading { READING_MORE, READING_DONE, READING_BAD };

struct body {
    unsigned     id, serial;             /* of the request; of the answer, 0 for the request itself */
    enum framing framing;
    size_t       length, at;             /* to write, or expected to come; written or read so far */
    bool         is_done;
    /* chunks */
    int          chunk;                  /* enum chunk_state */
    size_t       chunk_left, line_len;
};

char body_byte(unsigned id, unsigned serial, size_t at);

/* Some of it, at most `most` bytes of content. */
void         body_write(struct body *body, struct wire *wire, size_t most);
/* Reads at most `most` bytes of the wire; a byte that differs fails the test, and so does one beyond
 * `length`. BAD: no chunked coding. */
enum reading body_read(struct body *body, struct wire *wire, size_t most);

/* A head of at most `room` - 1 bytes with the empty line behind it, taken from the wire, terminated by
 * NUL. 0: not here yet. */
size_t      head_read(struct wire *wire, char *bytes, size_t room);
/* The value of a field, NUL-terminated, in a buffer of this function; NULL: there is none. */
const char *head_field(const char *head, const char *name);
unsigned    head_count(const char *head, const char *name);

#endif
