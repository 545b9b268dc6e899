// SPDX-License-Identifier: MIT
/* PCRE2 behind our interface, with our memory: a match that failed for want of some would look like
 * none, and a request would get into the wrong location.
 *
 * The compiled pattern is shared by all threads; the block that a match writes into and the stack of
 * the JIT belong to the thread and are made at its first match. Limits are low enough that the worst
 * pattern with the worst subject ends within milliseconds. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "expr/regex.h"

#include <errno.h>
#include <pcre2.h>
#include <pthread.h>
#include <string.h>

#include "base/mem.h"

enum {
    MATCH_STEPS = 200 * 1000,
    HEAP_KB = 1024,
    JIT_STACK_FIRST = 32 * 1024,
    JIT_STACK_MOST = 256 * 1024,
    PATTERN_MOST = 64 * 1024,
    MESSAGE_BYTES = 128
};

struct group {                           /* a named one */
    unsigned number, slot;
};

struct regex {
    struct text   pattern;
    pcre2_code   *code;
    unsigned      captures;
    struct group *groups;
    unsigned      group_count;
};

/* ---- compiling ---- */

static pthread_once_t         once = PTHREAD_ONCE_INIT;
static pthread_key_t          bench_key;
static pcre2_general_context *memory;    /* where PCRE2's comes from */
static pcre2_compile_context *compiling;

static void bench_free(void *object);

static void *memory_get(size_t size, void *unused)
{
    (void)unused;
    return mem_resize(NULL, size);
}

static void memory_put(void *bytes, void *unused)
{
    (void)unused;
    mem_free(bytes);
}

static void once_init(void)
{
    memory = pcre2_general_context_create(memory_get, memory_put, NULL);
    compiling = pcre2_compile_context_create(memory);
    must(pthread_key_create(&bench_key, bench_free) == 0);
}

static void code_undo(void *object)
{
    pcre2_code_free(object);
}

static struct text error_message(struct arena *arena, struct text pattern, int error, size_t offset)
{
    PCRE2_UCHAR words[MESSAGE_BYTES] = "";
    struct text rest = text_from_offset(pattern, offset);

    (void)pcre2_get_error_message(error, words, sizeof(words));
    if (rest.len == 0)
        return arena_format(arena, "pcre2_compile() failed: %s in \"%.*s\"", (char *)words,
                            TEXT_ARGS(pattern));
    return arena_format(arena, "pcre2_compile() failed: %s in \"%.*s\" at \"%.*s\"", (char *)words,
                        TEXT_ARGS(pattern), TEXT_ARGS(rest));
}

/* Entries of PCRE2's table: the group's number in two bytes, then its name and a NUL. */
static void find_groups(struct arena *arena, struct regex *regex, struct slots *slots)
{
    uint32_t       count = 0, size = 0;
    PCRE2_SPTR     table = NULL;

    (void)pcre2_pattern_info(regex->code, PCRE2_INFO_NAMECOUNT, &count);
    if (count == 0 || slots == NULL)
        return;
    (void)pcre2_pattern_info(regex->code, PCRE2_INFO_NAMEENTRYSIZE, &size);
    (void)pcre2_pattern_info(regex->code, PCRE2_INFO_NAMETABLE, &table);
    regex->groups = ARENA_ARRAY(arena, struct group, count);
    regex->group_count = count;
    for (uint32_t i = 0; i < count; i++, table += size) {
        struct text name = arena_copy(arena, text_from((const char *)table + 2));

        regex->groups[i].number = (unsigned)table[0] << 8 | table[1];
        regex->groups[i].slot = slots->find(slots, name);
    }
}

int regex_compile(struct arena *arena, struct text pattern, bool is_nocase, struct slots *slots,
                  const struct regex **ret_regex, struct text *reterr_message)
{
    struct regex *regex = ARENA_NEW(arena, struct regex);
    int           error = 0;
    PCRE2_SIZE    offset = 0;
    uint32_t      captures = 0;

    if (pattern.len > PATTERN_MOST) {
        *reterr_message = TEXT("the regular expression is too long");
        return -EINVAL;
    }
    must(pthread_once(&once, once_init) == 0);
    regex->pattern = arena_copy(arena, pattern);
    regex->code = pcre2_compile((PCRE2_SPTR)regex->pattern.ptr, pattern.len,
                                is_nocase ? PCRE2_CASELESS : 0, &error, &offset, compiling);
    if (regex->code == NULL) {
        *reterr_message = error_message(arena, pattern, error, offset);
        return -EINVAL;
    }
    arena_defer(arena, code_undo, regex->code);
    /* Without JIT (a platform without it, or no memory) the interpreter matches the same. */
    (void)pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE);
    (void)pcre2_pattern_info(regex->code, PCRE2_INFO_CAPTURECOUNT, &captures);
    regex->captures = captures;
    find_groups(arena, regex, slots);
    *ret_regex = regex;
    return 0;
}

/* ---- matching ---- */

struct bench {                           /* what a thread needs to match */
    pcre2_match_data    *match;
    pcre2_match_context *limits;
    pcre2_jit_stack     *stack;
    uint32_t             pairs;
};

static void bench_free(void *object)
{
    struct bench *bench = object;

    pcre2_match_data_free(bench->match);
    pcre2_match_context_free(bench->limits);
    pcre2_jit_stack_free(bench->stack);
    mem_free(bench);
}

static struct bench *bench_new(void)
{
    struct bench *bench = mem_new(sizeof(*bench));

    bench->limits = pcre2_match_context_create(memory);
    (void)pcre2_set_match_limit(bench->limits, MATCH_STEPS);
    (void)pcre2_set_heap_limit(bench->limits, HEAP_KB);
    bench->stack = pcre2_jit_stack_create(JIT_STACK_FIRST, JIT_STACK_MOST, memory);
    if (bench->stack != NULL)
        pcre2_jit_stack_assign(bench->limits, NULL, bench->stack);
    must(pthread_setspecific(bench_key, bench) == 0);
    return bench;
}

static struct bench *bench_of_thread(uint32_t pairs)
{
    struct bench *bench;

    bench = pthread_getspecific(bench_key);
    if (bench == NULL)
        bench = bench_new();
    if (bench->pairs < pairs) {
        pcre2_match_data_free(bench->match);
        bench->match = pcre2_match_data_create(pairs, memory);
        bench->pairs = pairs;
    }
    return bench;
}

/* A group that took no part in the match is empty. */
static struct text captured(struct text subject, const PCRE2_SIZE *offsets, unsigned number)
{
    PCRE2_SIZE from = offsets[2 * number], to = offsets[2 * number + 1];

    return from == PCRE2_UNSET || to < from ? TEXT("") : text_part(subject, from, to - from);
}

static void keep_captures(const struct regex *regex, struct text subject, struct scope *scope,
                          const PCRE2_SIZE *offsets)
{
    for (unsigned i = 0; i < SCOPE_CAPTURES; i++)
        scope->captures[i] = i <= regex->captures ? captured(subject, offsets, i) : TEXT_NONE;
    for (unsigned i = 0; i < regex->group_count; i++)
        scope_set_slot(scope, regex->groups[i].slot,
                       captured(subject, offsets, regex->groups[i].number));
}

bool regex_match(const struct regex *regex, struct text subject, struct scope *scope)
{
    struct bench *bench = bench_of_thread(regex->captures + 1);
    PCRE2_SPTR    bytes = subject.ptr == NULL ? (PCRE2_SPTR)"" : (PCRE2_SPTR)subject.ptr;

    if (pcre2_match(regex->code, bytes, subject.len, 0, 0, bench->match, bench->limits) < 0)
        return false;
    if (scope != NULL)
        keep_captures(regex, text_of((const char *)bytes, subject.len), scope,
                      pcre2_get_ovector_pointer(bench->match));
    return true;
}

struct text regex_pattern(const struct regex *regex)
{
    return regex->pattern;
}
