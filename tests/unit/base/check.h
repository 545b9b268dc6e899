// SPDX-License-Identifier: MIT
/* What the unit tests of the base layer share: what a function writes to standard error, and functions that
 * must abort. */
#ifndef TESTS_UNIT_BASE_CHECK_H
#define TESTS_UNIT_BASE_CHECK_H

#include "base/unit.h"

#include <sys/resource.h>
#include <sys/wait.h>

/* `run` in a child must abort, and say `wanted` on standard error first. */
#define CHECK_ABORTS(run, wanted) check_aborts((run), (wanted), __FILE__, __LINE__)

/* Runs `run` in a child whose standard error fills `buffer`; returns the child's wait status. */
static inline int run_in_child(void (*run)(void), char *buffer, size_t size)
{
    size_t len = 0;
    int    ends[2], status;
    pid_t  child;

    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)setrlimit(RLIMIT_CORE, &(struct rlimit){ .rlim_cur = 0 });
        (void)dup2(ends[1], STDERR_FILENO);
        (void)close(ends[0]);
        (void)close(ends[1]);
        run();
        _exit(0);
    }
    (void)close(ends[1]);
    for (ssize_t n; len < size - 1 && (n = read(ends[0], buffer + len, size - 1 - len)) > 0;)
        len += (size_t)n;
    buffer[len] = '\0';
    (void)close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static inline void check_aborts(void (*run)(void), const char *wanted, const char *file, int line)
{
    char said[1024];
    int  status = run_in_child(run, said, sizeof(said));

    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
        fail_msg("%s:%d: no abort, but status %#x", file, line, (unsigned)status);
    if (strstr(said, wanted) == NULL)
        fail_msg("%s:%d: said \"%s\", wanted \"%s\"", file, line, said, wanted);
}

#endif
