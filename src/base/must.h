// SPDX-License-Identifier: MIT
/* Invariants.
 *
 * must() states what no peer, file or administrator can break: it stays in release builds, and its
 * failure is a bug of ours (an [alert] line, then abort). should() costs too much for release and
 * is compiled only into debug builds. Anything that input can cause is an answer, never a must(). */
#ifndef BASE_MUST_H
#define BASE_MUST_H

#include <stddef.h>

#define must(condition) \
    (__builtin_expect(!!(condition), 1) ? (void)0 : must_failed(#condition, __FILE__, __LINE__))

#ifdef FRONTDESK_DEBUG
#define should(condition) must(condition)
#else
#define should(condition) ((void)sizeof(condition))
#endif

#define WARN_UNUSED __attribute__((warn_unused_result))
#define PRINTF_LIKE(position, first) __attribute__((format(printf, position, first)))

/* A large buffer of a hot path, written before it is read: not cleared by the hardened build. */
#define UNINITIALIZED __attribute__((uninitialized))

#define container_of(pointer, type, member) \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* Writes "must(condition) failed at file:line" to standard error and to every hook, then aborts. */
_Noreturn void must_failed(const char *condition, const char *file, int line);

/* Adds a function that is called before the abort, so that the error log learns of it too.
 * At most 4; called on the failing thread, in the order in which they were added. */
void must_hook_add(void (*hook)(const char *message));

#endif
