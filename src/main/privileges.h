// SPDX-License-Identifier: MIT
/* Who the worker is: found out by the supervisor, put on by the worker right after fork(). */
#ifndef MAIN_PRIVILEGES_H
#define MAIN_PRIVILEGES_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/must.h"
#include "base/text.h"

struct identity {
    bool  is_root;                       /* we may change at all */
    uid_t uid;
    gid_t gid;
    char  name[64];                      /* for initgroups() */
};

/* `user` and `group` as configured; empty: nobody and that user's own group. -ENOENT with a
 * sentence in reterr_message (at least 256 bytes). */
int identity_find(struct text user, struct text group, struct identity *ret_identity,
                  char *reterr_message) WARN_UNUSED;

/* For good: groups, user, no new privileges by exec. -errno; *reterr_call names the call. */
int identity_become(const struct identity *identity, const char **reterr_call) WARN_UNUSED;

#endif
