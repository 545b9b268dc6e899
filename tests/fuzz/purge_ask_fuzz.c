// SPDX-License-Identifier: MIT
/* Lines "Name: value" as fields of a request that purges. Checked: what is understood names one target,
 * with tags or a host that are bounded and well formed, and a refusal says why; a field more that begins
 * with "Purge-" and is unknown is always refused. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "cache/purge_ask.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

enum { LINES_MOST = 16 };

static void fields_read(struct text lines, struct arena *arena, struct fields *ret_fields)
{
    struct text line;

    fields_init(ret_fields, arena, 4);
    for (unsigned i = 0; i < LINES_MOST && text_split(&lines, '\n', &line); i++) {
        size_t colon = text_find(line, ':');

        if (colon > 0 && colon < line.len)
            fields_add(ret_fields, text_part(line, 0, colon),
                       text_trim(text_from_offset(line, colon + 1)));
    }
}

static void check_host(struct text host)
{
    must(host.len > 0);
    for (size_t i = 0; i < host.len; i++)
        must(text_lower_char(host.ptr[i]) == host.ptr[i] && host.ptr[i] != ' ');
}

static void check_ask(const struct purge_ask *ask)
{
    must(!ask->tags.is_cut && ask->tags.count <= GROUPS_MAX);
    must((ask->target == PURGE_OF_TAGS) == (ask->tags.count > 0));
    must((ask->target == PURGE_OF_HOST) == (ask->host.len > 0));
    if (ask->target == PURGE_OF_HOST)
        check_host(ask->host);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char            *exact = mem_try(len + 1);
    struct arena    *arena = arena_new();
    struct fields    fields;
    struct purge_ask ask;
    struct text      why = TEXT_NONE;
    int              result;

    must(exact != NULL);
    memcpy(exact, bytes, len);
    fields_read(text_of(exact, len), arena, &fields);
    result = purge_ask_read(&fields, TEXT("Surrogate-Key"), arena, &ask, &why);
    must(result == 0 || (result == -EINVAL && why.len > 0));
    if (result == 0)
        check_ask(&ask);
    fields_add(&fields, TEXT("purge-everything"), TEXT("1"));
    must(purge_ask_read(&fields, TEXT("Surrogate-Key"), arena, &ask, &why) == -EINVAL);
    arena_free(&arena);
    mem_free(exact);
    return 0;
}
