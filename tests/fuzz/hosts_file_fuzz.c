// SPDX-License-Identifier: MIT
/* Hosts files: the text behind the first line, the first line is the name that is looked for. Checked:
 * never more than there is room for, each address once, and less room gives the beginning of the same. */
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "net/hosts_file.h"

enum { ROOM = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static unsigned find(struct text text, struct text name, struct address *addresses, unsigned room)
{
    unsigned count = hosts_text_find(text, name, addresses, room);

    must(count <= room);
    for (unsigned i = 0; i < count; i++)
        for (unsigned other = 0; other < i; other++)
            must(!address_is_equal(&addresses[i], &addresses[other]));
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct address addresses[ROOM], few[2];
    char          *exact = mem_try(len + 1);
    struct text    input = text_of(exact, len);
    size_t         end;
    unsigned       count, less;

    must(exact != NULL);
    memcpy(exact, bytes, len);
    end = text_find(input, '\n');
    if (end < len) {
        struct text name = text_part(input, 0, end), text = text_from_offset(input, end + 1);

        count = find(text, name, addresses, ROOM);
        less = find(text, name, few, 2);
        must(less == (count < 2 ? count : 2));
        for (unsigned i = 0; i < less; i++)
            must(address_is_equal(&few[i], &addresses[i]));
    }
    mem_free(exact);
    return 0;
}
