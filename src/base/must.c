// SPDX-License-Identifier: MIT
/* Panic: tell everybody who asked, then abort. */
#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HOOKS_MOST = 4 };

static void (*hooks[HOOKS_MOST])(const char *message);
static unsigned hook_count;

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
    for (unsigned i = 0; i < hook_count; i++)
        hooks[i](message);
    abort();
}
