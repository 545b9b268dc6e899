// SPDX-License-Identifier: MIT
/* The command line, in nginx's form: what to do, and with which configuration. */
#ifndef MAIN_OPTIONS_H
#define MAIN_OPTIONS_H

#include "config/config.h"
#include "main/control_line.h"

/* Where things are unless told otherwise; a package sets its own with -D. */
#ifndef FRONTDESK_PREFIX
#define FRONTDESK_PREFIX "/etc/frontdesk/"
#endif
#ifndef FRONTDESK_CONF
#define FRONTDESK_CONF "/etc/frontdesk/frontdesk.conf"
#endif
#ifndef FRONTDESK_ERROR_LOG
#define FRONTDESK_ERROR_LOG "/var/log/frontdesk/error.log"
#endif

enum action { ACTION_RUN = 0, ACTION_HELP, ACTION_VERSION, ACTION_BUILD, ACTION_TEST, ACTION_SIGNAL,
              ACTION_DIRECTIVES, ACTION_ASK };

struct options {
    enum action           action;
    struct config_options config;        /* paths made absolute */
    struct text           signal;        /* -s: "stop", "quit", "reopen", "reload" */
    bool                  is_dump;       /* -T */
    bool                  is_quiet;      /* -q */
    bool                  has_path;      /* -c was given */
    bool                  has_error_log; /* -e was given */
    struct control_line   asked;         /* ASK: of the running frontdesk, "cache", "purge", ... */
    struct text           socket;        /* --socket: absolute, or empty */
    bool                  is_help;       /* --help behind it */
    struct text           path_here;     /* a relative -c against the working directory, or empty */
};

/* -EINVAL with nginx's sentence, without the "frontdesk: " before it. Texts live in the arena. */
int options_parse(int argc, char *const argv[], struct arena *arena, struct options *ret_options,
                  struct text *reterr_message) WARN_UNUSED;

#endif
