// SPDX-License-Identifier: MIT
/* The order matters: groups while still root, then the user, which also drops every capability. */
#include "main/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"

enum { MESSAGE_BYTES = 256 };

static int name_copy(char *to, size_t size, struct text name)
{
    if (name.len >= size)
        return -ENOENT;
    memcpy(to, name.ptr, name.len);
    to[name.len] = '\0';
    return 0;
}

static int user_find(struct text user, struct identity *identity, char *message)
{
    const struct passwd *entry;

    if (user.len == 0)
        user = TEXT("nobody");
    if (name_copy(identity->name, sizeof(identity->name), user) < 0)
        return -ENOENT;
    errno = 0;
    entry = getpwnam(identity->name);
    if (entry == NULL) {
        (void)snprintf(message, MESSAGE_BYTES, "getpwnam(\"%s\") failed%s%s", identity->name,
                       errno != 0 ? " " : "", errno != 0 ? log_errno(errno).text : "");
        return -ENOENT;
    }
    identity->uid = entry->pw_uid;
    identity->gid = entry->pw_gid;
    return 0;
}

static int group_find(struct text group, struct identity *identity, char *message)
{
    char                name[64];
    const struct group *entry;

    if (group.len == 0)
        return 0;
    if (name_copy(name, sizeof(name), group) < 0)
        return -ENOENT;
    errno = 0;
    entry = getgrnam(name);
    if (entry == NULL) {
        (void)snprintf(message, MESSAGE_BYTES, "getgrnam(\"%s\") failed%s%s", name,
                       errno != 0 ? " " : "", errno != 0 ? log_errno(errno).text : "");
        return -ENOENT;
    }
    identity->gid = entry->gr_gid;
    return 0;
}

int identity_find(struct text user, struct text group, struct identity *ret_identity,
                  char *reterr_message)
{
    struct identity identity = { .is_root = geteuid() == 0, .uid = geteuid(), .gid = getegid() };

    (void)snprintf(reterr_message, MESSAGE_BYTES, "the name of the user or group is too long");
    if (identity.is_root) {
        int error = user_find(user, &identity, reterr_message);

        if (error == 0)
            error = group_find(group, &identity, reterr_message);
        if (error < 0)
            return error;
    }
    *ret_identity = identity;
    return 0;
}

static int failed(const char *call, const char **reterr_call)
{
    *reterr_call = call;
    return -errno;
}

int identity_become(const struct identity *identity, const char **reterr_call)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return failed("prctl(PR_SET_NO_NEW_PRIVS)", reterr_call);
    if (!identity->is_root || identity->uid == 0)
        return 0;
    if (initgroups(identity->name, identity->gid) < 0)
        return failed("initgroups()", reterr_call);
    if (setgid(identity->gid) < 0)
        return failed("setgid()", reterr_call);
    if (setuid(identity->uid) < 0)
        return failed("setuid()", reterr_call);
    /* setuid() made the process undumpable. Undone on purpose, though peers keep it so: a crash needs
     * a core file to be explained, and what a core or /proc/PID shows is the worker's own user's. */
    if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
        return failed("prctl(PR_SET_DUMPABLE)", reterr_call);
    return 0;
}
