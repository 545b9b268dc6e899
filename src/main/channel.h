// SPDX-License-Identifier: MIT
/* What supervisor and worker say to each other: messages of one fixed size over a socket pair, with
 * descriptors beside them. Texts of any length travel as a sealed memfd.
 *
 * The worker talks to the network, so the supervisor believes it nothing: size, kind, counts and
 * descriptors are checked on receipt. One thread per end. */
#ifndef MAIN_CHANNEL_H
#define MAIN_CHANNEL_H

#include <stdint.h>

#include "base/must.h"
#include "base/text.h"

enum message_kind {
    /* To the worker. */
    MESSAGE_BUNDLE = 1,      /* fds[0]: the text; `count` descriptors follow in MESSAGE_FDS */
    MESSAGE_FDS,             /* descriptors of the bundle, in list order */
    MESSAGE_REOPEN,          /* new descriptors of log files; places[i] is fds[i]'s in the list */
    MESSAGE_TICKETS,         /* fds[0]: keys of session tickets, to be used from now on */
    MESSAGE_DRAIN,           /* finish what is open, at most timeout_ms (0: no limit), and exit */
    MESSAGE_STOP,            /* exit now */
    MESSAGE_PING,
    /* To the supervisor. */
    MESSAGE_READY,           /* bundle `number` is what every loop serves */
    MESSAGE_REFUSED,         /* bundle `number` did not compile: `reason`; the former one goes on */
    MESSAGE_PONG             /* every loop has turned since the ping */
};

enum { MESSAGE_FDS_MOST = 64, MESSAGE_REASON_BYTES = 256 };

struct message {
    enum message_kind kind;
    uint32_t          number;
    uint32_t          count;
    uint32_t          loop_count;        /* BUNDLE: event loops to run */
    uint32_t          timeout_ms;
    unsigned          fd_count;
    int               fds[MESSAGE_FDS_MOST];
    uint32_t          places[MESSAGE_FDS_MOST];
    char              reason[MESSAGE_REASON_BYTES];   /* NUL-terminated, printable */
};

/* Both ends non-blocking and close-on-exec. */
int channel_open(int ret_ends[2]) WARN_UNUSED;

/* Waits a moment when the other side is slow to read; -EAGAIN: it does not read at all; -EPIPE: it
 * is gone. The descriptors stay the caller's. */
int channel_send(int end, const struct message *message) WARN_UNUSED;

/* -EAGAIN: nothing there; -EPIPE: the other side is gone; -EPROTO: not a message (its descriptors
 * were closed). The descriptors are the caller's. */
int channel_receive(int end, struct message *ret_message) WARN_UNUSED;

/* For messages that should have no descriptors. */
void message_close_fds(struct message *message);

/* Bytes as a sealed descriptor, and back. -EFBIG over TEXT_MOST_BYTES; what was read is freed with
 * mem_free(). */
enum { TEXT_MOST_BYTES = 512 * 1024 * 1024 };
int text_to_fd(struct text text, int *ret_fd) WARN_UNUSED;
int text_from_fd(int fd, struct text *ret_text) WARN_UNUSED;

#endif
