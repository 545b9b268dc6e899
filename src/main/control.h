// SPDX-License-Identifier: MIT
/* The control socket on the worker's side: takes connections, reads one command from each, runs it and
 * sends back what it says.
 *
 * One connection carries one command: a line of words (main/control_line.h), lines back, the end. The
 * last line is "ok" or "error: why"; lines that begin with "progress: " only say that work goes on.
 * Whoever asks must be root or the user that the supervisor runs as (SO_PEERCRED). There are at most
 * CONTROL_CONNS_MOST at a time; one that says nothing, or does not read, for CONTROL_IDLE_MS is closed.
 *
 * Control thread only; no command may take long on it: what does goes elsewhere and answers later. */
#ifndef MAIN_CONTROL_H
#define MAIN_CONTROL_H

#include <sys/types.h>

#include "main/control_line.h"
#include "net/loop.h"

enum { CONTROL_CONNS_MOST = 8, CONTROL_IDLE_MS = 10000, CONTROL_ANSWER_MOST = 4 * 1024 * 1024 };

struct control;

/* A command under way. It lives until the command has called control_end() or control_fail(), once;
 * when whoever asked has left by then, what is said is dropped. */
struct control_request {
    const struct control_command *command;
    struct arena                 *arena;     /* lives as long */
    struct text                  *words;     /* behind the command's name */
    unsigned                      word_count;
    void                         *asked_of;  /* control_new()'s */
};

/* One row of a table that ends with a NULL name. */
struct control_command {
    const char *name;                    /* one word or two: "cache purge" */
    const char *words;                   /* what may follow, for `help` */
    void      (*run)(struct control_request *request);
};

/* Commands see `asked_of` in their requests. The tables stay the caller's. */
struct control *control_new(struct loop *loop, const struct control_command *commands,
                            void *asked_of);
/* Takes the listening socket in place of the one before; -1: none. */
void control_listen(struct control *control, int fd);
/* For connections that come otherwise. Takes it; `owner` may ask, and root. */
void control_accept(struct control *control, int fd, uid_t owner);
/* Behind the last turn of the loop. Commands that have not ended may not do so any more. */
void control_free(struct control **control);

/* ---- for commands ---- */

/* A line; line breaks and control characters in it are replaced. */
void control_say(struct control_request *request, const char *format, ...) PRINTF_LIKE(2, 3);
/* A line that says how far it is. */
void control_say_progress(struct control_request *request, const char *format, ...)
    PRINTF_LIKE(2, 3);
/* Nobody waits for the answer any more. */
bool control_has_left(const struct control_request *request);
/* The request is gone after either. */
void control_end(struct control_request *request);
void control_fail(struct control_request *request, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
