// SPDX-License-Identifier: MIT
/* RFC 3164 as nginx writes it. */
#include "net/syslog.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum { FACILITY_SHIFT = 3, HOSTNAME_BYTES = 65 };

/* By number. */
static const char *const facilities[] = { "kern",   "user",   "mail",   "daemon", "auth",   "intern",
                                          "lpr",    "news",   "uucp",   "clock",  "authpriv", "ftp",
                                          "ntp",    "audit",  "alert",  "cron",   "local0", "local1",
                                          "local2", "local3", "local4", "local5", "local6", "local7" };

static const char *const severities[] = { "emerg",  "alert", "crit", "error",
                                          "warn", "notice", "info", "debug" };

static int find(const char *const *names, int count, struct text name)
{
    for (int i = 0; i < count; i++)
        if (text_is_equal(name, text_from(names[i])))
            return i;
    return -1;
}

int syslog_facility_of(struct text name)
{
    return find(facilities, sizeof(facilities) / sizeof(facilities[0]), name);
}

int syslog_severity_of(struct text name)
{
    return find(severities, sizeof(severities) / sizeof(severities[0]), name);
}

static void write_hostname(struct writer *writer)
{
    char name[HOSTNAME_BYTES];

    if (gethostname(name, sizeof(name)) != 0)
        return;
    name[sizeof(name) - 1] = '\0';
    for (const char *at = name; *at != '\0'; at++)
        writer_char(writer, text_lower_char(*at));
    writer_char(writer, ' ');
}

size_t syslog_head(const struct syslog *syslog, int level, char buffer[SYSLOG_HEAD_BYTES])
{
    struct writer writer = writer_fixed(buffer, SYSLOG_HEAD_BYTES);
    unsigned      severity = level < 0 ? syslog->severity : (unsigned)(LOG_EMERG - level);
    struct text   date = clock_syslog_date(clock_wall_ms());

    writer_format(&writer, "<%u>%.*s ", syslog->facility << FACILITY_SHIFT | severity,
                  TEXT_ARGS(date));
    if (syslog->has_hostname)
        write_hostname(&writer);
    writer_format(&writer, "%s: ", syslog->tag);
    return writer_done(&writer).len;
}

int syslog_open(const struct syslog *syslog, int *ret_fd)
{
    int fd = socket(address_family(&syslog->server), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    *ret_fd = fd;
    return 0;
}

static int send_once(int fd, struct text message)
{
    ssize_t n;

    do
        n = send(fd, message.ptr, message.len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

/* A unix socket that was made anew at the same path has to be connected to again; a refusal of an
 * earlier UDP datagram is told once, and does not undo the connection. */
static bool wants_connect(const struct syslog *syslog, int error)
{
    bool is_unix = address_family(&syslog->server) == AF_UNIX;

    return error == -ENOTCONN || error == -EDESTADDRREQ ||
           (is_unix && (error == -ECONNREFUSED || error == -ECONNRESET || error == -EPIPE));
}

int syslog_send(const struct syslog *syslog, int fd, struct text message)
{
    int error = send_once(fd, message);

    if (!wants_connect(syslog, error))
        return error;
    if (connect(fd, &syslog->server.raw.any, syslog->server.len) < 0)
        return -errno;
    return send_once(fd, message);
}
