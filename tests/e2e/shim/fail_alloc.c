// SPDX-License-Identifier: MIT
/* Preloaded into the binary under test (fault plan F27): the nth allocation fails.
 *
 * The test holds the plan in a file that is mapped here (FAIL_ALLOC_PLAN), so that it can say while
 * the process runs in which one, and when, a call returns NULL. Calls of the C library come through
 * here too; in all processes together (pid 0), which is while they start, they are left out, since
 * glibc's look-up of users crashes for want of memory (nss_database.c in 2.36). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

struct plan {
    atomic_long pid;                     /* -1: nobody; 0: everybody */
    atomic_long left;                    /* calls up to the one that fails; counts on below 0 */
};

static struct plan nothing = { .pid = -1 };
static struct plan *plan = &nothing;

static void *(*next_malloc)(size_t);
static void *(*next_calloc)(size_t, size_t);
static void *(*next_realloc)(void *, size_t);

static void resolve(void)
{
    next_malloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
    next_calloc = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "calloc");
    next_realloc = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
}

static __attribute__((constructor)) void plan_map(void)
{
    const char *path = getenv("FAIL_ALLOC_PLAN");
    int         fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void       *mapped;

    resolve();
    if (fd < 0)
        return;
    mapped = mmap(NULL, sizeof(*plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped != MAP_FAILED)
        plan = mapped;
    close(fd);
}

static int is_ours(void *caller)
{
    Dl_info ours, its;

    return dladdr((void *)getauxval(AT_ENTRY), &ours) && dladdr(caller, &its) &&
           ours.dli_fbase == its.dli_fbase;
}

static int fails(void *caller)
{
    long pid = atomic_load(&plan->pid);

    if (pid < 0 || (pid == 0 ? !is_ours(caller) : pid != getpid()) ||
        atomic_fetch_sub(&plan->left, 1) != 1)
        return 0;
    errno = ENOMEM;
    return 1;
}

/* The loader and a sanitizer that is about to start call before this file is even relocated; they
 * live without. */
void *malloc(size_t size)
{
    return next_malloc == NULL || fails(__builtin_return_address(0)) ? NULL : next_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return next_calloc == NULL || fails(__builtin_return_address(0)) ? NULL : next_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    return next_realloc == NULL || fails(__builtin_return_address(0)) ? NULL : next_realloc(memory, size);
}
