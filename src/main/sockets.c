// SPDX-License-Identifier: MIT
/* The same socket arrives as a new number each time; the inode tells that it is the same. */
#include "main/sockets.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

static bool is_same_socket(int a, int b)
{
    struct stat first, second;

    return fstat(a, &first) == 0 && fstat(b, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

static struct held_socket *same_find(struct sockets *sockets, int fd)
{
    struct held_socket *at = sockets->first;

    while (at != NULL && !is_same_socket(at->fd, fd))
        at = at->next;
    return at;
}

static void name_set(struct held_socket *held, struct text name)
{
    mem_free((void *)(uintptr_t)held->name.ptr);
    held->name = text_of(mem_string(name.ptr, name.len), name.len);
}

static void socket_take(struct sockets *sockets, struct text name, int fd)
{
    struct held_socket *held = same_find(sockets, fd);

    if (held != NULL) {
        (void)close(fd);
    } else {
        held = mem_new(sizeof(*held));
        held->fd = fd;
        held->next = sockets->first;
        sockets->first = held;
    }
    /* The name may have changed: "reuseport" came or went. */
    name_set(held, name);
    held->is_wanted = true;
}

void sockets_take(struct sockets *sockets, struct bundle *bundle)
{
    for (struct held_socket *at = sockets->first; at != NULL; at = at->next)
        at->is_wanted = false;
    for (struct bundle_fd *at = bundle->fds; at != NULL; at = at->next) {
        if (!text_is_equal(at->kind, TEXT("listen")) || at->fd < 0)
            continue;
        socket_take(sockets, at->name, at->fd);
        at->fd = -1;
    }
}

void sockets_close_unwanted(struct sockets *sockets)
{
    for (struct held_socket **at = &sockets->first; *at != NULL;) {
        struct held_socket *held = *at;

        if (held->is_wanted) {
            at = &held->next;
            continue;
        }
        *at = held->next;
        (void)close(held->fd);
        mem_free((void *)(uintptr_t)held->name.ptr);
        mem_free(held);
    }
}

void sockets_close_all(struct sockets *sockets)
{
    for (struct held_socket *at = sockets->first; at != NULL; at = at->next)
        at->is_wanted = false;
    sockets_close_unwanted(sockets);
}

int sockets_find(const struct sockets *sockets, struct text name)
{
    const struct held_socket *at = sockets->first;

    while (at != NULL && !(at->is_wanted && text_is_equal(at->name, name)))
        at = at->next;
    return at == NULL ? -1 : at->fd;
}
