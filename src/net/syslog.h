// SPDX-License-Identifier: MIT
/* Lines to a syslog server as nginx sends them: one datagram each, "<190>Nov 25 05:00:00 host tag: "
 * before it (RFC 3164), to an address or a unix socket.
 *
 * Sockets don't block, and are connected on first use and again when the server went and came back.
 * Plain data and functions; a socket belongs to one thread. */
#ifndef NET_SYSLOG_H
#define NET_SYSLOG_H

#include "base/log.h"
#include "net/address.h"

enum { SYSLOG_HEAD_BYTES = 192, SYSLOG_PORT = 514, SYSLOG_TAG_MOST = 32 };

struct syslog {
    struct address server;
    unsigned       facility;             /* 0 to 23 */
    unsigned       severity;             /* of access log lines: 0 (emerg) to 7 (debug) */
    bool           has_hostname;
    char           tag[SYSLOG_TAG_MOST + 1];
};

/* -1: no such name. */
int syslog_facility_of(struct text name);
int syslog_severity_of(struct text name);

/* What stands before a line. `level` is the error log's, or -1 for the severity of access logs.
 * Returns its length. */
size_t syslog_head(const struct syslog *syslog, int level, char buffer[SYSLOG_HEAD_BYTES]);

/* A socket for its server, not connected yet. */
int syslog_open(const struct syslog *syslog, int *ret_fd) WARN_UNUSED;
/* One message. -EAGAIN: the server is slow; -EMSGSIZE: it is too long; else it is not there. */
int syslog_send(const struct syslog *syslog, int fd, struct text message) WARN_UNUSED;

#endif
