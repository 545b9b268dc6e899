// SPDX-License-Identifier: MIT
/* Panic: tell everybody who asked, then abort. Hooks are added while the process starts, on one
 * thread. A hook that fails itself must not come back here for ever, so the second failure of a
 * thread aborts at once. */
#include "base/must.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>
#include <unistd.h>

enum { HOOKS_MOST = 4 };

static void (*hooks[HOOKS_MOST])(const char *message);
static unsigned hook_count;

static thread_local bool is_failing;

void must_hook_add(void (*hook)(const char *message))
{
    must(hook_count < HOOKS_MOST);
    hooks[hook_count++] = hook;
}

_Noreturn void must_failed(const char *condition, const char *file, int line)
{
    char message[512];

    (void)snprintf(message, sizeof(message), "[alert] must(%s) failed at %s:%d\n", condition, file,
                   line);
    (void)!write(STDERR_FILENO, message, strlen(message));
    if (is_failing)
        abort();
    is_failing = true;
    for (unsigned i = 0; i < hook_count; i++)
        hooks[i](message);
    abort();
}
