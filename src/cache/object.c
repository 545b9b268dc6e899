// SPDX-License-Identifier: MIT
/* In the home block, one behind the other: the object, labels,
 * key, vary, variant, head, inline body. */
#include "cache/object.h"

#include <stddef.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "cache/large_body.h"

enum { ALIGNMENT = _Alignof(struct object) };
enum { MALLOC_STEP = 16, MAPPED_FROM = 128 * 1024, PAGE = 4096 };

static uint32_t slices_for(uint64_t body_len)
{
    return body_len <= OBJECT_INLINE_MOST
               ? 0
               : (uint32_t)((body_len + OBJECT_SLICE_BYTES - 1) / OBJECT_SLICE_BYTES);
}

static char *texts_of(const struct object *object)
{
    return (char *)(object + 1) + object->label_count * sizeof(uint64_t);
}

static char *put(char *at, struct text text)
{
    if (text.len > 0)
        memcpy(at, text.ptr, text.len);
    return at + text.len;
}

static struct object *place_in(struct block *home)
{
    uintptr_t at = (uintptr_t)home->bytes;

    return (struct object *)((at + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
}

struct object *object_try_new(const struct object_parts *parts, uint64_t body_len)
{
    uint64_t       inline_len = body_len <= OBJECT_INLINE_MOST ? body_len : 0;
    uint64_t       size = ALIGNMENT + sizeof(struct object) + parts->label_count * sizeof(uint64_t) +
                    parts->key.text.len + parts->vary.len + parts->variant.len + parts->head.len +
                    inline_len;
    struct block  *home;
    struct object *object;
    char          *at;

    must(parts->label_count <= OBJECT_LABELS_MOST);
    home = size > UINT32_MAX ? NULL : block_try_sized((uint32_t)size);
    if (home == NULL)
        return NULL;
    object = place_in(home);
    memset(object, 0, sizeof(*object));
    object->home = home;
    atomic_init(&object->refs, 1);
    object->facts = parts->facts;
    object->hash = parts->key.hash;
    object->key_len = (uint32_t)parts->key.text.len;
    object->vary_len = (uint32_t)parts->vary.len;
    object->variant_len = (uint32_t)parts->variant.len;
    object->head_len = (uint32_t)parts->head.len;
    object->label_count = parts->label_count;
    object->body_len = inline_len;
    if (parts->label_count > 0)
        memcpy(object + 1, parts->labels, parts->label_count * sizeof(uint64_t));
    at = put(texts_of(object), parts->key.text);
    at = put(at, parts->vary);
    at = put(at, parts->variant);
    put(at, parts->head);
    return object;
}

bool object_try_set_body(struct object *object, const struct slice *slices, uint32_t count,
                         uint64_t len)
{
    must(object->body == NULL && object->body_len == 0);
    must(slices_for(len) <= count || count == 1);
    if (count == 0)
        return true;
    object->body = mem_try(count * sizeof(struct slice));
    if (object->body == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++)
        object->body[i] = slice_ref(slices[i]);
    object->slice_count = count;
    object->body_len = len;
    return true;
}

void object_set_large(struct object *object, struct large_body *body, uint64_t len)
{
    must(object->body == NULL && object->body_len == 0);
    object->large = large_body_ref(body);
    object->body_len = len;
}

struct object *object_ref(struct object *object)
{
    atomic_fetch_add_explicit(&object->refs, 1, memory_order_relaxed);
    return object;
}

void object_unref(struct object *object)
{
    struct block *home = object->home;

    if (atomic_fetch_sub_explicit(&object->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < object->slice_count; i++)
        slice_unref(object->body[i]);
    mem_free(object->body);
    if (object->large != NULL)
        large_body_unref(object->large);
    block_unref(home);
}

/* ---- views ---- */

struct text object_key(const struct object *object)
{
    return text_of(texts_of(object), object->key_len);
}

struct text object_vary(const struct object *object)
{
    return text_of(texts_of(object) + object->key_len, object->vary_len);
}

struct text object_variant(const struct object *object)
{
    return text_of(texts_of(object) + object->key_len + object->vary_len, object->variant_len);
}

static char *head_of(const struct object *object)
{
    return texts_of(object) + object->key_len + object->vary_len + object->variant_len;
}

struct text object_head(const struct object *object)
{
    return text_of(head_of(object), object->head_len);
}

const uint64_t *object_labels(const struct object *object)
{
    return (const uint64_t *)(object + 1);
}

bool object_is_inline(const struct object *object)
{
    return object->body == NULL && object->large == NULL;
}

unsigned char *object_inline_body(struct object *object)
{
    return (unsigned char *)head_of(object) + object->head_len;
}

struct slice object_slice(const struct object *object, uint64_t from, uint32_t most)
{
    uint64_t left = from < object->body_len ? object->body_len - from : 0;
    uint32_t number, at, len;

    must(object->large == NULL);
    if (left == 0)
        return SLICE_NONE;
    if (object->body == NULL) {
        at = (uint32_t)(object_inline_body((struct object *)object) - object->home->bytes);
        return slice_of(object->home, at + (uint32_t)from, left < most ? (uint32_t)left : most);
    }
    number = object->slice_count == 1 ? 0 : (uint32_t)(from / OBJECT_SLICE_BYTES);
    at = (uint32_t)(from - (uint64_t)number * OBJECT_SLICE_BYTES);
    len = object->body[number].len - at;
    return slice_part(object->body[number], at, len < most ? len : most);
}

/* ---- what it costs ---- */

/* glibc: a word in front, in steps of 16; whole pages once it maps them one by one. */
size_t object_allocated(size_t bytes)
{
    const size_t step = bytes < MAPPED_FROM ? MALLOC_STEP : PAGE;

    return (bytes + sizeof(size_t) + step - 1) / step * step;
}

static size_t block_bytes(const struct block *block)
{
    return sizeof(struct block) + block->size;
}

size_t object_bytes(const struct object *object)
{
    size_t bytes = object_allocated(block_bytes(object->home));

    if (object->slice_count > 0)
        bytes += object_allocated(object->slice_count * sizeof(struct slice));
    for (uint32_t i = 0; i < object->slice_count; i++)
        bytes += object_allocated(block_bytes(object->body[i].block));
    return bytes;
}

size_t object_block_bytes(const struct object *object)
{
    size_t bytes = block_bytes(object->home);

    for (uint32_t i = 0; i < object->slice_count; i++)
        bytes += block_bytes(object->body[i].block);
    return bytes;
}

int64_t object_age_s(const struct object *object, int64_t now_ms)
{
    int64_t resident_ms = now_ms > object->born_ms ? now_ms - object->born_ms : 0;

    return (int64_t)object->facts.initial_age_s + resident_ms / 1000;
}
