// SPDX-License-Identifier: MIT
/* `frontdesk cache show`: what memory holds of each key at once; then, where a cache has a disk, the
 * record that the request would get from it, unless memory has that one too. */
#include "main/cache_control.h"

#include <errno.h>
#include <inttypes.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cache/stored_head.h"
#include "cache/vary.h"
#include "main/cache_keys.h"

enum { VARIANTS_MOST = 64 };

/* In the request's arena: until it ends. */
struct showing {
    struct control_request *request;
    struct task             task;
    struct variant_ask      ask;
    struct fields           fields;      /* of the request whose variant is meant */
    struct url_key         *keys;
    unsigned                count;
    unsigned                at;          /* key */
    struct disk_read       *read;        /* under way, of that key */
    bool                    has_found;   /* something */
};

static struct text variant_of(struct variant_ask *ask, struct text vary)
{
    struct showing *showing = container_of(ask, struct showing, ask);
    struct text     variant;

    return vary_variant(vary, &showing->fields, showing->request->arena, &variant) ? variant
                                                                                  : TEXT_NONE;
}

/* ---- one variant ---- */

static const char *lifetime_note(const struct object *object)
{
    return object->facts.flags & OBJECT_HEURISTIC ? " (nobody said: from its Last-Modified)" : "";
}

static void stale_say(struct control_request *request, const struct object_facts *facts,
                      int64_t since_s)
{
    control_say(request, "  stale: for %" PRId64 " s%s", since_s,
                facts->flags & OBJECT_MUST_REVALIDATE ? ", must be revalidated" : "");
    if (facts->flags & OBJECT_MUST_REVALIDATE)
        return;
    if (facts->stale_revalidate_s > since_s)
        control_say(request, "  stale-while-revalidate: for %" PRId64 " s more",
                    facts->stale_revalidate_s - since_s);
    if (facts->stale_error_s > since_s)
        control_say(request, "  stale-if-error: for %" PRId64 " s more",
                    facts->stale_error_s - since_s);
}

static void freshness_say(struct control_request *request, const struct object *object,
                          enum purge_verdict verdict, int64_t age_s)
{
    int64_t lifetime_s = object->facts.lifetime_s;

    if (verdict == PURGE_GONE)
        control_say(request, "  gone: purged");
    else if (verdict == PURGE_STALE)
        control_say(request, "  stale: purged softly");
    else if (object->facts.flags & OBJECT_NO_CACHE)
        control_say(request, "  no-cache: its server is asked each time");
    else if (age_s < lifetime_s)
        control_say(request, "  fresh: for %" PRId64 " s more", lifetime_s - age_s);
    else
        stale_say(request, &object->facts, age_s - lifetime_s);
}

static void fields_say(struct control_request *request, const struct object *object,
                       const struct cache_policy *policy)
{
    struct head  head;
    struct field *tags;

    if (stored_head_unpack(object_head(object), request->arena, &head) < 0) {
        control_say(request, "  its head is damaged");
        return;
    }
    tags = policy == NULL || policy->tag_field.len == 0
               ? NULL
               : fields_find_name(&head.fields, policy->tag_field);
    for (; tags != NULL; tags = fields_find_next(&head.fields, tags))
        control_say(request, "  tags: %.*s", TEXT_ARGS(tags->value));
    FIELDS_EACH(&head.fields, field)
        control_say(request, "  field: %.*s: %.*s", TEXT_ARGS(field->name), TEXT_ARGS(field->value));
}

/* The variant is a text for machines: fields that are absent, or values one behind the other. */
static void vary_say(struct showing *showing, const struct object *object)
{
    struct text vary = object_vary(object);

    if (vary.len == 0)
        return;
    control_say(showing->request, "  vary: %.*s", TEXT_ARGS(vary));
    control_say(showing->request, "  variant: %.*s", TEXT_ARGS(object_variant(object)));
    if (text_is_equal(variant_of(&showing->ask, vary), object_variant(object)))
        control_say(showing->request, "  meant: a request with the given fields gets this one");
}

static const char *place_of(const struct object *object, bool is_in_memory)
{
    bool is_on_disk = atomic_load(&object->place) != 0;

    return !is_in_memory ? "on disk" : is_on_disk ? "in memory and on disk" : "in memory";
}

static void object_say(struct showing *showing, struct object *object, bool is_in_memory)
{
    struct control_request *request = showing->request;
    const struct url_key   *key = &showing->keys[showing->at];
    int64_t                 now_ms = loop_now_ms(loop_self());
    int64_t                 age_s = object_age_s(object, now_ms);

    showing->has_found = true;
    control_say(request, "%.*s: %.*s", TEXT_ARGS(cache_name(key->cache)),
                TEXT_ARGS(object_key(object)));
    vary_say(showing, object);
    control_say(request, "  status: %u", object->facts.status);
    control_say(request, "  came: %.*s", TEXT_ARGS(clock_http_date(object->facts.response_ms)));
    control_say(request, "  age: %" PRId64 " s", age_s);
    control_say(request, "  lifetime: %u s%s", object->facts.lifetime_s, lifetime_note(object));
    freshness_say(request, object, cache_verdict(key->cache, object), age_s);
    control_say(request, "  body: %" PRIu64 " bytes, %s", object->body_len,
                place_of(object, is_in_memory));
    control_say(request, "  uses of late: %u", (unsigned)atomic_load(&object->uses));
    fields_say(request, object, key->policy);
}

/* ---- all of them ---- */

/* True: the place on disk is one of these. */
static bool memory_show(struct showing *showing, uint64_t place)
{
    const struct url_key *key = &showing->keys[showing->at];
    struct object        *objects[VARIANTS_MOST];
    unsigned              count = cache_variants(key->cache, &key->key, objects, VARIANTS_MOST);
    bool                  has_place = false;

    for (unsigned i = 0; i < count; i++) {
        has_place |= place != 0 && atomic_load(&objects[i]->place) == place;
        object_say(showing, objects[i], true);
        object_unref(objects[i]);
    }
    return has_place;
}

static void read_over(struct showing *showing)
{
    if (showing->read->ret_object != NULL)
        object_say(showing, showing->read->ret_object, false);
    disk_read_leave(&showing->read);
}

/* False: a wake will tell. */
static bool disk_show(struct showing *showing, struct disk *disk, uint64_t place)
{
    struct disk_read *read = mem_new(sizeof(*read));

    *read = (struct disk_read){ .disk = disk, .place = place,
                                .key = showing->keys[showing->at].key, .waiter = &showing->task };
    showing->read = read;
    if (disk_read_start(read))
        return false;
    read_over(showing);
    return true;
}

static bool key_show(struct showing *showing)
{
    const struct url_key *key = &showing->keys[showing->at];
    struct disk          *disk = cache_disk(key->cache);
    uint64_t              place = disk == NULL ? 0 : disk_find(disk, &key->key, &showing->ask);

    return memory_show(showing, place) || place == 0 || disk_show(showing, disk, place);
}

static void nothing_say(const struct showing *showing)
{
    for (unsigned i = 0; i < showing->count; i++)
        control_say(showing->request, "%.*s: nothing is stored for %.*s",
                    TEXT_ARGS(cache_name(showing->keys[i].cache)),
                    TEXT_ARGS(showing->keys[i].key.text));
}

static void showing_run(struct task *task, unsigned wakes)
{
    struct showing *showing = container_of(task, struct showing, task);

    (void)wakes;
    if (showing->read != NULL) {
        if (!showing->read->is_done)
            return;
        read_over(showing);
        showing->at++;
    }
    while (showing->at < showing->count) {
        if (!key_show(showing))
            return;
        showing->at++;
    }
    task_cancel(task);
    if (!showing->has_found)
        nothing_say(showing);
    control_end(showing->request);
}

static void fields_take(struct showing *showing, const struct cache_wish *wish)
{
    fields_init(&showing->fields, showing->request->arena, wish->field_count + 1);
    for (unsigned i = 0; i < wish->field_count; i++)
        fields_add(&showing->fields, wish->fields[i].name, wish->fields[i].value);
}

void cache_control_show(struct control_request *request)
{
    struct cache_wish *wish = ARENA_NEW(request->arena, struct cache_wish);
    struct showing    *showing = ARENA_NEW(request->arena, struct showing);
    struct text        message;

    if (cache_words_read(CACHE_SHOW, request->words, request->word_count, request->arena, wish,
                         &message) < 0) {
        control_fail(request, "%.*s", TEXT_ARGS(message));
        return;
    }
    showing->request = request;
    showing->ask.variant = variant_of;
    task_init(&showing->task, showing_run);
    fields_take(showing, wish);
    if (!cache_keys_find(request, wish, &showing->fields, &showing->keys, &showing->count))
        return;
    task_wake(&showing->task, WAKE_LETTER);
}
