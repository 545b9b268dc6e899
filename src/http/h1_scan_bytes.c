// SPDX-License-Identifier: MIT
/* Finds the next byte that can't stand in a field value: a line's CR, or something to refuse.
 *
 * Sixteen bytes at a time with SSE2, which every x86-64 has; never reads outside the given bytes
 * (what is left over goes one by one). Pure functions, any thread. */
#include "http/h1_scan_bytes.h"

#include <stdbool.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static bool is_control(char c)
{
    unsigned char byte = (unsigned char)c;

    return (byte < 0x20 && byte != '\t') || byte == 0x7f;
}

size_t h1_scan_bytes_scalar(const char *bytes, size_t len)
{
    size_t i = 0;

    while (i < len && !is_control(bytes[i]))
        i++;
    return i;
}

#ifdef __SSE2__

/* Bit i is set when byte i is a control character. */
static unsigned control_mask(__m128i bytes)
{
    __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
    __m128i tab = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t'));
    __m128i del = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));

    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, low), del));
}

size_t h1_scan_bytes(const char *bytes, size_t len)
{
    size_t i = 0;

    for (; i + 16 <= len; i += 16) {
        unsigned mask = control_mask(_mm_loadu_si128((const __m128i *)(const void *)(bytes + i)));
        if (mask != 0)
            return i + (size_t)__builtin_ctz(mask);
    }
    return i + h1_scan_bytes_scalar(bytes + i, len - i);
}

#else

size_t h1_scan_bytes(const char *bytes, size_t len)
{
    return h1_scan_bytes_scalar(bytes, len);
}

#endif
