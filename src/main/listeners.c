// SPDX-License-Identifier: MIT
/* Two listens may cover each other: 0.0.0.0:80 and 127.0.0.1:80. The kernel refuses the second bind
 * unless both sockets allow sharing, and then gives connections to the more exact address, which is
 * what nginx does too. So wildcards are bound first, alone, which notices a taken port; sharing is
 * allowed afterwards and only where a more exact address follows. */
#include "main/listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/writer.h"

enum { BUSY_TRIES = 5, BUSY_PAUSE_US = 250 * 1000 };

struct opening {
    const struct site     *site;
    const struct bundle   *former;
    const struct report   *report;
    struct bundle         *bundle;
    unsigned               loop_count;
    enum listeners_purpose purpose;
    int                    error;
};

bool listen_is_per_loop(const struct listen *listen)
{
    return listen->options.has_reuseport && address_family(&listen->address) != AF_UNIX;
}

static struct text name_write(char buffer[LISTENER_NAME_BYTES], const struct address *address,
                              bool is_per_loop, unsigned loop)
{
    struct writer writer = writer_fixed(buffer, LISTENER_NAME_BYTES);

    address_write(&writer, address);
    if (is_per_loop)
        writer_format(&writer, "#%u", loop);
    return writer_done(&writer);
}

struct text listener_name(char buffer[LISTENER_NAME_BYTES], const struct listen *listen,
                          unsigned loop)
{
    return name_write(buffer, &listen->address, listen_is_per_loop(listen), loop);
}

struct text listener_own_name(char buffer[LISTENER_NAME_BYTES], const struct listen *listen,
                              unsigned loop)
{
    return name_write(buffer, &listen->address, true, loop);
}

/* ---- opening ---- */

static bool is_on_same_port(const struct listen *a, const struct listen *b)
{
    return address_family(&a->address) == address_family(&b->address) &&
           address_family(&a->address) != AF_UNIX &&
           address_port(&a->address) == address_port(&b->address);
}

/* Another listen of the site has the same port, and one of the two is a wildcard. */
static bool has_overlap(const struct site *site, const struct listen *listen)
{
    bool is_wildcard = address_is_wildcard(&listen->address);

    for (const struct listen *other = site->listens; other != NULL; other = other->next)
        if (other != listen && is_on_same_port(listen, other) &&
            (is_wildcard || address_is_wildcard(&other->address)))
            return true;
    return false;
}

static int former_find(const struct bundle *former, const struct listen *listen, unsigned loop)
{
    char        buffer[LISTENER_NAME_BYTES];
    bool        is_per_loop = listen_is_per_loop(listen);
    struct text name = name_write(buffer, &listen->address, is_per_loop, loop);
    int         fd;

    if (former == NULL)
        return -1;
    fd = bundle_fd(former, "listen", name);
    if (fd >= 0 || loop > 0)
        return fd;
    /* `reuseport` came or went: the first socket stays either way. */
    return bundle_fd(former, "listen", name_write(buffer, &listen->address, !is_per_loop, 0));
}

static void sharing_allow(int fd)
{
    int yes = 1;

    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes));
}

static int socket_share(const struct opening *opening, const struct listen *listen, int held)
{
    char address[ADDRESS_TEXT_BYTES];
    int  fd = fcntl(held, F_DUPFD_CLOEXEC, 3), error;

    if (fd < 0)
        return -errno;
    error = socket_listen_again(fd, &listen->options);
    if (error < 0)
        report_line(opening->report, LOG_WARN,
                    "the options of \"listen %s\" could not be changed %s",
                    address_string(&listen->address, address), log_errno(-error).text);
    return fd;
}

static int socket_open(const struct opening *opening, const struct listen *listen,
                       const char **reterr_call)
{
    struct listen_options options = listen->options;
    int                   tries = opening->purpose == LISTENERS_START ? BUSY_TRIES : 1, fd = -1;
    int                   error = -EADDRINUSE;

    if (!address_is_wildcard(&listen->address) && has_overlap(opening->site, listen))
        options.has_reuseport = true;
    /* A port that is taken may be free in a moment: of the process that we replace. */
    for (int i = 0; i < tries && error == -EADDRINUSE; i++) {
        if (i > 0)
            (void)usleep(BUSY_PAUSE_US);
        error = socket_listen(&listen->address, &options, &fd, reterr_call);
    }
    return error < 0 ? error : fd;
}

static void failure_report(const struct opening *opening, const struct listen *listen,
                           const char *call, int error)
{
    char        address[ADDRESS_TEXT_BYTES];
    const char *hint = "";

    if (error == -EACCES && address_family(&listen->address) != AF_UNIX)
        hint = "; ports below 1024 need root or CAP_NET_BIND_SERVICE";
    report_line(opening->report, LOG_EMERG, "%s to %s failed %s%s", call,
                address_string(&listen->address, address), log_errno(-error).text, hint);
}

static int one_open(const struct opening *opening, const struct listen *listen, unsigned loop)
{
    char        buffer[LISTENER_NAME_BYTES];
    const char *call = "bind()";
    int         held = former_find(opening->former, listen, loop);
    int         fd = held >= 0 ? socket_share(opening, listen, held)
                               : socket_open(opening, listen, &call);

    if (fd == -EADDRINUSE && opening->purpose == LISTENERS_TEST)
        return 0;
    if (fd < 0) {
        failure_report(opening, listen, call, fd);
        return fd;
    }
    if (listen_is_per_loop(listen) || has_overlap(opening->site, listen))
        sharing_allow(fd);
    bundle_add_fd(opening->bundle, "listen", listener_name(buffer, listen, loop), fd);
    return 0;
}

/* The other loops' sockets, where `reuseport` is no more. */
static void own_ones_keep(const struct opening *opening, const struct listen *listen)
{
    char buffer[LISTENER_NAME_BYTES];

    if (opening->former == NULL || listen_is_per_loop(listen))
        return;
    for (unsigned loop = 1; loop < opening->loop_count; loop++) {
        struct text name = listener_own_name(buffer, listen, loop);
        int         held = bundle_fd(opening->former, "listen", name), fd;

        if (held < 0)
            continue;
        fd = socket_share(opening, listen, held);
        if (fd >= 0)
            bundle_add_fd(opening->bundle, "listen", name, fd);
    }
}

static void listen_open(struct opening *opening, const struct listen *listen)
{
    unsigned count = listen_is_per_loop(listen) ? opening->loop_count : 1;
    int      error = 0;

    /* A test must not leave the file of a unix socket behind. */
    if (opening->purpose == LISTENERS_TEST && address_family(&listen->address) == AF_UNIX)
        return;
    for (unsigned loop = 0; loop < count && error == 0; loop++)
        error = one_open(opening, listen, loop);
    own_ones_keep(opening, listen);
    if (error < 0)
        opening->error = error;
}

int listeners_open(const struct site *site, unsigned loop_count, const struct bundle *former,
                   enum listeners_purpose purpose, const struct report *report,
                   struct bundle *bundle)
{
    struct opening opening = { .site = site, .former = former, .report = report, .bundle = bundle,
                               .loop_count = loop_count, .purpose = purpose };

    for (const struct listen *listen = site->listens; listen != NULL; listen = listen->next)
        if (address_is_wildcard(&listen->address))
            listen_open(&opening, listen);
    for (const struct listen *listen = site->listens; listen != NULL; listen = listen->next)
        if (!address_is_wildcard(&listen->address))
            listen_open(&opening, listen);
    return opening.error;
}

static bool site_listens_on(const struct site *site, const struct address *address)
{
    const struct listen *listen = site == NULL ? NULL : site->listens;

    while (listen != NULL && !address_is_equal(&listen->address, address))
        listen = listen->next;
    return listen != NULL;
}

void listeners_unlink(const struct site *site, const struct site *next)
{
    for (const struct listen *listen = site->listens; listen != NULL; listen = listen->next)
        if (address_family(&listen->address) == AF_UNIX &&
            listen->address.raw.un.sun_path[0] != '\0' && !site_listens_on(next, &listen->address))
            (void)unlink(listen->address.raw.un.sun_path);
}

/* ---- from one binary to the next ---- */

static bool is_listening(int fd)
{
    int       yes = 0;
    socklen_t len = sizeof(yes);

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &len) == 0 && yes != 0;
}

/* Sockets with the same address are those of several loops, in order. */
static int inherit_one(struct bundle *bundle, int fd)
{
    char           buffer[LISTENER_NAME_BYTES];
    struct address address;
    int            error;

    if (!is_listening(fd) || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return -EINVAL;
    error = socket_local(fd, &address);
    if (error < 0)
        return error;
    for (unsigned loop = 0;; loop++) {
        struct text name = name_write(buffer, &address, true, loop);

        if (bundle_fd(bundle, "listen", name) >= 0)
            continue;
        bundle_add_fd(bundle, "listen", name, fd);
        return 0;
    }
}

void listeners_inherit(struct bundle *bundle, const struct report *report, unsigned *ret_count)
{
    struct text rest = text_from(getenv(LISTENERS_VARIABLE)), piece;
    uint64_t    number;

    *ret_count = 0;
    while (text_split(&rest, ';', &piece)) {
        if (piece.len == 0)
            continue;
        if (text_to_u64(piece, &number) < 0 || number > INT32_MAX ||
            inherit_one(bundle, (int)number) < 0)
            report_line(report, LOG_ERROR,
                        "\"%.*s\" in the environment variable " LISTENERS_VARIABLE
                        " is no listening socket",
                        TEXT_ARGS(piece));
        else
            ++*ret_count;
    }
    (void)unsetenv(LISTENERS_VARIABLE);
}

struct text listeners_write(const struct bundle *bundle, struct arena *arena)
{
    struct writer writer = writer_arena(arena, 64);

    for (const struct bundle_fd *at = bundle->fds; at != NULL; at = at->next)
        if (text_is_equal(at->kind, TEXT("listen")))
            writer_format(&writer, "%d;", at->fd);
    return writer_done(&writer);
}

void listeners_keep_open(const struct bundle *bundle)
{
    for (const struct bundle_fd *at = bundle->fds; at != NULL; at = at->next)
        if (text_is_equal(at->kind, TEXT("listen")))
            (void)fcntl(at->fd, F_SETFD, 0);
}
