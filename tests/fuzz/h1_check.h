// SPDX-License-Identifier: MIT
/* What the targets for HTTP/1 heads share: scanning in pieces, and what every head promises. */
#ifndef TESTS_FUZZ_H1_CHECK_H
#define TESTS_FUZZ_H1_CHECK_H

#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "http/h1_parse.h"

static const struct head_limits h1_wide_limits = {
    .line_bytes = 1 << 20, .field_bytes = 1 << 20, .head_bytes = 1 << 21, .fields = 1 << 16,
};
static const struct head_limits h1_tight_limits = {
    .line_bytes = 40, .field_bytes = 30, .head_bytes = 200, .fields = 4,
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* A copy with nothing behind it, so that the sanitizer sees a read beyond the end. */
static inline char *h1_exact_copy(struct text text)
{
    char *copy = mem_try(text.len == 0 ? 1 : text.len);

    must(copy != NULL);
    memcpy(copy, text.ptr, text.len);
    return copy;
}

static inline enum h1_scan_result h1_scan_pieces(struct text input, size_t step,
                                                 const struct head_limits *limits, size_t *ret_size,
                                                 int *reterr_fault)
{
    struct h1_scan      scan = { 0 };
    enum h1_scan_result result = H1_SCAN_MORE;

    for (size_t shown = 0; shown < input.len && result == H1_SCAN_MORE;) {
        shown = input.len - shown < step ? input.len : shown + step;
        char *exact = h1_exact_copy(text_part(input, 0, shown));
        result = h1_scan(&scan, exact, shown, limits, ret_size, reterr_fault);
        mem_free(exact);
    }
    return result;
}

/* What scanning refuses parsing must refuse too: a head that comes whole is not scanned. */
static inline void h1_check_whole(struct text input, const struct head_limits *limits)
{
    size_t        size = h1_head_size(input.ptr, input.len, limits), scanned = 0;
    int           fault = FAULT_NONE;
    struct arena *arena = arena_new();
    struct head   head;
    char         *exact = h1_exact_copy(text_part(input, 0, size));
    bool          is_found = h1_scan_pieces(input, input.len == 0 ? 1 : input.len, limits, &scanned,
                                            &fault) == H1_SCAN_DONE;

    must(!is_found || scanned == size);
    if (size > 0 && !is_found) {
        must(h1_parse_request(text_of(exact, size), limits, arena, &head) != FAULT_NONE);
        must(h1_parse_response(text_of(exact, size), limits, METHOD_GET, arena, &head) != FAULT_NONE);
    }
    mem_free(exact);
    arena_free(&arena);
}

/* All ways to cut the input agree; true when it starts with a complete head of *ret_size bytes. */
static inline bool h1_check_scan(struct text input, const struct head_limits *limits,
                                 size_t *ret_size)
{
    size_t              size = 0;
    int                 fault = FAULT_NONE;
    enum h1_scan_result result =
        h1_scan_pieces(input, input.len == 0 ? 1 : input.len, limits, &size, &fault);

    /* Copies make this quadratic: long inputs are cut into fewer pieces. */
    for (size_t step = 1 + input.len / 256; step < input.len; step = step * 2 + 1) {
        size_t piece_size = 0;
        int    piece_fault = FAULT_NONE;
        must(h1_scan_pieces(input, step, limits, &piece_size, &piece_fault) == result);
        must(result != H1_SCAN_DONE || piece_size == size);
        must(result != H1_SCAN_BAD || piece_fault == fault);
    }
    h1_check_whole(input, limits);
    if (result == H1_SCAN_DONE) {
        must(size >= 4 && size <= input.len && size <= limits->head_bytes);
        must(memcmp(input.ptr + size - 4, "\r\n\r\n", 4) == 0);
        *ret_size = size;
    }
    return result == H1_SCAN_DONE;
}

/* Whatever we write is one head, no more and no less. */
static inline void h1_check_one_head(struct text written)
{
    size_t size = 0;

    must(h1_check_scan(written, &h1_wide_limits, &size) && size == written.len);
}

static inline void h1_check_fields(const struct fields *fields)
{
    FIELDS_EACH(fields, field) {
        must(field_name_is_valid(field->name) && field_value_is_valid(field->value));
        must(text_trim(field->value).len == field->value.len);
        must(field->id == field_id_of(field->name));
    }
}

static inline bool h1_is_rewritten(const struct field *field)
{
    return field->id == FIELD_CONNECTION || field->id == FIELD_UPGRADE
           || (field_flags((enum field_id)field->id) & FIELD_FRAMING) != 0;
}

static inline const struct field *h1_next_copied(const struct fields *fields, unsigned *at)
{
    while (*at < fields->count && h1_is_rewritten(&fields->items[*at]))
        (*at)++;
    return *at < fields->count ? &fields->items[(*at)++] : NULL;
}

/* The same fields in the same order, those that a writer makes anew left out. */
static inline void h1_check_same_fields(const struct fields *a, const struct fields *b)
{
    unsigned            at_a = 0, at_b = 0;
    const struct field *field_a, *field_b;

    do {
        field_a = h1_next_copied(a, &at_a);
        field_b = h1_next_copied(b, &at_b);
        must((field_a == NULL) == (field_b == NULL));
        if (field_a != NULL)
            must(text_is_equal(field_a->name, field_b->name)
                 && text_is_equal(field_a->value, field_b->value));
    } while (field_a != NULL);
}

#endif
