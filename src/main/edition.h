// SPDX-License-Identifier: MIT
/* One configuration as the worker holds it: compiled from the bundle that came through the channel,
 * with sinks for its logs, published to the loops as a snapshot, and freed when the last exchange
 * has let go of it. Control thread, but for the snapshot. */
#ifndef MAIN_EDITION_H
#define MAIN_EDITION_H

#include "config/bundle.h"
#include "main/channel.h"
#include "main/runners.h"
#include "main/sockets.h"

struct edition {
    uint32_t         number;
    struct bundle   *bundle;
    struct config   *config;
    struct snapshot *snapshot;
    int             *fds;                /* [loop][listen] */
    unsigned         listen_count;
    unsigned        *alive;              /* editions not freed yet */
};

/* Takes the bundle. Log files that `former` (may be NULL) has too keep their sink. NULL: it does
 * not compile; `reterr_reason` says why. */
struct edition *edition_new(struct bundle *bundle, uint32_t number, const struct edition *former,
                            unsigned *alive, char reterr_reason[MESSAGE_REASON_BYTES]);
void            edition_free(struct edition **edition);

/* Ties it to groups and loops: from here on the snapshot owns it. The sockets hold what the bundle
 * had. False, with a reason, when a socket is missing; the edition is then still the caller's. */
bool edition_prepare(struct edition *edition, const struct sockets *sockets, unsigned loop_count,
                     struct loop *control, char reterr_reason[MESSAGE_REASON_BYTES]);

/* The main level's chain of logs. */
const struct log *edition_log(const struct edition *edition);
/* Lines that sinks could not write are counted in its main error log from now on. */
void              edition_report_lost_lines(const struct edition *edition);
/* New descriptors for log files, by their place in the list. Takes them. */
void edition_reopen_logs(struct edition *edition, struct message *message);

#endif
