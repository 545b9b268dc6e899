// SPDX-License-Identifier: MIT
/* multipart/byteranges. The total is summed from the lengths of the pieces that the writers write;
 * tests and a fuzz target hold the two against each other. */
#include "http/multipart.h"

#include "base/random.h"

#define TYPE_LINE TEXT("\r\nContent-Type: ")
#define RANGE_LINE TEXT("\r\nContent-Range: ")

void multipart_init(struct multipart *multipart, const struct range_set *set,
                    struct text content_type, uint64_t length)
{
    unsigned char secret[MULTIPART_BOUNDARY_BYTES / 2];

    multipart->set = set;
    multipart->content_type = content_type;
    multipart->length = length;
    random_secret(secret, sizeof(secret));
    for (size_t i = 0; i < sizeof(secret); i++) {
        multipart->boundary[2 * i] = "0123456789abcdef"[secret[i] >> 4];
        multipart->boundary[2 * i + 1] = "0123456789abcdef"[secret[i] & 15];
    }
}

static struct text boundary_of(const struct multipart *multipart)
{
    return text_of(multipart->boundary, MULTIPART_BOUNDARY_BYTES);
}

void multipart_write_type(const struct multipart *multipart, struct writer *writer)
{
    writer_text(writer, TEXT("multipart/byteranges; boundary="));
    writer_text(writer, boundary_of(multipart));
}

void multipart_write_head(const struct multipart *multipart, unsigned i, struct writer *writer)
{
    writer_text(writer, i == 0 ? TEXT("--") : TEXT("\r\n--"));
    writer_text(writer, boundary_of(multipart));
    if (multipart->content_type.len > 0) {
        writer_text(writer, TYPE_LINE);
        writer_text(writer, multipart->content_type);
    }
    writer_text(writer, RANGE_LINE);
    range_write_content_range(writer, multipart->set->parts[i], multipart->length);
    writer_text(writer, TEXT("\r\n\r\n"));
}

void multipart_write_end(const struct multipart *multipart, struct writer *writer)
{
    writer_text(writer, TEXT("\r\n--"));
    writer_text(writer, boundary_of(multipart));
    writer_text(writer, TEXT("--\r\n"));
}

/* Bytes of the Content-Range value. */
static size_t content_range_len(struct range_part part, uint64_t length)
{
    char          buffer[80];
    struct writer writer = writer_fixed(buffer, sizeof(buffer));

    range_write_content_range(&writer, part, length);
    return writer.len;
}

uint64_t multipart_total(const struct multipart *multipart)
{
    const size_t line = 4 + MULTIPART_BOUNDARY_BYTES;           /* CRLF and the dashes before it */
    const size_t type = multipart->content_type.len;
    uint64_t     total = line + 4 - 2;                          /* the end; the first has no CRLF */

    for (unsigned i = 0; i < multipart->set->count; i++)
        total += line + (type > 0 ? TYPE_LINE.len + type : 0) + RANGE_LINE.len +
                 content_range_len(multipart->set->parts[i], multipart->length) + 4 +
                 multipart->set->parts[i].len;
    return total;
}
