// SPDX-License-Identifier: MIT
/* What can be asked of a running worker over the control socket, and what the commands see of it. */
#ifndef MAIN_CONTROL_COMMANDS_H
#define MAIN_CONTROL_COMMANDS_H

#include "main/control.h"
#include "main/edition.h"
#include "main/runners.h"

/* What the worker serves with; a request's `asked_of`. Owner: the worker; control thread. */
struct serving {
    struct loop          *control;
    struct runners       *runners;
    const struct edition *edition;       /* in force; changes with a reload */
    const unsigned       *editions;      /* alive */
    int64_t               started_ms, adopted_ms;   /* monotonic */
};

extern const struct control_command control_commands[];

#endif
