// SPDX-License-Identifier: MIT
/* memory beside a model: a plain list of what was put, searched in the plainest way. By chance, with a
 * printed seed (MODEL_SEED=n repeats one): puts, finds, removals, purges of every kind, sweeps, and in
 * half of the runs a limit so small that things are evicted and that changes. What is found must be
 * what the model would find; without evictions, whatever the model finds must be found. */
#include "objects.h"

#include "cache/memory.h"

enum { RUNS = 20, STEPS = 4000, KEYS = 40, VARIES = 3, VARIANTS = 4, ITEMS_MOST = STEPS, LABELS = 8 };

static const char *const varies[VARIES] = { NULL, "accept", "accept, cookie" };

struct item {
    unsigned       key, vary, variant;
    uint64_t       serial, label;
    int64_t        date_s;
    bool           is_there, is_soft, is_gone;
    struct object *object;               /* not counted: never looked into */
};

struct model {
    struct memory *memory;
    struct purges *purges;
    struct item    items[ITEMS_MOST];
    unsigned       count;
    uint64_t       serial, state;
    bool           is_tight;
};

static unsigned draw(struct model *model, unsigned below)
{
    model->state ^= model->state << 13;
    model->state ^= model->state >> 7;
    model->state ^= model->state << 17;
    return (unsigned)((model->state * 0x2545f4914f6cdd1d >> 33) % below);
}

static const char *key_name(unsigned key, char bytes[16])
{
    (void)snprintf(bytes, 16, "%c/%u", key % 3 == 0 ? 'a' : 'b', key);
    return bytes;
}

static const char *variant_name(unsigned variant, char bytes[16])
{
    (void)snprintf(bytes, 16, "v%u", variant);
    return bytes;
}

/* ---- steps ---- */

static bool is_same_answer(const struct item *a, const struct item *b)
{
    return a->key == b->key && a->vary == b->vary && (a->vary == 0 || a->variant == b->variant);
}

static struct object *make(const struct item *item, uint64_t body_len)
{
    char                key[16], variant[16];
    struct object_parts parts = {
        .key = key_of(key_name(item->key, key)),
        .facts = { .serial = item->serial, .date_s = item->date_s },
        .vary = text_from(varies[item->vary]),
        .variant = text_from(item->vary == 0 ? NULL : variant_name(item->variant, variant)),
        .labels = &item->label,
        .label_count = 1,
    };

    return object_made(&parts, body_len);
}

static void step_put(struct model *model)
{
    struct item item = { .key = draw(model, KEYS), .vary = draw(model, VARIES),
                         .variant = draw(model, VARIANTS), .label = 1 + draw(model, LABELS),
                         .serial = ++model->serial, .date_s = draw(model, 50), .is_there = true };

    item.object = make(&item, draw(model, 3000));
    assert_true(memory_insert(model->memory, item.object));
    object_unref(item.object);
    for (unsigned i = 0; i < model->count; i++)
        if (is_same_answer(&model->items[i], &item))
            model->items[i].is_there = false;
    model->items[model->count++] = item;
}

struct wanted {
    struct variant_ask ask;
    unsigned           variant;
    char               bytes[16];
};

static struct text variant_wanted(struct variant_ask *ask, struct text vary)
{
    struct wanted *wanted = container_of(ask, struct wanted, ask);

    if (wanted->variant == VARIANTS)     /* as with a Vary that never matches */
        return TEXT_NONE;
    assert_true(vary.len > 0);
    return text_from(variant_name(wanted->variant, wanted->bytes));
}

static const struct item *model_find(const struct model *model, unsigned key, unsigned variant,
                                     bool *ret_has_other)
{
    const struct item *best = NULL;

    *ret_has_other = false;
    for (unsigned i = 0; i < model->count; i++) {
        const struct item *item = &model->items[i];
        if (!item->is_there || item->is_gone || item->key != key)
            continue;
        if (item->vary != 0 && item->variant != variant)
            *ret_has_other = true;
        else if (best == NULL || item->date_s > best->date_s ||
                 (item->date_s == best->date_s && item->serial > best->serial))
            best = item;
    }
    *ret_has_other = best == NULL && *ret_has_other;
    return best;
}

static const struct item *item_of(const struct model *model, uint64_t serial)
{
    for (unsigned i = 0; i < model->count; i++)
        if (model->items[i].serial == serial)
            return &model->items[i];
    fail_msg("serial %llu was never put", (unsigned long long)serial);
    return NULL;
}

static void step_find(struct model *model)
{
    char               bytes[16];
    unsigned           key_number = draw(model, KEYS);
    struct cache_key   key = key_of(key_name(key_number, bytes));
    struct wanted      wanted = { .ask = { variant_wanted }, .variant = draw(model, VARIANTS + 1) };
    bool               is_purged = false, has_other = false, model_has_other;
    const struct item *item = model_find(model, key_number, wanted.variant, &model_has_other);
    struct object     *object = memory_find(model->memory, &key, &wanted.ask, draw(model, 2) == 0,
                                            &is_purged, &has_other);

    if (object == NULL) {
        assert_true(item == NULL || model->is_tight);
        assert_true(has_other == model_has_other || model->is_tight);
        return;
    }
    if (!model->is_tight)
        assert_int_equal(object->facts.serial, item->serial);
    item = item_of(model, object->facts.serial);
    assert_true(item->is_there && !item->is_gone && item->key == key_number);
    assert_true(item->vary == 0 || item->variant == wanted.variant);
    assert_int_equal(is_purged, item->is_soft);
    object_unref(object);
}

static void step_remove(struct model *model)
{
    char             bytes[16];
    struct cache_key key = key_of(key_name(draw(model, KEYS), bytes));
    struct object   *objects[4];
    unsigned         count = memory_variants(model->memory, &key, objects, 4);
    unsigned         chosen = draw(model, 4);

    for (unsigned i = 0; i < count; i++) {
        if (i == chosen) {
            memory_remove(model->memory, objects[i]);
            ((struct item *)item_of(model, objects[i]->facts.serial))->is_there = false;
        }
        object_unref(objects[i]);
    }
}

static bool concerns(const struct purge *purge, const struct item *item)
{
    char bytes[16];

    switch (purge->kind) {
    case PURGE_LABEL:
        return item->label == purge->label;
    case PURGE_PREFIX:
        return text_has_prefix(text_from(key_name(item->key, bytes)), purge->prefix);
    case PURGE_ALL:
        return true;
    }
    return false;
}

static void step_purge(struct model *model)
{
    static const char *const prefixes[] = { "a", "b/1", "b/2", "a/3", "b/33" };
    struct purge             purge = { .kind = (enum purge_kind)draw(model, 2),
                                       .is_soft = draw(model, 2) == 0, .label = 1 + draw(model, LABELS),
                                       .prefix = text_from(prefixes[draw(model, 5)]) };

    if (draw(model, 20) == 0)
        purge.kind = PURGE_ALL;
    purge.serial = ++model->serial;
    assert_true(purges_add(model->purges, &purge));
    for (unsigned i = 0; i < model->count; i++) {
        struct item *item = &model->items[i];
        if (concerns(&purge, item))
            *(purge.is_soft ? &item->is_soft : &item->is_gone) = true;
    }
}

static void step_sweep(struct model *model)
{
    uint64_t there = 0, objects;

    (void)memory_sweep(model->memory, NULL, NULL);
    objects = memory_figures(model->memory).objects;
    for (unsigned i = 0; i < model->count; i++)
        there += model->items[i].is_there && !model->items[i].is_gone;
    assert_true(objects == there || (model->is_tight && objects < there));
    if (!model->is_tight && draw(model, 4) == 0)
        purges_forget(model->purges, 0, 0);
}

static void step_resize(struct model *model)
{
    if (model->is_tight)
        memory_resize(model->memory, 100000 + draw(model, 200000));
}

static void check_limit(struct model *model)
{
    struct memory_figures figures = memory_figures(model->memory);

    assert_true(figures.bytes <= figures.limit);
}

static void step(struct model *model)
{
    unsigned chance = draw(model, 100);

    if (chance < 40)
        step_put(model);
    else if (chance < 88)
        step_find(model);
    else if (chance < 94)
        step_remove(model);
    else if (chance < 97)
        step_purge(model);
    else if (chance < 99)
        step_sweep(model);
    else
        step_resize(model);
    check_limit(model);
}

static void run(uint64_t seed, bool is_tight)
{
    struct model *model = calloc(1, sizeof(*model));

    assert_non_null(model);
    model->state = seed;
    model->is_tight = is_tight;
    model->purges = purges_new();
    model->memory = memory_new(is_tight ? 200000 : 64 << 20, model->purges);
    for (unsigned i = 0; i < STEPS; i++)
        step(model);
    memory_free(&model->memory);
    purges_free(&model->purges);
    free(model);
}

static void the_tier_does_what_the_model_does(void **state)
{
    const char *given = getenv("MODEL_SEED");
    uint64_t    seed = given == NULL ? 1 : strtoull(given, NULL, 10);

    (void)state;
    for (unsigned i = 0; i < RUNS; i++, seed++) {
        print_message("MODEL_SEED=%llu\n", (unsigned long long)seed);
        run(seed * 0x9e3779b97f4a7c15, i % 2 == 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_tier_does_what_the_model_does) };

    return cmocka_run_group_tests_name("cache/memory_model", tests, NULL, drain);
}
