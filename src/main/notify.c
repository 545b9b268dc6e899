// SPDX-License-Identifier: MIT
/* The protocol is one datagram of text to a unix socket, too little to link a library for. */
#include "main/notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

static void send_state(const char *state)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const char        *path = getenv("NOTIFY_SOCKET");
    size_t             len = path == NULL ? 0 : strlen(path);
    int                fd;

    if (len < 2 || len >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(address.sun_path, path, len);
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    (void)close(fd);
}

void notify_ready(void)
{
    char state[64];

    (void)snprintf(state, sizeof(state), "READY=1\nMAINPID=%d\n", (int)getpid());
    send_state(state);
}

void notify_reloading(void)
{
    char state[64];

    (void)snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%lld\n",
                   (long long)clock_mono_us());
    send_state(state);
}

void notify_stopping(void)
{
    send_state("STOPPING=1\n");
}
