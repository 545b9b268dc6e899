// SPDX-License-Identifier: MIT
/* One configuration as the supervisor holds it: gathered from the disk, compiled to validate it,
 * with everything opened that it needs. The last good one is kept, so that a worker that dies comes
 * back with it whatever the disk says by then. Owner: the supervisor; one thread. */
#ifndef MAIN_GENERATION_H
#define MAIN_GENERATION_H

#include "config/bundle.h"
#include "main/control_socket.h"
#include "main/listeners.h"
#include "main/log_files.h"
#include "main/privileges.h"
#include "main/report.h"

struct generation {
    uint32_t        number;              /* grows */
    struct bundle  *bundle;              /* texts and descriptors */
    struct config  *config;
    int             text_fd;             /* the bundle's texts, encoded and sealed */
    unsigned        loop_count;
    struct identity identity;            /* of the worker */
    struct main_log log;
    struct control_file control;         /* what it made of the control socket */
};

struct gathering {
    const struct config_options *options;
    const struct report         *report;
    enum listeners_purpose       purpose;
    const struct bundle         *former; /* sockets to share; may be NULL */
    const struct control_file   *former_control;   /* that is among them; may be NULL */
    unsigned                     loop_count;   /* 0: as configured */
    const struct config         *renewed;      /* of `former`, whose files of TLS alone are read anew; or NULL */
};

/* NULL when anything failed, after reporting all of it. */
struct generation *generation_gather(const struct gathering *gathering);
void               generation_free(struct generation **generation);
/* One that does not come into force: what it alone has made on the disk goes too. */
void generation_abandon(struct generation **generation, const struct control_file *former);

/* Says which changes a running worker cannot follow. */
void generation_report_stays(const struct generation *former, const struct generation *next);

/* Closes its listening sockets, the control socket too: new connections are refused from now on. */
void generation_stop_listening(struct generation *generation);

/* CPUs that we may run on, within what the loops' tables hold. */
unsigned loop_count_auto(void);

#endif
