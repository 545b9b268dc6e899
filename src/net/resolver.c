// SPDX-License-Identifier: MIT
/* getaddrinfo() on a job thread. */
#include "net/resolver.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>

#include "base/must.h"

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

static bool is_known(const struct resolve *resolve, const struct address *address)
{
    for (unsigned i = 0; i < resolve->count; i++)
        if (address_is_equal(&resolve->addresses[i], address))
            return true;
    return false;
}

static void add(struct resolve *resolve, const struct addrinfo *found)
{
    struct address address = { .len = found->ai_addrlen };

    if (found->ai_addrlen > sizeof(address.raw) || resolve->count == RESOLVE_MOST_ADDRESSES)
        return;
    memcpy(&address.raw, found->ai_addr, found->ai_addrlen);
    address_set_port(&address, resolve->port);
    if (!is_known(resolve, &address))
        resolve->addresses[resolve->count++] = address;
}

void resolve_now(struct resolve *resolve)
{
    const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_ADDRCONFIG };
    struct addrinfo      *list = NULL;

    resolve->count = 0;
    resolve->error = error_of(getaddrinfo(resolve->name, NULL, &hints, &list));
    if (resolve->error != 0)
        return;
    for (const struct addrinfo *at = list; at != NULL; at = at->ai_next)
        if (at->ai_family == AF_INET || at->ai_family == AF_INET6)
            add(resolve, at);
    freeaddrinfo(list);
}

static void run(struct job *job)
{
    resolve_now(container_of(job, struct resolve, job));
}

static void done(struct loop *loop, struct letter *letter)
{
    struct resolve *resolve = container_of(letter, struct resolve, job.letter);

    (void)loop;
    resolve->done(resolve);
}

void resolve_start(struct resolve *resolve, struct loop *loop)
{
    resolve->job = (struct job){ .loop = loop, .run = run };
    resolve->job.letter.open = done;
    jobs_post(&resolve->job);
}
