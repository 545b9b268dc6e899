// SPDX-License-Identifier: MIT
/* What the unit tests of the expr layer share: a scope of their own with a few variables: $a is "A",
 * $long is 40 bytes, $none is not found, $slot reads slot 0. */
#ifndef TESTS_UNIT_EXPR_CHECK_H
#define TESTS_UNIT_EXPR_CHECK_H

#include "base/unit.h"

#include "expr/template.h"

enum { BENCH_SLOTS = 8 };

struct bench {
    struct arena *arena;
    struct scope  scope;
    struct text   slots[BENCH_SLOTS];
    unsigned      asked;                 /* calls of $a's getter */
};

static inline struct text get_a(struct scope *scope, const struct variable *self)
{
    (void)self;
    container_of(scope, struct bench, scope)->asked++;
    return TEXT("A");
}

static inline struct text get_long(struct scope *scope, const struct variable *self)
{
    (void)scope, (void)self;
    return TEXT("0123456789012345678901234567890123456789");
}

static inline struct text get_none(struct scope *scope, const struct variable *self)
{
    (void)scope, (void)self;
    return TEXT_NONE;
}

static inline bool find_name(struct names *names, struct text name, struct variable *ret_variable)
{
    static const struct { const char *name; struct variable variable; } rows[] = {
        { "a", { .get = get_a } },
        { "long", { .get = get_long } },
        { "none", { .get = get_none } },
        { "slot", { .get = scope_get_slot, .slot = 0 } },
    };

    (void)names;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (text_is_equal(name, text_from(rows[i].name))) {
            *ret_variable = rows[i].variable;
            return true;
        }
    return false;
}

static struct names bench_names = { .find = find_name };

static inline int bench_set_up(void **state)
{
    static struct bench bench;

    bench = (struct bench){ .arena = arena_new() };
    bench.scope = (struct scope){ .arena = bench.arena, .slots = bench.slots,
                                  .slot_count = BENCH_SLOTS };
    *state = &bench;
    return 0;
}

static inline int bench_tear_down(void **state)
{
    struct bench *bench = *state;

    arena_free(&bench->arena);
    return 0;
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, bench_set_up, bench_tear_down)

/* Fails on a template that does not compile. */
static inline const struct template *compiled(struct bench *bench, const char *source)
{
    const struct template *template = NULL;
    struct text            message = TEXT("");

    if (template_compile(bench->arena, text_from(source), &bench_names, &template, &message) != 0)
        fail_msg("\"%s\": %.*s", source, TEXT_ARGS(message));
    return template;
}

#endif
