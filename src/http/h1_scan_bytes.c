// SPDX-License-Identifier: MIT
/* Finds the next byte of a kind: a line's CR (or something to refuse), the end of a field's name, the
 * end of a request target; and the empty line that ends a head.
 *
 * Sixteen bytes at a time with SSE2, which every x86-64 has; never reads outside the given bytes
 * (what is left over goes one by one). Pure functions, any thread. */
#include "http/h1_scan_bytes.h"

#include <stdbool.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static bool is_control(unsigned char byte)
{
    return (byte < 0x20 && byte != '\t') || byte == 0x7f;
}

static bool is_plain(unsigned char byte)
{
    unsigned char lower = byte | 0x20;

    return (lower >= 'a' && lower <= 'z') || (byte >= '0' && byte <= '9') || byte == '-';
}

static bool is_target_end(unsigned char byte)
{
    return byte <= 0x20 || byte == 0x7f || byte == '#';
}

size_t h1_scan_bytes_scalar(const char *bytes, size_t len)
{
    size_t i = 0;

    while (i < len && !is_control((unsigned char)bytes[i]))
        i++;
    return i;
}

size_t h1_scan_name_scalar(const char *bytes, size_t len)
{
    size_t i = 0;

    while (i < len && is_plain((unsigned char)bytes[i]))
        i++;
    return i;
}

size_t h1_scan_target_scalar(const char *bytes, size_t len)
{
    size_t i = 0;

    while (i < len && !is_target_end((unsigned char)bytes[i]))
        i++;
    return i;
}

/* From `i` on. */
static size_t empty_line_from(const char *bytes, size_t i, size_t len)
{
    for (; i + 4 <= len; i++)
        if (memcmp(bytes + i, "\r\n\r\n", 4) == 0)
            return i + 4;
    return 0;
}

size_t h1_scan_empty_line_scalar(const char *bytes, size_t len)
{
    return empty_line_from(bytes, 0, len);
}

#ifdef __SSE2__

static __m128i load(const char *bytes)
{
    return _mm_loadu_si128((const __m128i *)(const void *)bytes);
}

static __m128i is_byte(__m128i bytes, char byte)
{
    return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte));
}

/* 0xff where first <= byte <= last, unsigned. */
static __m128i is_in_range(__m128i bytes, char first, char last)
{
    __m128i offset = _mm_sub_epi8(bytes, _mm_set1_epi8(first));
    __m128i span = _mm_set1_epi8((char)(last - first));

    return _mm_cmpeq_epi8(_mm_min_epu8(offset, span), offset);
}

/* Bit i is set where the lane i is 0xff. */
static unsigned mask_of(__m128i lanes)
{
    return (unsigned)_mm_movemask_epi8(lanes);
}

static unsigned control_mask(__m128i bytes)
{
    __m128i low = _mm_andnot_si128(is_byte(bytes, '\t'), is_in_range(bytes, 0, 0x1f));

    return mask_of(_mm_or_si128(low, is_byte(bytes, 0x7f)));
}

static unsigned not_plain_mask(__m128i bytes)
{
    __m128i letter = is_in_range(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), 'a', 'z');
    __m128i other = _mm_or_si128(is_in_range(bytes, '0', '9'), is_byte(bytes, '-'));

    return mask_of(_mm_or_si128(letter, other)) ^ 0xffffu;
}

static unsigned target_end_mask(__m128i bytes)
{
    __m128i other = _mm_or_si128(is_byte(bytes, 0x7f), is_byte(bytes, '#'));

    return mask_of(_mm_or_si128(is_in_range(bytes, 0, 0x20), other));
}

static __m128i load_half(const char *bytes)
{
    return _mm_loadl_epi64((const __m128i *)(const void *)bytes);
}

/* Whole vectors, then one that ends with the bytes and looks at some of them again; short texts by
 * two halves. Always inlined, so that `mask` is no call. */
static inline __attribute__((always_inline)) size_t scan(const char *bytes, size_t len,
                                                         unsigned (*mask)(__m128i bytes),
                                                         size_t (*one_by_one)(const char *, size_t))
{
    unsigned found;

    for (size_t i = 0; i + 16 <= len; i += 16)
        if ((found = mask(load(bytes + i))) != 0)
            return i + (size_t)__builtin_ctz(found);
    if (len >= 16) {
        found = mask(load(bytes + len - 16));
        return found != 0 ? len - 16 + (size_t)__builtin_ctz(found) : len;
    }
    if (len < 8)
        return one_by_one(bytes, len);
    if ((found = mask(load_half(bytes)) & 0xff) != 0)
        return (size_t)__builtin_ctz(found);
    found = mask(load_half(bytes + len - 8)) & 0xff;
    return found != 0 ? len - 8 + (size_t)__builtin_ctz(found) : len;
}

size_t h1_scan_bytes(const char *bytes, size_t len)
{
    return scan(bytes, len, control_mask, h1_scan_bytes_scalar);
}

size_t h1_scan_name(const char *bytes, size_t len)
{
    return scan(bytes, len, not_plain_mask, h1_scan_name_scalar);
}

size_t h1_scan_target(const char *bytes, size_t len)
{
    return scan(bytes, len, target_end_mask, h1_scan_target_scalar);
}

/* A CR two bytes behind a CR is rare but for the one that is sought. */
size_t h1_scan_empty_line(const char *bytes, size_t len)
{
    size_t i = 0;

    for (; i + 18 <= len; i += 16) {
        unsigned found = mask_of(
            _mm_and_si128(is_byte(load(bytes + i), '\r'), is_byte(load(bytes + i + 2), '\r')));

        for (; found != 0; found &= found - 1) {
            size_t at = i + (size_t)__builtin_ctz(found);

            if (at + 4 <= len && bytes[at + 1] == '\n' && bytes[at + 3] == '\n')
                return at + 4;
        }
    }
    return empty_line_from(bytes, i, len);
}

#else

size_t h1_scan_bytes(const char *bytes, size_t len)
{
    return h1_scan_bytes_scalar(bytes, len);
}

size_t h1_scan_name(const char *bytes, size_t len)
{
    return h1_scan_name_scalar(bytes, len);
}

size_t h1_scan_target(const char *bytes, size_t len)
{
    return h1_scan_target_scalar(bytes, len);
}

size_t h1_scan_empty_line(const char *bytes, size_t len)
{
    return h1_scan_empty_line_scalar(bytes, len);
}

#endif
