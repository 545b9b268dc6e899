// SPDX-License-Identifier: MIT
/* Directories that a start may need: those of temporary files and of caches, and the default log's. */
#ifndef MAIN_DIRECTORIES_H
#define MAIN_DIRECTORIES_H

#include <sys/types.h>

#include "base/must.h"
#include "base/text.h"

/* The directory and what is missing above it (those 0755, root's). A new one gets `mode` and, when
 * we are root, the owner; one that is there stays as it is. */
int directory_make(struct text path, mode_t mode, uid_t owner, gid_t group) WARN_UNUSED;
/* The same for the directory that a file is to be in, with our own owner. */
int directory_make_for(struct text file, mode_t mode) WARN_UNUSED;

/* A directory of 0700 that is the owner's alone: made, or, when we are root and it is empty, handed
 * over. -EACCES: it holds something, and the owner may not write to it. */
int directory_make_own(struct text path, uid_t owner, gid_t group) WARN_UNUSED;

#endif
