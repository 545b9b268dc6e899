// SPDX-License-Identifier: MIT
/* The control socket on the supervisor's side: made, kept over reloads, set aside for a new binary,
 * removed. Nobody but root and our own user may connect to it (mode 0600).
 *
 * It is treated as the pid file is: a new binary makes one of its own, and the former one can be
 * reached at PATH.oldbin meanwhile; so a command at PATH goes to one process only. Owner of the
 * descriptor: the bundle that holds it ("control"). One thread. */
#ifndef MAIN_CONTROL_SOCKET_H
#define MAIN_CONTROL_SOCKET_H

#include <sys/types.h>

#include "config/bundle.h"
#include "main/listeners.h"
#include "main/report.h"

/* Which file is ours: at its path another process may have put its own. All zero: none. */
struct control_file {
    dev_t device;
    ino_t inode;
};
bool control_file_is_same(const struct control_file *a, const struct control_file *b);

struct control_opening {
    struct text                path;     /* empty: off */
    bool                       is_needed;   /* else a failure is a warning */
    enum listeners_purpose     purpose;
    const struct bundle       *former;   /* to share with; may be NULL */
    const struct control_file *former_file;   /* may be NULL */
    const struct report       *report;
};

/* Adds the listening socket to the bundle; -errno, after reporting it. For a test nothing is made.
 * What a process that died left behind is replaced; -EADDRINUSE: another process listens there. */
int control_socket_open(const struct control_opening *opening, struct bundle *bundle,
                        struct control_file *ret_file) WARN_UNUSED;

/* The file gets a second name, PATH.oldbin, so that another may take over the first. */
void control_socket_set_aside(struct text path, const struct control_file *file);
/* PATH is ours again. */
void control_socket_bring_back(struct text path, const struct control_file *file);
/* PATH and PATH.oldbin, where they are still ours. */
void control_socket_remove(struct text path, const struct control_file *file);

#endif
