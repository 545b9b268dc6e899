// SPDX-License-Identifier: MIT
/* How much memory the worker may use: what the machine has, or what a cgroup or a limit of the process
 * leaves of it. */
#ifndef MAIN_MEMORY_LIMIT_H
#define MAIN_MEMORY_LIMIT_H

#include "config/config.h"

/* Looks once what the cgroups leave: for a process that will soon read no files. */
void memory_limit_look(void);
/* What there is, in bytes: UINT64_MAX: nobody knows. Cgroups count as they were at the first look. One
 * thread. */
uint64_t memory_there(void);
/* What the caches may take of it. */
uint64_t memory_of_caches(const struct site *site);
/* `worker_memory` in bytes; UINT64_MAX: no limit. Caches have limits of their own beside it: a share is
 * one of what they leave. One thread. */
uint64_t memory_limit(const struct config *config);

/* The least limit that the cgroups named in `own` (the text of /proc/self/cgroup) set, or UINT64_MAX;
 * `root` is where they are mounted: /sys/fs/cgroup. */
uint64_t memory_limit_cgroup(struct text own, const char *root);

#endif
