// SPDX-License-Identifier: MIT
/* The worker lets go of the file system, by Landlock: whoever takes it over finds no file to read,
 * none to write and no program to run. What is left is what looking up a name reads, the directories
 * of access logs whose paths have variables, those of caches and of
 * `proxy_store`, and `working_directory` for core files.
 * Descriptors that are open stay good.
 *
 * Best effort: where the kernel has no Landlock (before 5.13, or switched off) an [info] line says
 * so, and the worker is what its user is. Costs nothing per request: sockets are not looked at. */
#ifndef MAIN_SANDBOX_H
#define MAIN_SANDBOX_H

#include <stdbool.h>

#include "config/config.h"

/* For good, for this thread and those that it will start; no_new_privs is set already. */
void sandbox_enter(const struct config *config);

/* Where a worker that was started with `former` cannot write the logs of `next`: the directory of the
 * first such path, or an empty text. */
struct text sandbox_closed_to_logs(const struct config *former, const struct config *next);
/* The same of the caches of `next`, and of the copies that proxy_store makes. */
struct text sandbox_closed_to_caches(const struct config *former, const struct config *next);
struct text sandbox_closed_to_stores(const struct config *former, const struct config *next);

#endif
