// SPDX-License-Identifier: MIT
/* getaddrinfo(). */
#include "net/lookup.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>

static int error_of(int code)
{
    switch (code) {
    case 0:
        return 0;
    case EAI_NONAME:
    case EAI_NODATA:
        return -ENOENT;
    case EAI_AGAIN:
        return -EAGAIN;
    default:
        return -EIO;
    }
}

static void add(struct address *addresses, unsigned *count, const struct addrinfo *found)
{
    struct address address = { .len = found->ai_addrlen };

    if ((found->ai_family != AF_INET && found->ai_family != AF_INET6) ||
        found->ai_addrlen > sizeof(address.raw) || *count == LOOKUP_ADDRESSES_MOST)
        return;
    memcpy(&address.raw, found->ai_addr, found->ai_addrlen);
    for (unsigned i = 0; i < *count; i++)
        if (address_is_equal(&addresses[i], &address))
            return;
    addresses[(*count)++] = address;
}

int lookup_now(const char *name, struct address *ret_addresses, unsigned *ret_count)
{
    const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_ADDRCONFIG };
    struct addrinfo      *list = NULL;
    unsigned              count = 0;
    int                   error = error_of(getaddrinfo(name, NULL, &hints, &list));

    if (error < 0)
        return error;
    for (const struct addrinfo *at = list; at != NULL; at = at->ai_next)
        add(ret_addresses, &count, at);
    freeaddrinfo(list);
    *ret_count = count;
    return 0;
}
