// SPDX-License-Identifier: MIT
/* Cache-Control of answers and requests, and the same bytes as a targeted field. Checked: seconds and
 * names keep their bounds; whatever stands in front, a no-store behind it is seen, and a further line
 * can only make it stricter. */
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "base/writer.h"
#include "http/cache_control.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static bool is_bounded(int64_t seconds)
{
    return seconds == CACHE_SECONDS_ABSENT || (seconds >= 0 && seconds <= CACHE_SECONDS_MAX);
}

static void check_names(const struct cache_names *names)
{
    must(names->count <= CACHE_NAMES_MAX);
    for (unsigned i = 0; i < names->count; i++)
        must(field_name_is_valid(names->items[i]));
}

static void check_bounds(const struct cache_control *control)
{
    must(is_bounded(control->max_age_s) && is_bounded(control->s_maxage_s));
    must(is_bounded(control->stale_revalidate_s) && is_bounded(control->stale_error_s));
    must(is_bounded(control->max_stale_s) && is_bounded(control->min_fresh_s));
    check_names(&control->no_cache);
    check_names(&control->private);
}

static struct cache_control read_with(struct text value, const char *behind, const char *line,
                                      struct arena *arena)
{
    struct writer writer = writer_arena(arena, value.len + 16);
    struct fields fields;

    writer_text(&writer, value);
    writer_string(&writer, behind);
    fields_init(&fields, arena, 2);
    fields_add_id(&fields, FIELD_CACHE_CONTROL, writer_done(&writer));
    if (line != NULL)
        fields_add_id(&fields, FIELD_CACHE_CONTROL, text_from(line));
    return cache_control_of_answer(&fields, arena);
}

/* A quoted string that the input opens may close with what is put behind it: only input without
 * quotes is known to end where it ends. */
static void check_what_stands_behind(struct text value, const struct cache_control *alone,
                                     struct arena *arena)
{
    struct cache_control line = read_with(value, "", "max-age=0, no-store", arena);

    must(line.max_age_s == 0 && (line.flags & CACHE_CONTROL_NO_STORE));
    must((line.flags & alone->flags) == alone->flags);
    if (memchr(value.ptr, '"', value.len) == NULL) {
        struct cache_control behind = read_with(value, ", no-store", NULL, arena);
        must(behind.flags == (alone->flags | CACHE_CONTROL_NO_STORE));
        must(behind.max_age_s == alone->max_age_s);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char                *exact = mem_try(len + 1);
    struct arena        *arena = arena_new();
    struct text          value = text_of(exact, len);
    struct fields        fields;
    struct cache_control control, targeted;

    must(exact != NULL);
    memcpy(exact, bytes, len);
    control = read_with(value, "", NULL, arena);
    check_bounds(&control);
    check_what_stands_behind(value, &control, arena);
    fields_init(&fields, arena, 2);
    fields_add(&fields, TEXT("CDN-Cache-Control"), value);
    fields_add(&fields, TEXT("Pragma"), value);
    if (cache_control_of_targeted(&fields, TEXT("CDN-Cache-Control"), arena, &targeted))
        check_bounds(&targeted);
    targeted = cache_control_of_request(&fields, arena);
    must((targeted.flags & ~(unsigned)CACHE_CONTROL_NO_CACHE) == 0);
    arena_free(&arena);
    mem_free(exact);
    return 0;
}
