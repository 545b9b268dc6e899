// SPDX-License-Identifier: MIT
/* A body's length (first line, decimal) and Range and Content-Range values (the second line is read as
 * either). Checked: parts lie in the body, touch nothing, sum to no more than it; a multipart body is as
 * long as it was announced; a Content-Range that is accepted, written again, reads the same. */
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "http/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_set(const struct range_set *set, uint64_t length)
{
    uint64_t sum = 0;

    must(set->count > 0 && set->count <= RANGE_PARTS_MAX);
    for (unsigned i = 0; i < set->count; i++) {
        struct range_part a = set->parts[i];
        must(a.len > 0 && a.len <= length && a.first <= length - a.len);
        sum += a.len;
        must(sum <= length);
        for (unsigned k = 0; k < i; k++) {
            struct range_part b = set->parts[k];
            must(a.first + a.len < b.first || b.first + b.len < a.first);
        }
    }
}

static void check_multipart(struct arena *arena, const struct range_set *set, uint64_t length)
{
    struct multipart multipart;
    struct writer    writer = writer_arena(arena, 256);
    uint64_t         total = 0;

    multipart_init(&multipart, set, length % 2 == 0 ? TEXT("a/b") : TEXT_NONE, length);
    for (unsigned i = 0; i < set->count; i++) {
        multipart_write_head(&multipart, i, &writer);
        total += set->parts[i].len;
    }
    multipart_write_end(&multipart, &writer);
    must(multipart_total(&multipart) == total + writer.len);
}

static void check_content_range(struct text value)
{
    struct content_range got, again;
    char                 buffer[80];
    struct writer        writer = writer_fixed(buffer, sizeof(buffer));

    if (content_range_parse(value, &got) != 0 || !got.has_length)
        return;
    if (got.is_unsatisfied)
        range_write_unsatisfied(&writer, got.length);
    else
        range_write_content_range(&writer, got.part, got.length);
    must(!writer.is_cut && content_range_parse(writer_done(&writer), &again) == 0);
    must(got.part.first == again.part.first && got.part.len == again.part.len &&
         got.length == again.length && got.is_unsatisfied == again.is_unsatisfied);
}

static void check(struct arena *arena, uint64_t length, struct text value)
{
    struct fields    request;
    struct range_set set;

    fields_init(&request, arena, 1);
    fields_add_id(&request, FIELD_RANGE, value);
    if (range_judge(METHOD_GET, &request, length, &set) == RANGE_PARTS) {
        check_set(&set, length);
        check_multipart(arena, &set, length);
    }
    check_content_range(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char         *exact = mem_try(len + 1);
    struct arena *arena = arena_new();
    struct text   rest = text_of(exact, len), line;
    uint64_t      length;

    must(exact != NULL);
    memcpy(exact, bytes, len);
    if (text_split(&rest, '\n', &line) && rest.ptr != NULL && text_to_u64(line, &length) == 0 &&
        length <= INT64_MAX)
        check(arena, length, rest);
    arena_free(&arena);
    mem_free(exact);
    return 0;
}
