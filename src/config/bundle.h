// SPDX-License-Identifier: MIT
/* Everything that a configuration needs from outside of the worker: texts of all files, lists that
 * globs gave, addresses of names, and descriptors of listening sockets and log files.
 *
 * Made by the supervisor, sent to the worker over a socket pair (main/channel), kept by the
 * supervisor as "the last good one". Owner: whoever made or received it; one thread. */
#ifndef CONFIG_BUNDLE_H
#define CONFIG_BUNDLE_H

#include "config/config.h"

/* `stamp`: of the file as it was read; in a bundle that was received: 0. */
struct bundle_file { struct bundle_file *next; struct text path, text; int error; uint64_t stamp; };
struct bundle_glob { struct bundle_glob *next; struct text pattern; struct text *paths; unsigned count; };
struct bundle_name { struct bundle_name *next; struct text name; struct address *addresses; unsigned count; int error; };
/* A descriptor by what it is for. `kind`: "listen", "log". For listen the name is address_write()'s
 * text plus "#n" with reuseport (one socket per loop: n = 0, 1, ...). */
struct bundle_fd { struct bundle_fd *next; struct text kind, name; int fd; };

struct bundle {
    struct config_source  source;        /* answers from the record */
    struct arena         *arena;
    struct config_options options;
    struct bundle_file   *files;
    struct bundle_glob   *globs;
    struct bundle_name   *names;
    struct bundle_fd     *fds;
    bool                  is_recording;  /* reads the disk for what it has no answer to yet */
    struct map           *by_path;       /* of the files */
    struct bundle_file  **files_end;
    struct bundle_fd    **fds_end;
};

struct bundle *bundle_new(const struct config_options *options, bool is_recording);
/* Closes descriptors that are still in it, and overwrites its texts: there are keys among them. */
void           bundle_free(struct bundle **bundle);

/* A number that is another one when the file is another, or was written to, since. */
uint64_t bundle_stamp_now(struct text path);

/* As if it had been read from the disk: for tests. Copies both. */
void bundle_add_file(struct bundle *bundle, struct text path, struct text text);
void bundle_add_fd(struct bundle *bundle, const char *kind, struct text name, int fd);   /* takes fd */
int  bundle_fd(const struct bundle *bundle, const char *kind, struct text name);         /* or -1 */
int  bundle_take_fd(struct bundle *bundle, const char *kind, struct text name);          /* or -1 */

/* Text part to bytes and back; descriptors travel beside it, in list order. -EINVAL: malformed. */
struct text    bundle_encode(const struct bundle *bundle, struct arena *arena);
int            bundle_decode(struct text bytes, struct bundle **ret_bundle) WARN_UNUSED;

#endif
