// SPDX-License-Identifier: MIT
/* Keep-Alive fields of servers. Checked: what is understood is within bounds and was written so. */
#include <stdint.h>
#include <string.h>

#include "balance/patience.h"
#include "base/mem.h"
#include "base/must.h"

enum { DAY_S = 24 * 60 * 60 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char       *exact = mem_try(len + 1);
    struct text value = text_of(exact, len);
    uint32_t    seconds = 0;

    must(exact != NULL);
    memcpy(exact, bytes, len);
    if (patience_parse(value, &seconds)) {
        must(seconds <= DAY_S);
        must(len > sizeof("timeout=") - 1);
    }
    mem_free(exact);
    return 0;
}
