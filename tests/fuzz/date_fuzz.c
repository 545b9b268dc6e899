// SPDX-License-Identifier: MIT
/* Dates of HTTP. Checked: what is read lies within the calendar and was written as long as a date is;
 * written in the fixed form it reads the same, as it does in capitals; with a short year it is at most
 * 50 years ahead. */
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "http/date.h"

enum { NOW_S = 1795000000, FIFTY_YEARS_S = 1577923200, MOST_BYTES = 33, LEAST_BYTES = 24 };
#define YEAR_ZERO_S INT64_C(-62167219200)
#define YEAR_TEN_THOUSAND_S INT64_C(253402300800)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_written(int64_t seconds)
{
    char    fixed[DATE_BYTES];
    int64_t again = 0;

    if (seconds == YEAR_TEN_THOUSAND_S)    /* the leap second at the end of all four digits */
        return;
    date_write(seconds, fixed);
    must(date_parse(text_of(fixed, DATE_BYTES), NOW_S, &again) == 0 && again == seconds);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char   *exact = mem_try(len + 1);
    int64_t seconds = 0, again = 0;

    must(exact != NULL);
    memcpy(exact, bytes, len);
    if (date_parse(text_of(exact, len), NOW_S, &seconds) == 0) {
        must(len >= LEAST_BYTES && len <= MOST_BYTES);
        must(seconds >= YEAR_ZERO_S && seconds <= YEAR_TEN_THOUSAND_S);
        if (memchr(exact, '-', len) != NULL)
            must(seconds <= (int64_t)NOW_S + FIFTY_YEARS_S);
        check_written(seconds);
        for (size_t i = 0; i < len; i++)
            if (exact[i] >= 'a' && exact[i] <= 'z')
                exact[i] = (char)(exact[i] - 0x20);
        must(date_parse(text_of(exact, len), NOW_S, &again) == 0 && again == seconds);
    }
    mem_free(exact);
    return 0;
}
