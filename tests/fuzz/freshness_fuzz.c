// SPDX-License-Identifier: MIT
/* The cache's rules: "Name: value" lines of an answer, an empty line, those of a request, an empty line,
 * those of a 304. Checked: facts keep their bounds; a further no-store or private line forbids; nothing is
 * called fresh beyond its lifetime, or stale by leave of nobody; an update leaves what tells of the
 * stored bytes. */
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "cache/storing.h"
#include "cache/update.h"

#define NOW_MS INT64_C(784111777000)
enum { FIELDS_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* The lines up to an empty one. */
static void take_fields(struct text *rest, struct arena *arena, struct fields *fields)
{
    struct text line;

    fields_init(fields, arena, 4);
    while (text_split(rest, '\n', &line) && line.len > 0) {
        size_t colon = text_find(line, ':');
        if (field_name_is_valid(text_part(line, 0, colon)) && fields->count < FIELDS_MAX)
            fields_add(fields, text_part(line, 0, colon),
                       text_trim(text_from_offset(line, colon + 1)));
    }
}

static enum storing decide(const struct head *request, const struct head *answer,
                           struct arena *arena, struct freshness *ret_freshness)
{
    struct cache_control  asked = cache_control_of_request(&request->fields, arena), targeted;
    struct storing_policy policy = { .valid_s = -1, .heuristic_percent = 10,
                                     .heuristic_max_s = 86400 };
    struct received       received = { .request = request, .answer = answer, .asked = &asked,
                                       .scheme = TEXT("http"), .request_ms = NOW_MS,
                                       .response_ms = NOW_MS };

    if (cache_control_of_targeted(&answer->fields, TEXT("CDN-Cache-Control"), arena, &targeted))
        received.targeted = &targeted;
    return storing_decide(&received, &policy, arena, ret_freshness);
}

static void check_facts(const struct freshness *freshness)
{
    const struct object_facts *facts = &freshness->facts;

    must(facts->lifetime_s <= CACHE_SECONDS_MAX && facts->initial_age_s <= CACHE_SECONDS_MAX);
    must(facts->stale_revalidate_s <= CACHE_SECONDS_MAX);
    must(facts->stale_error_s <= CACHE_SECONDS_MAX);
    if (freshness->source == FRESHNESS_BY_HEURISTIC)
        must(facts->lifetime_s <= 86400 && (facts->flags & OBJECT_HEURISTIC));
    if (facts->flags & OBJECT_NO_CACHE)
        must(facts->stale_revalidate_s == 0 && facts->stale_error_s == 0);
}

/* Fields that overrule Cache-Control apart, one more line of it forbids. */
static void check_forbidding(const struct head *request, const struct head *answer,
                             struct arena *arena)
{
    struct freshness freshness;
    struct head      with = *answer;

    fields_remove_name(&with.fields, TEXT("CDN-Cache-Control"));
    fields_remove(&with.fields, FIELD_X_ACCEL_EXPIRES);
    fields_add_id(&with.fields, FIELD_CACHE_CONTROL, TEXT("no-store, private"));
    must(decide(request, &with, arena, &freshness) != STORING_ALLOWED);
}

static void check_judgement(const struct object_facts *facts, int64_t age_s,
                            const struct cache_control *asked)
{
    static const struct stale_policy policy = { 50, true, true };
    struct judgement judgement = freshness_judge(facts, age_s, false, asked, &policy);

    if (judgement.judged == JUDGED_FRESH)
        must(facts->lifetime_s > age_s);
    if (facts->flags & OBJECT_NO_CACHE)
        must(freshness_needs_origin(judgement.judged) && !judgement.is_for_errors &&
             !judgement.is_for_named_errors);
    if (judgement.stale_s > 50 && judgement.stale_s > facts->stale_revalidate_s)
        must(freshness_needs_origin(judgement.judged));
    if (judgement.stale_s > 50 && judgement.stale_s > facts->stale_error_s)
        must(!judgement.is_for_errors && !judgement.is_for_named_errors);
    if ((facts->flags & OBJECT_MUST_REVALIDATE) && facts->lifetime_s <= age_s)
        must(judgement.judged == JUDGED_STALE_REVALIDATING ||
             freshness_needs_origin(judgement.judged));
}

static void check_ages(const struct object_facts *facts, const struct cache_control *asked)
{
    static const int64_t resident[] = { 0, 1, 10, 60, 3600, INT64_C(1) << 31 };

    for (size_t i = 0; i < sizeof(resident) / sizeof(resident[0]); i++)
        check_judgement(facts, freshness_age_s(facts, resident[i]), asked);
    check_judgement(facts, (int64_t)facts->lifetime_s, asked);
    check_judgement(facts, (int64_t)facts->lifetime_s + 50, asked);
    check_judgement(facts, (int64_t)facts->lifetime_s + 51, asked);
}

static void check_update(const struct fields *stored, const struct fields *newer,
                         struct arena *arena)
{
    struct fields updated = update_fields(stored, newer, NOW_MS / 1000, false, arena);

    (void)update_is_selected(stored, newer, false);
    must(fields_find(&updated, FIELD_DATE) != NULL);
    must(text_is_equal(fields_value(&updated, FIELD_CONTENT_LENGTH),
                       fields_value(stored, FIELD_CONTENT_LENGTH)));
    must(text_is_equal(fields_value(&updated, FIELD_SET_COOKIE),
                       fields_value(stored, FIELD_SET_COOKIE)));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char                *exact = mem_try(len + 1);
    struct arena        *arena = arena_new();
    struct text          rest = text_of(exact, len);
    struct head          request, answer;
    struct fields        not_modified;
    struct freshness     freshness;
    struct cache_control asked;

    must(exact != NULL);
    memcpy(exact, bytes, len);
    head_init(&answer, arena, 0);
    head_init(&request, arena, 0);
    answer.status = 200;
    take_fields(&rest, arena, &answer.fields);
    take_fields(&rest, arena, &request.fields);
    take_fields(&rest, arena, &not_modified);
    (void)decide(&request, &answer, arena, &freshness);
    check_facts(&freshness);
    asked = cache_control_of_request(&request.fields, arena);
    check_ages(&freshness.facts, &asked);
    check_update(&answer.fields, &not_modified, arena);
    check_forbidding(&request, &answer, arena);
    arena_free(&arena);
    mem_free(exact);
    return 0;
}
