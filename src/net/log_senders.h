// SPDX-License-Identifier: MIT
/* What sinks send log lines to that are no open file: a syslog server, and files whose names the
 * lines bring with them. They belong to their sink and work on the writer thread. */
#ifndef NET_LOG_SENDERS_H
#define NET_LOG_SENDERS_H

#include "net/sink.h"
#include "net/syslog.h"

/* Takes fd, a socket by syslog_open() (-1: everything is lost). Copies syslog. */
struct sink_sender *sender_to_syslog(const struct syslog *syslog, int fd);

/* Messages by sink_write_to() with the file's absolute path, ended by a NUL, as head. Files are
 * opened as open_log_file_cache off does it: for the lines at hand, so a renamed one is made anew.
 * Only plain files are written to, and no path may leave its directory by "..". */
struct sink_sender *sender_to_named(void);

#endif
