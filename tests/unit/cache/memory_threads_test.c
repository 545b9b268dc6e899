// SPDX-License-Identifier: MIT
/* memory with eight threads at once: for ThreadSanitizer, and for what must hold whatever the order:
 * what is found has the key that was asked for and its own bytes, the limit holds, nothing is lost. */
#include "objects.h"

#include <pthread.h>

#include "cache/memory.h"

enum { THREADS = 8, STEPS = 10000, KEYS = 500, LIMIT = 1000000, SLACK = THREADS * 8192 };

static struct memory *memory;
static struct purges *purges;
static atomic_uint_least64_t serial = 1;
static atomic_uint    notes, wrong;

static struct text variant_of_one(struct variant_ask *ask, struct text vary)
{
    (void)ask;
    (void)vary;
    return TEXT("1");
}

static void check(bool condition)
{
    if (!condition)
        atomic_fetch_add(&wrong, 1);
}

static void find(uint64_t number)
{
    uint64_t           bytes;
    struct cache_key   key = key_of_number(number, &bytes);
    struct variant_ask ask = { variant_of_one };
    bool               is_purged, has_other;
    struct object     *object = memory_find(memory, &key, &ask, true, &is_purged, &has_other);

    if (object == NULL)
        return;
    check(text_is_equal(object_key(object), key.text));
    check(object->body_len == number && (number == 0 || object_inline_body(object)[number - 1] == 'b'));
    check(object->vary_len == 0 || text_is_equal(object_variant(object), TEXT("1")));
    if (number % 50 == 0)
        memory_remove(memory, object);
    object_unref(object);
}

static void insert(uint64_t number, uint64_t chance)
{
    uint64_t         bytes;
    struct cache_key key = key_of_number(number, &bytes);
    struct object   *object =
        object_of(key, atomic_fetch_add(&serial, 1), number % 3 == 0 ? "x" : NULL,
                  number % 3 == 0 ? (chance % 2 == 0 ? "1" : "2") : NULL, number);

    (void)memory_insert(memory, object);
    if (chance % 8 == 0)
        (void)memory_insert(memory, object);
    object_unref(object);
}

static void purge(uint64_t chance)
{
    struct purge one = { .kind = chance % 16 == 0 ? PURGE_ALL : PURGE_LABEL, .label = chance % 9,
                         .is_soft = chance % 2 == 0, .serial = atomic_fetch_add(&serial, 1) };

    check(purges_add(purges, &one));
    if (chance % 4 == 0) {
        (void)memory_sweep(memory, NULL, NULL);
        purges_forget(purges, one.serial / 2, one.serial / 2);
    }
}

static void *work(void *arg)
{
    uint64_t state = (uintptr_t)arg * 0x9e3779b97f4a7c15 + 1;

    for (unsigned i = 0; i < STEPS; i++) {
        uint64_t number, chance;
        state = state * 6364136223846793005 + 1442695040888963407;
        number = (state >> 33) % KEYS * ((state >> 50) % 4 == 0 ? 1 : 7) % 3000;
        chance = state >> 43;
        if (chance % 1024 == 0)
            purge(chance >> 10);
        else if (chance % 512 == 1)
            memory_resize(memory, LIMIT - chance % 200000);
        else if (chance % 3 == 0)
            insert(number, chance);
        else
            find(number);
        if (i % 256 == 0)
            check(memory_figures(memory).bytes <= LIMIT + SLACK);
    }
    return NULL;
}

static void note(struct object *object, void *arg)
{
    (void)arg;
    check(object->facts.serial > 0);
    atomic_fetch_add(&notes, 1);
}

static void eight_threads_at_once(void **state)
{
    pthread_t threads[THREADS];

    (void)state;
    purges = purges_new();
    memory = memory_new(LIMIT * 4, purges);
    memory_on_evict(memory, note, NULL);
    memory_resize(memory, LIMIT);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)i), 0);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&wrong), 0);
    assert_true(atomic_load(&notes) > 0);
    memory_resize(memory, LIMIT / 2);
    assert_true(memory_figures(memory).bytes <= LIMIT / 2);
    assert_true(memory_figures(memory).objects > 0);
    memory_free(&memory);
    purges_free(&purges);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(eight_threads_at_once) };

    return cmocka_run_group_tests_name("cache/memory_threads", tests, NULL, drain);
}
