// SPDX-License-Identifier: MIT
/* The root of one configuration, as the loops see it: made on the control thread, published to every
 * loop, pinned by exchanges, retired when a newer one has taken over. */
#ifndef PROXY_SNAPSHOT_H
#define PROXY_SNAPSHOT_H

#include "net/pin.h"
#include "proxy/site.h"

struct snapshot {
    struct pinned pinned;
    struct site  *site;
    struct loop  *control;
    void         *owner;
    void        (*release_owner)(void *owner);
};

/* Prepares routes and ties groups (which outlive reloads) to upstreams. The caller has filled in
 * the sinks of site->log_files. Takes owner; control thread. */
struct snapshot *snapshot_new(struct site *site, void *owner, void (*release_owner)(void *owner),
                              struct loop *control);
/* Once every loop has adopted a newer one: released when the last exchange lets go. */
void snapshot_retire(struct snapshot *snapshot, struct loop *control, struct loop *const *loops,
                     unsigned loop_count);

#endif
