// SPDX-License-Identifier: MIT
/* What a hit in the memory tier costs, in nanoseconds: one thread on few and on many objects, four
 * threads on one hot key and on different ones; what an insertion costs when it must evict; unpacking
 * a head; what a purge costs with few objects and with many. And what a million objects of 1 KB cost in memory, by our count and by the kernel's. A hit of
 * one thread on few objects beyond its budget is a mistake (exit status 1). */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/writer.h"
#include "cache/memory.h"
#include "cache/stored_head.h"

enum { ROUNDS = 5, RUNS = 400000, THREADS = 4, BUDGET_NS = 400, MILLION = 1000000, KEY_BYTES = 40 };

struct bench {
    struct memory *memory;
    unsigned       objects, first, step;
};

static double now_ns(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static struct text key_text(unsigned number, char bytes[KEY_BYTES])
{
    struct writer writer = writer_fixed(bytes, KEY_BYTES);

    writer_format(&writer, "http://example.com/some/path/%09u", number);
    return writer_done(&writer);
}

static const char head_bytes[] =
    "HTTP fields of a usual answer in packed form take about as many bytes as this text does, which "
    "is filled up with words until it has some two hundred and twenty of them in all, more or less .";

static struct object *object_of(unsigned number, uint64_t body_len)
{
    char                key[KEY_BYTES];
    const uint64_t      labels[] = { number, 7 };
    struct object_parts parts = {
        .facts = { .serial = number + 1, .status = 200 },
        .key = cache_key_of(1, key_text(number, key)),
        .head = TEXT_NONE,
        .labels = labels,
        .label_count = 2,
    };
    struct object *object;

    parts.head = text_of(head_bytes, sizeof(head_bytes) - 1);
    object = object_try_new(&parts, body_len);
    if (object == NULL)
        abort();
    memset(object_inline_body(object), 'x', body_len);
    return object;
}

static void fill(struct memory *memory, unsigned from, unsigned count, uint64_t body_len)
{
    for (unsigned i = from; i < from + count; i++) {
        struct object *object = object_of(i, body_len);
        if (!memory_insert(memory, object))
            abort();
        object_unref(object);
    }
}

static struct text no_variant(struct variant_ask *ask, struct text vary)
{
    (void)ask;
    (void)vary;
    return TEXT_NONE;
}

/* Keys are hashed beforehand: the table is what is measured. */
enum { KEYS = 4096 };
static struct cache_key keys[KEYS];
static char             key_bytes[KEYS][KEY_BYTES];

static void keys_make(unsigned objects)
{
    for (unsigned i = 0; i < KEYS; i++)
        keys[i] = cache_key_of(1, key_text((unsigned)(i * 2654435761u % objects), key_bytes[i]));
}

static void *hit(void *arg)
{
    const struct bench *bench = arg;
    struct variant_ask  ask = { no_variant };
    unsigned            at = bench->first;
    bool                is_purged;

    for (unsigned run = 0; run < RUNS; run++, at = (at + bench->step) % KEYS) {
        struct object *object =
            memory_find(bench->memory, &keys[at], &ask, true, &is_purged, NULL);
        if (object == NULL)
            abort();
        object_unref(object);
    }
    return NULL;
}

static double hits_ns(struct memory *memory, unsigned threads, unsigned step)
{
    double best = 1e18;

    for (unsigned round = 0; round < ROUNDS; round++) {
        struct bench benches[THREADS];
        pthread_t    ids[THREADS];
        double       start = now_ns(), each;

        for (unsigned i = 0; i < threads; i++) {
            benches[i] = (struct bench){ .memory = memory, .step = step,
                                         .first = step == 0 ? 0 : i * (KEYS / THREADS) };
            if (pthread_create(&ids[i], NULL, hit, &benches[i]) != 0)
                abort();
        }
        for (unsigned i = 0; i < threads; i++)
            (void)pthread_join(ids[i], NULL);
        each = (now_ns() - start) / RUNS / threads;
        best = each < best ? each : best;
    }
    return best;
}

static double insert_ns(struct memory *memory, unsigned from)
{
    double start = now_ns();

    fill(memory, from, MILLION / 5, 1000);
    return (now_ns() - start) / (MILLION / 5);
}

static void head_bench(void)
{
    static const char *const all[][2] = {
        { "Server", "nginx" }, { "Date", "Sun, 06 Nov 1994 08:49:37 GMT" }, { "Vary", "Accept" },
        { "Content-Type", "text/html; charset=utf-8" }, { "ETag", "\"5d8c72a5-264\"" },
        { "Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT" }, { "Cache-Control", "max-age=600" },
        { "X-Request-Id", "1234567890" },
    };
    struct arena *arena = arena_new();
    struct fields fields;
    struct text   packed;
    double        start;

    fields_init(&fields, arena, 8);
    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        fields_add(&fields, text_from(all[i][0]), text_from(all[i][1]));
    packed = stored_head_pack(arena, 200, TEXT("OK"), &fields);
    start = now_ns();
    for (unsigned run = 0; run < RUNS; run++) {
        struct arena *scratch = arena_new();
        struct head   head;
        if (stored_head_unpack(packed, scratch, &head) < 0)
            abort();
        arena_free(&scratch);
    }
    printf("%-52s %6.0f ns\n", "a head of 8 fields, unpacked", (now_ns() - start) / RUNS);
    arena_free(&arena);
}

/* One label each, as by key, tag and host: the book grows, the objects are not looked at. The first hit
 * on an object after a purge looks it up there. */
static void purge_bench(struct memory *memory, struct purges *purges, unsigned objects)
{
    enum { PURGES = 10000 };
    struct purge purge = { .kind = PURGE_LABEL, .serial = (uint64_t)2 * MILLION };
    double       start = now_ns(), each;

    for (unsigned i = 0; i < PURGES; i++) {
        purge.label = MILLION + i;           /* of none of them */
        purge.serial++;
        if (!purges_add(purges, &purge))
            abort();
    }
    each = (now_ns() - start) / PURGES;
    printf("a purge with %7u objects %24s %6.0f ns\n", objects, "", each);
    printf("a hit after it, looked up in the book %15s %6.0f ns\n", "", hits_ns(memory, 1, 1));
}

static uint64_t resident(void)
{
    FILE         *file = fopen("/proc/self/statm", "r");
    unsigned long size = 0, pages = 0;

    if (file == NULL || fscanf(file, "%lu %lu", &size, &pages) != 2)
        abort();
    (void)fclose(file);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Beside what the object is about: its key, head and body. */
static void print_million(struct memory *memory, uint64_t before)
{
    const double own = KEY_BYTES - 2 + sizeof(head_bytes) - 1 + 1000;
    double       counted = (double)memory_figures(memory).bytes / MILLION;
    double       seen = (double)(resident() - before) / MILLION;

    printf("\na million objects, %.0f bytes of key, head and body each: %.0f bytes counted, %.0f "
           "resident: %.0f and %.0f beside\n",
           own, counted, seen, counted - own, seen - own);
}

int main(void)
{
    struct purges *purges = purges_new();
    struct memory *memory = memory_new((uint64_t)4 << 30, purges);
    uint64_t       before = resident();
    double         few;

    fill(memory, 0, 1000, 1000);
    keys_make(1000);
    few = hits_ns(memory, 1, 1);
    printf("%-52s %6.0f ns (budget %d)\n", "a hit among 1,000 objects, one thread", few, BUDGET_NS);
    printf("%-52s %6.0f ns\n", "the same key again and again", hits_ns(memory, 1, 0));
    printf("%-52s %6.0f ns\n", "four threads, different keys", hits_ns(memory, THREADS, 1));
    printf("%-52s %6.0f ns\n", "four threads, one key", hits_ns(memory, THREADS, 0));
    fill(memory, 1000, 9000, 1000);
    purge_bench(memory, purges, 10000);
    head_bench();
    fill(memory, 10000, MILLION - 10000, 1000);
    print_million(memory, before);
    keys_make(MILLION);
    printf("%-52s %6.0f ns\n", "a hit among them, one thread (4,096 of them)", hits_ns(memory, 1, 1));
    purge_bench(memory, purges, MILLION);
    memory_resize(memory, memory_figures(memory).bytes);
    printf("%-52s %6.0f ns\n", "an insertion that evicts", insert_ns(memory, MILLION));
    memory_free(&memory);
    purges_free(&purges);
    return few > BUDGET_NS;
}
